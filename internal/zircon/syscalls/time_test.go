package syscalls

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

func TestTimer(t *testing.T) {
	w := newWorld(t)
	for _, clock := range []uint32{clockMonotonic, clockBoot} {
		tm, st := TimerCreate(w.a, 0, clock)
		w.ok("TimerCreate", st)
		now := w.m.Monotonic
		if clock == clockBoot {
			now = w.m.Boot
		}
		signaled := func() bool { return w.signals(tm)&zx.TimerSignaled != 0 }
		deadline := now() + int64(3*time.Millisecond)
		w.ok("TimerSet", TimerSet(w.a, tm, deadline, 0))
		_, st = ObjectWaitOne(w.a, nil, tm, zx.TimerSignaled, w.later())
		w.ok("wait", st)
		if now() < deadline {
			t.Error("the timer fired early")
		}
		w.ok("TimerCancel", TimerCancel(w.a, tm))
		w.wantSignals(tm, 0)
		for _, past := range []int64{object.TimeInfinitePast, 0, now()} {
			w.ok("TimerSet", TimerSet(w.a, tm, past, 0))
			if !signaled() {
				t.Errorf("a deadline of %d, which is past, does not fire", past)
			}
		}
		w.ok("TimerSet", TimerSet(w.a, tm, now()+int64(time.Hour), 5))
		w.wantSignals(tm, 0)
		var info [24]byte
		_, _, st = ObjectGetInfo(w.a, tm, topicTimer, info[:])
		w.ok("info", st)
		if d, s := binary.LittleEndian.Uint64(info[8:]), binary.LittleEndian.Uint64(info[16:]); d == 0 || s != 5 {
			t.Errorf("deadline %d, slack %d", d, s)
		}
		if c := binary.LittleEndian.Uint32(info[4:]); c != clock {
			t.Errorf("clock %d, want %d", c, clock)
		}
		w.ok("TimerSet", TimerSet(w.a, tm, object.TimeInfinite, 0))
		w.is("slack", TimerSet(w.a, tm, 0, -1), zx.ErrOutOfRange)
	}
	for _, tt := range [][2]uint32{{3, 0}, {0, 2}, {0, 3}} {
		_, st := TimerCreate(w.a, tt[0], tt[1])
		w.is("TimerCreate", st, zx.ErrInvalidArgs)
	}
	w.is("TimerSet of none", TimerSet(w.a, w.event(), 0, 0), zx.ErrWrongType)
}

// A timer that is set anew does not fire for what it was set to before.
func TestTimerReset(t *testing.T) {
	w := newWorld(t)
	tm, st := TimerCreate(w.a, 0, clockMonotonic)
	w.ok("TimerCreate", st)
	for range 200 {
		w.ok("TimerSet", TimerSet(w.a, tm, w.k.Monotonic()+20_000, 0))
		w.ok("TimerSet", TimerSet(w.a, tm, w.k.Monotonic()+int64(time.Hour), 0))
		w.wantSignals(tm, 0)
	}
}

func TestClock(t *testing.T) {
	w := newWorld(t)
	c, st := ClockCreate(w.a, 0, 1000)
	w.ok("ClockCreate", st)
	now, st := ClockRead(w.a, c)
	w.ok("ClockRead", st)
	if now != 1000 {
		t.Errorf("a clock that was not started is at %d, not at its backstop", now)
	}
	w.wantSignals(c, 0)
	update := func(u object.ClockUpdate) zx.Status { return ClockUpdate(w.a, c, u) }
	w.is("rate before a value", update(object.ClockUpdate{Options: object.ClockUpdateRate}), zx.ErrInvalidArgs)
	w.is("value before the backstop", update(object.ClockUpdate{Options: object.ClockUpdateValue, Value: 999}), zx.ErrInvalidArgs)
	w.ok("start", update(object.ClockUpdate{Options: object.ClockUpdateValue, Value: 1e6}))
	w.wantSignals(c, zx.ClockStarted)
	a, _ := ClockRead(w.a, c)
	b, _ := ClockRead(w.a, c)
	if a < 1e6 || b < a {
		t.Errorf("the clock goes from %d to %d", a, b)
	}
	w.ok("back", update(object.ClockUpdate{Options: object.ClockUpdateValue, Value: 5000}))
	if v, _ := ClockRead(w.a, c); v < 5000 || v > 5000+int64(time.Minute) {
		t.Errorf("the clock set to 5000 is at %d", v)
	}
	for _, rate := range []int32{-1001, 1001, math.MinInt32} {
		w.is("rate", update(object.ClockUpdate{Options: object.ClockUpdateRate, Rate: rate}), zx.ErrInvalidArgs)
	}
	w.is("nothing", update(object.ClockUpdate{}), zx.ErrInvalidArgs)
	w.is("reference alone", update(object.ClockUpdate{Options: object.ClockUpdateReference}), zx.ErrInvalidArgs)

	// Through a point of the past, a tenth of a percent too fast.
	ref := w.k.Monotonic() - int64(time.Second)
	w.ok("rate", update(object.ClockUpdate{
		Options: object.ClockUpdateValue | object.ClockUpdateReference | object.ClockUpdateRate,
		Value:   1e12, Reference: ref, Rate: 1000,
	}))
	before := w.k.Monotonic()
	v, _ := ClockRead(w.a, c)
	after := w.k.Monotonic()
	at := func(mono int64) int64 { return 1e12 + (mono-ref)*1001/1000 }
	if v < at(before)-1 || v > at(after)+1 {
		t.Errorf("the clock is at %d, want %d to %d", v, at(before), at(after))
	}
	d, st := ClockGetDetails(w.a, c, 1<<clockVersionShift)
	w.ok("details", st)
	u64 := func(i int) int64 { return int64(binary.LittleEndian.Uint64(d[i:])) }
	if u64(8) != 1000 || u64(40) != ref || u64(48) != 1e12 ||
		binary.LittleEndian.Uint32(d[56:]) != 1001000 || binary.LittleEndian.Uint32(d[60:]) != 1000000 ||
		binary.LittleEndian.Uint32(d[104:]) != 3 {
		t.Errorf("details % x", d)
	}
	_, st = ClockGetDetails(w.a, c, 0)
	w.is("details without a version", st, zx.ErrInvalidArgs)
}

func TestClockUpdatedStrobes(t *testing.T) {
	w := newWorld(t)
	port := w.port()
	c, st := ClockCreate(w.a, object.ClockOptAutoStart, 0)
	w.ok("ClockCreate", st)
	for range 2 {
		w.ok("wait_async", ObjectWaitAsync(w.a, c, port, 0, zx.ClockUpdated, object.WaitAsyncEdge))
		w.empty(port)
		w.ok("update", ClockUpdate(w.a, c, object.ClockUpdate{Options: object.ClockUpdateErrorBound, ErrorBound: 7}))
		w.next(port)
		w.wantSignals(c, zx.ClockStarted)
	}
}

func TestClockKinds(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name     string
		options  uint64
		backstop int64
		want     zx.Status
	}{
		{"monotonic", object.ClockOptMonotonic, 0, zx.OK},
		{"continuous", object.ClockOptMonotonic | object.ClockOptContinuous, 0, zx.OK},
		{"continuous alone", object.ClockOptContinuous, 0, zx.ErrInvalidArgs},
		{"unknown", 1 << 10, 0, zx.ErrInvalidArgs},
		{"negative backstop", 0, -1, zx.ErrInvalidArgs},
		{"started before its backstop", object.ClockOptAutoStart, math.MaxInt64, zx.ErrInvalidArgs},
	} {
		_, st := ClockCreate(w.a, tt.options, tt.backstop)
		w.is(tt.name, st, tt.want)
	}

	mono, _ := ClockCreate(w.a, object.ClockOptMonotonic|object.ClockOptAutoStart, 0)
	now, _ := ClockRead(w.a, mono)
	value := func(v int64) object.ClockUpdate {
		return object.ClockUpdate{Options: object.ClockUpdateValue, Value: v}
	}
	w.is("monotonic back", ClockUpdate(w.a, mono, value(now-1)), zx.ErrInvalidArgs)
	w.ok("monotonic forth", ClockUpdate(w.a, mono, value(now+int64(time.Hour))))

	cont, _ := ClockCreate(w.a, object.ClockOptMonotonic|object.ClockOptContinuous, 0)
	w.ok("start", ClockUpdate(w.a, cont, value(5)))
	w.is("continuous set", ClockUpdate(w.a, cont, value(1<<60)), zx.ErrInvalidArgs)
	a, _ := ClockRead(w.a, cont)
	w.ok("continuous rate", ClockUpdate(w.a, cont, object.ClockUpdate{Options: object.ClockUpdateRate, Rate: -500}))
	if b, _ := ClockRead(w.a, cont); b < a {
		t.Errorf("a continuous clock goes from %d to %d", a, b)
	}

	boot, _ := ClockCreate(w.a, object.ClockOptBoot|object.ClockOptAutoStart, 0)
	before := w.m.Boot()
	if v, _ := ClockRead(w.a, boot); v < before || v > w.m.Boot() {
		t.Errorf("a clock by boot time is at %d at %d", v, before)
	}
}

func TestClockTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	const v1, v2 = 1 << clockVersionShift, 2 << clockVersionShift
	p.put(m, 77)
	p.ok("create", p.call("zx_clock_create", v1, m, m+8))
	c := uint64(p.get32(m + 8))
	p.ok("read", p.call("zx_clock_read", c, m+16))
	if v := p.get64(m + 16); v != 77 {
		t.Errorf("at %d, not at the backstop", v)
	}
	p.put(m+64, 0)   // rate
	p.put(m+72, 1e9) // value
	p.put(m+80, 5)   // error bound of version 1
	p.ok("update", p.call("zx_clock_update", c, v1|object.ClockUpdateValue|object.ClockUpdateErrorBound, m+64))
	p.ok("get_details", p.call("zx_clock_get_details", c, v1, m+128))
	if options, bound := p.get64(m+128), p.get64(m+192); options != 0 || bound != 5 {
		t.Errorf("options %#x, error bound %d", options, bound)
	}
	p.put(m+80, uint64(p.k.Monotonic())) // reference of version 2
	p.put(m+88, 9)
	p.ok("update", p.call("zx_clock_update", c, v2|object.ClockUpdateValue|object.ClockUpdateReference|object.ClockUpdateErrorBound, m+64))
	p.is("reference of version 1", p.call("zx_clock_update", c, v1|object.ClockUpdateValue|object.ClockUpdateReference, m+64), zx.ErrInvalidArgs)
	p.is("version 3", p.call("zx_clock_update", c, 3<<clockVersionShift, m+64), zx.ErrInvalidArgs)
	p.is("arguments from nowhere", p.call("zx_clock_update", c, v1|object.ClockUpdateValue, 0), zx.ErrInvalidArgs)
	p.is("create", p.call("zx_clock_create", v2, m, m+8), zx.ErrInvalidArgs)
	for id, st := range []zx.Status{zx.OK, zx.OK, zx.ErrNotSupported, zx.ErrInvalidArgs} {
		p.is("zx_clock_get", p.call("zx_clock_get", uint64(id), m), st)
	}
}

func TestCounter(t *testing.T) {
	const positive, not = zx.SignalSignaled, zx.Signal4
	w := newWorld(t)
	c, st := CounterCreate(w.a, 0)
	w.ok("CounterCreate", st)
	w.wantSignals(c, not)
	w.ok("add", CounterAdd(w.a, c, 3))
	w.wantSignals(c, positive)
	w.ok("add", CounterAdd(w.a, c, -3))
	w.wantSignals(c, not)
	w.ok("write", CounterWrite(w.a, c, math.MaxInt64))
	w.is("overflow", CounterAdd(w.a, c, 1), zx.ErrOutOfRange)
	w.ok("add nothing", CounterAdd(w.a, c, 0))
	w.ok("write", CounterWrite(w.a, c, math.MinInt64))
	w.is("underflow", CounterAdd(w.a, c, -1), zx.ErrOutOfRange)
	if v, _ := CounterRead(w.a, c); v != math.MinInt64 {
		t.Errorf("value %d", v)
	}
	w.is("add without the right to read", CounterAdd(w.a, w.without(c, zx.RightRead), 1), zx.ErrAccessDenied)
	_, st = CounterCreate(w.a, 1)
	w.is("options", st, zx.ErrInvalidArgs)
}
