package object

import (
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// CounterRights are the rights of a new counter's handle.
const CounterRights = zx.RightsBasic | zx.RightsIO | zx.RightSignal

// Signals of a counter, from <zircon/types.h>.
const (
	counterNonPositive = zx.Signal4
	counterPositive    = zx.SignalSignaled
)

// Counter is a number whose sign can be waited for.
type Counter struct {
	Core
	mu sync.Mutex
	v  int64 // guarded by mu
}

// NewCounter makes a counter of zero.
func NewCounter(k *Kernel) *Counter {
	c := &Counter{}
	c.init(k, zx.ObjTypeCounter, counterNonPositive)
	return c
}

// Value is the number.
func (c *Counter) Value() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v
}

// Set changes the number to v.
func (c *Counter) Set(v int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setLocked(v)
}

// Add adds n: OUT_OF_RANGE, and no change, when the sum has no place in 64 bits.
func (c *Counter) Add(n int64) zx.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.v + n
	if (n > 0) != (sum > c.v) && n != 0 {
		return zx.ErrOutOfRange
	}
	c.setLocked(sum)
	return zx.OK
}

func (c *Counter) setLocked(v int64) {
	c.v = v
	if v > 0 {
		c.updateSignals(counterNonPositive, counterPositive)
	} else {
		c.updateSignals(counterPositive, counterNonPositive)
	}
}
