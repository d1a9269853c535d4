package zx

// Clock is a clock object: one that a process is given to tell the time by, such
// as that of UTC.
type Clock struct{ Object }

// Options of clocks.
const (
	ClockMonotonic  uint64 = 1 << 0 // never goes back
	ClockContinuous uint64 = 1 << 1 // never jumps
	ClockAutoStart  uint64 = 1 << 2 // runs from the beginning
)

// ClockFromHandle makes a Clock that owns h.
func ClockFromHandle(h Handle) Clock { return Clock{Object{h}} }

// NewClock makes a clock (zx_clock_create). It stands at backstop, and is never
// before it, until it is set.
func NewClock(options uint64, backstop Time) (Clock, error) {
	h, st := sysClockCreate(options, backstop)
	return ClockFromHandle(h), st.Err()
}

// Duplicate gives a second handle with rights r.
func (c *Clock) Duplicate(r Rights) (Clock, error) {
	o, err := c.Object.Duplicate(r)
	return Clock{o}, err
}

// Read gives the clock's time (zx_clock_read).
func (c *Clock) Read() (Time, error) {
	t, st := sysClockRead(c.Handle())
	return t, st.Err()
}

// Set sets the clock, and starts it if it did not run (zx_clock_update).
func (c *Clock) Set(t Time) error { return sysClockSet(c.Handle(), t).Err() }
