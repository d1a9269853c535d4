// Package zircon is the hosted Zircon put together: kernel objects, system
// calls, the vDSO and the platform that runs processes on this host.
//
// One kernel runs in a program, started by whoever first asks for it. The
// program is a process of that kernel, Self, with a handle table like any other.
package zircon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/platform"
	"go.fuchsia.dev/launcherd/internal/zircon/syscalls"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Version is what zx_system_get_version_string says.
const Version = "launcherd-hosted-zircon"

// Config says how the kernel is to run.
type Config struct {
	// Pool is the number of process shells that are kept ready.
	Pool int
	// Log gets the kernel's log and what programs write to the debuglog; nil
	// for nothing.
	Log *zap.Logger
	// Trace tells what the processes do; nil for nothing.
	Trace *syscalls.Tracer
}

type kernel struct {
	*object.Kernel
	platform *platform.Platform
	self     *object.Process
	job      zx.Handle
	vdso     zx.Handle
	err      error
}

var (
	mu      sync.Mutex
	config  Config                 // guarded by mu
	running atomic.Pointer[kernel] // set once, with mu held
)

// Configure sets how the kernel will run. It fails once the kernel runs.
func Configure(c Config) error {
	mu.Lock()
	defer mu.Unlock()
	if running.Load() != nil {
		return errors.New("the kernel runs already")
	}
	config = c
	return nil
}

// Start starts the kernel unless it runs. Without it the first system call does
// so, and each system call that needs what the host lacks fails; Start says what
// that is. The error wraps a zx.Status: NOT_SUPPORTED on other hosts.
func Start() error { return get().err }

// Check is Start for who will run programs later: it says, too, what keeps the
// host from running any.
func Check() error {
	k := get()
	if k.err != nil {
		return k.err
	}
	return k.platform.Check()
}

// Self is the process of the kernel that this program is.
func Self() *object.Process { return get().self }

// Kernel is the kernel, for those who watch it.
func Kernel() *object.Kernel { return get().Kernel }

// DefaultJob is Self's handle of the root job.
func DefaultJob() zx.Handle { return get().job }

func get() *kernel {
	if k := running.Load(); k != nil {
		return k
	}
	mu.Lock()
	defer mu.Unlock()
	if k := running.Load(); k != nil {
		return k
	}
	k := new(kernel)
	k.boot(config)
	running.Store(k)
	return k
}

func (k *kernel) boot(c Config) {
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	var machine object.Machine
	k.platform, k.err = platform.New(platform.Config{Pool: c.Pool, Log: c.Log})
	if machine = k.platform; k.err != nil {
		machine = noMachine{k.err}
	}
	k.Kernel = object.NewKernel(machine)
	k.OnSyscall = syscalls.Dispatch
	k.Sink = sink(c.Log)
	if c.Trace != nil {
		k.Tracer, k.OnSyscall = c.Trace, c.Trace.Dispatch
	}
	k.self = k.HostProcess("launcherd")
	k.job = k.self.Handles().Add(object.NewHandle(k.Root, object.JobRights))
	if k.err == nil {
		k.err = k.buildVDSO()
	}
}

func (k *kernel) buildVDSO() error {
	entries := syscalls.VDSO()
	for i := range entries {
		entries[i].SetsRegister = entries[i].Name == "zx_object_set_property"
	}
	host := k.platform.Entries()
	image, err := vdso.Build(vdso.Config{
		Entries:      entries,
		ThreadExit:   host.ThreadExit,
		LinuxCall:    host.Linux,
		ClockGettime: platform.ClockSlot,
		NumCPUs:      uint32(runtime.NumCPU()),
		PhysMem:      platform.PhysicalMemory(),
		Version:      Version,
		DCacheLine:   64,
		PageSize:     vm.PageSize,
		Features:     vdso.Features{CPU: 1, VM: 1},
	})
	if err != nil {
		return err
	}
	pages, err := k.Machine.NewPages(uint64(len(image.Bytes)))
	if err != nil {
		return fmt.Errorf("vDSO: %w", err)
	}
	if err := pages.WriteAt(image.Bytes, 0); err != nil {
		pages.Close()
		return fmt.Errorf("vDSO: %w", err)
	}
	k.SyscallAt = image.SyscallAt
	k.VDSO = object.NewVMO(k.Kernel, vm.NewVMOFromPages(k.Machine, pages))
	k.VDSO.SetName("vdso/next")
	k.VDSOCode.Off, k.VDSOCode.Size = image.TextOffset, image.TextSize
	k.vdso = k.self.Handles().Add(object.NewHandle(k.VDSO, vdsoRights))
	return nil
}

const (
	vdsoRights = zx.RightsBasic | zx.RightRead | zx.RightExecute | zx.RightMap | zx.RightGetProperty
	// Who loads a program gives its memory the program's name.
	fileRights = zx.RightsBasic | zx.RightRead | zx.RightMap | zx.RightsProperty
)

// VDSO gives p a handle of the system vDSO, which can be mapped and read.
func VDSO(p *object.Process) (zx.Handle, zx.Status) {
	k := get()
	if k.err != nil {
		return zx.HandleInvalid, vm.StatusOf(k.err)
	}
	return add(p, object.NewHandle(k.VDSO, vdsoRights))
}

// VMOFromFile gives p a handle of a VMO over a regular file of the host, which
// is mapped as it is and must not change while in use. The VMO cannot be
// written; with executable it can be mapped as code. f may be closed afterwards.
// The error, NOT_FILE for what is no regular file, IO or NO_MEMORY, says why.
func VMOFromFile(p *object.Process, f *os.File, executable bool) (zx.Handle, error) {
	k := get()
	pages, size, err := platform.FilePages(f, executable)
	if err != nil {
		return zx.HandleInvalid, err
	}
	mem := vm.NewVMOFromPages(k.Machine, pages)
	mem.SetContentSize(size)
	v := object.NewVMO(k.Kernel, mem)
	v.SetName(filepath.Base(f.Name()))
	r := fileRights
	if executable {
		r |= zx.RightExecute
	}
	h, st := add(p, object.NewHandle(v, r))
	return h, st.Err()
}

func add(p *object.Process, h *object.Handle) (zx.Handle, zx.Status) {
	v := p.Handles().Add(h)
	if v == zx.HandleInvalid {
		return v, zx.ErrNoResources
	}
	return v, zx.OK
}

// sink passes the kernel's log on. What a program itself has to say, such as
// which library is missing, is for its user to see.
func sink(log *zap.Logger) func(object.LogRecord) {
	return func(r object.LogRecord) {
		fields := make([]zap.Field, 0, 2)
		if r.PID != zx.KoidInvalid {
			fields = append(fields, zap.Uint64("pid", uint64(r.PID)))
		}
		if r.TID != zx.KoidInvalid {
			fields = append(fields, zap.Uint64("tid", uint64(r.TID)))
		}
		level := zap.DebugLevel
		switch {
		case r.Severity >= object.SeverityError:
			level = zap.ErrorLevel
		case r.Severity >= object.SeverityWarning,
			r.Severity >= object.SeverityInfo && r.PID != zx.KoidInvalid:
			level = zap.WarnLevel
		case r.Severity >= object.SeverityInfo:
			level = zap.InfoLevel
		}
		log.Log(level, strings.TrimRight(string(r.Message), "\n"), fields...)
	}
}

// noMachine is the machine of hosts that run no processes.
type noMachine struct{ err error }

func (m noMachine) NewPages(uint64) (vm.Pages, error)                 { return nil, m.err }
func (m noMachine) NewSpace(object.SpaceEvents) (object.Space, error) { return nil, m.err }

func (noMachine) Monotonic() int64 { return int64(time.Since(startTime)) }
func (noMachine) Boot() int64      { return int64(time.Since(startTime)) }
func (noMachine) UTC() int64       { return time.Now().UnixNano() }

var startTime = time.Now()

// Close ends what the kernel keeps ready on the host. It is for a program that
// is about to end; no process may be started afterwards.
func Close() {
	if k := running.Load(); k != nil && k.platform != nil {
		k.platform.Close()
	}
}
