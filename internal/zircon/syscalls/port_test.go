package syscalls

import (
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func (w *world) port() zx.Handle {
	w.Helper()
	h, st := PortCreate(w.a, 0)
	w.ok("PortCreate", st)
	return h
}

// next takes a packet that must be there already.
func (w *world) next(port zx.Handle) object.PortPacket {
	w.Helper()
	p, st := PortWait(w.a, nil, port, 0)
	w.ok("PortWait", st)
	return p
}

func (w *world) empty(port zx.Handle) {
	w.Helper()
	_, st := PortWait(w.a, nil, port, 0)
	w.is("PortWait at an empty port", st, zx.ErrTimedOut)
}

func TestPortUserPackets(t *testing.T) {
	w := newWorld(t)
	port := w.port()
	w.empty(port)
	for i := range uint64(3) {
		pkt := object.PortPacket{Key: i, Type: 99, Status: zx.ErrStop}
		pkt.Payload[31] = byte(i)
		w.ok("PortQueue", PortQueue(w.a, port, pkt))
	}
	for i := range uint64(3) {
		pkt := w.next(port)
		if pkt.Key != i || pkt.Type != object.PacketUser || pkt.Status != zx.ErrStop || pkt.Payload[31] != byte(i) {
			t.Errorf("packet %d is %+v", i, pkt)
		}
	}
	w.empty(port)
	_, st := PortWait(w.a, nil, port, w.soon())
	w.is("PortWait", st, zx.ErrTimedOut)
}

func TestPortFull(t *testing.T) {
	w := newWorld(t)
	port := w.port()
	n := 0
	for st := zx.OK; ; n++ {
		if st = PortQueue(w.a, port, object.PortPacket{}); st != zx.OK {
			w.is("PortQueue", st, zx.ErrShouldWait)
			break
		}
	}
	if n != 4097 { // as on Zircon, where the next is one too many once there are more than 4096
		t.Errorf("a port takes %d packets", n)
	}
	w.next(port)
	w.ok("PortQueue", PortQueue(w.a, port, object.PortPacket{}))
}

func TestWaitAsync(t *testing.T) {
	const sig = zx.UserSignal0
	w := newWorld(t)
	for _, tt := range []struct {
		name    string
		options uint32
		before  zx.Signals // the event has when the wait begins
		changes []zx.Signals
		packets int
	}{
		{"signaled later", 0, 0, []zx.Signals{sig}, 1},
		{"signaled already", 0, sig, nil, 1},
		{"another signal", 0, 0, []zx.Signals{zx.UserSignal1}, 0},
		{"only once", 0, 0, []zx.Signals{sig, 0, sig}, 1},
		{"edge, signaled already", object.WaitAsyncEdge, sig, nil, 0},
		{"edge, another signal meanwhile", object.WaitAsyncEdge, sig, []zx.Signals{sig | zx.UserSignal1}, 0},
		{"edge, off and on", object.WaitAsyncEdge, sig, []zx.Signals{0, sig}, 1},
		{"edge, signaled later", object.WaitAsyncEdge, 0, []zx.Signals{sig}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, ev := w.port(), w.event()
			defer HandleCloseMany(w.a, []zx.Handle{port, ev})
			set := func(s zx.Signals) { w.ok("signal", ObjectSignal(w.a, ev, zx.UserSignalAll, s)) }
			set(tt.before)
			w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, ev, port, 7, sig, tt.options))
			for _, s := range tt.changes {
				set(s)
			}
			for range tt.packets {
				pkt := w.next(port)
				trigger, observed, ts := pkt.Signal()
				if pkt.Key != 7 || pkt.Type != object.PacketSignalOne || trigger != sig || observed&sig == 0 || ts != 0 {
					t.Errorf("packet is %+v", pkt)
				}
			}
			w.empty(port)
		})
	}
}

func TestWaitAsyncTimestamps(t *testing.T) {
	w := newWorld(t)
	port, ev := w.port(), w.event()
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.EventSignaled))
	for _, tt := range []struct {
		options uint32
		now     func() int64
	}{{object.WaitAsyncTimestamp, w.m.Monotonic}, {object.WaitAsyncBootTimestamp, w.m.Boot}} {
		before := tt.now()
		w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, ev, port, 0, zx.EventSignaled, tt.options))
		pkt := w.next(port)
		if _, _, ts := pkt.Signal(); ts < before || ts > tt.now() {
			t.Errorf("timestamp %d is not between %d and now", ts, before)
		}
	}
	w.is("both", ObjectWaitAsync(w.a, ev, port, 0, 0, object.WaitAsyncTimestamp|object.WaitAsyncBootTimestamp), zx.ErrInvalidArgs)
	w.is("unknown", ObjectWaitAsync(w.a, ev, port, 0, 0, 1<<3), zx.ErrInvalidArgs)
}

func TestWaitAsyncErrors(t *testing.T) {
	w := newWorld(t)
	port, ev := w.port(), w.event()
	wait := func(h, port zx.Handle) zx.Status { return ObjectWaitAsync(w.a, h, port, 0, zx.EventSignaled, 0) }
	w.is("no handle", wait(0, port), zx.ErrBadHandle)
	w.is("no port", wait(ev, 0), zx.ErrBadHandle)
	w.is("event as port", wait(ev, ev), zx.ErrWrongType)
	w.is("no right to wait", wait(w.without(ev, zx.RightWait), port), zx.ErrAccessDenied)
	w.is("no right to write", wait(ev, w.without(port, zx.RightWrite)), zx.ErrAccessDenied)
	w.is("a port cannot be waited for", wait(port, port), zx.ErrAccessDenied)
}

// The handle's end is the wait's end; packets that are queued stay.
func TestWaitAsyncHandleCloses(t *testing.T) {
	for name, lose := range map[string]func(w *world, h zx.Handle){
		"closed":   func(w *world, h zx.Handle) { HandleClose(w.a, h) },
		"replaced": func(w *world, h zx.Handle) { HandleReplace(w.a, h, zx.RightSameRights) },
		"moved":    func(w *world, h zx.Handle) { w.give(h) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			port, ev := w.port(), w.event()
			other := w.without(ev, 0)
			w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, ev, port, 1, zx.UserSignal0, 0))
			w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, ev, port, 2, zx.UserSignal1, 0))
			w.ok("signal", ObjectSignal(w.a, other, 0, zx.UserSignal0))
			lose(w, ev)
			w.ok("signal", ObjectSignal(w.a, other, 0, zx.UserSignal1))
			if pkt := w.next(port); pkt.Key != 1 {
				t.Errorf("packet is %+v", pkt)
			}
			w.empty(port)
		})
	}
}

func TestPortCancel(t *testing.T) {
	w := newWorld(t)
	port, ev := w.port(), w.event()
	other := w.without(ev, 0) // the same event by another handle
	wait := func(h zx.Handle, key uint64, s zx.Signals) {
		w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, h, port, key, s, 0))
	}
	w.is("nothing to cancel", PortCancel(w.a, port, ev, 1), zx.ErrNotFound)
	w.ok("PortQueue", PortQueue(w.a, port, object.PortPacket{Key: 1}))
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.UserSignal0))
	wait(ev, 1, zx.UserSignal0)    // is in the queue
	wait(ev, 1, zx.UserSignal1)    // waits
	wait(ev, 2, zx.UserSignal1)    // another key
	wait(other, 1, zx.UserSignal1) // another handle
	w.ok("PortCancel", PortCancel(w.a, port, ev, 1))
	w.is("again", PortCancel(w.a, port, ev, 1), zx.ErrNotFound)
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.UserSignal1))
	var got []uint64
	for range 3 {
		got = append(got, w.next(port).Key)
	}
	w.empty(port)
	if got[0] != 1 || got[1]+got[2] != 3 {
		t.Errorf("packets have keys %v, want the user's 1, and 1 and 2", got)
	}

	wait(ev, 5, zx.UserSignal0)
	wait(other, 5, zx.UserSignal2)
	w.ok("PortCancelKey", PortCancelKey(w.a, port, 0, 5))
	w.is("again", PortCancelKey(w.a, port, 0, 5), zx.ErrNotFound)
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.UserSignal2))
	w.empty(port)
	w.is("options", PortCancelKey(w.a, port, 1, 5), zx.ErrInvalidArgs)
	w.is("no source", PortCancel(w.a, port, 0, 5), zx.ErrBadHandle)
}

// A closed port leaves nothing at the objects it watched.
func TestPortClosedWhileWatching(t *testing.T) {
	w := newWorld(t)
	port, ev := w.port(), w.event()
	for range 10 {
		w.ok("ObjectWaitAsync", ObjectWaitAsync(w.a, ev, port, 0, zx.UserSignal0, 0))
	}
	w.ok("close", HandleClose(w.a, port))
	w.ok("signal", ObjectSignal(w.a, ev, 0, zx.UserSignal0))
}

// Each packet wakes one thread, and none is lost.
func TestPortThreadPool(t *testing.T) {
	w := newWorld(t)
	port := w.port()
	const threads, packets = 8, 5000
	var mu sync.Mutex
	seen := make(map[uint64]int)
	var pool sync.WaitGroup
	for range threads {
		pool.Add(1)
		go func() {
			defer pool.Done()
			for {
				pkt, st := PortWait(w.a, nil, port, object.TimeInfinite)
				if st != zx.OK || pkt.Status == zx.ErrStop {
					return
				}
				mu.Lock()
				seen[pkt.Key]++
				mu.Unlock()
			}
		}()
	}
	for i := range uint64(packets) {
		for PortQueue(w.a, port, object.PortPacket{Key: i}) == zx.ErrShouldWait {
		}
	}
	for range threads {
		for PortQueue(w.a, port, object.PortPacket{Status: zx.ErrStop}) == zx.ErrShouldWait {
		}
	}
	pool.Wait()
	for i := range uint64(packets) {
		if seen[i] != 1 {
			t.Fatalf("packet %d came %d times", i, seen[i])
		}
	}
}

func TestPortWaitGivesUp(t *testing.T) {
	w := newWorld(t)
	port := w.port()
	done := make(chan struct{})
	close(done)
	_, st := PortWait(w.a, done, port, object.TimeInfinite)
	w.is("PortWait", st, zx.ErrCanceled)
}

func TestPortTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.ok("create", p.call("zx_port_create", 0, m))
	port := uint64(p.get32(m))
	result := p.start(p.thread, "zx_port_wait", port, object.TimeInfinite, m+64)
	p.put(m+128, 42)
	p.put32(m+136, 0, 0)
	p.put(m+144, 7)
	p.ok("queue", p.call("zx_port_queue", port, m+128))
	p.ok("wait", p.await(result))
	if p.get64(m+64) != 42 || p.get64(m+80) != 7 {
		t.Errorf("packet with key %d and payload %d", p.get64(m+64), p.get64(m+80))
	}
	p.is("wait", p.call("zx_port_wait", port, 0, m+64), zx.ErrTimedOut)
	p.is("queue", p.call("zx_port_queue", port, 0), zx.ErrInvalidArgs)
	ev, _ := EventCreate(p.proc, 0)
	p.ok("wait_async", p.call("zx_object_wait_async", uint64(ev), port, 5, uint64(zx.EventSignaled), 0))
	p.ok("signal", p.call("zx_object_signal", uint64(ev), 0, uint64(zx.EventSignaled)))
	p.ok("wait", p.call("zx_port_wait", port, 0, m+64))
	if p.get64(m+64) != 5 || p.get32(m+72) != object.PacketSignalOne || zx.Signals(p.get32(m+84)) != zx.EventSignaled {
		t.Errorf("packet is % x", p.read(m+64, 48))
	}
	p.is("cancel", p.call("zx_port_cancel", port, uint64(ev), 5), zx.ErrNotFound)
	p.is("cancel_key", p.call("zx_port_cancel_key", port, 0, 5), zx.ErrNotFound)
}
