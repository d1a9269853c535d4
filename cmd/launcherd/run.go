//go:build !fuchsia

package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// runFlags are the flags of launcherd run.
type runFlags struct {
	*globals
	programFlags
	packages string
	trace    traceFlags
}

func newRun(g *globals) *cobra.Command {
	f := &runFlags{globals: g}
	cmd := &cobra.Command{
		Use:   "run [flags] PROGRAM [ARGS...]",
		Short: "Run a Fuchsia program",
		Long: `Run a Fuchsia program: an ELF for Fuchsia on this machine's architecture.

Its standard input, output and error are launcherd's; input is read ahead of it. Its
namespace holds /pkg, which can only be read, /tmp, empty and gone afterwards, /svc
with fuchsia.process.Launcher, and what --bind adds.

Its return code becomes the exit code: 139 when an exception that nobody handled
ended the program, 137 when it was killed, and of codes that are not 0 to 255 the
low byte, but not 0. Otherwise the exit code is 127 when there is no such program,
126 when it cannot be run, and 125 when launcherd itself failed.

SIGINT, SIGTERM, SIGHUP and SIGQUIT kill the program and everything it started. What
it started also ends when the program does.
` + traceHelp,
		Args: takes("PROGRAM", 1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false)
	f.programFlags.add(fl)
	addPackages(fl, &f.packages)
	f.trace.add(fl)
	return cmd
}

func (f *runFlags) run(ctx context.Context, args []string) error {
	log := f.logger()
	defer log.Sync()
	env, err := f.environment()
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	tracer, traced, err := f.trace.start()
	if err != nil {
		return exit(exitFailure, "%w", err)
	}
	defer traced()
	exe, err := openProgram(args[0])
	if err != nil {
		return err
	}
	if err := zircon.Configure(zircon.Config{Pool: 1, Log: log, Trace: tracer}); err != nil {
		exe.Close()
		return exit(exitFailure, "%w", err)
	}
	defer zircon.Close()
	if err := zircon.Start(); err != nil {
		exe.Close()
		return exit(exitFailure, "%w", err)
	}
	vmo, err := zx.VMOFromFile(exe, true)
	exe.Close()
	if err != nil {
		return exit(exitFailure, "%w", err) // it says which file
	}
	p := &fdio.Program{Name: f.name, Executable: vmo, Args: args, Env: env}
	return f.launch(ctx, log, p)
}

// launch runs a program to its end: the daemon's side of the Launcher protocol
// and the client's.
func (f *runFlags) launch(ctx context.Context, log *zap.Logger, p *fdio.Program) error {
	defer p.Close()
	program := p.Args[0]
	failed := func(err error) error { return exit(exitFailure, "%s: %w", program, err) }

	// Signals from now on end the job, and so the run.
	ctx = untilSignal(ctx)
	signal.Ignore(syscall.SIGPIPE) // a closed stdout closes the program's

	job, err := zx.DefaultJob().CreateJob()
	if err != nil {
		return failed(err)
	}
	defer job.Close()
	defer job.Kill()
	p.Job = &job

	libs, err := ldsvc.New(f.libraryDirs(program), log)
	if err != nil {
		return failed(err)
	}
	defer libs.Close()
	if p.Loader, err = libs.Connect(); err != nil {
		return failed(err)
	}

	ns, err := newNamespace(f, program, log, p)
	if err != nil {
		return failed(err)
	}
	defer ns.close()

	var io stdio
	if err := io.connect(p); err != nil {
		return failed(err)
	}
	defer io.close()
	if err := p.CloneJob(); err != nil {
		return failed(err)
	}
	utc, err := utcClock()
	if err != nil {
		return failed(err)
	}
	p.AddHandle(processargs.ClockUTC, 0, utc.Take())

	process, err := f.spawn(ctx, log, p)
	if err != nil {
		if ctx.Err() != nil {
			return exitCode{code: exitKilled}
		}
		return launchError(program, libs.Missing(), err)
	}
	defer process.Close()
	stop := context.AfterFunc(ctx, func() { job.Kill() })
	defer stop()
	io.start(log)
	always := context.WithoutCancel(ctx) // the end comes in any case
	code, err := fdio.Wait(always, &process)
	if err != nil {
		return failed(err)
	}
	job.Kill() // what it started and left behind
	if _, err := job.Wait(always, zx.JobTerminated, zx.InfiniteFuture); err != nil {
		return failed(err)
	}
	return ended(code, io.drain(ctx))
}

// spawn launches p by a connection to the Launcher of this process.
func (f *runFlags) spawn(ctx context.Context, log *zap.Logger, p *fdio.Program) (zx.Process, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Process{}, err
	}
	var why error
	s := &launcher.Server{
		VDSO: zx.VDSO,
		// The reason is told once, as the command's error.
		Log:    log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel)),
		Failed: func(err error) { why = err },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.Serve(ctx, &server); err != nil {
			log.Debug("launcher connection", zap.Error(err))
		}
	}()
	l := process.NewLauncherClient(&client)
	proc, err := fdio.Spawn(ctx, l, p)
	l.Close()
	<-served
	if err != nil && why != nil {
		err = why
	}
	return proc, err
}
