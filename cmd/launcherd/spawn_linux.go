package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/hostlink"
	"go.fuchsia.dev/launcherd/internal/ldsvc"
	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// spawnFlags are the flags of launcherd spawn.
type spawnFlags struct {
	*globals
	clientFlags
	libs []string
	env  []string
	name string
}

func newSpawn(g *globals) *cobra.Command {
	f := &spawnFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "spawn [flags] PROGRAM [ARGS...]",
		Short: "Run a Fuchsia program in a daemon",
		Long: `Run a Fuchsia program in a daemon that launcherd serve started, as launcherd run
does without one: with this command's standard input, output and error, and its
exit codes. The program's file and its libraries are opened by this command.

SIGINT, SIGTERM and SIGHUP kill the program and everything it started. What it
started also ends when the program does.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false)
	f.clientFlags.add(cmd)
	fl.StringArrayVar(&f.libs, "lib", nil, "look for shared libraries in `DIR` (repeatable; then in the program's ../lib and in $FUCHSIA_SDK)")
	fl.StringArrayVar(&f.env, "env", nil, "set an environment variable: `NAME=VALUE`, or NAME to pass on one's own (repeatable)")
	fl.StringVar(&f.name, "name", "", "the process's `NAME` (the program's file name)")
	return cmd
}

func (f *spawnFlags) run(ctx context.Context, args []string) error {
	log := f.logger()
	defer log.Sync()
	env, err := environment(f.env)
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	exe, err := openProgram(args[0])
	if err != nil {
		return err
	}
	defer exe.Close()
	l, err := f.dial(ctx)
	if err != nil {
		return err
	}
	libs, err := ldsvc.New(libraryDirs(f.libs, args[0]), log)
	if err != nil {
		l.Close()
		return exit(exitFailure, "%w", err)
	}
	defer libs.Close()
	m := wire.NewMonitorClient(l)
	defer m.Close()
	name := f.name
	if name == "" {
		name = filepath.Base(args[0])
	}
	s := &spawn{log: log, l: l, m: m, name: name[:min(len(name), zx.MaxNameLen-1)]}
	return s.run(ctx, exe, libs, args, env)
}

// spawn is a program in a daemon.
type spawn struct {
	log  *zap.Logger
	l    *hostlink.Link
	m    *wire.MonitorClient
	name string
	out  sync.WaitGroup // goroutines that copy its output
}

func (s *spawn) run(ctx context.Context, exe *os.File, libs *ldsvc.Service, args, env []string) error {
	failed := func(err error) error { return exit(exitFailure, "%s: %w", args[0], err) }
	ctx, cancel := signal.NotifyContext(ctx, endSignals()...)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // a closed stdout closes the program's

	rep, err := s.m.CreateJob(ctx, &wire.MonitorCreateJobRequest{Name: s.name})
	if err != nil {
		return failed(fmt.Errorf("making a job: %w", err))
	}
	job, err := s.l.Task(rep.Job)
	if err != nil {
		return failed(err)
	}
	defer job.Close()
	defer job.Kill()

	p, err := s.launch(ctx, job, exe, libs, args, env)
	if err != nil {
		if ctx.Err() != nil {
			return exitCode{code: exitKilled}
		}
		return err
	}
	defer p.Close()
	defer context.AfterFunc(ctx, func() { job.Kill() })()
	code, reason, err := p.Wait(context.WithoutCancel(ctx))
	if errors.Is(err, zx.ErrPeerClosed) {
		return failed(errors.New("the daemon ended"))
	}
	if err != nil {
		return failed(err)
	}
	job.Kill() // what it started and left behind
	if reason != "" && ctx.Err() == nil {
		s.log.Warn(s.name + ": " + reason)
	}
	s.out.Wait()
	return errorFor(code)
}

// launch launches the program.
func (s *spawn) launch(ctx context.Context, job *hostlink.Task, exe *os.File, libs *ldsvc.Service, args, env []string) (*hostlink.Task, error) {
	failed := func(err error) error { return exit(exitFailure, "%s: %w", args[0], err) }
	l := &process.LauncherClient{Client: s.m.Client} // the connection speaks both
	for _, part := range fdio.Chunks(args) {
		if err := l.AddArgs(ctx, &process.LauncherAddArgsRequest{Args: part}); err != nil {
			return nil, failed(err)
		}
	}
	for _, part := range fdio.Chunks(env) {
		if err := l.AddEnvirons(ctx, &process.LauncherAddEnvironsRequest{Environ: part}); err != nil {
			return nil, failed(err)
		}
	}
	hs, err := s.handles(job, libs)
	if err == nil {
		err = l.AddHandles(ctx, &process.LauncherAddHandlesRequest{Handles: hs})
	}
	if err != nil {
		return nil, failed(err)
	}
	info := process.LaunchInfo{Name: s.name}
	if info.Job, err = job.Duplicate(s.l); err != nil {
		return nil, failed(err)
	}
	if info.Executable, err = s.l.Add(exe); err != nil {
		return nil, failed(err)
	}
	rep, err := l.Launch(ctx, &process.LauncherLaunchRequest{Info: info})
	if err != nil {
		return nil, failed(err)
	}
	if rep.Status != zx.OK {
		return nil, launchError(args[0], rep.Status)
	}
	p, err := s.l.Task(rep.Process)
	if err != nil {
		return nil, failed(err)
	}
	return p, nil
}

// handles gives the program's handles: its job, its loader and its standard
// streams. What is made before an error goes with the connection.
func (s *spawn) handles(job *hostlink.Task, libs *ldsvc.Service) ([]process.HandleInfo, error) {
	var hs []process.HandleInfo
	add := func(h zx.Handle, t processargs.HandleType, arg int) {
		hs = append(hs, process.HandleInfo{Handle: h, Id: uint32(processargs.NewHandleInfo(t, uint16(arg)))})
	}
	own, err := job.Duplicate(s.l)
	if err != nil {
		return nil, err
	}
	add(own, processargs.DefaultJob, 0)
	loader, server, err := s.l.NewChannel()
	if err != nil {
		return nil, err
	}
	if err := libs.Serve(libraryLink{server}); err != nil {
		return nil, err
	}
	add(loader, processargs.LdsvcLoader, 0)
	for fd, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		h, err := s.stream(fd, f)
		if err != nil {
			return nil, err
		}
		add(h, processargs.FileDescriptor, fd)
	}
	return hs, nil
}

// stream gives a standard stream for the program. A pipe is passed as it is.
// Anything else is copied here, to and from a pipe: a file is not a stream to
// the daemon, and a terminal is to be read by who is in its foreground.
func (s *spawn) stream(fd int, f *os.File) (zx.Handle, error) {
	if isPipe(f, fd == 0) {
		return s.l.Add(f)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return zx.HandleInvalid, err
	}
	if fd == 0 {
		defer r.Close()
		go func() {
			defer w.Close()
			io.Copy(w, f) // it may outlast the program: nothing can end a read of a terminal
		}()
		return s.l.Add(r)
	}
	defer w.Close()
	s.out.Add(1)
	go func() {
		defer s.out.Done()
		defer r.Close()
		io.Copy(f, r)
	}()
	return s.l.Add(w)
}

// isPipe says whether f is a pipe that is open in one direction.
func isPipe(f *os.File, read bool) bool {
	st, err := f.Stat()
	if err != nil || st.Mode().Type() != os.ModeNamedPipe {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	want := unix.O_WRONLY
	if read {
		want = unix.O_RDONLY
	}
	return err == nil && flags&unix.O_ACCMODE == want
}

// libraryLink is a connection of a program's dynamic linker.
type libraryLink struct{ *hostlink.Link }

// AddFile implements ldsvc.Transport.
func (l libraryLink) AddFile(f *os.File) (zx.Handle, error) { return l.Add(f) }

// Open implements ldsvc.Transport.
func (l libraryLink) Open(h zx.Handle) (ldsvc.Transport, error) {
	c, err := l.Channel(h)
	if err != nil {
		return nil, err
	}
	return libraryLink{c}, nil
}
