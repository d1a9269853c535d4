//go:build !fuchsia

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/resolver"
	"go.fuchsia.dev/launcherd/zx"
)

// services are what programs find in /svc, and other things that they are given
// and that are not the host's.
type services struct {
	fs       *vfs.FS
	svc      *vfs.Dir
	resolver *resolver.Resolver // nil without packages
	log      *zap.Logger

	// ctx ends the connections to services, which calls counts.
	ctx    context.Context
	hangUp context.CancelFunc
	calls  sync.WaitGroup
}

// newServices serves l and, unless packages is "", a resolver for the packages in
// that directory.
func newServices(l *launcher.Server, packages string, log *zap.Logger) (_ *services, err error) {
	s := &services{fs: vfs.New(log), svc: vfs.NewDir(), log: log}
	s.ctx, s.hangUp = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	err = s.svc.Add(process.LauncherName, s.service(func(c *zx.Channel) error { return l.Serve(s.ctx, c) }))
	if err != nil || packages == "" {
		return s, err
	}
	if _, err := os.Stat(packages); err != nil {
		return nil, fmt.Errorf("--packages: %w", err)
	}
	s.resolver = resolver.New(packages, log)
	return s, s.svc.Add(process.ResolverName, s.service(func(c *zx.Channel) error { return s.resolver.Serve(s.ctx, c) }))
}

// service is a node whose connections are served each by a goroutine.
func (s *services) service(serve func(*zx.Channel) error) vfs.Node {
	return vfs.Service(func(server zx.Channel) {
		s.calls.Add(1)
		go func() {
			defer s.calls.Done()
			if err := serve(&server); err != nil && !errors.Is(err, context.Canceled) {
				s.log.Debug("service connection", zap.Error(err))
			}
		}()
	})
}

// connect connects to /svc.
func (s *services) connect() (zx.Channel, error) { return s.fs.Connect(s.svc) }

// temporary makes a directory for a program's /tmp and connects to it. It is
// removed once the last connection to it, or to what is in it, has ended.
func (s *services) temporary() (zx.Channel, error) {
	dir, err := makeTemporary()
	if err != nil {
		return zx.Channel{}, fmt.Errorf("%w (%w)", err, zx.ErrIO)
	}
	remove := func() {
		if err := os.RemoveAll(dir); err != nil {
			s.log.Warn("a program's /tmp is left behind", zap.Error(err))
		}
	}
	node, err := vfs.Host(dir, vfs.Options{Writable: true, Released: remove})
	if err != nil {
		remove()
		return zx.Channel{}, err
	}
	defer node.Close()
	return s.fs.Connect(node)
}

// makeTemporary makes a directory of the host where the user wants such things: in
// memory where nobody says and the usual place cannot be written to, as in a
// container with a read-only file system.
func makeTemporary() (string, error) {
	const pattern = "launcherd-"
	dir, err := os.MkdirTemp("", pattern)
	if err != nil && os.Getenv("TMPDIR") == "" {
		if inMemory, err := os.MkdirTemp("/dev/shm", pattern); err == nil {
			return inMemory, nil
		}
	}
	return dir, err
}

// directory connects to a directory of the host.
func (s *services) directory(dir string, o vfs.Options) (zx.Channel, error) {
	node, err := vfs.Host(dir, o)
	if err != nil {
		return zx.Channel{}, err
	}
	defer node.Close()
	return s.fs.Connect(node)
}

// close ends all connections.
func (s *services) close() {
	s.fs.Close()
	s.hangUp()
	s.calls.Wait()
	if s.resolver != nil {
		s.resolver.Close()
	}
	s.svc.Close()
}

// utcClock gives a clock that tells the host's UTC as it is now and goes on from
// there. Programs can read it, not set it.
func utcClock() (zx.Clock, error) {
	c, err := zx.NewClock(0, 0)
	if err != nil {
		return zx.Clock{}, err
	}
	defer c.Close()
	if err := c.Set(zx.Time(time.Now().UnixNano())); err != nil {
		return zx.Clock{}, err
	}
	return c.Duplicate(zx.RightsBasic | zx.RightRead)
}
