// Package builder makes processes out of ELF files: it creates the process,
// loads the file (or the dynamic linker that the file asks for) and the vDSO,
// gives it a stack, and writes the bootstrap message that tells it its
// arguments, environment, namespace and handles.
//
//	b, err := builder.New("hello", job, 0, executable, vdso)
//	...
//	b.AddArguments("hello", "--loud")
//	p, err := b.Build(ctx)
//	...
//	process, err := p.Start()
//
// It is to Go what the crate process_builder is to Rust on Fuchsia, and behaves
// like it in each detail; see also Fuchsia's pages "Program loading" and
// "zx_process_start".
//
// # Ownership
//
// As in package zx a value is given and a pointer is lent. What is given to a
// builder is the builder's from then on, also when the call fails. A builder is
// used up by Build, or else closed.
package builder

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// The parts of the bootstrap message, from package processargs.
type (
	StartupHandle   = processargs.StartupHandle
	MessageContents = processargs.MessageContents
	Message         = processargs.Message
)

// loaderTimeout is how long the loader service may take to give the dynamic
// linker. Tests shorten it.
var loaderTimeout = 30 * time.Second

// Error says why a process cannot be built or started.
type Error struct {
	Reason string
	Err    error // the cause, or nil
	status zx.Status
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Status is what the error is to a client of fuchsia.process.Launcher:
//
//   - INVALID_ARGS: an argument, handle type or PT_INTERP that cannot be, no
//     loader service where one is needed, a bootstrap message that is too large
//   - BAD_HANDLE: an invalid handle
//   - NOT_FOUND: a file that is no ELF for this machine or has nothing to load;
//     a loader service that went away or spoke nonsense
//   - TIMED_OUT: a loader service that did not answer in time
//   - that of the system call that failed
func (e *Error) Status() zx.Status {
	if e.status != zx.OK {
		return e.status
	}
	return zx.StatusOf(e.Err)
}

// Unwrap makes errors.Is find the Status and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Status()}
	}
	return []error{e.Status(), e.Err}
}

func fail(reason string, err error) error { return &Error{Reason: reason, Err: err} }

func invalid(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf(format, args...), status: zx.ErrInvalidArgs}
}

func badHandle(what string) error {
	return &Error{Reason: "invalid handle: " + what, status: zx.ErrBadHandle}
}

// NamespaceEntry is a directory for a process's namespace. Path is absolute.
type NamespaceEntry struct {
	Path      string
	Directory zx.Channel // a client's end of fuchsia.io.Directory
}

// ProcessBuilder collects what a new process is made of.
type ProcessBuilder struct {
	executable   zx.VMO
	vdso         zx.VMO
	loader       zx.Channel
	process      zx.Process
	thread       zx.Thread
	rootVMAR     zx.VMAR
	msg          processargs.MessageContents
	minStackSize uint64
}

// New creates a process of the name in job, and its initial thread, for the
// program in executable. options are those of zx.Job.CreateProcess. executable
// needs the right EXECUTE. vdso is the system's vDSO. The job is not passed to
// the process: that is a DefaultJob handle.
//
// As the process is made at once, a caller that may not make processes learns
// it here.
func New(name string, job *zx.Job, options uint32, executable, vdso zx.VMO) (*ProcessBuilder, error) {
	b := &ProcessBuilder{executable: executable, vdso: vdso}
	if err := b.create(name, job, options); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *ProcessBuilder) create(name string, job *zx.Job, options uint32) error {
	if !job.IsValid() {
		return badHandle("job")
	}
	if !b.executable.IsValid() {
		return badHandle("executable")
	}
	if strings.IndexByte(name, 0) >= 0 {
		return invalid("the process's name contains NUL")
	}
	var err error
	if b.process, b.rootVMAR, err = job.CreateProcess(name, options); err != nil {
		return fail("creating the process", err)
	}
	if b.thread, err = b.process.CreateThread("initial-thread"); err != nil {
		return fail("creating the initial thread", err)
	}
	for _, o := range []struct {
		o *zx.Object
		t processargs.HandleType
	}{
		{&b.process.Object, processargs.ProcessSelf},
		{&b.thread.Object, processargs.ThreadSelf},
		{&b.rootVMAR.Object, processargs.RootVMAR},
	} {
		if err := addDuplicate(&b.msg, o.o, o.t); err != nil {
			return err
		}
	}
	return nil
}

// addDuplicate adds a second handle to o to a message.
func addDuplicate(c *processargs.MessageContents, o *zx.Object, t processargs.HandleType) error {
	d, err := o.Duplicate(zx.RightSameRights)
	if err != nil {
		return fail(fmt.Sprintf("duplicating the %v handle", t), err)
	}
	addHandle(c, &d, t)
	return nil
}

// addHandle moves the handle in o to a message.
func addHandle(c *processargs.MessageContents, o *zx.Object, t processargs.HandleType) {
	c.Handles = append(c.Handles, StartupHandle{Handle: o.Take(), Info: processargs.NewHandleInfo(t, 0)})
}

// Close releases all that the builder holds. A process that was not built ends.
// After Build it does nothing.
func (b *ProcessBuilder) Close() {
	b.msg.Close()
	for _, o := range []*zx.Object{
		&b.executable.Object, &b.vdso.Object, &b.loader.Object,
		&b.thread.Object, &b.rootVMAR.Object, &b.process.Object,
	} {
		o.Close()
	}
}

// AddArguments appends to the arguments: INVALID_ARGS, and none is added, if
// one contains NUL.
func (b *ProcessBuilder) AddArguments(args ...string) error {
	return appendStrings(&b.msg.Args, args, "argument")
}

// AddEnvironmentVariables appends to the environment, as AddArguments does.
func (b *ProcessBuilder) AddEnvironmentVariables(vars ...string) error {
	return appendStrings(&b.msg.Environ, vars, "environment variable")
}

func appendStrings(dst *[]string, ss []string, what string) error {
	for i, s := range ss {
		if strings.IndexByte(s, 0) >= 0 {
			return invalid("%s %d contains NUL", what, i)
		}
	}
	*dst = append(*dst, ss...)
	return nil
}

// SetMinStackSize makes the initial thread's stack n bytes at least.
func (b *ProcessBuilder) SetMinStackSize(n uint64) { b.minStackSize = n }

// SetLoaderService sets the fuchsia.ldsvc.Loader that a program which asks for
// a dynamic linker gets it from, in place of an earlier one: BAD_HANDLE if
// there is no handle in l. Other programs do not get it.
func (b *ProcessBuilder) SetLoaderService(l zx.Channel) error {
	if !l.IsValid() {
		return badHandle("loader service")
	}
	b.loader.Close()
	b.loader = l
	return nil
}

// SetVDSO sets another vDSO than the system's.
func (b *ProcessBuilder) SetVDSO(vdso zx.VMO) {
	b.vdso.Close()
	b.vdso = vdso
}

// AddHandles appends handles for the process. A LdsvcLoader becomes the loader
// service and a VDSOVMO with the argument 0 the vDSO. It adds all of them or,
// after an error, none: BAD_HANDLE for an invalid one; INVALID_ARGS for a
// NamespaceDirectory, which AddNamespaceEntries takes, and for what the builder
// itself adds: ProcessSelf, ThreadSelf, RootVMAR, LoadedVMAR, StackVMO and
// ExecutableVMO.
func (b *ProcessBuilder) AddHandles(hs ...StartupHandle) error {
	for _, h := range hs {
		if err := checkStartupHandle(h); err != nil {
			(&MessageContents{Handles: hs}).Close()
			return err
		}
	}
	for _, h := range hs {
		switch {
		case h.Info.Type() == processargs.LdsvcLoader:
			if err := b.SetLoaderService(zx.ChannelFromHandle(h.Handle)); err != nil {
				return err // cannot be: it is valid
			}
		case h.Info.Type() == processargs.VDSOVMO && h.Info.Arg() == 0:
			b.SetVDSO(zx.VMOFromHandle(h.Handle))
		default:
			b.msg.Handles = append(b.msg.Handles, h)
		}
	}
	return nil
}

func checkStartupHandle(h StartupHandle) error {
	if h.Handle == zx.HandleInvalid {
		return badHandle(h.Info.String())
	}
	switch t := h.Info.Type(); t {
	case processargs.NamespaceDirectory:
		return invalid("a %v handle must come with a path, as a namespace entry", t)
	case processargs.ProcessSelf, processargs.ThreadSelf, processargs.RootVMAR,
		processargs.LoadedVMAR, processargs.StackVMO, processargs.ExecutableVMO:
		return invalid("a %v handle is made with the process and cannot be given", t)
	}
	return nil
}

// AddNamespaceEntries appends to the namespace. It adds all of them or, after
// an error, none: BAD_HANDLE for an invalid directory, INVALID_ARGS for a path
// with NUL or too many entries.
func (b *ProcessBuilder) AddNamespaceEntries(es ...NamespaceEntry) error {
	if err := b.checkEntries(es); err != nil {
		for i := range es {
			es[i].Directory.Close()
		}
		return err
	}
	for i := range es {
		b.msg.Handles = append(b.msg.Handles, StartupHandle{
			Handle: es[i].Directory.Take(),
			Info:   processargs.NewHandleInfo(processargs.NamespaceDirectory, uint16(len(b.msg.NamespacePaths))),
		})
		b.msg.NamespacePaths = append(b.msg.NamespacePaths, es[i].Path)
	}
	return nil
}

func (b *ProcessBuilder) checkEntries(es []NamespaceEntry) error {
	if len(b.msg.NamespacePaths)+len(es) > math.MaxUint16 {
		return invalid("more than %d namespace entries", math.MaxUint16)
	}
	for i := range es {
		if !es[i].Directory.IsValid() {
			return badHandle("namespace entry " + es[i].Path)
		}
		if strings.IndexByte(es[i].Path, 0) >= 0 {
			return invalid("namespace path %d contains NUL", i)
		}
	}
	return nil
}

// Build makes the process ready to start and uses the builder up, whatever the
// outcome. ctx ends the wait for the loader service, which is 30 seconds at
// most. Errors are *Error.
func (b *ProcessBuilder) Build(ctx context.Context) (*BuiltProcess, error) {
	defer b.Close()
	headers, err := elf.Parse(&b.executable)
	if err != nil {
		return nil, fail("reading the executable", err)
	}
	theirs, ours, err := zx.NewChannel() // bootstrap
	if err != nil {
		return nil, fail("creating the bootstrap channel", err)
	}
	defer theirs.Close()
	defer ours.Close()

	var loaded *elf.Loaded
	var reservation zx.VMAR
	defer reservation.Close()
	interp := headers.Program(elf.PTInterp)
	if interp != nil {
		if reservation, err = reserveLow(&b.rootVMAR); err != nil {
			return nil, err
		}
		if loaded, err = b.loadLinker(ctx, interp, &ours); err != nil {
			return nil, err
		}
	} else {
		if loaded, err = elf.Load(&b.executable, headers, &b.rootVMAR); err != nil {
			return nil, fail("loading the executable", err)
		}
		addHandle(&b.msg, &loaded.VMAR.Object, processargs.LoadedVMAR)
	}

	vdsoBase, err := b.loadVDSO()
	if err != nil {
		return nil, err
	}

	size, name, err := b.stackSize(headers, interp != nil)
	if err != nil {
		return nil, err
	}
	stackBase, stack, err := b.makeStack(size, name)
	if err != nil {
		return nil, err
	}
	defer stack.Close()

	if err := send(&b.msg, &ours); err != nil {
		return nil, err
	}
	if reservation.IsValid() {
		// A region outlives its handle: the process would miss half of its
		// address space.
		if err := reservation.Destroy(); err != nil {
			return nil, fail("giving back the lower half of the address space", err)
		}
	}
	return &BuiltProcess{
		Process:      zx.ProcessFromHandle(b.process.Take()),
		RootVMAR:     zx.VMARFromHandle(b.rootVMAR.Take()),
		Thread:       zx.ThreadFromHandle(b.thread.Take()),
		Entry:        loaded.Entry,
		StackPointer: InitialStackPointer(stackBase, size),
		StackBase:    stackBase,
		StackVMO:     zx.VMOFromHandle(stack.Take()),
		Bootstrap:    zx.ChannelFromHandle(theirs.Take()),
		VDSOBase:     vdsoBase,
		ELFBase:      loaded.Base,
		ELFHeaders:   headers,
	}, nil
}

// send writes a message with the contents to the bootstrap channel.
func send(c *processargs.MessageContents, ch *zx.Channel) error {
	m, err := processargs.Build(c)
	if err != nil {
		return fail("building the bootstrap message", err)
	}
	if err := m.Write(ch); err != nil {
		return fail("writing the bootstrap message", err)
	}
	return nil
}

// reserveLow reserves the lower half of the address space while the first
// mappings are placed: a libc with sanitizers wants its shadow memory there.
func reserveLow(root *zx.VMAR) (zx.VMAR, error) {
	base, size, err := root.Bounds()
	if err != nil {
		return zx.VMAR{}, fail("getting the bounds of the address space", err)
	}
	half := pageEnd((base + size) / 2)
	if half <= base {
		return zx.VMAR{}, nil
	}
	v, _, err := root.Allocate(zx.VMSpecific, 0, half-base)
	if err != nil {
		return zx.VMAR{}, fail("reserving the lower half of the address space", err)
	}
	return v, nil
}

// loadVDSO maps the vDSO, moves its VMO to the message and gives its address.
func (b *ProcessBuilder) loadVDSO() (uint64, error) {
	h, err := elf.Parse(&b.vdso)
	if err != nil {
		return 0, fail("reading the vDSO", err)
	}
	l, err := elf.Load(&b.vdso, h, &b.rootVMAR)
	if err != nil {
		return 0, fail("loading the vDSO", err)
	}
	l.VMAR.Close()
	addHandle(&b.msg, &b.vdso.Object, processargs.VDSOVMO)
	return l.Base, nil
}
