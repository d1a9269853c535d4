package object

import (
	"sync/atomic"

	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Machine is what runs processes: their memory and their threads. Package
// platform is the one for Linux.
type Machine interface {
	vm.Host
	Clock
	// NewSpace gives an empty native address space, to be used by one process.
	// ev is told what happens in it. Errors are a zx.Status: NO_RESOURCES.
	NewSpace(ev SpaceEvents) (Space, error)
}

// Clock tells the time in nanoseconds, the same that programs read from the
// vDSO without entering the kernel.
type Clock interface {
	Monotonic() int64
	Boot() int64
	UTC() int64 // since the Unix epoch
}

// Space is a native address space and the threads in it.
type Space interface {
	vm.Space
	// StartThread starts a native thread. cookie comes back with its traps.
	// Errors are a zx.Status.
	StartThread(cookie any, r StartRegs) error
	// Kill ends every thread, at once, and then the address space.
	// SpaceEvents.Gone follows. It may be called more than once.
	Kill()
	// ID names the space to the host's tools: the process id on Linux.
	ID() int
}

// StartRegs are the registers a thread starts with; all others are zero.
type StartRegs struct {
	PC, SP, Arg1, Arg2 uint64
}

// SpaceEvents is told what happens in a Space. Syscall and Fault must return
// soon: the same goroutine receives all the traps of the space.
type SpaceEvents interface {
	// Syscall is a thread's system call. It waits until Reply.
	Syscall(cookie any, t *Trap)
	// Fault is an exception of a thread, which waits until Resume or the Space
	// is killed.
	Fault(cookie any, f *Fault)
	// ThreadGone says that a native thread has ended by itself (after an exit entry).
	ThreadGone(cookie any)
	// Gone says that no thread runs any more. The host may be about to release
	// what the space used.
	// Called once. killed is false when it ended other than by Kill; why says how.
	Gone(killed bool, why string)
}

// Trap is a system call that waits for its answer.
type Trap struct {
	Number uint64
	PC     uint64 // after the instruction
	Args   [6]uint64

	reply func(id, v uint64)
	id    uint64
	// order is written after the last use of a call and read before the next is
	// set. The next call comes after the answer anyway, but by way of the host,
	// which Go's memory model does not know of.
	order atomic.Bool
}

// NewTrap makes a trap that reply answers, by the number that the machine knows
// the call by.
func NewTrap(id uint64, reply func(id, v uint64)) *Trap { return &Trap{id: id, reply: reply} }

// Set makes the trap stand for a thread's next system call.
func (t *Trap) Set(id, number, pc uint64, args [6]uint64) {
	t.order.Load()
	t.id, t.Number, t.PC, t.Args = id, number, pc, args
}

// Reply answers the call with a value and lets the thread go on. Once; t is not
// to be used afterwards.
func (t *Trap) Reply(v uint64) {
	id, reply := t.id, t.reply
	t.order.Store(true)
	reply(id, v)
}

// Fault is a hardware exception of a thread.
type Fault struct {
	Kind   FaultKind
	Addr   uint64 // the address accessed, for FaultPage
	Code   uint64 // the hardware's error code
	Vector uint64 // the number of the exception on x86
	Regs   Regs

	resume func(*Fault)
}

// NewFault makes a fault of which resume lets the thread go on with f.Regs.
func NewFault(resume func(f *Fault)) *Fault { return &Fault{resume: resume} }

// Resume lets the thread go on with f.Regs. Once.
func (f *Fault) Resume() { f.resume(f) }

// FaultKind is a kind of hardware exception, by Zircon's distinction.
type FaultKind int

// The kinds, by the ZX_EXCP_ types of <zircon/syscalls/exception.h>.
const (
	FaultGeneral         FaultKind = iota // ZX_EXCP_GENERAL
	FaultPage                             // ZX_EXCP_FATAL_PAGE_FAULT
	FaultUndefined                        // ZX_EXCP_UNDEFINED_INSTRUCTION
	FaultSWBreakpoint                     // ZX_EXCP_SW_BREAKPOINT
	FaultHWBreakpoint                     // ZX_EXCP_HW_BREAKPOINT
	FaultUnalignedAccess                  // ZX_EXCP_UNALIGNED_ACCESS
)
