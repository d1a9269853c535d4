package syscalls

import (
	"bytes"
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

const streamRW = object.StreamModeRead | object.StreamModeWrite

func (w *world) stream(vmo zx.Handle, options uint32, seek uint64) zx.Handle {
	w.Helper()
	h, st := StreamCreate(w.a, options, vmo, seek)
	w.ok("StreamCreate", st)
	return h
}

// whole is b as a stream takes or fills it.
func whole(b []byte) object.Vector {
	return object.Vector{N: uint64(len(b)), Buf: b, Copy: func([]byte) zx.Status { return zx.OK }}
}

func (w *world) streamOf(p *object.Process, h zx.Handle) *object.Stream {
	w.Helper()
	s, st := get[*object.Stream](p, h, 0)
	w.ok("the stream", st)
	return s
}

func (w *world) writes(s zx.Handle, options uint32, text string, want uint64) {
	w.Helper()
	n, st := w.streamOf(w.a, s).Write(whole([]byte(text)), options == object.StreamAppend)
	if st != zx.OK || n != want {
		w.Errorf("writing %q: %d, %v, want %d", text, n, st, want)
	}
}

func (w *world) readsAt(s zx.Handle, off uint64, want string) {
	w.Helper()
	b := make([]byte, len(want)+10)
	n, st := w.streamOf(w.a, s).ReadAt(whole(b), off)
	if st != zx.OK || string(b[:n]) != want {
		w.Errorf("reading at %d: %q, %v, want %q", off, b[:n], st, want)
	}
}

func TestStreamRights(t *testing.T) {
	w := newWorld(t)
	v := w.vmo(vm.PageSize, 0)
	if r := w.rights(w.stream(v, object.StreamModeRead, 0)); r != object.StreamRights|zx.RightRead {
		t.Errorf("rights %#x", r)
	}
	_, st := StreamCreate(w.a, streamRW, w.without(v, zx.RightWrite), 0)
	w.is("to write what one may not", st, zx.ErrAccessDenied)
	_, st = StreamCreate(w.a, 1<<5, v, 0)
	w.is("unknown option", st, zx.ErrInvalidArgs)
	_, st = StreamSeek(w.a, w.stream(v, 0, 0), object.SeekStart, 0)
	w.is("seek in a stream for nothing", st, zx.ErrAccessDenied)
}

func TestStreamGrowsItsVMO(t *testing.T) {
	w := newWorld(t)
	v := w.vmo(0, vmoResizable)
	s := w.stream(v, streamRW, 0)
	w.writes(s, 0, "hello", 5)
	w.writes(s, 0, " world", 6)
	w.readsAt(s, 0, "hello world")
	w.readsAt(s, 11, "")
	w.readsAt(s, 1<<62, "")
	if n, _ := VMOGetStreamSize(w.a, v); n != 11 {
		t.Errorf("stream size %d", n)
	}
	// Beyond the end there are zeroes, whatever was there before.
	w.ok("write", VMOWrite(w.a, v, []byte("garbage"), 11))
	n, st := w.streamOf(w.a, s).WriteAt(whole([]byte("x")), 14)
	if n != 1 || st != zx.OK {
		t.Errorf("write beyond the end: %d, %v", n, st)
	}
	w.readsAt(s, 9, "ld\x00\x00\x00x")
	_, st = w.streamOf(w.a, s).WriteAt(whole([]byte("xx")), 1<<64-1)
	w.is("write beyond every end", st, zx.ErrFileBig)
	_, st = w.streamOf(w.a, s).WriteAt(whole([]byte("xx")), 1<<62)
	w.is("write beyond what a VMO can be", st, zx.ErrOutOfRange)
}

func TestStreamOnFixedVMO(t *testing.T) {
	w := newWorld(t)
	v := w.vmo(vm.PageSize, 0)
	w.ok("empty", VMOSetStreamSize(w.a, v, 0))
	s := w.stream(v, streamRW, vm.PageSize-3)
	w.writes(s, 0, "abcdef", 3) // as much as there is room for
	_, st := w.streamOf(w.a, s).Write(whole([]byte("x")), false)
	w.is("write when full", st, zx.ErrNoSpace)

	// Without RESIZE a stream does not grow what could.
	r := w.vmo(vm.PageSize, vmoResizable)
	s = w.stream(w.without(r, zx.RightResize), streamRW, vm.PageSize)
	_, st = w.streamOf(w.a, s).Write(whole([]byte("x")), false)
	w.is("write beyond", st, zx.ErrNoSpace)
}

func TestStreamAppend(t *testing.T) {
	w := newWorld(t)
	v := w.vmo(0, vmoResizable)
	s, all := w.stream(v, streamRW, 0), w.stream(v, streamRW|object.StreamModeAppend, 0)
	w.writes(s, 0, "one", 3)
	w.writes(all, 0, "two", 3)
	_, st := StreamSeek(w.a, s, object.SeekStart, 1)
	w.ok("seek", st)
	w.writes(s, object.StreamAppend, "three", 5)
	w.readsAt(s, 0, "onetwothree")
	if at, _ := StreamSeek(w.a, s, object.SeekCurrent, 0); at != 11 {
		t.Errorf("at %d after appending", at)
	}
}

func TestStreamSeek(t *testing.T) {
	w := newWorld(t)
	s := w.stream(w.vmo(100, 0), streamRW, 10)
	for _, c := range []struct {
		origin uint32
		off    int64
		want   uint64
		st     zx.Status
	}{
		{object.SeekCurrent, 5, 15, zx.OK},
		{object.SeekCurrent, -15, 0, zx.OK},
		{object.SeekCurrent, -1, 0, zx.ErrInvalidArgs},
		{object.SeekEnd, -1, 99, zx.OK},
		{object.SeekEnd, 1000, 1100, zx.OK},
		{object.SeekStart, 1<<63 - 1, 1<<63 - 1, zx.OK},
		{object.SeekCurrent, 1<<63 - 1, 1<<64 - 2, zx.OK},
		{object.SeekCurrent, 2, 0, zx.ErrInvalidArgs},
		{object.SeekStart, -1, 0, zx.ErrInvalidArgs},
		{3, 0, 0, zx.ErrInvalidArgs},
	} {
		at, st := StreamSeek(w.a, s, c.origin, c.off)
		if at != c.want || st != c.st {
			t.Errorf("seek %d from %d: %d, %v, want %d, %v", c.off, c.origin, at, st, c.want, c.st)
		}
	}
}

func TestStreamTrapped(t *testing.T) {
	p := newProgram(t)
	out := p.mem + 1024
	p.ok("create", p.call("zx_vmo_create", 0, vmoResizable, out))
	p.ok("create", p.call("zx_stream_create", streamRW, uint64(p.get32(out)), 0, out))
	s := uint64(p.get32(out))
	vector := p.mem + 2048
	iovecs := func(at ...uint64) {
		for i, v := range at {
			p.put(vector+uint64(8*i), v)
		}
	}
	p.write(p.mem, []byte("first second"))
	iovecs(p.mem, 5, 0, 0, p.mem+5, 7)
	p.ok("writev", p.call("zx_stream_writev", s, 0, vector, 3, out))
	if n := p.get64(out); n != 12 {
		t.Errorf("wrote %d", n)
	}
	p.ok("seek", p.call("zx_stream_seek", s, object.SeekStart, 6, out))
	iovecs(p.mem+4096, 4, p.mem+8192, 100)
	p.ok("readv", p.call("zx_stream_readv", s, 0, vector, 2, out))
	if got := string(p.read(p.mem+4096, 4)) + string(p.read(p.mem+8192, 2)); p.get64(out) != 6 || got != "second" {
		t.Errorf("read %d: %q", p.get64(out), got)
	}
	p.ok("readv at the end", p.call("zx_stream_readv", s, 0, vector, 2, out))
	if n := p.get64(out); n != 0 {
		t.Errorf("read %d at the end", n)
	}
	p.ok("readv_at", p.call("zx_stream_readv_at", s, 0, 1, vector, 1, 0))
	const size = 32 << 10
	iovecs(p.mem, size, p.mem, size, p.mem, size, p.mem, size, p.mem, size) // more than is copied at a time
	p.ok("writev", p.call("zx_stream_writev", s, 0, vector, 5, out))
	p.ok("seek", p.call("zx_stream_seek", s, object.SeekEnd, 0, out))
	if n := p.get64(out); n != 12+5*size {
		t.Errorf("the end is at %d", n)
	}

	iovecs(0x1000, 5)
	p.is("a buffer that is nowhere", p.call("zx_stream_writev", s, 0, vector, 1, out), zx.ErrInvalidArgs)
	p.is("a vector that is nowhere", p.call("zx_stream_writev", s, 0, 0x1000, 1, out), zx.ErrInvalidArgs)
	p.is("a vector without end", p.call("zx_stream_writev", s, 0, vector, 1<<60, out), zx.ErrOutOfRange)
	iovecs(p.mem, 1<<63)
	p.is("a buffer without end", p.call("zx_stream_readv", s, 0, vector, 1, out), zx.ErrInvalidArgs)
	p.is("no vector", p.call("zx_stream_readv", s, 0, 0, 0, out), zx.ErrInvalidArgs)
	p.is("no buffers, no stream", p.call("zx_stream_readv", 0, 0, vector, 0, out), zx.ErrBadHandle)
	p.is("unknown option", p.call("zx_stream_readv", 0, 1, vector, 0, out), zx.ErrInvalidArgs)

	vmo, _ := VMOCreate(p.proc, vm.PageSize, 0)
	for mode, denied := range map[uint32]string{
		object.StreamModeRead: "zx_stream_writev", object.StreamModeWrite: "zx_stream_readv",
	} {
		h, _ := StreamCreate(p.proc, mode, vmo, 0)
		p.is(denied, p.call(denied, uint64(h), 0, vector, 0, out), zx.ErrAccessDenied)
	}

	// Nothing is done when one of the buffers cannot be a program's.
	iovecs(p.mem, 3, 0x1000, 5)
	p.is("writev", p.call("zx_stream_writev", s, 0, vector, 2, out), zx.ErrInvalidArgs)
	iovecs(0x1000, 5, p.mem, 3)
	p.is("readv", p.call("zx_stream_readv", s, 0, vector, 2, out), zx.ErrInvalidArgs)
}

// All the buffers of a call are written together, whoever else appends.
func TestStreamAppendsWhole(t *testing.T) {
	p := newProgram(t)
	out := p.mem + 1024
	p.ok("create", p.call("zx_vmo_create", 0, vmoResizable, out))
	p.ok("create", p.call("zx_stream_create", streamRW|object.StreamModeAppend, uint64(p.get32(out)), 0, out))
	s := uint64(p.get32(out))
	const times, chunk = 200, 1000
	var writers sync.WaitGroup
	for i := range 4 {
		th := p.newThread()
		vector, data := p.mem+2048+uint64(256*i), p.mem+8192+uint64(i*chunk)
		p.write(data, bytes.Repeat([]byte{'a' + byte(i)}, chunk))
		p.put(vector, data)
		p.put(vector+8, chunk/2)
		p.put(vector+16, data)
		p.put(vector+24, chunk/2)
		writers.Add(1)
		go func() {
			defer writers.Done()
			for range times {
				if st := <-p.start(th, "zx_stream_writev", s, 0, vector, 2, 0); st != zx.OK {
					t.Error(st)
				}
			}
		}()
	}
	writers.Wait()
	b := make([]byte, 4*times*chunk)
	n, st := p.streamOf(p.proc, zx.Handle(s)).ReadAt(whole(b), 0)
	if st != zx.OK || n != uint64(len(b)) {
		t.Fatalf("read %d: %v", n, st)
	}
	for len(b) > 0 {
		if !bytes.Equal(b[:chunk], bytes.Repeat(b[:1], chunk)) {
			t.Fatal("one call's bytes are among another's")
		}
		b = b[chunk:]
	}
}
