package syscalls

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func (w *world) socket(options uint32) (zx.Handle, zx.Handle) {
	w.Helper()
	h0, h1, st := SocketCreate(w.a, options)
	w.ok("SocketCreate", st)
	return h0, h1
}

func (w *world) socketWrite(h zx.Handle, n int) (int, zx.Status) {
	return SocketWrite(w.a, h, 0, make([]byte, n))
}

func TestSocketStream(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(0)
	w.wantSignals(h0, zx.SocketWritable)
	for _, s := range []string{"one", "two", "three"} {
		n, st := SocketWrite(w.a, h0, 0, []byte(s))
		if st != zx.OK || n != len(s) {
			t.Fatalf("wrote %d of %q: %v", n, s, st)
		}
	}
	w.wantSignals(h1, zx.SocketReadable|zx.SocketWritable)
	b := make([]byte, 5)
	n, st := SocketRead(w.a, h1, socketPeek, b)
	w.ok("peek", st)
	if got := string(b[:n]); got != "onetw" {
		t.Errorf("peeked %q", got)
	}
	for _, want := range []string{"onetw", "othre", "e"} {
		n, st = SocketRead(w.a, h1, 0, b)
		w.ok("read", st)
		if got := string(b[:n]); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	_, st = SocketRead(w.a, h1, 0, b)
	w.is("read of an empty socket", st, zx.ErrShouldWait)
	w.wantSignals(h1, zx.SocketWritable)
}

func TestSocketDatagram(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(socketDatagram)
	for _, s := range []string{"first", "second", "third"} {
		_, st := SocketWrite(w.a, h0, 0, []byte(s))
		w.ok("write", st)
	}
	b := make([]byte, 64)
	for _, tt := range []struct {
		options uint32
		size    int
		want    string
	}{
		{socketPeek, 64, "first"}, {0, 64, "first"},
		{0, 3, "sec"}, // the rest is lost
		{0, 64, "third"},
	} {
		n, st := SocketRead(w.a, h1, tt.options, b[:tt.size])
		w.ok("read", st)
		if got := string(b[:n]); got != tt.want {
			t.Errorf("read %q, want %q", got, tt.want)
		}
	}
	_, st := w.socketWrite(h0, 0)
	w.is("empty datagram", st, zx.ErrInvalidArgs)
	_, st = w.socketWrite(h0, object.SocketCapacity+1)
	w.is("datagram that is too long", st, zx.ErrOutOfRange)
	n, st := w.socketWrite(h0, object.SocketCapacity-1)
	if st != zx.OK || n != object.SocketCapacity-1 {
		t.Errorf("wrote %d: %v", n, st)
	}
	_, st = w.socketWrite(h0, 2)
	w.is("datagram without room", st, zx.ErrShouldWait)
}

func TestSocketFull(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(0)
	n, st := w.socketWrite(h0, object.SocketCapacity+1000)
	if st != zx.OK || n != object.SocketCapacity {
		t.Fatalf("wrote %d: %v", n, st)
	}
	w.wantSignals(h0, 0)
	_, st = w.socketWrite(h0, 1)
	w.is("write", st, zx.ErrShouldWait)
	n, st = SocketRead(w.a, h1, 0, make([]byte, 10))
	if st != zx.OK || n != 10 {
		t.Fatalf("read %d: %v", n, st)
	}
	w.wantSignals(h0, zx.SocketWritable)
	n, st = w.socketWrite(h0, 100)
	if st != zx.OK || n != 10 {
		t.Errorf("wrote %d: %v", n, st)
	}
}

func TestSocketPeerClosed(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(0)
	w.socketWrite(h0, 3)
	w.socketWrite(h1, 3)
	w.ok("close", HandleClose(w.a, h0))
	w.wantSignals(h1, zx.SocketReadable|zx.SocketPeerClosed)
	_, st := w.socketWrite(h1, 1)
	w.is("write", st, zx.ErrPeerClosed)
	n, st := SocketRead(w.a, h1, 0, make([]byte, 8))
	if st != zx.OK || n != 3 {
		t.Errorf("read %d: %v", n, st)
	}
	w.wantSignals(h1, zx.SocketPeerClosed)
	_, st = SocketRead(w.a, h1, 0, make([]byte, 8))
	w.is("read at the end", st, zx.ErrPeerClosed)
	w.is("SocketSetDisposition", SocketSetDisposition(w.a, h1, 1, 0), zx.OK)
}

func TestSocketDisposition(t *testing.T) {
	const disabled, enabled = uint32(object.WriteDisabled), uint32(object.WriteEnabled)
	for _, tt := range []struct {
		name    string
		disable func(w *world, h0, h1 zx.Handle) zx.Status // writes at h0
	}{
		{"shutdown write", func(w *world, h0, _ zx.Handle) zx.Status { return SocketShutdown(w.a, h0, socketShutdownWrite) }},
		{"shutdown read at the peer", func(w *world, _, h1 zx.Handle) zx.Status { return SocketShutdown(w.a, h1, socketShutdownRead) }},
		{"disposition", func(w *world, h0, _ zx.Handle) zx.Status { return SocketSetDisposition(w.a, h0, disabled, 0) }},
		{"disposition of the peer", func(w *world, _, h1 zx.Handle) zx.Status { return SocketSetDisposition(w.a, h1, 0, disabled) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			h0, h1 := w.socket(0)
			w.socketWrite(h0, 3)
			w.ok("disable", tt.disable(w, h0, h1))
			w.ok("disable again", tt.disable(w, h0, h1))
			w.wantSignals(h0, zx.SocketWriteDisabled)
			w.wantSignals(h1, zx.SocketReadable|zx.SocketWritable|zx.SocketPeerWriteDisabled)
			_, st := w.socketWrite(h0, 1)
			w.is("write", st, zx.ErrBadState)
			w.is("enable with data to be read", SocketSetDisposition(w.a, h0, enabled, 0), zx.ErrBadState)
			_, st = SocketRead(w.a, h1, 0, make([]byte, 8))
			w.ok("read of what is left", st)
			_, st = SocketRead(w.a, h1, 0, make([]byte, 8))
			w.is("read at the end", st, zx.ErrBadState)
			w.ok("enable", SocketSetDisposition(w.a, h0, enabled, 0))
			w.wantSignals(h0, zx.SocketWritable)
			w.wantSignals(h1, zx.SocketWritable)
			_, st = w.socketWrite(h0, 1)
			w.ok("write", st)
			// The other way was never touched.
			_, st = w.socketWrite(h1, 1)
			w.ok("write at the other end", st)
		})
	}
}

func TestSocketThresholds(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(0)
	set := func(h zx.Handle, prop uint32, n uint64) zx.Status {
		b := []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 0, 0, 0, 0}
		return ObjectSetProperty(w.a, h, prop, b)
	}
	has := func(h zx.Handle, s zx.Signals, want bool) {
		t.Helper()
		if got := w.signals(h)&s != 0; got != want {
			t.Errorf("signal %#x is %v, want %v", s, got, want)
		}
	}
	w.ok("rx threshold", set(h1, propSocketRxThreshold, 10))
	w.ok("tx threshold", set(h0, propSocketTxThreshold, object.SocketCapacity-10))
	has(h0, zx.SocketWriteThreshold, true)
	w.socketWrite(h0, 9)
	has(h1, zx.SocketReadThreshold, false)
	w.socketWrite(h0, 2)
	has(h1, zx.SocketReadThreshold, true)
	has(h0, zx.SocketWriteThreshold, false)
	SocketRead(w.a, h1, 0, make([]byte, 2))
	has(h1, zx.SocketReadThreshold, false)
	has(h0, zx.SocketWriteThreshold, true)
	w.ok("lower rx threshold", set(h1, propSocketRxThreshold, 9))
	has(h1, zx.SocketReadThreshold, true)
	w.ok("no rx threshold", set(h1, propSocketRxThreshold, 0))
	has(h1, zx.SocketReadThreshold, false)
	w.is("threshold beyond the buffer", set(h1, propSocketRxThreshold, object.SocketCapacity+1), zx.ErrInvalidArgs)
	HandleClose(w.a, h0)
	w.is("tx threshold without a peer", set(h1, propSocketTxThreshold, 1), zx.ErrPeerClosed)
}

func TestSocketRights(t *testing.T) {
	w := newWorld(t)
	h0, _ := w.socket(0)
	_, st := SocketWrite(w.a, w.without(h0, zx.RightWrite), 0, nil)
	w.is("write", st, zx.ErrAccessDenied)
	_, st = SocketRead(w.a, w.without(h0, zx.RightRead), 0, nil)
	w.is("read", st, zx.ErrAccessDenied)
	w.is("set_disposition", SocketSetDisposition(w.a, w.without(h0, zx.RightManageSocket), 0, 0), zx.ErrAccessDenied)
	w.is("set_disposition to both", SocketSetDisposition(w.a, h0, 3, 0), zx.ErrInvalidArgs)
	w.is("shutdown", SocketShutdown(w.a, h0, 4), zx.ErrInvalidArgs)
	_, _, st = SocketCreate(w.a, 2)
	w.is("create", st, zx.ErrInvalidArgs)
}

// A stream carries its bytes in order, whatever the sizes of reads and writes.
func TestSocketStreamOrder(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(0)
	rnd := rand.New(rand.NewPCG(1, 2))
	var sent, got bytes.Buffer
	b := make([]byte, object.SocketCapacity)
	for range 2000 {
		for i := range b[:16] {
			b[rnd.IntN(len(b))] = byte(i * rnd.IntN(256))
		}
		out := b[:1+rnd.IntN(1<<(1+rnd.IntN(17)))]
		n, st := SocketWrite(w.a, h0, 0, out)
		if st != zx.OK && st != zx.ErrShouldWait {
			t.Fatal(st)
		}
		sent.Write(out[:n])
		in := make([]byte, 1+rnd.IntN(1<<(1+rnd.IntN(17))))
		n, st = SocketRead(w.a, h1, 0, in)
		if st != zx.OK && st != zx.ErrShouldWait {
			t.Fatal(st)
		}
		got.Write(in[:n])
	}
	for {
		n, st := SocketRead(w.a, h1, 0, b)
		if st != zx.OK {
			break
		}
		got.Write(b[:n])
	}
	if !bytes.Equal(sent.Bytes(), got.Bytes()) {
		t.Errorf("%d bytes sent, %d received, or others", sent.Len(), got.Len())
	}
}

func TestSocketTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.ok("create", p.call("zx_socket_create", 0, m, m+4))
	h0, h1 := uint64(p.get32(m)), uint64(p.get32(m+4))
	p.write(m+64, []byte("hello"))
	p.ok("write", p.call("zx_socket_write", h0, 0, m+64, 5, m+8))
	p.ok("write of nothing", p.call("zx_socket_write", h0, 0, 0, 0, 0))
	p.ok("read", p.call("zx_socket_read", h1, 0, m+128, 1<<40, m+16))
	if got := string(p.read(m+128, 5)); got != "hello" || p.get64(m+8) != 5 || p.get64(m+16) != 5 {
		t.Errorf("read %q of %d bytes, wrote %d", got, p.get64(m+16), p.get64(m+8))
	}
	p.is("write of more than there is memory for", p.call("zx_socket_write", h0, 0, m, 1<<40, 0), zx.ErrInvalidArgs)
	p.is("write from nowhere", p.call("zx_socket_write", h0, 0, 0, 1, 0), zx.ErrInvalidArgs)
	p.is("read to nowhere", p.call("zx_socket_read", h1, 0, 0, 1, 0), zx.ErrInvalidArgs)
	p.ok("disable", p.call("zx_socket_set_disposition", h0, 1, 0))
	p.is("write", p.call("zx_socket_write", h0, 0, m, 1, 0), zx.ErrBadState)
}

// A read while somebody writes gives something or SHOULD_WAIT: no bytes at all
// would look like the end of a stream.
func TestSocketReadWhileWritten(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.ok("create", p.call("zx_socket_create", 0, m, m+4))
	h0, h1 := zx.Handle(p.get32(m)), uint64(p.get32(m+4))
	const total = 20000
	empty := make(chan struct{}, 1)
	go func() {
		for range total {
			<-empty
			SocketWrite(p.proc, h0, 0, []byte("x"))
		}
	}()
	empty <- struct{}{}
	for n := uint64(0); n < total; {
		switch st := p.call("zx_socket_read", h1, 0, m+128, 64, m+16); st {
		case zx.OK:
			if p.get64(m+16) == 0 {
				t.Fatal("a read of no bytes")
			}
			n += p.get64(m + 16)
			empty <- struct{}{}
		case zx.ErrShouldWait:
			runtime.Gosched()
		default:
			p.ok("read", st)
		}
	}
}

func TestFifo(t *testing.T) {
	w := newWorld(t)
	h0, h1, st := FifoCreate(w.a, 4, 3, 0)
	w.ok("FifoCreate", st)
	w.wantSignals(h0, zx.FifoWritable)
	n, st := FifoWrite(w.a, h0, 3, []byte("aaabbbcccdddeee"))
	if st != zx.OK || n != 4 {
		t.Fatalf("wrote %d: %v", n, st)
	}
	w.wantSignals(h0, 0)
	w.wantSignals(h1, zx.FifoReadable|zx.FifoWritable)
	_, st = FifoWrite(w.a, h0, 3, []byte("eee"))
	w.is("write to a full fifo", st, zx.ErrShouldWait)
	b := make([]byte, 8)
	n, st = FifoRead(w.a, h1, 3, b)
	if st != zx.OK || n != 2 || string(b[:6]) != "aaabbb" {
		t.Errorf("read %d: %q, %v", n, b, st)
	}
	w.wantSignals(h0, zx.FifoWritable)
	for _, tt := range []struct {
		name string
		size uint64
		b    []byte
	}{{"size", 4, b}, {"no element", 3, b[:2]}} {
		_, st = FifoRead(w.a, h1, tt.size, tt.b)
		w.is(tt.name, st, zx.ErrOutOfRange)
		_, st = FifoWrite(w.a, h1, tt.size, tt.b)
		w.is(tt.name, st, zx.ErrOutOfRange)
	}
	w.ok("close", HandleClose(w.a, h0))
	w.wantSignals(h1, zx.FifoReadable|zx.FifoPeerClosed)
	n, st = FifoRead(w.a, h1, 3, b)
	if st != zx.OK || n != 2 {
		t.Errorf("read %d: %v", n, st)
	}
	_, st = FifoRead(w.a, h1, 3, b)
	w.is("read at the end", st, zx.ErrPeerClosed)
	_, st = FifoWrite(w.a, h1, 3, b)
	w.is("write to nobody", st, zx.ErrPeerClosed)

	for _, tt := range [][2]uint64{{0, 1}, {1, 0}, {4097, 1}, {1 << 33, 1 << 33}, {2, 2049}} {
		_, _, st := FifoCreate(w.a, tt[0], tt[1], 0)
		w.is("FifoCreate", st, zx.ErrOutOfRange)
	}
	_, _, st = FifoCreate(w.a, 1, 1, 1)
	w.is("FifoCreate with options", st, zx.ErrInvalidArgs)
}

func TestFifoTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.ok("create", p.call("zx_fifo_create", 4, 8, 0, m, m+4))
	h0, h1 := uint64(p.get32(m)), uint64(p.get32(m+4))
	p.put(m+64, 0x1122334455667788)
	p.ok("write", p.call("zx_fifo_write", h0, 8, m+64, 1, 0))
	p.is("write of what is not there", p.call("zx_fifo_write", h0, 8, 0x1000, 1, 0), zx.ErrInvalidArgs)
	p.is("write of nothing", p.call("zx_fifo_write", h0, 8, m, 0, 0), zx.ErrOutOfRange)
	p.is("read of huge elements", p.call("zx_fifo_read", h1, 1<<60, m, 1<<60, 0), zx.ErrOutOfRange)
	p.ok("read", p.call("zx_fifo_read", h1, 8, m+128, 1<<40, m+8))
	if v := p.get64(m + 128); v != 0x1122334455667788 || p.get64(m+8) != 1 {
		t.Errorf("read %#x, %d elements", v, p.get64(m+8))
	}
}
