package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process/lifecycle"

	"go.fuchsia.dev/launcherd/internal/hostlink"
	"go.fuchsia.dev/launcherd/internal/monitor"
	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// serveFlags are the flags of launcherd serve.
type serveFlags struct {
	*globals
	listen string
	allow  []uint
	drain  time.Duration
	pool   int

	packages string
}

func newServe(g *globals) *cobra.Command {
	f := &serveFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve fuchsia.process.Launcher on a Unix socket",
		Long: `Serve fuchsia.process.Launcher on a SOCK_SEQPACKET Unix socket, on which a packet is
a FIDL message and handles are file descriptors; docs/linux-clients.md says how.

Only the daemon's own user and root may connect, and those given by --allow-uid.
The socket is the one that systemd passes, if it does. Readiness is told by
sd_notify.

SIGTERM, SIGINT, SIGHUP and SIGQUIT, and Stop of fuchsia.process.lifecycle, have the daemon
end: nothing more is launched, programs may run on for --drain-timeout and are
then killed. Another signal kills them at once.`,
		Args: takes("", 0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "", socketHelp)
	fl.UintSliceVar(&f.allow, "allow-uid", nil, "let the user with this `UID` connect too (repeatable)")
	fl.DurationVar(&f.drain, "drain-timeout", 10*time.Second, "how long programs may run on when the daemon is to end")
	addPackages(fl, &f.packages)
	fl.IntVar(&f.pool, "pool", 4, "keep `N` processes ready, to launch faster")
	return cmd
}

func (f *serveFlags) run(ctx context.Context) error {
	const most = 1000
	if f.pool < 0 || f.pool > most {
		return exit(exitFailure, "--pool %d: want 0 to %d", f.pool, most)
	}
	log := f.logger()
	defer log.Sync()
	// Before all else, so that no signal is lost, and until the process has ended, so
	// that one more does not cut the end short.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals()...)

	listener, err := f.listener()
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	defer listener.Close()
	if err := zircon.Configure(zircon.Config{Pool: f.pool, Log: log}); err != nil {
		return exit(exitFailure, "%w", err)
	}
	defer zircon.Close()
	if err := zircon.Check(); err != nil {
		return exit(exitFailure, "%w", err)
	}
	job, err := zx.DefaultJob().CreateJob()
	if err == nil {
		err = job.SetName("launcherd")
	}
	if err != nil {
		return exit(exitFailure, "making a job: %w", err)
	}
	l := &launcher.Server{VDSO: zx.VDSO, Log: log}
	services, err := newServices(l, f.packages, log)
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	conns, cancel := context.WithCancel(ctx)
	defer cancel()
	last, finish := context.WithCancel(ctx)
	defer finish()
	s := &server{
		log:      log,
		listener: listener,
		job:      &job,
		bridge:   hostlink.NewBridge(services.fs, log),
		services: services,
		launcher: l,
		monitor: &monitor.Server{
			Root: &job, Services: services.connect, Temporary: services.temporary, Clock: utcClock, Reason: killReason,
		},
		stop:     make(chan struct{}),
		accepted: make(chan struct{}),
		last:     last,
		finish:   finish,
		hangUp:   cancel,
	}
	s.bridge.Reason = killReason
	go s.accept(conns)
	s.notify(daemon.SdNotifyReady)
	log.Info("serving", zap.String("socket", listener.Addr()))

	select {
	case sig := <-signals:
		log.Info("ending", zap.Stringer("signal", sig))
	case <-s.stop:
		log.Info("ending", zap.String("by", lifecycle.LifecycleName))
	case <-s.accepted:
	}
	s.notify(daemon.SdNotifyStopping)
	drain, now := context.WithTimeout(context.Background(), f.drain)
	defer now()
	go func() {
		select {
		case <-signals:
			now()
		case <-drain.Done():
		}
	}()
	s.end(drain)
	if s.failure != nil {
		return exit(exitFailure, "accepting connections: %w", s.failure)
	}
	return nil
}

// listener gives systemd's socket or one of our own.
func (f *serveFlags) listener() (*hostlink.Listener, error) {
	allow := make([]uint32, len(f.allow))
	for i, u := range f.allow {
		if allow[i] = uint32(u); uint(allow[i]) != u {
			return nil, fmt.Errorf("--allow-uid %d: no such user", u)
		}
	}
	files := activation.Files(true)
	switch len(files) {
	case 0:
		path, err := socketPath(f.listen)
		if err != nil {
			return nil, err
		}
		return hostlink.Listen(path, allow)
	case 1:
		return hostlink.ListenerFromFile(files[0], allow)
	}
	for _, f := range files {
		f.Close()
	}
	return nil, fmt.Errorf("%d sockets were passed in, not one", len(files))
}

// server is the running daemon.
type server struct {
	log      *zap.Logger
	listener *hostlink.Listener
	job      *zx.Job // all that was launched is in it
	bridge   *hostlink.Bridge
	services *services
	launcher *launcher.Server
	monitor  *monitor.Server

	stop     chan struct{} // closed once a client asks for the end
	stopOnce sync.Once

	accepted chan struct{}      // closed once no more connections come
	failure  error              // why, if not because of end; after accepted
	last     context.Context    // ends when connections are to end once they are idle,
	finish   context.CancelFunc // by this
	hangUp   context.CancelFunc // ends the connections
	conns    sync.WaitGroup     // after accepted, it only falls
}

// Stop implements fuchsia.process.lifecycle/Lifecycle.Stop.
func (s *server) Stop(context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	return nil
}

// accept serves connections until the listener is closed.
func (s *server) accept(ctx context.Context) {
	defer close(s.accepted)
	var told time.Time // when it was last told that there is no room
	for {
		t, peer, err := s.listener.Accept(s.bridge)
		who := []zap.Field{zap.Int32("pid", peer.PID), zap.Uint32("uid", peer.UID)}
		switch {
		case err == nil:
			s.conns.Add(1)
			go func() {
				defer s.conns.Done()
				s.serve(ctx, t, s.log.With(who...))
			}()
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, hostlink.ErrNotAllowed):
			s.log.Warn("refused a connection", append(who, zap.Error(err))...)
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOBUFS):
			if time.Since(told) > 10*time.Second {
				s.log.Error("no more connections until others end", zap.Error(err))
				told = time.Now()
			}
			time.Sleep(50 * time.Millisecond) // until some other connection ends
		case errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EINTR):
		default:
			s.failure = err
			return
		}
	}
}

func (s *server) serve(ctx context.Context, c *hostlink.Conn, log *zap.Logger) {
	log.Debug("connected")
	defer context.AfterFunc(s.last, c.End)()
	defer context.AfterFunc(ctx, c.Abort)()
	c.Whole = wire.MonitorOpenDirectoryOrdinal
	err := s.launcher.Serve(ctx, c, wire.MonitorDispatcher(s.monitor), lifecycle.LifecycleDispatcher(s))
	if err != nil && ctx.Err() == nil {
		log.Warn("connection ended", zap.Error(err))
		return
	}
	log.Debug("disconnected")
}

// killReason says why a process, whose handle is lent, was killed; "" if it ended
// by itself.
func killReason(process zx.Handle) string {
	p, st := object.Get[*object.Process](zircon.Self().Handles(), process, 0)
	if st != zx.OK {
		return ""
	}
	return p.KillReason()
}

// grace is how long clients have, at the end, to read the answers to what they
// asked, and then what programs wrote.
const grace = time.Second

// end ends everything. Programs may run until ctx ends.
func (s *server) end(ctx context.Context) {
	drained := s.launcher.Drain()
	s.listener.Close()
	<-s.accepted
	select {
	case <-drained:
	case <-ctx.Done():
	}
	if err := s.monitor.WaitProcesses(ctx); err != nil {
		s.log.Warn("killing the programs that still run", zap.Error(err))
	}
	_ = s.job.Kill() // with the right to, it cannot fail
	if err := s.monitor.WaitProcesses(context.Background()); err != nil {
		s.log.Error("waiting for programs", zap.Error(err))
	}
	s.finish()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.conns.Wait()
	}()
	select {
	case <-gone:
	case <-time.After(grace):
	}
	s.hangUp()
	s.services.hangUp()
	<-gone
	<-drained
	last, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.bridge.Close(last)
	s.services.close()
	s.job.Close()
}

// notify tells systemd, if it started the daemon.
func (s *server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("sd_notify", zap.Error(err))
	}
}
