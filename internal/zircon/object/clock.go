package object

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// ClockRights are the rights of a new clock's handle.
const ClockRights = zx.RightsBasic | zx.RightsIO | zx.RightSignal

// Options of a clock, and of its updates, from <zircon/syscalls/clock.h>.
const (
	ClockOptMonotonic  = 1 << 0
	ClockOptContinuous = 1 << 1
	ClockOptAutoStart  = 1 << 2
	ClockOptBoot       = 1 << 3

	ClockUpdateValue      = 1 << 0
	ClockUpdateRate       = 1 << 1
	ClockUpdateErrorBound = 1 << 2
	ClockUpdateReference  = 1 << 3

	clockMaxRate = 1000
)

// ClockUnknownError is the error bound that says nothing.
const ClockUnknownError = 1<<64 - 1

// transformation is zx_clock_transformation_t: a line through the point
// (reference, synthetic) with a slope of synth/ref.
type transformation struct {
	reference, synthetic int64
	synth, ref           uint32
}

// at gives the synthetic time at reference time r, saturating.
func (t transformation) at(r int64) int64 {
	d := addSat(r, -max(t.reference, -TimeInfinite))
	neg := d < 0
	if neg {
		d = -max(d, -TimeInfinite)
	}
	hi, lo := bits.Mul64(uint64(d), uint64(t.synth))
	q := uint64(TimeInfinite)
	if hi < uint64(t.ref) {
		var rem uint64
		q, rem = bits.Div64(hi, lo, uint64(t.ref))
		if neg && rem > 0 { // towards minus infinity, so that time never runs backwards
			q++
		}
		q = min(q, TimeInfinite)
	}
	if neg {
		return addSat(t.synthetic, -int64(q))
	}
	return addSat(t.synthetic, int64(q))
}

// addSat adds, to the greatest or smallest number if the sum is beyond it.
func addSat(a, b int64) int64 {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return TimeInfinite
	case a < 0 && b < 0 && sum >= 0:
		return TimeInfinitePast
	}
	return sum
}

// ClockObject is a clock that somebody maintains: a line from the machine's
// time to its own. (Clock is the machine's.)
type ClockObject struct {
	Core
	options  uint64
	backstop int64
	now      func() int64 // the reference

	mu         sync.Mutex
	started    bool           // guarded by mu
	line       transformation // guarded by mu
	errorBound uint64         // guarded by mu
	lastValue  int64          // guarded by mu: reference time of the last update of the value
	lastRate   int64          // guarded by mu: … of the rate
	lastError  int64          // guarded by mu: … of the error bound
	generation uint32         // guarded by mu
}

// NewClock makes a clock that reads as backstop until it is started, or as the
// reference at once with ClockOptAutoStart. INVALID_ARGS for options that do not
// go together and for a backstop in an auto-started clock's future.
func NewClock(k *Kernel, options uint64, backstop int64) (*ClockObject, zx.Status) {
	const all = ClockOptMonotonic | ClockOptContinuous | ClockOptAutoStart | ClockOptBoot
	if options&^all != 0 || options&ClockOptContinuous != 0 && options&ClockOptMonotonic == 0 || backstop < 0 {
		return nil, zx.ErrInvalidArgs
	}
	c := &ClockObject{
		options:    options,
		backstop:   backstop,
		now:        k.Machine.Monotonic,
		line:       transformation{synthetic: backstop, ref: 1},
		errorBound: ClockUnknownError,
	}
	if options&ClockOptBoot != 0 {
		c.now = k.Machine.Boot
	}
	var signals zx.Signals
	if options&ClockOptAutoStart != 0 {
		now := c.now()
		if backstop > now {
			return nil, zx.ErrInvalidArgs
		}
		c.line = transformation{synth: 1, ref: 1}
		c.started = true
		c.lastValue, c.lastRate = now, now
		signals = zx.ClockStarted
	}
	c.init(k, zx.ObjTypeClock, signals)
	return c, zx.OK
}

// Read gives the clock's time.
func (c *ClockObject) Read() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line.at(c.now())
}

// ClockUpdate is a change of a clock: the parts that Options says are valid.
type ClockUpdate struct {
	Options    uint64
	Rate       int32 // in parts per million from nominal
	Value      int64
	Reference  int64 // the time at which the clock has Value, or begins with Rate
	ErrorBound uint64
}

// Update changes the clock. INVALID_ARGS for what the clock's options forbid,
// for a rate out of range and a value before the backstop.
func (c *ClockObject) Update(u ClockUpdate) zx.Status {
	has := func(o uint64) bool { return u.Options&o != 0 }
	c.mu.Lock()
	defer c.mu.Unlock()
	monotonic, continuous := c.options&ClockOptMonotonic != 0, c.options&ClockOptContinuous != 0
	switch {
	case u.Options == 0,
		has(ClockUpdateRate) && (u.Rate < -clockMaxRate || u.Rate > clockMaxRate),
		!c.started && !has(ClockUpdateValue),
		has(ClockUpdateReference) && !has(ClockUpdateValue|ClockUpdateRate),
		has(ClockUpdateReference) && continuous,
		c.started && continuous && has(ClockUpdateValue),
		c.started && monotonic && has(ClockUpdateValue) && has(ClockUpdateRate) && has(ClockUpdateReference):
		return zx.ErrInvalidArgs
	}
	now := c.now()
	line := c.line
	if has(ClockUpdateValue | ClockUpdateRate) {
		ref := now
		if has(ClockUpdateReference) {
			ref = u.Reference
		}
		line.synthetic, line.reference = c.line.at(ref), ref
		if has(ClockUpdateValue) {
			line.synthetic = u.Value
		}
		switch {
		case has(ClockUpdateRate) && u.Rate != 0:
			line.synth, line.ref = uint32(1_000_000+u.Rate), 1_000_000
		case has(ClockUpdateRate), !c.started:
			line.synth, line.ref = 1, 1
		}
		t := line.at(now)
		if t < c.backstop || c.started && monotonic && t < c.line.at(now) {
			return zx.ErrInvalidArgs
		}
	}
	c.line = line
	if has(ClockUpdateValue) {
		c.lastValue = now
	}
	if has(ClockUpdateRate) || !c.started {
		c.lastRate = now
	}
	if has(ClockUpdateErrorBound) {
		c.errorBound, c.lastError = u.ErrorBound, now
	}
	c.generation++
	if !c.started {
		c.started = true
		c.updateSignals(0, zx.ClockStarted)
	}
	c.strobeSignals(zx.ClockUpdated)
	return zx.OK
}

// ClockDetailsSize is the size of zx_clock_details_v1_t.
const ClockDetailsSize = 112

// Details gives the clock's state as zx_clock_details_v1_t. The machine's ticks
// are nanoseconds, so both transformations are the same.
func (c *ClockObject) Details() [ClockDetailsSize]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := make([]byte, 0, ClockDetailsSize)
	u64 := func(v ...int64) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	u64(int64(c.options), c.backstop)
	for range 2 {
		u64(c.line.reference, c.line.synthetic)
		b = binary.LittleEndian.AppendUint32(b, c.line.synth)
		b = binary.LittleEndian.AppendUint32(b, c.line.ref)
	}
	u64(int64(c.errorBound), c.now(), c.lastValue, c.lastRate, c.lastError)
	b = binary.LittleEndian.AppendUint32(b, c.generation)
	var d [ClockDetailsSize]byte
	copy(d[:], b)
	return d
}
