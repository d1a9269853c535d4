package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	fio "go.fuchsia.dev/fidl-go/fuchsia/io"
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
	programFlags
}

func newSpawn(g *globals) *cobra.Command {
	f := &spawnFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "spawn [flags] PROGRAM [ARGS...]",
		Short: "Run a Fuchsia program in a daemon",
		Long: `Run a Fuchsia program in a daemon that launcherd serve started, as launcherd run
does without one: with this command's standard input, output and error, the same
namespace, and the same exit codes. The program's file, its libraries and the
directories of its namespace are opened by this command; /tmp and /svc are the
daemon's.

SIGINT, SIGTERM, SIGHUP and SIGQUIT kill the program and everything it started. What
it started also ends when the program does.`,
		Args: takes("PROGRAM", 1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false)
	f.clientFlags.add(cmd)
	f.programFlags.add(fl)
	return cmd
}

func (f *spawnFlags) run(ctx context.Context, args []string) error {
	log := f.logger()
	defer log.Sync()
	env, err := f.environment()
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	places, err := f.places(args[0])
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
	libs, err := ldsvc.New(f.libraryDirs(args[0]), log)
	if err != nil {
		l.Close()
		return exit(exitFailure, "%w", err)
	}
	defer libs.Close()
	m := wire.NewMonitorClient(l)
	defer m.Close()
	s := &spawn{
		log: log, l: l, m: m, name: fdio.ProcessName(f.name, args),
		exe: exe, libs: libs, places: places, args: args, env: env,
	}
	return s.run(ctx)
}

// spawn is a program in a daemon.
type spawn struct {
	log  *zap.Logger
	l    *hostlink.Link
	m    *wire.MonitorClient
	name string

	exe    *os.File
	libs   *ldsvc.Service
	places []place
	args   []string
	env    []string

	out outputs
}

func (s *spawn) failed(err error) error { return exit(exitFailure, "%s: %w", s.args[0], err) }

func (s *spawn) run(ctx context.Context) error {
	ctx = untilSignal(ctx)
	signal.Ignore(syscall.SIGPIPE) // a closed stdout closes the program's

	rep, err := s.m.CreateJob(ctx, &wire.MonitorCreateJobRequest{Name: s.name})
	if ctx.Err() != nil {
		return exitCode{code: exitKilled}
	}
	if err != nil {
		return s.failed(fmt.Errorf("making a job: %w", err))
	}
	job, err := s.l.Task(rep.Job)
	if err != nil {
		return s.failed(err)
	}
	defer job.Close()
	defer job.Kill()

	p, err := s.launch(ctx, job)
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
		return s.failed(errors.New("the daemon ended"))
	}
	if err != nil {
		return s.failed(err)
	}
	job.Kill() // what it started and left behind
	if reason != "" && ctx.Err() == nil {
		s.log.Warn(s.name + ": " + printable(reason))
	}
	return ended(code, s.out.wait(ctx))
}

// launch launches the program.
func (s *spawn) launch(ctx context.Context, job *hostlink.Task) (*hostlink.Task, error) {
	l := &process.LauncherClient{Client: s.m.Client} // the connection speaks both
	for _, part := range fdio.Chunks(s.args) {
		if err := l.AddArgs(ctx, &process.LauncherAddArgsRequest{Args: part}); err != nil {
			return nil, s.failed(err)
		}
	}
	for _, part := range fdio.Chunks(s.env) {
		if err := l.AddEnvirons(ctx, &process.LauncherAddEnvironsRequest{Environ: part}); err != nil {
			return nil, s.failed(err)
		}
	}
	hs, err := s.handles(ctx, job)
	if err == nil {
		err = l.AddHandles(ctx, &process.LauncherAddHandlesRequest{Handles: hs})
	}
	if err != nil {
		return nil, s.failed(err)
	}
	ns, err := s.namespace(ctx)
	if err != nil {
		return nil, s.failed(err)
	}
	for _, n := range ns {
		if err := l.AddNames(ctx, &process.LauncherAddNamesRequest{Names: []process.NameInfo{n}}); err != nil {
			return nil, s.failed(err)
		}
	}
	info := process.LaunchInfo{Name: s.name}
	if info.Job, err = job.Duplicate(s.l); err != nil {
		return nil, s.failed(err)
	}
	if info.Executable, err = s.l.Add(s.exe); err != nil {
		return nil, s.failed(err)
	}
	rep, err := l.Launch(ctx, &process.LauncherLaunchRequest{Info: info})
	if err != nil {
		return nil, s.failed(err)
	}
	if rep.Status != zx.OK {
		return nil, launchError(s.args[0], s.libs.Missing(), rep.Status)
	}
	p, err := s.l.Task(rep.Process)
	if err != nil {
		return nil, s.failed(err)
	}
	return p, nil
}

// namespace gives the directories that the program finds in its namespace. What
// is made before an error goes with the connection.
func (s *spawn) namespace(ctx context.Context) ([]process.NameInfo, error) {
	svc, err := s.m.GetServices(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", servicesPath, err)
	}
	ns := []process.NameInfo{{Path: servicesPath, Directory: svc.Services}}
	for _, p := range s.places {
		d, err := s.directory(ctx, &p)
		if p.implied && errors.Is(err, zx.ErrAccessDenied) {
			s.log.Info("the program gets no "+p.at, zap.String("directory", p.dir), zap.Error(err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", p.at, p.dir, err)
		}
		ns = append(ns, process.NameInfo{Path: p.at, Directory: d})
	}
	tmp, err := s.m.MakeTemporary(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", temporaryPath, err)
	}
	return append(ns, process.NameInfo{Path: temporaryPath, Directory: tmp.Directory}), nil
}

// directory has the daemon serve a directory.
func (s *spawn) directory(ctx context.Context, p *place) (none fidl.ClientEnd[fio.DirectoryProtocol], err error) {
	d, err := os.OpenFile(p.dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return none, errors.Unwrap(err)
	}
	defer d.Close()
	h, err := s.l.Add(d)
	if err != nil {
		return none, err
	}
	rep, err := s.m.OpenDirectory(ctx, &wire.MonitorOpenDirectoryRequest{
		Directory: fidl.ClientEnd[fio.DirectoryProtocol]{Handle: h}, Flags: p.flags(),
	})
	if err != nil {
		return none, err
	}
	return rep.Directory, nil
}

// handles gives the program's handles: its job, its loader, its clock and its
// standard streams. What is made before an error goes with the connection.
func (s *spawn) handles(ctx context.Context, job *hostlink.Task) ([]process.HandleInfo, error) {
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
	if err := s.libs.Serve(libraryLink{server}); err != nil {
		return nil, err
	}
	add(loader, processargs.LdsvcLoader, 0)
	clock, err := s.m.GetClock(ctx)
	if err != nil {
		return nil, err
	}
	add(clock.Clock, processargs.ClockUTC, 0)
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
			copyInput(s.log, w) // it may outlast the program: nothing can end a read of a terminal
		}()
		return s.l.Add(r)
	}
	defer w.Close()
	s.out.copy(f, r.Read, func() { r.Close() })
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
