package syscalls

import (
	"encoding/binary"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func TestDebuglog(t *testing.T) {
	w := newWorld(t)
	var sink []object.LogRecord
	w.k.Sink = func(r object.LogRecord) { sink = append(sink, r) }
	out, st := DebuglogCreate(w.a, 0, 0)
	w.ok("DebuglogCreate", st)
	in, st := DebuglogCreate(w.a, 0, logFlagReadable)
	w.ok("DebuglogCreate", st)
	w.wantSignals(in, zx.LogWritable)
	long := strings.Repeat("x", 1000)
	w.ok("write", DebuglogWrite(w.a, out, 0, []byte("hello")))
	w.ok("write", DebuglogWrite(w.a, out, logFlagsMask, []byte(long)))
	w.wantSignals(in, zx.LogWritable|zx.LogReadable)

	b := make([]byte, object.LogRecordMax)
	for i, want := range []string{"hello", long[:object.LogRecordMaxMsg]} {
		n, st := DebuglogRead(w.a, in, 0, b)
		w.ok("read", st)
		size := int(binary.LittleEndian.Uint16(b[12:]))
		if seq := binary.LittleEndian.Uint64(b); seq != uint64(i) || n != 40+size || string(b[40:n]) != want {
			t.Errorf("record %d has number %d and says %q", i, seq, b[40:n])
		}
		if b[14] != object.SeverityInfo || zx.Koid(binary.LittleEndian.Uint64(b[24:])) != w.a.Koid() {
			t.Errorf("record of process %d with severity %#x", binary.LittleEndian.Uint64(b[24:]), b[14])
		}
	}
	_, st = DebuglogRead(w.a, in, 0, b)
	w.is("read", st, zx.ErrShouldWait)
	w.wantSignals(in, zx.LogWritable)
	if len(sink) != 2 || string(sink[0].Message) != "hello" || sink[1].Flags != logFlagsMask {
		t.Errorf("the sink got %d records: %+v", len(sink), sink)
	}

	_, st = DebuglogRead(w.a, out, 0, b)
	w.is("read of a log that is for writing", st, zx.ErrAccessDenied)
	w.is("write with options", DebuglogWrite(w.a, out, 1, nil), zx.ErrInvalidArgs)
	_, st = DebuglogRead(w.a, in, 1, b)
	w.is("read with options", st, zx.ErrInvalidArgs)
	_, st = DebuglogCreate(w.a, 0, 1)
	w.is("create with options", st, zx.ErrInvalidArgs)
	_, st = DebuglogCreate(w.a, w.event(), 0)
	w.is("create with an event for a resource", st, zx.ErrWrongType)
}

// A reader that is too slow loses the oldest, and can tell.
func TestDebuglogOverrun(t *testing.T) {
	w := newWorld(t)
	h, _ := DebuglogCreate(w.a, 0, logFlagReadable)
	const written = 2000
	for range written {
		w.ok("write", DebuglogWrite(w.a, h, 0, []byte("x")))
	}
	var b [object.LogRecordMax]byte
	first, last, n := uint64(0), uint64(0), 0
	for {
		if _, st := DebuglogRead(w.a, h, 0, b[:]); st != zx.OK {
			break
		}
		last = binary.LittleEndian.Uint64(b[:])
		if n == 0 {
			first = last
		}
		n++
	}
	if first == 0 || last != written-1 || uint64(n) != last-first+1 {
		t.Errorf("%d records from %d to %d", n, first, last)
	}
}

func TestDebuglogTrapped(t *testing.T) {
	p := newProgram(t)
	var sink []object.LogRecord
	p.k.Sink = func(r object.LogRecord) { sink = append(sink, r) }
	m := p.mem
	p.ok("create", p.call("zx_debuglog_create", 0, 0, m))
	p.is("create a readable one", p.call("zx_debuglog_create", 0, logFlagReadable, m), zx.ErrAccessDenied)
	p.write(m+64, []byte("from a program\n"))
	h := uint64(p.get32(m))
	p.ok("write", p.call("zx_debuglog_write", h, 0, m+64, 14))
	p.ok("debug_write", p.call("zx_debug_write", m+64, 15))
	for _, r := range sink {
		if string(r.Message) != "from a program" || r.PID != p.proc.Koid() {
			t.Errorf("record %q of process %d", r.Message, r.PID)
		}
	}
	if len(sink) != 2 || sink[0].TID != p.thread.Koid() {
		t.Errorf("%d records: %+v", len(sink), sink)
	}
	p.is("write from nowhere", p.call("zx_debuglog_write", h, 0, 0, 5), zx.ErrInvalidArgs)

	in := p.proc.Handles().Add(object.NewHandle(object.NewDebuglog(p.k, true), zx.RightRead))
	if n := p.call("zx_debuglog_read", uint64(in), 0, m+512, object.LogRecordMax); n != 40+14 {
		t.Errorf("the record has %d bytes", n)
	}
	if got := string(p.read(m+552, 14)); got != "from a program" {
		t.Errorf("read %q", got)
	}
}

func TestCprng(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	p.call("zx_cprng_draw", m, 3000)
	zeroes := 0
	for _, b := range p.read(m, 3000) {
		if b == 0 {
			zeroes++
		}
	}
	if zeroes > 300 {
		t.Errorf("%d of 3000 random bytes are zero", zeroes)
	}
	p.ok("add_entropy", p.call("zx_cprng_add_entropy", m, 256))
	p.is("add_entropy", p.call("zx_cprng_add_entropy", m, 257), zx.ErrInvalidArgs)
	p.is("add_entropy", p.call("zx_cprng_add_entropy", 0, 1), zx.ErrInvalidArgs)
	p.start(p.thread, "zx_cprng_draw", 0x1000, 16)
	p.eventually("the process has ended", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
		func() any { return p.proc.Info() })
	if r := p.proc.Info().Retcode; r != object.RetcodeExceptionKill {
		t.Errorf("return code %d", r)
	}
}
