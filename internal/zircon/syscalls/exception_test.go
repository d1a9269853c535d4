package syscalls

import (
	"encoding/binary"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// exceptions makes an exception channel of a task of a.
func (w *world) exceptions(h zx.Handle, options uint32) zx.Handle {
	w.Helper()
	c, st := TaskCreateExceptionChannel(w.a, h, options)
	w.ok("TaskCreateExceptionChannel", st)
	return c
}

// exception is what comes by an exception channel.
type exception struct {
	h        zx.Handle
	pid, tid zx.Koid
	kind     uint32
}

func (w *world) exception(channel zx.Handle) exception {
	w.Helper()
	_, st := ObjectWaitOne(w.a, nil, channel, zx.ChannelReadable, w.later())
	w.ok("waiting for an exception", st)
	var b [24]byte
	var hs [1]zx.Handle
	nb, nh, st := ChannelRead(w.a, channel, 0, b[:], hs[:])
	w.ok("reading an exception", st)
	if nb != 24 || nh != 1 {
		w.Fatalf("%d bytes, %d handles", nb, nh)
	}
	return exception{hs[0], zx.Koid(binary.LittleEndian.Uint64(b[:])), zx.Koid(binary.LittleEndian.Uint64(b[8:])),
		binary.LittleEndian.Uint32(b[16:])}
}

func (w *world) handled(e exception) {
	w.Helper()
	x, st := get[*object.Exception](w.a, e.h, 0)
	w.ok("exception", st)
	w.ok("set state", x.SetState(object.ExceptionHandled))
	HandleClose(w.a, e.h)
}

func (w *world) fault(th zx.Handle) (resumed <-chan object.Regs) {
	w.Helper()
	t, st := get[*object.Thread](w.a, th, 0)
	w.ok("thread", st)
	c := make(chan object.Regs, 1)
	f := object.NewFault(func(f *object.Fault) { c <- f.Regs })
	f.Kind, f.Addr, f.Code = object.FaultPage, 0x42, 6
	t.Process().Fault(t, f)
	return c
}

func TestExceptionHandled(t *testing.T) {
	w := newWorld(t)
	proc, th := w.run(w.root())
	ch := w.exceptions(th, 0)
	if r := w.rights(ch); r != zx.RightTransfer|zx.RightWait|zx.RightRead {
		t.Errorf("the channel's rights are %#x", r)
	}
	_, st := TaskCreateExceptionChannel(w.a, th, 0)
	w.is("a second channel", st, zx.ErrAlreadyBound)

	resumed := w.fault(th)
	e := w.exception(ch)
	p, _ := get[*object.Process](w.a, proc, 0)
	to, _ := get[*object.Thread](w.a, th, 0)
	if e.kind != object.ExceptionPageFault || e.pid != p.Koid() || e.tid != to.Koid() {
		t.Errorf("exception %+v", e)
	}
	if s, c := to.State(); s != object.ThreadStateBlockedException || c != object.ExceptionChannelThread {
		t.Errorf("thread state %#x, channel %d", s, c)
	}
	r, st := to.ExceptionReport()
	w.ok("report", st)
	if r.Type != object.ExceptionPageFault || r.Addr != 0x42 || r.ErrCode != 6 {
		t.Errorf("report %+v", r)
	}
	h, st := ExceptionGetThread(w.a, e.h)
	w.ok("thread of the exception", st)
	if w.a.Handles().Lookup(h).Object() != object.Object(to) || w.rights(h) != object.ThreadRights {
		t.Error("another thread")
	}
	_, st = ExceptionGetProcess(w.a, e.h)
	w.is("process, for a thread's handler", st, zx.ErrAccessDenied)

	// The handler changes a register and lets the thread go on.
	b := make([]byte, object.RegsSize)
	w.ok("read state", ThreadReadState(w.a, th, threadStateGeneral, b))
	binary.LittleEndian.PutUint64(b, 77) // rax
	w.ok("write state", ThreadWriteState(w.a, th, threadStateGeneral, b))
	w.is("too small", ThreadReadState(w.a, th, threadStateGeneral, b[1:]), zx.ErrBufferTooSmall)
	w.is("vector registers", ThreadReadState(w.a, th, threadStateVector, b), zx.ErrNotSupported)
	w.is("unknown kind", ThreadReadState(w.a, th, 3, b), zx.ErrInvalidArgs)
	binary.LittleEndian.PutUint64(b[16*8:], 1<<63) // rip
	w.is("an address that no program may have", ThreadWriteState(w.a, th, threadStateGeneral, b), zx.ErrInvalidArgs)
	w.handled(e)
	now := <-resumed
	if now.Encode(b); binary.LittleEndian.Uint64(b) != 77 {
		t.Errorf("resumed with rax %d", binary.LittleEndian.Uint64(b))
	}
	w.is("read state of a thread that runs", ThreadReadState(w.a, th, threadStateGeneral, b), zx.ErrBadState)
	w.ok("kill", TaskKill(w.a, proc))
	w.ends(proc)
	w.wantSignals(ch, zx.ChannelPeerClosed)
}

// TestExceptionOrder passes an exception by all handlers there can be.
func TestExceptionOrder(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	top := w.job(root)
	j := w.job(top)
	proc, th := w.run(j)
	debugger := w.exceptions(proc, exceptionChannelDebugger)
	order := []zx.Handle{debugger, w.exceptions(th, 0), w.exceptions(proc, 0), debugger, w.exceptions(j, 0), w.exceptions(top, 0)}
	w.exceptions(top, exceptionChannelDebugger) // hears of starting processes alone

	w.fault(th)
	for i, ch := range order {
		e := w.exception(ch)
		x, _ := get[*object.Exception](w.a, e.h, 0)
		if i == 0 {
			w.ok("ask for a second chance", x.SetStrategy(object.ExceptionSecondChance))
		} else if i == 1 {
			w.is("second chance of a thread's handler", x.SetStrategy(object.ExceptionSecondChance), zx.ErrBadState)
		} else if i > 1 {
			h, st := ExceptionGetProcess(w.a, e.h)
			w.ok("process of the exception", st)
			HandleClose(w.a, h)
		}
		w.is("state", x.SetState(2), zx.ErrInvalidArgs)
		HandleClose(w.a, e.h) // to the next
	}
	if r := w.retcode(proc); r != object.RetcodeExceptionKill {
		t.Errorf("return code %d", r)
	}
}

func TestExceptionOfAThreadThatIsKilled(t *testing.T) {
	w := newWorld(t)
	proc, th := w.run(w.root())
	ch := w.exceptions(proc, 0)
	resumed := w.fault(th)
	e := w.exception(ch)
	to, _ := get[*object.Thread](w.a, th, 0)
	w.ok("kill", TaskKill(w.a, proc))
	if r := w.retcode(proc); r != object.RetcodeSyscallKill {
		t.Errorf("return code %d", r)
	}
	// The thread does not wait for the handler, who may never answer.
	w.eventually("the thread is in no exception", func() bool { _, st := to.ExceptionReport(); return st == zx.ErrBadState },
		func() any { return nil })
	w.handled(e)
	select {
	case <-resumed:
		t.Error("a thread that was killed goes on")
	default:
	}
}

func TestExceptionChannelIsDropped(t *testing.T) {
	// A handler that goes away without reading passes the exception on.
	w := newWorld(t)
	proc, th := w.run(w.root())
	ch := w.exceptions(proc, 0)
	w.fault(th)
	_, st := ObjectWaitOne(w.a, nil, ch, zx.ChannelReadable, w.later())
	w.ok("waiting for the exception", st)
	HandleClose(w.a, ch)
	if r := w.retcode(proc); r != object.RetcodeExceptionKill {
		t.Errorf("return code %d", r)
	}
	_, st = TaskCreateExceptionChannel(w.a, proc, 0)
	w.is("a channel of what is dead", st, zx.ErrBadState)
}

func TestExceptionChannelArguments(t *testing.T) {
	w := newWorld(t)
	proc, th := w.run(w.root())
	for _, c := range []struct {
		what    string
		h       zx.Handle
		options uint32
		want    zx.Status
	}{
		{"unknown option", proc, 2, zx.ErrInvalidArgs},
		{"debugger of a thread", th, exceptionChannelDebugger, zx.ErrInvalidArgs},
		{"without ENUMERATE", w.without(proc, zx.RightEnumerate), 0, zx.ErrAccessDenied},
		{"without MANAGE_THREAD", w.without(th, zx.RightManageThread), 0, zx.ErrAccessDenied},
		{"no task", w.vmo(1, 0), 0, zx.ErrAccessDenied},
	} {
		if _, st := TaskCreateExceptionChannel(w.a, c.h, c.options); st != c.want {
			t.Errorf("%s: %v, want %v", c.what, st, c.want)
		}
	}
	w.ok("kill", TaskKill(w.a, proc))
	w.ends(proc)
}

// TestDebuggerSeesThreads: a debugger is told of threads before they run and
// before they end, and of the process by its job.
func TestDebuggerSeesThreads(t *testing.T) {
	w := newWorld(t)
	j := w.job(w.root())
	jobDebugger := w.exceptions(j, exceptionChannelDebugger)
	proc, _ := w.processIn(j)
	debugger := w.exceptions(proc, exceptionChannelDebugger)
	th := w.thread(proc)
	w.ok("start", ProcessStart(w.a, proc, th, 0x1000, 0x2000, 0, 0))
	p, _ := get[*object.Process](w.a, proc, 0)
	to, _ := get[*object.Thread](w.a, th, 0)

	e := w.exception(jobDebugger)
	if e.kind != object.ExceptionProcessStarting {
		t.Errorf("exception %#x, want PROCESS_STARTING", e.kind)
	}
	if n := len(w.m.Space(p).Threads()); n != 0 {
		t.Error("the thread runs before the debugger has looked")
	}
	r, st := to.Regs()
	w.ok("registers", st)
	if r.PC() != 0x1000 || r.SP() != 0x2000 {
		t.Errorf("pc %#x, sp %#x", r.PC(), r.SP())
	}
	HandleClose(w.a, e.h)
	e = w.exception(debugger)
	if e.kind != object.ExceptionThreadStarting {
		t.Errorf("exception %#x, want THREAD_STARTING", e.kind)
	}
	HandleClose(w.a, e.h)
	w.eventually("the thread runs", func() bool { return len(w.m.Space(p).Threads()) == 1 }, func() any { return nil })

	go to.Exiting()
	e = w.exception(debugger)
	if e.kind != object.ExceptionThreadExiting {
		t.Errorf("exception %#x, want THREAD_EXITING", e.kind)
	}
	if s, _ := to.State(); s != object.ThreadStateDying {
		t.Errorf("thread state %#x", s)
	}
	HandleClose(w.a, e.h)
	w.ok("kill", TaskKill(w.a, proc))
	w.ends(proc)
}

func TestPolicyException(t *testing.T) {
	w := newWorld(t)
	proc, th := w.run(w.root())
	to, _ := get[*object.Thread](w.a, th, 0)
	ch := w.exceptions(proc, 0)
	goesOn := make(chan bool)
	go func() { goesOn <- to.RaisePolicy(object.PolicyBadHandle, 5) }()
	e := w.exception(ch)
	if r, _ := to.ExceptionReport(); r.Type != object.ExceptionPolicyError || r.SynthCode != 0 || r.SynthData != 5 {
		t.Errorf("report %+v", r)
	}
	_, st := to.Regs()
	w.is("registers of a thread in a call", st, zx.ErrNotSupported)
	w.handled(e)
	if !<-goesOn {
		t.Error("the thread does not go on")
	}
	go func() { goesOn <- to.RaisePolicy(object.PolicyBadHandle, 0) }()
	HandleClose(w.a, w.exception(ch).h)
	if <-goesOn {
		t.Error("the thread goes on")
	}
	if r := w.retcode(proc); r != object.RetcodeExceptionKill {
		t.Errorf("return code %d", r)
	}
}
