package syscalls

import (
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func TestHandles(t *testing.T) {
	w := newWorld(t)
	ev := w.event()
	stale := w.event()
	w.ok("close", HandleClose(w.a, stale))
	w.ok("close of no handle", HandleClose(w.a, zx.HandleInvalid))
	for _, bad := range []zx.Handle{stale, 1, 2, 3, ev - 1, ^zx.Handle(0)} {
		w.is("close", HandleClose(w.a, bad), zx.ErrBadHandle)
		_, st := HandleDuplicate(w.a, bad, zx.RightSameRights)
		w.is("duplicate", st, zx.ErrBadHandle)
		_, st = HandleReplace(w.a, bad, zx.RightSameRights)
		w.is("replace", st, zx.ErrBadHandle)
	}
	w.is("another process's handle", HandleClose(w.b, ev), zx.ErrBadHandle)

	dup, st := HandleDuplicate(w.a, ev, zx.RightWait|zx.RightDuplicate)
	w.ok("duplicate", st)
	_, st = HandleDuplicate(w.a, dup, zx.RightSignal)
	w.is("duplicate with more rights", st, zx.ErrInvalidArgs)
	w.is("signal without the right", ObjectSignal(w.a, dup, 0, zx.EventSignaled), zx.ErrAccessDenied)
	_, st = HandleDuplicate(w.a, w.without(ev, zx.RightDuplicate), zx.RightSameRights)
	w.is("duplicate without the right", st, zx.ErrAccessDenied)

	repl, st := HandleReplace(w.a, dup, zx.RightWait)
	w.ok("replace", st)
	if w.valid(dup) || !w.valid(repl) || dup == repl {
		t.Errorf("replaced %#x by %#x", dup, repl)
	}
	_, st = HandleReplace(w.a, repl, zx.RightWait|zx.RightSignal)
	w.is("replace with more rights", st, zx.ErrInvalidArgs)
	if w.valid(repl) {
		t.Error("a handle whose replacement failed is left")
	}

	for _, tt := range []struct {
		h    zx.Handle
		want zx.Status
	}{{ev, zx.OK}, {0, zx.ErrInvalidArgs}, {ev &^ 1, zx.ErrOutOfRange}, {stale, zx.ErrNotFound}} {
		w.is("check_valid", HandleCheckValid(w.a, tt.h), tt.want)
	}
}

func TestHandleCloseMany(t *testing.T) {
	w := newWorld(t)
	a, b := w.event(), w.event()
	w.is("close", HandleCloseMany(w.a, []zx.Handle{a, 0, a, b}), zx.ErrBadHandle)
	if w.valid(a) || w.valid(b) {
		t.Error("not all are closed")
	}
	w.ok("close", HandleCloseMany(w.a, []zx.Handle{w.event(), 0}))
}

// Replacing the only handle is not closing it.
func TestReplaceKeepsObject(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	_, st := HandleReplace(w.a, h0, zx.RightTransfer)
	w.ok("replace", st)
	w.wantSignals(h1, zx.ChannelWritable)
}

func TestHandleTableFull(t *testing.T) {
	w := newWorld(t)
	ev := w.event()
	st := zx.OK
	n := 1
	for ; st == zx.OK; n++ {
		_, st = HandleDuplicate(w.a, ev, zx.RightSameRights)
	}
	w.is("duplicate", st, zx.ErrNoResources)
	if n != object.MaxHandles+1 {
		t.Errorf("a process has %d handles", n-1)
	}
	// A call that gives two has room for neither or for both.
	w.ok("close", HandleClose(w.a, ev))
	_, _, st = ChannelCreate(w.a, 0)
	w.is("ChannelCreate", st, zx.ErrNoResources)
	if n := w.k.Live(zx.ObjTypeChannel); n != 0 {
		t.Errorf("%d channel ends are left", n)
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	ev := w.event()
	w.wantSignals(ev, 0)
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.EventSignaled|zx.UserSignal3))
	w.ok("signal", ObjectSignal(w.a, ev, zx.EventSignaled, zx.UserSignal7))
	w.wantSignals(ev, zx.UserSignal3|zx.UserSignal7)
	w.ok("clear and set", ObjectSignal(w.a, ev, zx.UserSignal3, zx.UserSignal3))
	w.wantSignals(ev, zx.UserSignal3|zx.UserSignal7)
	w.is("a signal of the system's", ObjectSignal(w.a, ev, zx.SignalReadable, 0), zx.ErrInvalidArgs)
	w.is("peer", ObjectSignalPeer(w.a, w.a.Handles().Add(object.NewHandle(object.NewEvent(w.k), zx.RightsAll)), 0, 0), zx.ErrNotSupported)
	_, st := EventCreate(w.a, 1)
	w.is("options", st, zx.ErrInvalidArgs)

	e0, e1, st := EventpairCreate(w.a, 0)
	w.ok("EventpairCreate", st)
	w.ok("signal_peer", ObjectSignalPeer(w.a, e0, 0, zx.EventpairSignaled|zx.UserSignal0))
	w.wantSignals(e0, 0)
	w.wantSignals(e1, zx.EventpairSignaled|zx.UserSignal0)
	w.is("signal_peer", ObjectSignalPeer(w.a, e0, 0, zx.EventpairPeerClosed), zx.ErrInvalidArgs)
	w.ok("close", HandleClose(w.a, e0))
	w.wantSignals(e1, zx.EventpairSignaled|zx.UserSignal0|zx.EventpairPeerClosed)
	w.is("signal_peer", ObjectSignalPeer(w.a, e1, 0, 0), zx.ErrPeerClosed)
	_, _, st = EventpairCreate(w.a, 1)
	w.is("options", st, zx.ErrNotSupported)
}

// Of objects with two ends, the user signals are the user's and others are not;
// each end knows the other.
func TestPeers(t *testing.T) {
	w := newWorld(t)
	for name, create := range map[string]func() (zx.Handle, zx.Handle, zx.Status){
		"channel": func() (zx.Handle, zx.Handle, zx.Status) { return ChannelCreate(w.a, 0) },
		"socket":  func() (zx.Handle, zx.Handle, zx.Status) { return SocketCreate(w.a, 0) },
		"fifo":    func() (zx.Handle, zx.Handle, zx.Status) { return FifoCreate(w.a, 1, 1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			h0, h1, st := create()
			w.ok("create", st)
			w.ok("signal", ObjectSignal(w.a, h0, 0, zx.UserSignal0))
			w.ok("signal_peer", ObjectSignalPeer(w.a, h0, 0, zx.UserSignal1))
			w.wantSignals(h0, zx.SignalWritable|zx.UserSignal0)
			w.wantSignals(h1, zx.SignalWritable|zx.UserSignal1)
			w.is("signal", ObjectSignal(w.a, h0, zx.SignalWritable, 0), zx.ErrInvalidArgs)
			w.is("signal", ObjectSignal(w.a, h0, 0, zx.EventSignaled), zx.ErrInvalidArgs)
			w.is("signal_peer", ObjectSignalPeer(w.a, h0, 0, zx.SignalReadable), zx.ErrInvalidArgs)
			o0, o1 := w.a.Handles().Lookup(h0).Object(), w.a.Handles().Lookup(h1).Object()
			if o0.RelatedKoid() != o1.Koid() || o1.RelatedKoid() != o0.Koid() {
				t.Errorf("ends %d and %d are related to %d and %d", o0.Koid(), o1.Koid(), o0.RelatedKoid(), o1.RelatedKoid())
			}
			w.ok("close", HandleClose(w.a, h0))
			w.is("signal_peer", ObjectSignalPeer(w.a, h1, 0, zx.UserSignal0), zx.ErrPeerClosed)
		})
	}
}

func TestWaitOne(t *testing.T) {
	w := newWorld(t)
	ev := w.event()
	wait := func(h zx.Handle, deadline int64) (zx.Signals, zx.Status) {
		return ObjectWaitOne(w.a, nil, h, zx.EventSignaled, deadline)
	}
	s, st := wait(ev, w.soon())
	w.is("wait", st, zx.ErrTimedOut)
	if s != 0 {
		t.Errorf("signals %#x", s)
	}
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.UserSignal0|zx.EventSignaled))
	for _, deadline := range []int64{object.TimeInfinitePast, 0, object.TimeInfinite} {
		s, st = wait(ev, deadline)
		w.ok("wait", st)
		if s != zx.UserSignal0|zx.EventSignaled {
			t.Errorf("signals %#x", s)
		}
	}
	_, st = wait(0, 0)
	w.is("no handle", st, zx.ErrBadHandle)
	_, st = wait(w.without(ev, zx.RightWait), 0)
	w.is("no right", st, zx.ErrAccessDenied)
}

func TestWaitOneEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *world, h, other zx.Handle)
		st   zx.Status
		s    zx.Signals
	}{
		{"signaled", func(w *world, _, o zx.Handle) { ObjectSignal(w.a, o, 0, zx.EventSignaled) }, zx.OK, zx.EventSignaled},
		{"strobed", func(w *world, _, o zx.Handle) {
			ObjectSignal(w.a, o, 0, zx.EventSignaled)
			ObjectSignal(w.a, o, zx.EventSignaled, 0)
		}, zx.OK, zx.EventSignaled},
		{"closed", func(w *world, h, _ zx.Handle) { HandleClose(w.a, h) }, zx.ErrCanceled, zx.SignalHandleClosed},
		{"moved", func(w *world, h, _ zx.Handle) { w.give(h) }, zx.ErrCanceled, zx.SignalHandleClosed},
		{"replaced", func(w *world, h, _ zx.Handle) { HandleReplace(w.a, h, 0) }, zx.ErrCanceled, zx.SignalHandleClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			ev := w.event()
			other := w.without(ev, 0)
			type result struct {
				s  zx.Signals
				st zx.Status
			}
			results := make(chan result)
			const waiters = 5
			for range waiters {
				go func() {
					s, st := ObjectWaitOne(w.a, nil, ev, zx.EventSignaled, object.TimeInfinite)
					results <- result{s, st}
				}()
			}
			o := w.a.Handles().Lookup(ev).Object()
			w.eventually("all wait", func() bool { return object.Observers(o) == waiters }, func() any { return object.Observers(o) })
			tt.end(w, ev, other)
			for range waiters {
				if r := <-results; r.st != tt.st || r.s != tt.s {
					t.Errorf("wait gives %v and %#x", r.st, r.s)
				}
			}
			if n := object.Observers(o); n != 0 {
				t.Errorf("%d observers are left", n)
			}
		})
	}
}

func TestWaitMany(t *testing.T) {
	w := newWorld(t)
	a, b := w.event(), w.event()
	items := func(hs ...zx.Handle) []WaitItem {
		var l []WaitItem
		for _, h := range hs {
			l = append(l, WaitItem{Handle: h, WaitFor: zx.EventSignaled})
		}
		return l
	}
	wait := func(l []WaitItem, deadline int64) zx.Status { return ObjectWaitMany(w.a, nil, l, deadline) }

	w.is("nothing to wait for", wait(nil, w.soon()), zx.ErrTimedOut)
	w.is("too many", wait(make([]WaitItem, 65), 0), zx.ErrOutOfRange)
	w.is("bad handle", wait(items(a, 0), 0), zx.ErrBadHandle)
	w.is("no right", wait(items(a, w.without(b, zx.RightWait)), 0), zx.ErrAccessDenied)
	w.ok("signal", ObjectSignal(w.a, b, 0, zx.UserSignal1))
	l := items(a, b)
	w.is("nothing happens", wait(l, w.soon()), zx.ErrTimedOut)
	if l[0].Pending != 0 || l[1].Pending != zx.UserSignal1 {
		t.Errorf("pending %#x, %#x", l[0].Pending, l[1].Pending)
	}
	w.ok("signal", ObjectSignal(w.a, a, 0, zx.EventSignaled))
	l = items(b, a, a)
	w.ok("wait", wait(l, object.TimeInfinite))
	if l[0].Pending != zx.UserSignal1 || l[1].Pending != zx.EventSignaled || l[2].Pending != zx.EventSignaled {
		t.Errorf("pending %+v", l)
	}
	w.ok("signal", ObjectSignal(w.a, a, zx.EventSignaled, 0))

	result := make(chan zx.Status)
	l = items(a, b)
	go func() { result <- wait(l, object.TimeInfinite) }()
	o := w.a.Handles().Lookup(b).Object()
	w.eventually("it waits", func() bool { return object.Observers(o) == 1 }, func() any { return object.Observers(o) })
	w.ok("close", HandleClose(w.a, b))
	w.is("wait", <-result, zx.ErrCanceled)
	if l[0].Pending != 0 || l[1].Pending != zx.UserSignal1|zx.SignalHandleClosed {
		t.Errorf("pending %#x, %#x", l[0].Pending, l[1].Pending)
	}
}

// Waits, signals and closes at once: every wait ends.
func TestWaitRaces(t *testing.T) {
	w := newWorld(t)
	for range 300 {
		ev := w.event()
		other := w.without(ev, 0)
		var all sync.WaitGroup
		for i := range 6 {
			all.Add(1)
			go func() {
				defer all.Done()
				switch i {
				case 0:
					HandleClose(w.a, ev)
				case 1:
					ObjectSignal(w.a, other, 0, zx.UserSignal0)
				case 2:
					ObjectWaitMany(w.a, nil, []WaitItem{{Handle: ev, WaitFor: zx.UserSignal0}, {Handle: other, WaitFor: zx.UserSignal0}}, object.TimeInfinite)
				default:
					ObjectWaitOne(w.a, nil, ev, zx.UserSignal0, object.TimeInfinite)
				}
			}()
		}
		all.Wait()
		HandleClose(w.a, other)
	}
}

func TestWaitTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	ev, _ := EventCreate(p.proc, 0)
	wait := func(deadline int64, out uint64) <-chan zx.Status {
		return p.start(p.thread, "zx_object_wait_one", uint64(ev), uint64(zx.EventSignaled), uint64(deadline), out)
	}
	p.is("wait", p.await(wait(0, m)), zx.ErrTimedOut)
	p.is("wait", p.await(wait(p.soon(), 0)), zx.ErrTimedOut)
	result := wait(object.TimeInfinite, m)
	p.eventually("the thread is blocked", func() bool { s, _ := p.thread.State(); return s == object.ThreadStateBlockedWaitOne },
		func() any { s, _ := p.thread.State(); return s })
	p.ok("signal", ObjectSignal(p.proc, ev, 0, zx.EventSignaled))
	p.ok("wait", p.await(result))
	if s := zx.Signals(p.get32(m)); s != zx.EventSignaled {
		t.Errorf("observed %#x", s)
	}
	if s, _ := p.thread.State(); s != object.ThreadStateRunning {
		t.Errorf("the thread's state is %#x", s)
	}
	p.is("signals to nowhere", p.await(wait(0, 0x1000)), zx.ErrInvalidArgs)

	p.put32(m+64, uint32(ev), uint32(zx.UserSignal0), 0, uint32(ev), uint32(zx.EventSignaled), 0)
	p.ok("wait_many", p.call("zx_object_wait_many", m+64, 2, object.TimeInfinite))
	if p.get32(m+72) != uint32(zx.EventSignaled) || p.get32(m+84) != uint32(zx.EventSignaled) {
		t.Errorf("pending % x", p.read(m+64, 24))
	}
	p.is("wait_many", p.call("zx_object_wait_many", m+64, 1, uint64(p.soon())), zx.ErrTimedOut)
	p.is("wait_many", p.call("zx_object_wait_many", m+64, 1<<60, 0), zx.ErrOutOfRange)
	p.is("wait_many", p.call("zx_object_wait_many", 0, 1, 0), zx.ErrInvalidArgs)
	p.ok("nanosleep", p.call("zx_nanosleep", 0))
	p.ok("nanosleep", p.call("zx_nanosleep", uint64(p.soon())))
}

func TestHandlesTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	before := p.proc.Handles().Len()
	p.ok("event_create", p.call("zx_event_create", 0, m))
	ev := uint64(p.get32(m))
	p.ok("duplicate", p.call("zx_handle_duplicate", ev, uint64(zx.RightSameRights), m+4))
	p.ok("replace", p.call("zx_handle_replace", uint64(p.get32(m+4)), 0, m+4))
	p.ok("check_valid", p.call("zx_handle_check_valid", ev))
	p.is("duplicate to nowhere", p.call("zx_handle_duplicate", ev, uint64(zx.RightSameRights), 0), zx.ErrInvalidArgs)
	p.ok("close_many", p.call("zx_handle_close_many", m, 2))
	p.is("close_many of an array without end", p.call("zx_handle_close_many", m, 1<<61), zx.ErrInvalidArgs)
	p.is("close", p.call("zx_handle_close", ev), zx.ErrBadHandle)
	p.ok("eventpair_create", p.call("zx_eventpair_create", 0, m, m+4))
	p.ok("signal_peer", p.call("zx_object_signal_peer", uint64(p.get32(m)), 0, uint64(zx.UserSignal0)))
	p.ok("close_many", p.call("zx_handle_close_many", m, 2))
	if n := p.proc.Handles().Len(); n != before {
		t.Errorf("%d handles, %d before", n, before)
	}
}

func BenchmarkWaitOneSatisfied(b *testing.B) {
	w := newWorld(b)
	ev := w.event()
	ObjectSignal(w.a, ev, 0, zx.EventSignaled)
	b.ReportAllocs()
	for b.Loop() {
		ObjectWaitOne(w.a, nil, ev, zx.EventSignaled, object.TimeInfinite)
	}
}

func BenchmarkHandleDuplicateClose(b *testing.B) {
	w := newWorld(b)
	ev := w.event()
	b.ReportAllocs()
	for b.Loop() {
		h, _ := HandleDuplicate(w.a, ev, zx.RightSameRights)
		HandleClose(w.a, h)
	}
}

// What a system call costs beside the trap itself.
func BenchmarkDispatch(b *testing.B) {
	p := newProgram(b)
	i := number("zx_syscall_test_0")
	trap := object.NewTrap(1, func(uint64, uint64) {})
	b.ReportAllocs()
	for b.Loop() {
		trap.Set(1, uint64(firstNumber+i), p.vdso+codeOff+uint64(i)+1, [6]uint64{})
		Dispatch(p.proc, p.thread, trap)
	}
}
