package object

import (
	"encoding/binary"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// ExceptionRights are the rights of an exception's handle.
const ExceptionRights = zx.RightTransfer | zx.RightsProperty | zx.RightInspect

// Types of exceptions: ZX_EXCP_*, from <zircon/syscalls/exception.h>.
const (
	ExceptionGeneral         = 0x008
	ExceptionPageFault       = 0x108
	ExceptionUndefined       = 0x208
	ExceptionSWBreakpoint    = 0x308
	ExceptionHWBreakpoint    = 0x408
	ExceptionUnaligned       = 0x508
	ExceptionThreadStarting  = 0x8008
	ExceptionThreadExiting   = 0x8108
	ExceptionPolicyError     = 0x8208
	ExceptionProcessStarting = 0x8308
)

// Kinds of exception channels: ZX_EXCEPTION_CHANNEL_TYPE_*.
const (
	ExceptionChannelNone        = 0
	ExceptionChannelDebugger    = 1
	ExceptionChannelThread      = 2
	ExceptionChannelProcess     = 3
	ExceptionChannelJob         = 4
	ExceptionChannelJobDebugger = 5
)

// States and strategies of an exception: ZX_EXCEPTION_STATE_* and
// ZX_EXCEPTION_STRATEGY_*.
const (
	ExceptionTryNext      = 0
	ExceptionHandled      = 1
	ExceptionFirstChance  = 0
	ExceptionSecondChance = 1
)

// ExceptionReport is what zx_exception_report_t tells: the type, the hardware's
// words (vector, error code, address) and those of the kernel.
type ExceptionReport struct {
	Type                  uint32
	Vector, ErrCode, Addr uint64
	SynthCode, SynthData  uint32
}

// Exception is a thread's exception as its handler has it. The thread waits
// until the last handle is closed.
type Exception struct {
	Core
	thread        *Thread
	report        ExceptionReport
	kind          uint32    // of the channel it came by
	threadRights  zx.Rights // of handles made from it
	processRights zx.Rights
	done          chan struct{} // closed with the last handle
	once          sync.Once

	mu       sync.Mutex
	state    uint32 // guarded by mu
	strategy uint32 // guarded by mu
}

func (e *Exception) onZeroHandles() { e.once.Do(func() { close(e.done) }) }

// Thread is the thread that waits, with the rights for a handle to it.
func (e *Exception) Thread() (*Thread, zx.Rights) { return e.thread, e.threadRights }

// Process is the thread's process, with the rights for a handle to it:
// ACCESS_DENIED when the handler is the thread's own.
func (e *Exception) Process() (*Process, zx.Rights, zx.Status) {
	if e.processRights == 0 {
		return nil, 0, zx.ErrAccessDenied
	}
	return e.thread.proc, e.processRights, zx.OK
}

// State is ExceptionTryNext or ExceptionHandled: what happens when the last
// handle is closed.
func (e *Exception) State() uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// SetState changes State: INVALID_ARGS for another value.
func (e *Exception) SetState(s uint32) zx.Status {
	if s > ExceptionHandled {
		return zx.ErrInvalidArgs
	}
	e.mu.Lock()
	e.state = s
	e.mu.Unlock()
	return zx.OK
}

// Strategy says whether the debugger wants the exception again after the
// process: BAD_STATE unless it came by a debugger's channel.
func (e *Exception) Strategy() (uint32, zx.Status) {
	if e.kind != ExceptionChannelDebugger {
		return 0, zx.ErrBadState
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.strategy, zx.OK
}

// SetStrategy changes Strategy: BAD_STATE, or INVALID_ARGS for another value.
func (e *Exception) SetStrategy(s uint32) zx.Status {
	if s > ExceptionSecondChance {
		return zx.ErrInvalidArgs
	}
	if e.kind != ExceptionChannelDebugger {
		return zx.ErrBadState
	}
	e.mu.Lock()
	e.strategy = s
	e.mu.Unlock()
	return zx.OK
}

// exceptionate is the place of a task for those who handle its exceptions: at
// most one channel, of which the kernel holds the writing end.
type exceptionate struct {
	kind uint32

	mu            sync.Mutex
	end           *Channel  // guarded by mu; nil for none
	hold          *Handle   // guarded by mu; keeps end open
	threadRights  zx.Rights // guarded by mu
	processRights zx.Rights // guarded by mu
	dead          bool      // guarded by mu
}

// attach makes the channel and gives the end to read. ALREADY_BOUND while
// another is open, BAD_STATE once the task is dead.
func (x *exceptionate) attach(k *Kernel, thread, process zx.Rights) (*Channel, zx.Status) {
	x.mu.Lock()
	if x.dead {
		x.mu.Unlock()
		return nil, zx.ErrBadState
	}
	if x.attachedLocked() {
		x.mu.Unlock()
		return nil, zx.ErrAlreadyBound
	}
	old := x.hold
	ours, theirs := NewChannel(k)
	x.end, x.hold = ours, NewHandle(ours, 0)
	x.threadRights, x.processRights = thread, process
	x.mu.Unlock()
	old.Close()
	return theirs, zx.OK
}

func (x *exceptionate) attachedLocked() bool {
	return x.end != nil && x.end.Signals()&zx.ChannelPeerClosed == 0
}

// attached says whether somebody may read the channel.
func (x *exceptionate) attached() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.attachedLocked()
}

// send offers an exception. nil means that nobody is there to take it.
func (x *exceptionate) send(t *Thread, r ExceptionReport) *Exception {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.end == nil {
		return nil
	}
	e := &Exception{
		thread: t, report: r, kind: x.kind, done: make(chan struct{}),
		threadRights: x.threadRights, processRights: x.processRights,
	}
	e.init(t.proc.k, zx.ObjTypeException, 0)
	// The thread is in the exception before a handler can look.
	t.setException(e)
	m := NewMessage(24) // zx_exception_info_t
	binary.LittleEndian.PutUint64(m.Bytes[0:], uint64(t.proc.koid))
	binary.LittleEndian.PutUint64(m.Bytes[8:], uint64(t.koid))
	binary.LittleEndian.PutUint32(m.Bytes[16:], r.Type)
	binary.LittleEndian.PutUint32(m.Bytes[20:], 0)
	m.Handles = append(m.Handles, NewHandle(e, ExceptionRights))
	if x.end.Write(m) != zx.OK {
		t.setException(nil)
		return nil
	}
	return e
}

// shutdown closes the channel for good.
func (x *exceptionate) shutdown() {
	x.mu.Lock()
	hold := x.hold
	x.end, x.hold, x.dead = nil, nil, true
	x.mu.Unlock()
	hold.Close()
}

// offer sends an exception to x and waits for the handler. sent is false when
// there is none; killed is true when the thread ended meanwhile.
func (t *Thread) offer(x *exceptionate, r ExceptionReport) (e *Exception, killed bool) {
	if e = x.send(t, r); e == nil {
		return nil, false
	}
	select {
	case <-e.done:
	case <-t.done:
		killed = true
	}
	t.setException(nil)
	return e, killed
}

// raise gives an exception to the handlers, one after the other: the debugger,
// the thread's, the process's, the debugger again if it asked for that, those of
// the job and of the jobs above. It returns true when one has handled it or the
// thread has ended, and it no longer matters.
func (t *Thread) raise(r ExceptionReport) bool {
	p := t.proc
	if tr := p.k.Tracer; tr != nil {
		tr.Exception(t, r, t.faultText())
	}
	chain := []*exceptionate{&p.debugger, &t.exceptions, &p.exceptions}
	second := len(chain)
	chain = append(chain, nil)
	for j := p.job; j != nil; j = j.parent {
		chain = append(chain, &j.exceptions)
	}
	again := false
	for i, x := range chain {
		if i == second {
			if !again {
				continue
			}
			x = &p.debugger
		}
		e, killed := t.offer(x, r)
		switch {
		case killed:
			return true
		case e == nil:
			continue
		case e.State() == ExceptionHandled:
			return true
		}
		if i == 0 {
			s, _ := e.Strategy()
			again = s == ExceptionSecondChance
		}
	}
	return false
}

// faultText says in words what fault the thread is in; "" for none.
func (t *Thread) faultText() string {
	t.mu.Lock()
	f := t.fault
	t.mu.Unlock()
	if f == nil {
		return ""
	}
	return t.proc.describe(f)
}
