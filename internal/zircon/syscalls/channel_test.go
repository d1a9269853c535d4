package syscalls

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func TestChannelMessages(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	w.wantSignals(h0, zx.ChannelWritable)
	peer := w.give(h1)
	ev := w.event()

	w.ok("write", ChannelWrite(w.a, h0, 0, []byte("first"), nil))
	w.ok("write", ChannelWrite(w.a, h0, 0, nil, []zx.Handle{ev}))
	if w.valid(ev) {
		t.Error("a handle that was sent is still the sender's")
	}

	b, hs := make([]byte, 10), make([]zx.Handle, 2)
	nb, nh, st := ChannelRead(w.b, peer, 0, b, hs)
	w.ok("read", st)
	if got := string(b[:nb]); got != "first" || nh != 0 {
		t.Errorf("read %q and %d handles", got, nh)
	}
	nb, nh, st = ChannelRead(w.b, peer, 0, b, hs)
	w.ok("read", st)
	if nb != 0 || nh != 1 {
		t.Fatalf("read %d bytes and %d handles, want 0 and 1", nb, nh)
	}
	w.ok("signaling what was received", ObjectSignal(w.b, hs[0], 0, zx.EventSignaled))
	_, _, st = ChannelRead(w.b, peer, 0, b, hs)
	w.is("read of an empty channel", st, zx.ErrShouldWait)
}

func TestChannelSignals(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	w.ok("write", ChannelWrite(w.a, h0, 0, []byte{1}, nil))
	w.ok("write", ChannelWrite(w.a, h0, 0, []byte{2}, nil))
	w.wantSignals(h1, zx.ChannelReadable|zx.ChannelWritable)
	w.ok("close", HandleClose(w.a, h0))
	w.wantSignals(h1, zx.ChannelReadable|zx.ChannelPeerClosed)
	w.is("write to nobody", ChannelWrite(w.a, h1, 0, nil, nil), zx.ErrPeerClosed)
	// What was written before is still to be had.
	for i := range 2 {
		var b [1]byte
		_, _, st := ChannelRead(w.a, h1, 0, b[:], nil)
		w.ok("read", st)
		if b[0] != byte(i+1) {
			t.Errorf("message %d is %d", i, b[0])
		}
	}
	w.wantSignals(h1, zx.ChannelPeerClosed)
	_, _, st := ChannelRead(w.a, h1, 0, nil, nil)
	w.is("read at the end", st, zx.ErrPeerClosed)
}

func TestChannelReadTooSmall(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	send := func() { w.ok("write", ChannelWrite(w.a, h0, 0, []byte("12345"), []zx.Handle{w.event()})) }
	send()
	for _, tt := range []struct{ bytes, handles int }{{4, 1}, {5, 0}, {0, 0}} {
		nb, nh, st := ChannelRead(w.a, h1, 0, make([]byte, tt.bytes), make([]zx.Handle, tt.handles))
		w.is("read", st, zx.ErrBufferTooSmall)
		if nb != 5 || nh != 1 {
			t.Errorf("the message is said to have %d bytes and %d handles", nb, nh)
		}
	}
	nb, nh, st := ChannelRead(w.a, h1, channelReadMayDiscard, nil, nil)
	w.is("read that may discard", st, zx.ErrBufferTooSmall)
	if nb != 5 || nh != 1 {
		t.Errorf("the message is said to have %d bytes and %d handles", nb, nh)
	}
	_, _, st = ChannelRead(w.a, h1, 0, nil, nil)
	w.is("read of what was discarded", st, zx.ErrShouldWait)
	if n := w.k.Live(zx.ObjTypeEvent); n != 0 {
		t.Errorf("%d events outlive the message", n)
	}
	send()
	_, _, st = ChannelRead(w.a, h1, channelReadMayDiscard, make([]byte, 5), make([]zx.Handle, 1))
	w.ok("read that fits", st)
}

// Whatever is wrong with a write, the handles to be sent are gone.
func TestChannelWriteConsumesHandles(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	closed, peer := w.channel()
	w.ok("close", HandleClose(w.a, peer))
	other, stale := w.event(), w.event()
	w.ok("close", HandleClose(w.a, stale))
	for _, tt := range []struct {
		name    string
		channel zx.Handle
		options uint32
		bytes   int
		handles []zx.Handle
		want    zx.Status
	}{
		{"options", h0, 1 << 5, 0, nil, zx.ErrInvalidArgs},
		{"no handle", 0, 0, 0, nil, zx.ErrBadHandle},
		{"no channel", other, 0, 0, nil, zx.ErrWrongType},
		{"no right to write", w.without(h0, zx.RightWrite), 0, 0, nil, zx.ErrAccessDenied},
		{"too many bytes", h0, 0, zx.ChannelMaxMsgBytes + 1, nil, zx.ErrOutOfRange},
		{"too many handles", h0, 0, 0, slices.Repeat([]zx.Handle{0}, zx.ChannelMaxMsgHandles), zx.ErrOutOfRange},
		{"bad handle", h0, 0, 0, []zx.Handle{stale}, zx.ErrBadHandle},
		{"zero handle", h0, 0, 0, []zx.Handle{0}, zx.ErrBadHandle},
		{"no right to transfer", h0, 0, 0, []zx.Handle{w.without(other, zx.RightTransfer)}, zx.ErrAccessDenied},
		{"itself", h0, 0, 0, []zx.Handle{w.without(h0, 0)}, zx.ErrNotSupported},
		{"peer closed", closed, 0, 0, nil, zx.ErrPeerClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := w.k.Live(zx.ObjTypeEvent)
			first, last := w.event(), w.event()
			hs := append([]zx.Handle{first}, tt.handles...)
			hs = append(hs, last)
			w.is("write", ChannelWrite(w.a, tt.channel, tt.options, make([]byte, tt.bytes), hs), tt.want)
			for _, h := range hs {
				if w.valid(h) {
					t.Errorf("handle %#x is left", h)
				}
			}
			if n := w.k.Live(zx.ObjTypeEvent); n != live {
				t.Errorf("%d events, %d before", n, live)
			}
		})
	}
	_, _, st := ChannelRead(w.a, h1, 0, nil, nil)
	w.is("reading what should not have been sent", st, zx.ErrShouldWait)
}

func TestChannelSameHandleTwice(t *testing.T) {
	w := newWorld(t)
	h0, _ := w.channel()
	ev := w.event()
	w.is("write", ChannelWrite(w.a, h0, 0, nil, []zx.Handle{ev, ev}), zx.ErrBadHandle)
}

func TestChannelWriteEtc(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	const noTransfer = zx.RightWait | zx.RightInspect
	ev, kept := w.event(), w.event()
	w.ok("write", ChannelWriteEtc(w.a, h0, 0, []byte("x"), []zx.HandleDisposition{
		{Op: zx.HandleOpMove, Handle: ev, Type: zx.ObjTypeEvent, Rights: noTransfer},
		{Op: zx.HandleOpDuplicate, Handle: kept, Rights: zx.RightSameRights},
	}))
	if w.valid(ev) || !w.valid(kept) {
		t.Errorf("moved: valid %v; duplicated: valid %v", w.valid(ev), w.valid(kept))
	}
	var hi [2]zx.HandleInfo
	_, nh, st := ChannelReadEtc(w.a, h1, 0, make([]byte, 1), hi[:])
	w.ok("read", st)
	if nh != 2 || hi[0].Rights != noTransfer || hi[0].Type != zx.ObjTypeEvent || hi[1].Rights != object.EventRights {
		t.Errorf("got %d handles: %+v", nh, hi)
	}
}

func TestChannelWriteEtcFailures(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	self, bad := w.without(h0, 0), zx.Handle(3)
	noDup, noMove := w.without(w.event(), zx.RightDuplicate), w.without(w.event(), zx.RightTransfer)
	const move, dup = zx.HandleOpMove, zx.HandleOpDuplicate
	for _, tt := range []struct {
		name string
		d    zx.HandleDisposition
		want zx.Status
	}{
		{"bad handle", zx.HandleDisposition{Op: move, Handle: bad}, zx.ErrBadHandle},
		{"bad handle to duplicate", zx.HandleDisposition{Op: dup, Handle: bad}, zx.ErrBadHandle},
		{"operation", zx.HandleDisposition{Op: 2, Handle: w.event()}, zx.ErrInvalidArgs},
		{"result set", zx.HandleDisposition{Op: move, Handle: w.event(), Result: zx.ErrNext}, zx.ErrInvalidArgs},
		{"type", zx.HandleDisposition{Op: move, Handle: w.event(), Type: zx.ObjTypeChannel}, zx.ErrWrongType},
		{"more rights", zx.HandleDisposition{Op: move, Handle: w.event(), Rights: zx.RightsAll}, zx.ErrInvalidArgs},
		{"no right to transfer", zx.HandleDisposition{Op: move, Handle: noMove}, zx.ErrAccessDenied},
		{"no right to duplicate", zx.HandleDisposition{Op: dup, Handle: noDup}, zx.ErrAccessDenied},
		{"itself", zx.HandleDisposition{Op: move, Handle: self}, zx.ErrNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good, goodDup := w.event(), w.event()
			hd := []zx.HandleDisposition{
				{Op: move, Handle: good, Rights: zx.RightSameRights},
				tt.d,
				{Op: dup, Handle: goodDup, Rights: zx.RightSameRights},
			}
			w.is("write", ChannelWriteEtc(w.a, h0, 0, nil, hd), tt.want)
			if hd[0].Result != zx.OK || hd[1].Result != tt.want || hd[2].Result != zx.OK {
				t.Errorf("results %v, %v, %v", hd[0].Result, hd[1].Result, hd[2].Result)
			}
			if w.valid(good) || !w.valid(goodDup) {
				t.Error("a moved handle is left, or a duplicated one gone")
			}
			if tt.d.Op == move && w.valid(tt.d.Handle) {
				t.Error("the handle that could not be moved is left")
			}
		})
	}
	_, _, st := ChannelRead(w.a, h1, 0, nil, nil)
	w.is("reading what should not have been sent", st, zx.ErrShouldWait)
}

// message gives bytes that begin with a transaction id.
func message(txid uint32, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, txid), s...)
}

func TestChannelCall(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	server := w.give(h1)
	const calls = 10
	var callers sync.WaitGroup
	for i := range calls {
		callers.Add(1)
		go func() {
			defer callers.Done()
			want := fmt.Sprint("call ", i)
			var b [64]byte
			var hs [1]zx.Handle
			nb, nh, st := ChannelCall(w.a, nil, h0, 0, w.later(), message(7, want), nil, b[:], hs[:])
			if st != zx.OK || nh != 1 || string(b[4:nb]) != want {
				t.Errorf("%s: %v, %d handles, %q", want, st, nh, b[4:max(nb, 4)])
			}
		}()
	}
	var requests [][]byte
	for range calls {
		_, st := ObjectWaitOne(w.b, nil, server, zx.ChannelReadable, object.TimeInfinite)
		w.ok("wait", st)
		b := make([]byte, 64)
		nb, _, st := ChannelRead(w.b, server, 0, b, nil)
		w.ok("read", st)
		if id := binary.LittleEndian.Uint32(b); id>>31 == 0 {
			t.Errorf("transaction id %#x is a user's", id)
		}
		requests = append(requests, b[:nb])
	}
	w.ok("event", ChannelWrite(w.b, server, 0, message(0, "event"), nil))
	slices.Reverse(requests)
	for _, b := range requests {
		ev, _ := EventCreate(w.b, 0)
		w.ok("reply", ChannelWrite(w.b, server, 0, b, []zx.Handle{ev}))
	}
	callers.Wait()
	// What is no reply went the usual way.
	b := make([]byte, 64)
	nb, _, st := ChannelRead(w.a, h0, 0, b, nil)
	w.ok("read", st)
	if string(b[4:nb]) != "event" {
		t.Errorf("the queue has %q", b[:nb])
	}
}

func TestChannelCallFailures(t *testing.T) {
	w := newWorld(t)
	// serve lets f do something to the server's end once the call has arrived.
	serve := func(server zx.Handle, f func(request []byte)) {
		_, st := ObjectWaitOne(w.a, nil, server, zx.ChannelReadable, object.TimeInfinite)
		w.ok("wait", st)
		b := make([]byte, 64)
		nb, _, st := ChannelRead(w.a, server, 0, b, nil)
		w.ok("read", st)
		f(b[:nb])
	}
	var done chan struct{}
	for _, tt := range []struct {
		name string
		f    func(client, server zx.Handle, request []byte)
		want zx.Status
	}{
		{"peer closes", func(_, s zx.Handle, _ []byte) { HandleClose(w.a, s) }, zx.ErrPeerClosed},
		{"handle is closed", func(c, _ zx.Handle, _ []byte) { HandleClose(w.a, c) }, zx.ErrCanceled},
		{"handle is moved", func(c, _ zx.Handle, _ []byte) { w.give(c) }, zx.ErrCanceled},
		{"caller gives up", func(zx.Handle, zx.Handle, []byte) { close(done) }, zx.ErrCanceled},
		{"reply is too long", func(_, s zx.Handle, r []byte) {
			ChannelWrite(w.a, s, 0, append(r, make([]byte, 100)...), []zx.Handle{w.event()})
		}, zx.ErrBufferTooSmall},
		{"reply has too many handles", func(_, s zx.Handle, r []byte) {
			ChannelWrite(w.a, s, 0, r, []zx.Handle{w.event(), w.event()})
		}, zx.ErrBufferTooSmall},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s := w.channel()
			done = make(chan struct{})
			result := make(chan zx.Status)
			go func() {
				_, _, st := ChannelCall(w.a, done, c, 0, object.TimeInfinite, message(0, ""), nil, make([]byte, 64), make([]zx.Handle, 1))
				result <- st
			}()
			serve(s, func(r []byte) { tt.f(c, s, r) })
			w.is("call", <-result, tt.want)
			if n := w.k.Live(zx.ObjTypeEvent); n != 0 {
				t.Errorf("%d events of the reply are left", n)
			}
			if tt.want == zx.ErrBufferTooSmall {
				w.wantSignals(c, zx.ChannelWritable) // the reply is lost
			}
		})
	}
}

// A reply that comes after the deadline is an ordinary message.
func TestChannelCallLateReply(t *testing.T) {
	w := newWorld(t)
	c, s := w.channel()
	_, _, st := ChannelCall(w.a, nil, c, 0, w.soon(), message(0, "?"), nil, nil, nil)
	w.is("call", st, zx.ErrTimedOut)
	b := make([]byte, 16)
	nb, _, st := ChannelRead(w.a, s, 0, b, nil)
	w.ok("read", st)
	w.ok("reply", ChannelWrite(w.a, s, 0, b[:nb], nil))
	got := make([]byte, 16)
	n, _, st := ChannelRead(w.a, c, 0, got, nil)
	w.ok("read", st)
	if !bytes.Equal(got[:n], b[:nb]) {
		t.Errorf("read % x, want % x", got[:n], b[:nb])
	}
}

func TestChannelCallBadArguments(t *testing.T) {
	w := newWorld(t)
	c, s := w.channel()
	call := func(c zx.Handle, options uint32, b []byte) zx.Status {
		ev := w.event()
		_, _, st := ChannelCall(w.a, nil, c, options, 0, b, []zx.Handle{ev}, nil, nil)
		if w.valid(ev) {
			t.Error("the handle is left")
		}
		return st
	}
	w.is("short message", call(c, 0, []byte{1, 2, 3}), zx.ErrInvalidArgs)
	w.is("options", call(c, 1, message(0, "")), zx.ErrInvalidArgs)
	w.is("no right to read", call(w.without(c, zx.RightRead), 0, message(0, "")), zx.ErrAccessDenied)
	w.is("no right to write", call(w.without(c, zx.RightWrite), 0, message(0, "")), zx.ErrAccessDenied)
	HandleClose(w.a, s)
	w.is("peer closed", call(c, 0, message(0, "")), zx.ErrPeerClosed)
}

// A reader that never reads does not cost all the memory there is.
func TestChannelFull(t *testing.T) {
	w := newWorld(t)
	h0, _ := w.channel()
	st := zx.OK
	n := 0
	for ; st == zx.OK && n < 10000; n++ {
		st = ChannelWrite(w.a, h0, 0, []byte("x"), []zx.Handle{w.event()})
	}
	w.is("write", st, zx.ErrShouldWait)
}

// Channels in messages of channels, as deep as one likes, are closed without
// taking the stack along.
func TestChannelsInChannels(t *testing.T) {
	w := newWorld(t)
	const depth = 100_000
	inner, rest := w.channel()
	HandleClose(w.a, rest)
	for range depth {
		h0, h1 := w.channel()
		w.ok("write", ChannelWrite(w.a, h0, 0, nil, []zx.Handle{inner}))
		w.ok("close", HandleClose(w.a, h0))
		inner = h1
	}
	w.ok("close", HandleClose(w.a, inner))
	if n := w.k.Live(zx.ObjTypeChannel); n != 0 {
		t.Errorf("%d channel ends are left", n)
	}
}

func TestChannelTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.ok("create", p.call("zx_channel_create", 0, m, m+4))
	h0, h1 := uint64(p.get32(m)), uint64(p.get32(m+4))
	ev, _ := EventCreate(p.proc, 0)
	p.write(m+64, []byte("hello"))
	p.put32(m+128, uint32(ev))
	p.ok("write", p.call("zx_channel_write", h0, 0, m+64, 5, m+128, 1))
	p.ok("read_etc", p.call("zx_channel_read_etc", h1, 0, m+256, m+320, 64, 4, m+8, m+12))
	if got := string(p.read(m+256, 5)); got != "hello" || p.get32(m+8) != 5 || p.get32(m+12) != 1 {
		t.Errorf("read %q of %d bytes, %d handles", got, p.get32(m+8), p.get32(m+12))
	}
	if ty, r := p.get32(m+324), p.get32(m+328); zx.ObjType(ty) != zx.ObjTypeEvent || zx.Rights(r) != object.EventRights || p.get32(m+332) != 0 {
		t.Errorf("handle of type %d with rights %#x", ty, r)
	}

	// Bytes gathered from several places.
	p.put(m+512, m+64)
	p.put32(m+520, 2, 0)
	p.put(m+528, 0)
	p.put32(m+536, 0, 0)
	p.put(m+544, m+66)
	p.put32(m+552, 3, 0)
	p.ok("write", p.call("zx_channel_write", h0, channelWriteUseIovec, m+512, 3, 0, 0))
	p.ok("read", p.call("zx_channel_read", h1, 0, m+256, 0, 64, 0, m+8, 0))
	if got := string(p.read(m+256, 5)); got != "hello" || p.get32(m+8) != 5 {
		t.Errorf("read %q", got)
	}
	p.put32(m+556, 1)
	p.is("reserved word of an iovec", p.call("zx_channel_write", h0, channelWriteUseIovec, m+512, 3, 0, 0), zx.ErrInvalidArgs)
	p.put32(m+552, zx.ChannelMaxMsgBytes, 0)
	p.is("iovecs of too many bytes", p.call("zx_channel_write", h0, channelWriteUseIovec, m+512, 3, 0, 0), zx.ErrOutOfRange)
	p.is("too many iovecs", p.call("zx_channel_write", h0, channelWriteUseIovec, m+512, channelMaxIovec+1, 0, 0), zx.ErrOutOfRange)
}

// Arguments at addresses that are none, in each place, are INVALID_ARGS and leave
// nothing behind.
func TestChannelTrappedBadPointers(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	const nowhere = 0x1000
	count := func() int { return p.proc.Handles().Len() }
	before := count()
	p.is("create", p.call("zx_channel_create", 0, nowhere, m), zx.ErrInvalidArgs)
	p.is("create", p.call("zx_channel_create", 0, m, nowhere), zx.ErrInvalidArgs)
	if count() != before {
		t.Errorf("%d handles, %d before", count(), before)
	}
	p.ok("create", p.call("zx_channel_create", 0, m, m+4))
	h0, h1 := uint64(p.get32(m)), uint64(p.get32(m+4))
	before = count()
	send := func(bytes, handles uint64) zx.Status {
		ev, _ := EventCreate(p.proc, 0)
		if handles == m+64 {
			p.put32(handles, uint32(ev))
		}
		st := p.call("zx_channel_write", h0, 0, bytes, 8, handles, 1)
		if handles != m+64 {
			HandleClose(p.proc, ev)
		}
		return st
	}
	p.is("bytes", send(nowhere, m+64), zx.ErrInvalidArgs)
	p.is("bytes beyond the top", send(^uint64(0)-3, m+64), zx.ErrInvalidArgs)
	p.is("handles", send(m, nowhere), zx.ErrInvalidArgs)
	if count() != before {
		t.Errorf("%d handles, %d before", count(), before)
	}
	receive := func(bytes, handles, nb, nh uint64) zx.Status {
		p.ok("write", send(m, m+64))
		return p.call("zx_channel_read", h1, 0, bytes, handles, 8, 1, nb, nh)
	}
	p.is("bytes", receive(nowhere, m+64, 0, 0), zx.ErrInvalidArgs)
	p.is("handles", receive(m, nowhere, 0, 0), zx.ErrInvalidArgs)
	p.is("actual_bytes", receive(m, m+64, nowhere, 0), zx.ErrInvalidArgs)
	p.is("actual_handles", receive(m, m+64, 0, nowhere), zx.ErrInvalidArgs)
	if count() != before || p.k.Live(zx.ObjTypeEvent) != 0 {
		t.Errorf("%d handles, %d before; %d events", count(), before, p.k.Live(zx.ObjTypeEvent))
	}
}

func TestChannelCallTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	c, s, _ := ChannelCreate(p.proc, 0)
	args := m + 1024
	p.put(args, m+64)     // wr_bytes
	p.put(args+8, m+128)  // wr_handles
	p.put(args+16, m+256) // rd_bytes
	p.put(args+24, m+512) // rd_handles
	p.put32(args+32, 8, 1, 64, 4)
	const fewer = zx.RightTransfer | zx.RightWait
	for _, etc := range []bool{false, true} {
		name := "zx_channel_call"
		ev, _ := EventCreate(p.proc, 0)
		p.write(m+64, message(1, "ping"))
		if etc {
			name = "zx_channel_call_etc"
			p.put32(m+128, uint32(zx.HandleOpMove), uint32(ev), uint32(zx.ObjTypeEvent), uint32(fewer), 0)
		} else {
			p.put32(m+128, uint32(ev))
		}
		result := p.start(p.thread, name, uint64(c), 0, object.TimeInfinite, args, m, m+4)
		_, st := ObjectWaitOne(p.proc, nil, s, zx.ChannelReadable, object.TimeInfinite)
		p.ok("wait", st)
		b := make([]byte, 16)
		hs := make([]zx.Handle, 1)
		nb, nh, st := ChannelRead(p.proc, s, 0, b, hs)
		p.ok("read", st)
		if string(b[4:nb]) != "ping" {
			t.Errorf("request is %q", b[4:nb])
		}
		p.ok("reply", ChannelWrite(p.proc, s, 0, append(b[:4], "pong!"...), hs[:nh]))
		p.ok(name, p.await(result))
		if got := string(p.read(m+260, 5)); got != "pong!" || p.get32(m) != 9 || p.get32(m+4) != 1 {
			t.Errorf("reply is %q, %d bytes, %d handles", got, p.get32(m), p.get32(m+4))
		}
		if typ, r := p.get32(m+516), p.get32(m+520); etc && (typ != uint32(zx.ObjTypeEvent) || r != uint32(fewer)) {
			t.Errorf("a handle of type %d with rights %#x", typ, r)
		}
		p.ok("close", HandleClose(p.proc, zx.Handle(p.get32(m+512))))
	}
	// What cannot be sent is gone, and the result says why.
	for _, ch := range []zx.Handle{c, zx.HandleInvalid} {
		ev, _ := EventCreate(p.proc, 0)
		p.put32(m+128, uint32(zx.HandleOpMove), uint32(ev), 0, uint32(zx.RightsAll), 0)
		st, want, result := p.call("zx_channel_call_etc", uint64(ch), 0, 0, args, m, m+4), zx.ErrInvalidArgs, zx.ErrInvalidArgs
		if ch == zx.HandleInvalid {
			want, result = zx.ErrBadHandle, zx.OK
		}
		p.is("a call that cannot be sent", st, want)
		if got := zx.Status(p.get32(m + 144)); got != result || p.proc.Handles().Lookup(ev) != nil {
			t.Errorf("the result is %v, the handle is left: %v", got, p.proc.Handles().Lookup(ev) != nil)
		}
	}
}

// The results of a write that fails come back, each in its place.
func TestChannelWriteEtcTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	c, s, _ := ChannelCreate(p.proc, 0)
	ev := func() uint32 { h, _ := EventCreate(p.proc, 0); return uint32(h) }
	disposition := func(i uint64, op zx.HandleOp, h uint32) {
		p.put32(m+dispositionSize*i, uint32(op), h, 0, uint32(zx.RightSameRights), 0)
	}
	write := func(ch zx.Handle, n uint64) zx.Status {
		return p.call("zx_channel_write_etc", uint64(ch), 0, 0, 0, m, n)
	}
	before := p.proc.Handles().Len()
	disposition(0, zx.HandleOpMove, ev())
	disposition(1, zx.HandleOpMove, 3)
	disposition(2, 9, 3)
	p.is("write", write(c, 3), zx.ErrBadHandle)
	for i, want := range []zx.Status{zx.OK, zx.ErrBadHandle, zx.ErrInvalidArgs} {
		if got := zx.Status(p.get32(m + dispositionSize*uint64(i) + 16)); got != want {
			t.Errorf("result %d is %v, want %v", i, got, want)
		}
	}
	disposition(0, zx.HandleOpMove, ev())
	p.is("write to no channel", write(0, 1), zx.ErrBadHandle)
	disposition(0, zx.HandleOpMove, ev())
	for i := range uint64(zx.ChannelMaxMsgHandles) {
		disposition(1+i, zx.HandleOpDuplicate, 3)
	}
	p.is("too many", write(c, 1+zx.ChannelMaxMsgHandles), zx.ErrOutOfRange)
	p.is("from nowhere", p.call("zx_channel_write_etc", uint64(c), 0, 0, 0, 8, 1), zx.ErrInvalidArgs)
	if n := p.proc.Handles().Len(); n != before {
		t.Errorf("%d handles, %d before", n, before)
	}
	disposition(0, zx.HandleOpMove, ev())
	p.ok("write", write(c, 1))
	p.ok("read", p.call("zx_channel_read", uint64(s), 0, 0, m, 0, 1, 0, 0))
}

func BenchmarkChannelWriteRead(b *testing.B) {
	for _, size := range []int{16, 1024, 65536} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			w := newWorld(b)
			h0, h1 := w.channel()
			buf := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if st := ChannelWrite(w.a, h0, 0, buf, nil); st != zx.OK {
					b.Fatal(st)
				}
				if _, _, st := ChannelRead(w.a, h1, 0, buf, nil); st != zx.OK {
					b.Fatal(st)
				}
			}
		})
	}
}

func BenchmarkChannelCall(b *testing.B) {
	w := newWorld(b)
	h0, h1 := w.channel()
	go func() {
		buf := make([]byte, 16)
		for {
			if s, _ := ObjectWaitOne(w.a, nil, h1, zx.ChannelReadable|zx.ChannelPeerClosed, object.TimeInfinite); s&zx.ChannelReadable == 0 {
				return
			}
			n, _, _ := ChannelRead(w.a, h1, 0, buf, nil)
			ChannelWrite(w.a, h1, 0, buf[:n], nil)
		}
	}()
	m := message(0, "ping")
	reply := make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, st := ChannelCall(w.a, nil, h0, 0, object.TimeInfinite, m, nil, reply, nil); st != zx.OK {
			b.Fatal(st)
		}
	}
	HandleClose(w.a, h0)
}
