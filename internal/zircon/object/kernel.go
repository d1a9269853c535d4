package object

import (
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
)

// Kernel is one hosted Zircon: the machine it runs on, the root of its tasks
// and what all processes share. The exported fields that are functions are set
// before the first process starts and not changed afterwards.
type Kernel struct {
	Machine Machine
	// Root is the root job.
	Root *Job
	// VDSO is the image that is mapped into processes. Its executable pages
	// are the only place that system calls are taken from.
	VDSO *VMO
	// VDSOCode is the range of VDSO that is executable, in whole pages. It is
	// mapped as a whole or not at all.
	VDSOCode struct{ Off, Size uint64 }
	// SyscallAt tells which system call is made by the instruction that ends at
	// an offset of VDSO.
	SyscallAt func(off uint64) (number uint32, ok bool)
	// OnSyscall gets each system call of a process. It returns soon.
	OnSyscall func(p *Process, t *Thread, trap *Trap)
	// Sink gets what is written to the debuglog and what the kernel itself has
	// to say. nil drops it.
	Sink func(LogRecord)
	// Tracer is told what happens to processes; nil for nobody.
	Tracer Tracer

	log     logRing
	futexes futexTable
	live    [zx.ObjTypeCounter + 1]atomic.Int64
}

// Tracer is told what happens to the processes that run, as it happens and on
// any goroutine. No lock is held that a look at the objects would take. The
// methods return soon.
type Tracer interface {
	// ProcessStarted is told before the first thread runs.
	ProcessStarted(p *Process, first *Thread)
	// Exception is told before the handlers are. what is the cause in words, as
	// far as it is known.
	Exception(t *Thread, r ExceptionReport, what string)
	// ProcessExited is told before PROCESS_TERMINATED is raised, of processes
	// that were started.
	ProcessExited(p *Process)
}

// NewKernel makes a kernel on m with an empty root job.
func NewKernel(m Machine) *Kernel {
	k := &Kernel{Machine: m}
	k.log.init()
	k.Root = newRootJob(k)
	return k
}

// Monotonic is the time now, in nanoseconds.
func (k *Kernel) Monotonic() int64 { return k.Machine.Monotonic() }

// Live is the number of objects of a kind that were made and still have a
// handle, counting only those that have had one.
func (k *Kernel) Live(t zx.ObjType) int64 { return k.live[t].Load() }

// LiveObjects gives the kinds with live objects and how many there are.
func (k *Kernel) LiveObjects() map[zx.ObjType]int64 {
	m := make(map[zx.ObjType]int64)
	for t := range k.live {
		if n := k.live[t].Load(); n != 0 {
			m[zx.ObjType(t)] = n
		}
	}
	return m
}

// Debugf tells the sink something of interest to who looks for the cause of a
// failure. p may be nil.
func (k *Kernel) Debugf(p *Process, format string, args ...any) {
	k.logf(SeverityDebug, p, format, args...)
}

// Warnf tells the sink of something a user should see: a process that is killed
// for what it did. p may be nil.
func (k *Kernel) Warnf(p *Process, format string, args ...any) {
	k.logf(SeverityWarning, p, format, args...)
}
