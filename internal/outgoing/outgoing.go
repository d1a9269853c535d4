// Package outgoing runs launcherd as a component: it serves the directory in
// which the system finds the component's protocols, and ends when the system
// asks the component to stop.
//
// The system gives a component two channels to serve, as startup handles:
// PA_DIRECTORY_REQUEST for fuchsia.io.Directory, in whose svc/ the protocols are,
// and PA_LIFECYCLE for fuchsia.process.lifecycle.Lifecycle. See Fuchsia's pages
// "Life of a protocol open" and "ELF runner".
package outgoing

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"
	"go.fuchsia.dev/fidl-go/fuchsia/process/lifecycle"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// Component is launcherd as the system sees it. Run uses up the channels.
type Component struct {
	// Directory is the server's end of the outgoing directory.
	Directory zx.Channel
	// Lifecycle is the server's end by which the system asks for the end; the
	// zero Channel when nothing but ctx ends Run.
	Lifecycle zx.Channel
	Launcher  *launcher.Server
	Log       *zap.Logger
}

// Run serves svc/fuchsia.process.Launcher until the system asks for the end or
// ctx ends. Then it refuses further launches, with UNAVAILABLE, waits for those
// under way, ends all connections, and closes Lifecycle, by which the system sees
// that the component is ready to go. Processes that were launched run on: they
// are in their clients' jobs.
//
// The error is a zx.Status when Directory cannot be served.
func (c *Component) Run(ctx context.Context) error {
	defer c.Directory.Close()
	stop, ready := c.serveLifecycle()
	defer ready()

	conns, hangUp := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	defer calls.Wait()
	defer hangUp()
	fs := vfs.New(c.Log)
	defer fs.Close() // first of these: no more connections come

	svc, root := vfs.NewDir(), vfs.NewDir()
	service := vfs.Service(func(server zx.Channel) {
		calls.Add(1)
		go func() {
			defer calls.Done()
			if err := c.Launcher.Serve(conns, &server); err != nil && conns.Err() == nil {
				c.Log.Warn("connection ended", zap.Error(err))
			}
		}()
	})
	if err := svc.Add(process.LauncherName, service); err != nil {
		return err
	}
	if err := root.Add("svc", svc); err != nil {
		return err
	}
	if err := fs.Serve(root, zx.ChannelFromHandle(c.Directory.Take())); err != nil {
		return err
	}

	select {
	case <-stop:
		c.Log.Info("ending", zap.String("by", lifecycle.LifecycleName))
	case <-ctx.Done():
		c.Log.Info("ending")
	}
	<-c.Launcher.Drain()
	return nil
}

// serveLifecycle serves Lifecycle, if there is one, until ready is called, which
// closes it. stop is closed when the end was asked for.
func (c *Component) serveLifecycle() (stop <-chan struct{}, ready func()) {
	if !c.Lifecycle.IsValid() {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &stopper{stop: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := lifecycle.ServeLifecycle(ctx, &c.Lifecycle, s); err != nil && ctx.Err() == nil {
			c.Log.Warn("lifecycle connection ended", zap.Error(err))
		}
	}()
	return s.stop, func() {
		cancel()
		<-served
	}
}

// stopper implements fuchsia.process.lifecycle/Lifecycle.
type stopper struct {
	once sync.Once
	stop chan struct{} // closed by Stop
}

// Stop implements fuchsia.process.lifecycle/Lifecycle.Stop.
func (s *stopper) Stop(context.Context) error {
	s.once.Do(func() { close(s.stop) })
	return nil
}
