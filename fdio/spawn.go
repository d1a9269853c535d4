// Package fdio is how Go programs start Fuchsia programs and reach their
// services: the part of Fuchsia's C library of that name that Go lacks.
//
// [Spawn] starts a program through fuchsia.process.Launcher, as fdio_spawn does.
// It works with any Launcher: launcherd's own, or the system's on Fuchsia.
package fdio

import (
	"context"
	"fmt"
	"path"

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
	// Name is the process's name; empty for the last element of Args[0]. What
	// is longer than a name can be (31 bytes) is cut.
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
	return zx.ProcessFromHandle(r.Process), nil
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
	name := p.Name
	if name == "" && len(p.Args) > 0 {
		name = path.Base(p.Args[0])
	}
	name = name[:min(len(name), zx.MaxNameLen-1)]
	return process.LaunchInfo{Executable: p.Executable.Take(), Job: job.Take(), Name: name}, nil
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
