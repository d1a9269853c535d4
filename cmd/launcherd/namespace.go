//go:build !fuchsia

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/resolver"
	"go.fuchsia.dev/launcherd/zx"
)

// namespace serves what a program finds in its namespace: /svc, /pkg, /tmp and
// what --bind adds.
type namespace struct {
	fs     *vfs.FS
	log    *zap.Logger
	server *launcher.Server
	nodes  []vfs.Node
	tmp    string

	// ctx ends the connections to services, which calls counts.
	ctx    context.Context
	cancel context.CancelFunc
	calls  sync.WaitGroup

	resolver *resolver.Resolver
}

// newNamespace makes the namespace that the flags ask for and adds it to p.
func newNamespace(f *runFlags, program string, log *zap.Logger, p *fdio.Program) (_ *namespace, err error) {
	n := &namespace{fs: vfs.New(log), log: log, server: &launcher.Server{VDSO: zx.VDSO, Log: log}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			n.close()
		}
	}()

	svc := vfs.NewDir()
	n.nodes = append(n.nodes, svc)
	if err := svc.Add(process.LauncherName, n.service(func(c *zx.Channel) error { return n.server.Serve(n.ctx, c) })); err != nil {
		return nil, err
	}
	if f.packages != "" {
		if _, err := os.Stat(f.packages); err != nil {
			return nil, fmt.Errorf("--packages: %w", err)
		}
		n.resolver = resolver.New(f.packages, log)
		if err := svc.Add(process.ResolverName, n.service(func(c *zx.Channel) error { return n.resolver.Serve(n.ctx, c) })); err != nil {
			return nil, err
		}
	}
	if err := n.add(p, "/svc", svc); err != nil {
		return nil, err
	}

	if pkg := f.pkg; pkg != "" || filepath.Base(filepath.Dir(absolute(program))) == "bin" {
		if pkg == "" {
			pkg = filepath.Join(filepath.Dir(program), "..")
		}
		if err := n.bind(p, "/pkg", pkg, vfs.Options{Executable: true}); err != nil {
			return nil, err
		}
	}
	if n.tmp, err = os.MkdirTemp("", "launcherd-"); err != nil {
		return nil, err
	}
	if err := n.bind(p, "/tmp", n.tmp, vfs.Options{Writable: true}); err != nil {
		return nil, err
	}
	for _, b := range f.binds {
		at, dir, ok := strings.Cut(b, "=")
		if !ok || !path.IsAbs(at) || path.Clean(at) != at || at == "/" {
			return nil, fmt.Errorf("--bind %q: want PATH=DIR or PATH=DIR:rw, PATH absolute", b)
		}
		dir, writable := strings.CutSuffix(dir, ":rw")
		if err := n.bind(p, at, dir, vfs.Options{Writable: writable, Executable: !writable}); err != nil {
			return nil, fmt.Errorf("--bind %q: %w", b, err)
		}
	}
	return n, nil
}

// service is a node whose connections are served each by a goroutine.
func (n *namespace) service(serve func(*zx.Channel) error) vfs.Node {
	return vfs.Service(func(server zx.Channel) {
		n.calls.Add(1)
		go func() {
			defer n.calls.Done()
			if err := serve(&server); err != nil && !errors.Is(err, context.Canceled) {
				n.log.Debug("service connection", zap.Error(err))
			}
		}()
	})
}

// bind adds a directory of the host.
func (n *namespace) bind(p *fdio.Program, at, dir string, o vfs.Options) error {
	node, err := vfs.Host(dir, o)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	n.nodes = append(n.nodes, node)
	return n.add(p, at, node)
}

func (n *namespace) add(p *fdio.Program, at string, node vfs.Node) error {
	for _, e := range p.Namespace {
		if e.Path == at {
			return fmt.Errorf("%s is given twice", at)
		}
		if strings.HasPrefix(e.Path, at+"/") || strings.HasPrefix(at, e.Path+"/") {
			return fmt.Errorf("%s and %s overlap", e.Path, at)
		}
	}
	c, err := n.fs.Connect(node)
	if err != nil {
		return err
	}
	p.Namespace = append(p.Namespace, fdio.NamespaceEntry{Path: at, Directory: c})
	return nil
}

// close ends all connections and removes /tmp.
func (n *namespace) close() {
	n.fs.Close()
	n.cancel()
	n.calls.Wait()
	if n.resolver != nil {
		n.resolver.Close()
	}
	for _, node := range n.nodes {
		node.Close()
	}
	if n.tmp != "" {
		if err := os.RemoveAll(n.tmp); err != nil {
			n.log.Warn("the program's /tmp is left behind", zap.Error(err))
		}
	}
}

// absolute is filepath.Abs, or the path itself where the working directory is
// not known.
func absolute(p string) string {
	if a, err := filepath.Abs(p); err == nil {
		return a
	}
	return p
}
