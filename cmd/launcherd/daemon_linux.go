package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/internal/hostlink"
	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/zx"
)

// daemonCommands are the daemon and its clients.
func daemonCommands(g *globals) []*cobra.Command {
	return []*cobra.Command{newServe(g), newSpawn(g), newPS(), newKill(), newWait()}
}

// socketHelp says where the daemon's socket is when no flag does.
const socketHelp = "the daemon's socket, `unix:PATH` (default $XDG_RUNTIME_DIR/launcherd/launcherd.sock)"

// maxSocketPath is what of unix(7)'s sun_path is left for a path, besides its end.
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// socketPath gives the path in a --listen or --connect flag.
func socketPath(flag string) (string, error) {
	if flag != "" {
		path, ok := strings.CutPrefix(flag, "unix:")
		if !ok || path == "" {
			return "", fmt.Errorf("%q is not of the form unix:PATH", flag)
		}
		if len(path) > maxSocketPath {
			return "", fmt.Errorf("%q is longer than the path of a socket can be, %d bytes", path, maxSocketPath)
		}
		return path, nil
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	switch {
	case dir != "":
	case os.Getuid() == 0:
		dir = "/run"
	default:
		return "", errors.New("XDG_RUNTIME_DIR is not set: say where the socket is, as unix:PATH")
	}
	return filepath.Join(dir, "launcherd", "launcherd.sock"), nil
}

// clientFlags are those of the daemon's clients.
type clientFlags struct {
	connect string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.connect, "connect", "", socketHelp)
}

// dial connects to the daemon.
func (f *clientFlags) dial(ctx context.Context) (*hostlink.Link, error) {
	path, err := socketPath(f.connect)
	if err != nil {
		return nil, exit(exitFailure, "%w", err)
	}
	l, err := hostlink.Dial(ctx, path)
	if err != nil {
		return nil, exit(exitFailure, "no daemon: %w", err)
	}
	return l, nil
}

// monitor runs f with a client of the daemon's.
func (f *clientFlags) monitor(ctx context.Context, run func(m *wire.MonitorClient) error) error {
	l, err := f.dial(ctx)
	if err != nil {
		return err
	}
	m := wire.NewMonitorClient(l)
	defer m.Close()
	return run(m)
}

// parseKoid reads a task's koid from the command line.
func parseKoid(s string) (zx.Koid, error) {
	k, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, exit(exitFailure, "%q is not a koid, as launcherd ps prints them", s)
	}
	return zx.Koid(k), nil
}

// taskError is the error of a call that is about a task.
func taskError(k zx.Koid, err error) error {
	switch {
	case errors.Is(err, zx.ErrPeerClosed):
		return exit(exitFailure, "the daemon ended: %w", err)
	case errors.Is(err, zx.ErrNotFound):
		return exit(exitFailure, "no task has the koid %d", k)
	}
	return exit(exitFailure, "task %d: %w", k, err)
}
