package object

import (
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// ThreadRights are the rights of a new thread's handle.
const ThreadRights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightDestroy | zx.RightSignal | zx.RightManageThread

// States of a thread: ZX_THREAD_STATE_*, from <zircon/syscalls/object.h>.
const (
	ThreadStateNew              = 0x0000
	ThreadStateRunning          = 0x0001
	ThreadStateSuspended        = 0x0002
	ThreadStateBlocked          = 0x0003
	ThreadStateDying            = 0x0004
	ThreadStateDead             = 0x0005
	ThreadStateBlockedException = 0x0103
	ThreadStateBlockedSleeping  = 0x0203
	ThreadStateBlockedFutex     = 0x0303
	ThreadStateBlockedPort      = 0x0403
	ThreadStateBlockedChannel   = 0x0503
	ThreadStateBlockedWaitOne   = 0x0603
	ThreadStateBlockedWaitMany  = 0x0703
)

// Thread is a thread of a process.
type Thread struct {
	Core
	named
	proc *Process
	done chan struct{} // closed when the thread is killed or has ended

	exceptions exceptionate

	mu        sync.Mutex
	state     uint32     // guarded by mu; one of the basic states but Blocked
	blocked   uint32     // guarded by mu; ThreadStateBlocked… while in a syscall that waits, else 0
	exception *Exception // guarded by mu; the thread waits for its handler
	fault     *Fault     // guarded by mu; the registers of a thread in an exception
	ended     bool       // guarded by mu; done is closed
}

// NewThread makes a thread, which does not run yet. The caller makes its handle.
func (p *Process) NewThread(name string) *Thread {
	t := &Thread{proc: p, done: make(chan struct{})}
	t.exceptions.kind = ExceptionChannelThread
	t.SetName(name)
	t.init(p.k, zx.ObjTypeThread, 0)
	return t
}

// Process is the process the thread belongs to.
func (t *Thread) Process() *Process { return t.proc }

// RelatedKoid is the koid of the process.
func (t *Thread) RelatedKoid() zx.Koid { return t.proc.koid }

// Done is closed when the thread is killed or has ended: whoever waits on its
// behalf gives up.
func (t *Thread) Done() <-chan struct{} { return t.done }

// SetBlocked notes what the thread waits for: a ThreadStateBlocked… value, or 0
// when it no longer does.
func (t *Thread) SetBlocked(state uint32) {
	t.mu.Lock()
	t.blocked = state
	t.mu.Unlock()
}

// State is the thread's state, a ThreadState… value, and the kind of exception
// channel it waits for, an ExceptionChannel… value.
func (t *Thread) State() (state, channel uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.exception != nil {
		channel = t.exception.kind
	}
	switch {
	case t.state != ThreadStateRunning:
		return t.state, channel
	case t.exception != nil:
		return ThreadStateBlockedException, channel
	case t.blocked != 0:
		return t.blocked, channel
	}
	return t.state, channel
}

// start moves a new thread to running: false if it is not new.
func (t *Thread) start() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != ThreadStateNew {
		return false
	}
	t.state = ThreadStateRunning
	t.updateSignals(0, zx.ThreadRunning)
	return true
}

// kill ends waits of the thread, which is about to end.
func (t *Thread) kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != ThreadStateDead {
		t.state = ThreadStateDying
	}
	if !t.ended {
		t.ended = true
		close(t.done)
	}
}

// gone is for a thread whose native thread has ended.
func (t *Thread) gone() {
	t.kill()
	t.mu.Lock()
	first := t.state != ThreadStateDead
	t.state = ThreadStateDead
	t.mu.Unlock()
	if first {
		t.exceptions.shutdown()
		t.updateSignals(zx.ThreadRunning|zx.ThreadSuspended, zx.ThreadTerminated)
	}
}

func (t *Thread) setException(e *Exception) {
	t.mu.Lock()
	t.exception = e
	t.mu.Unlock()
}

// ExceptionReport describes the exception the thread is in: BAD_STATE if none.
func (t *Thread) ExceptionReport() (ExceptionReport, zx.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.exception == nil {
		return ExceptionReport{}, zx.ErrBadState
	}
	return t.exception.report, zx.OK
}

// ExceptionChannel makes the channel that the thread's exceptions go to. rights
// are for the handle to the thread that handlers get. ALREADY_BOUND, BAD_STATE
// (ended).
func (t *Thread) ExceptionChannel(rights zx.Rights) (*Channel, zx.Status) {
	return t.exceptions.attach(t.proc.k, rights, 0)
}

// Regs gives the registers of a thread in an exception: BAD_STATE for one that
// is not, NOT_SUPPORTED when the exception is not the hardware's.
func (t *Thread) Regs() (Regs, zx.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.haltedLocked(); st != zx.OK {
		return Regs{}, st
	}
	return t.fault.Regs, zx.OK
}

// SetRegs changes the registers that the thread goes on with. See Regs;
// INVALID_ARGS for addresses that no program may have.
func (t *Thread) SetRegs(r Regs) zx.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.haltedLocked(); st != zx.OK {
		return st
	}
	if !r.valid() {
		return zx.ErrInvalidArgs
	}
	t.fault.Regs = r
	return zx.OK
}

func (t *Thread) haltedLocked() zx.Status {
	switch {
	case t.exception == nil:
		return zx.ErrBadState
	case t.fault == nil:
		return zx.ErrNotSupported
	}
	return zx.OK
}

// SetThreadRegister agrees to a new base of fs or gs in a running thread, which
// calls for itself: BAD_STATE when the process does not run, INVALID_ARGS for an
// address that no program may have. The vDSO's code for the call then sets the
// register in place (vdso.Entry.SetsRegister).
func (t *Thread) SetThreadRegister(v uint64) zx.Status {
	if t.proc.Space() == nil {
		return zx.ErrBadState
	}
	if !userAddress(v) {
		return zx.ErrInvalidArgs
	}
	return zx.OK
}

// Exiting is called by a thread that is about to end itself, before it does:
// its debugger, if any, looks at it first.
func (t *Thread) Exiting() {
	t.mu.Lock()
	t.state = ThreadStateDying
	t.mu.Unlock()
	t.offer(&t.proc.debugger, ExceptionReport{Type: ExceptionThreadExiting})
}

// DebuggerAttached says whether Exiting may have to wait.
func (t *Thread) DebuggerAttached() bool { return t.proc.debugger.attached() }

// RaisePolicy raises a policy exception in a thread that makes a syscall, and
// returns when it may go on: false when the process is killed instead, because
// nobody handles it. code is the Condition, data what goes with it.
func (t *Thread) RaisePolicy(code Condition, data uint32) bool {
	return t.raisePolicy(uint32(code), data, "a system call that the policy of its job forbids (condition %d)", code)
}

// RaiseLimit is RaisePolicy for a limit of the kernel's: code is ExceptionChannelFull
// or ExceptionPort….
func (t *Thread) RaiseLimit(code uint32) bool {
	return t.raisePolicy(code, 0, "%s", limits[code])
}

var limits = map[uint32]string{
	ExceptionChannelFull:          "a channel holds too many messages that nobody reads, and it wrote another",
	ExceptionPortTooManyPackets:   "a port holds too many packets that nobody takes, and it queued another",
	ExceptionPortTooManyObservers: "a port has too many asynchronous waits, and it began another",
}

func (t *Thread) raisePolicy(code, data uint32, format string, args ...any) bool {
	if t.raise(ExceptionReport{Type: ExceptionPolicyError, SynthCode: code, SynthData: data}) {
		return !t.isEnding()
	}
	t.proc.terminate(RetcodeExceptionKill, format, args...)
	return false
}

// BadSyscall is for a system call that is none: the number is unknown, or the
// vDSO did not make it at pc. It raises a policy exception and gives the result
// of the call when that is handled. When not, or when the thread ends meanwhile,
// it is INTERNAL_INTR_KILLED, and there is nobody to answer. It may take long.
func (t *Thread) BadSyscall(number, pc uint64) zx.Status {
	r := ExceptionReport{Type: ExceptionPolicyError, SynthCode: exceptionBadSyscall, SynthData: uint32(number)}
	handled := t.raise(r)
	switch {
	case t.isEnding():
	case handled:
		return zx.ErrBadSyscall
	default:
		t.proc.terminate(RetcodeExceptionKill, "system call %d (%#x) at %s, which is not where the vDSO makes it",
			number, number, t.proc.where(pc))
	}
	return zx.ErrInternalIntrKilled
}

// isEnding says whether done is closed.
func (t *Thread) isEnding() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}
