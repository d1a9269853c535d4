//go:build fuchsia

// Command launcherd serves fuchsia.process.Launcher, as a component of the
// system: meta/launcherd.cml says how it is run.
package main

import (
	"context"
	"fmt"
	"os"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/logger"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/logsink"
	"go.fuchsia.dev/launcherd/internal/outgoing"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

func main() {
	if err := run(); err != nil {
		// The runner forwards what is written here to the log.
		fmt.Fprintln(os.Stderr, "launcherd:", err)
		os.Exit(1)
	}
}

func run() error {
	core, err := connectLog()
	if err != nil {
		return err
	}
	defer core.Close()
	log := zap.New(core, zap.AddCaller())
	c := &outgoing.Component{
		Directory: startupChannel(processargs.DirectoryRequest),
		Lifecycle: startupChannel(processargs.Lifecycle),
		Launcher:  &launcher.Server{VDSO: zx.VDSO, Log: log},
		Log:       log,
	}
	if err := c.Run(context.Background()); err != nil {
		return fmt.Errorf("serving the outgoing directory: %w", err)
	}
	return nil
}

func connectLog() (*logsink.Core, error) {
	sink, err := fdio.ConnectPath("/svc/" + logger.LogSinkName)
	if err != nil {
		return nil, err
	}
	return logsink.New(sink, logsink.Options{Tags: []string{"launcherd"}, PID: uint64(os.Getpid())})
}

func startupChannel(t processargs.HandleType) zx.Channel {
	return zx.ChannelFromHandle(zx.TakeStartupHandle(uint32(processargs.NewHandleInfo(t, 0))))
}
