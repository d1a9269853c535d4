// Package fdio is how Go programs start Fuchsia programs and reach their
// services: the part of Fuchsia's C library of that name that Go lacks.
//
// [Spawn] starts a program through fuchsia.process.Launcher, as fdio_spawn does,
// with any Launcher: launcherd's own, or the system's on Fuchsia. What fdio_spawn
// takes as flags and actions are methods of [Program]: CloneJob, CloneNamespace,
// Pipe and so on. [Wait] waits for the end of what was started.
//
// [Connect] reaches a service in a directory, and a [Namespace] is a table of such
// directories by path. On Fuchsia, ConnectPath reaches what is in the program's
// own.
//
// Handles have one owner, by the rule of package zx: a value is given away, a
// pointer is lent. Errors wrap a zx.Status.
package fdio

import (
	"context"
	"fmt"
	"math"
	"path"
	"strings"
	"unicode/utf8"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// NamespaceEntry is a directory for a program's namespace.
type NamespaceEntry struct {
	Path      string     // absolute
	Directory zx.Channel // a client's end of fuchsia.io.Directory
}

// Program is what is to be started. It owns the handles in it, save Job; Spawn
// consumes them, and Close is for a program that will not be spawned.
type Program struct {
	// Name is the process's name; empty for the last element of Args[0]. The
	// process gets what ProcessName makes of it.
	Name       string
	Executable zx.VMO // needs the rights READ, EXECUTE, MAP, DUPLICATE, TRANSFER
	Args, Env  []string
	Handles    []processargs.StartupHandle
	Namespace  []NamespaceEntry
	// Loader is a client's end of fuchsia.ldsvc.Loader, which a dynamically
	// linked program needs; the zero Channel for none.
	Loader zx.Channel
	// Job is where the process will be. It is borrowed, and must have the
	// rights DUPLICATE and TRANSFER.
	Job *zx.Job
	// Options are those of zx_process_create.
	Options uint32
}

// AddHandle adds a handle for the program: of a type, and with an argument whose
// meaning depends on it. A descriptor's is its number.
func (p *Program) AddHandle(t processargs.HandleType, arg uint16, h zx.Handle) {
	p.Handles = append(p.Handles, processargs.StartupHandle{Handle: h, Info: processargs.NewHandleInfo(t, arg)})
}

// Pipe makes a socket that is the program's file descriptor fd, and gives the
// other end, which is the caller's.
func (p *Program) Pipe(fd int) (zx.Socket, error) {
	if fd < 0 || fd > math.MaxUint16 {
		return zx.Socket{}, fmt.Errorf("descriptor %d: %w", fd, zx.ErrInvalidArgs)
	}
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		return zx.Socket{}, err
	}
	p.AddHandle(processargs.FileDescriptor, uint16(fd), theirs.Take())
	return ours, nil
}

// CloneJob gives the program a handle of the job that it will be in, as the one
// to make processes in: FDIO_SPAWN_CLONE_JOB. BAD_HANDLE before Job is set.
func (p *Program) CloneJob() error {
	if p.Job == nil {
		return fmt.Errorf("job: %w", zx.ErrBadHandle)
	}
	job, err := p.Job.Duplicate(zx.RightSameRights)
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	p.AddHandle(processargs.DefaultJob, 0, job.Take())
	return nil
}

// CloneNamespace adds the directories of a namespace to the program's, or with
// prefixes those at or below one of them: FDIO_SPAWN_CLONE_NAMESPACE and
// FDIO_SPAWN_ACTION_CLONE_DIR.
func (p *Program) CloneNamespace(n *Namespace, prefixes ...string) error {
	es, err := n.Export(prefixes...)
	p.Namespace = append(p.Namespace, es...)
	return err
}

// CloneUTCClock lets the program read a clock as the one of UTC:
// FDIO_SPAWN_CLONE_UTC_CLOCK. The clock is lent.
func (p *Program) CloneUTCClock(c *zx.Clock) error {
	clock, err := c.Duplicate(zx.RightRead | zx.RightWait | zx.RightDuplicate | zx.RightTransfer)
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	p.AddHandle(processargs.ClockUTC, 0, clock.Take())
	return nil
}

// Close closes the handles of a program that was not spawned.
func (p *Program) Close() {
	p.Executable.Close()
	p.Loader.Close()
	for _, h := range p.Handles {
		zx.CloseAll(h.Handle)
	}
	for i := range p.Namespace {
		p.Namespace[i].Directory.Close()
	}
	p.Handles, p.Namespace = nil, nil
}

// Spawn starts a program and gives its process, which the caller owns. Nobody
// else may use the Launcher's connection at the same time. The error wraps the
// zx.Status that the Launcher gave, or that of the connection.
func Spawn(ctx context.Context, l *process.LauncherClient, p *Program) (zx.Process, error) {
	info, err := send(ctx, l, p)
	if err != nil {
		return zx.Process{}, err
	}
	r, err := l.Launch(ctx, &process.LauncherLaunchRequest{Info: info})
	if err != nil {
		return zx.Process{}, fmt.Errorf("launch: %w", err)
	}
	if r.Status != zx.OK {
		return zx.Process{}, fmt.Errorf("launch: %w", r.Status)
	}
	if r.Process == zx.HandleInvalid {
		return zx.Process{}, fmt.Errorf("launch: no process came: %w", zx.ErrBadHandle)
	}
	return zx.ProcessFromHandle(r.Process), nil
}

// Wait waits for the end of a process, which is lent, and gives its return code:
// its own, or one of the zx.Retcode values when something else ended it. The
// error is that of ctx when ctx ends first; the process runs on then.
func Wait(ctx context.Context, p *zx.Process) (code int64, err error) {
	if _, err := p.Wait(ctx, zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		return 0, err
	}
	info, err := p.Info()
	return info.ReturnCode, err
}

// CreateWithoutStarting makes a program's process but does not start it: that is
// left to the caller, with zx.Process.Start and what is in the result, whose
// handles the caller owns. Errors are those of Spawn.
func CreateWithoutStarting(ctx context.Context, l *process.LauncherClient, p *Program) (*process.ProcessStartData, error) {
	info, err := send(ctx, l, p)
	if err != nil {
		return nil, err
	}
	r, err := l.CreateWithoutStarting(ctx, &process.LauncherCreateWithoutStartingRequest{Info: info})
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	if r.Status != zx.OK {
		return nil, fmt.Errorf("create: %w", r.Status)
	}
	if r.Data == nil {
		return nil, fmt.Errorf("create: no process came: %w", zx.ErrInternal)
	}
	return r.Data, nil
}

// send sends all of p but what the last call takes, which it gives.
func send(ctx context.Context, l *process.LauncherClient, p *Program) (info process.LaunchInfo, err error) {
	defer p.Close()
	if p.Job == nil {
		return info, fmt.Errorf("a program needs a job: %w", zx.ErrBadHandle)
	}
	job, err := p.Job.Duplicate(zx.RightSameRights)
	if err != nil {
		return info, fmt.Errorf("job: %w", err)
	}
	defer func() {
		if err != nil {
			job.Close()
		}
	}()
	for _, args := range Chunks(p.Args) {
		if err := l.AddArgs(ctx, &process.LauncherAddArgsRequest{Args: args}); err != nil {
			return info, fmt.Errorf("arguments: %w", err)
		}
	}
	for _, env := range Chunks(p.Env) {
		if err := l.AddEnvirons(ctx, &process.LauncherAddEnvironsRequest{Environ: env}); err != nil {
			return info, fmt.Errorf("environment: %w", err)
		}
	}
	if p.Loader.IsValid() {
		p.AddHandle(processargs.LdsvcLoader, 0, p.Loader.Take())
	}
	if p.Options != 0 {
		if err := l.SetOptions(ctx, &process.LauncherSetOptionsRequest{Options: p.Options}); err != nil {
			return info, fmt.Errorf("options: %w", err)
		}
	}
	for len(p.Handles) > 0 {
		n := min(len(p.Handles), zx.ChannelMaxMsgHandles)
		hs := make([]process.HandleInfo, n)
		for i, h := range p.Handles[:n] {
			hs[i] = process.HandleInfo{Handle: h.Handle, Id: uint32(h.Info)}
		}
		p.Handles = p.Handles[n:]
		if err := l.AddHandles(ctx, &process.LauncherAddHandlesRequest{Handles: hs}); err != nil {
			return info, fmt.Errorf("handles: %w", err)
		}
	}
	for len(p.Namespace) > 0 {
		e := &p.Namespace[0]
		names := []process.NameInfo{{Path: e.Path, Directory: fidl.ClientEnd[io.DirectoryProtocol]{Handle: e.Directory.Take()}}}
		p.Namespace = p.Namespace[1:]
		if err := l.AddNames(ctx, &process.LauncherAddNamesRequest{Names: names}); err != nil {
			return info, fmt.Errorf("namespace: %w", err)
		}
	}
	return process.LaunchInfo{Executable: p.Executable.Take(), Job: job.Take(), Name: ProcessName(p.Name, p.Args)}, nil
}

// ProcessName gives the name of a process as LaunchInfo has it: the given one, or
// if that is empty the last element of args[0]; in UTF-8, and cut to 31 bytes.
func ProcessName(name string, args []string) string {
	if name == "" && len(args) > 0 {
		name = path.Base(args[0])
	}
	name = strings.ToValidUTF8(name, "?")
	n := min(len(name), zx.MaxNameLen-1)
	for n < len(name) && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

// Chunks parts arguments or environment variables so that each part fits one
// AddArgs or AddEnvirons: in a message a string takes 16 bytes and its own, in
// units of 8.
func Chunks(ss []string) [][][]byte {
	const room = zx.ChannelMaxMsgBytes - 64
	var parts [][][]byte
	used := room
	for _, s := range ss {
		n := 16 + (len(s)+7)&^7
		if used+n > room {
			parts = append(parts, nil)
			used = 0
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], []byte(s))
		used += n
	}
	return parts
}
