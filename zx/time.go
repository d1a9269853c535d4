package zx

import (
	"math"
	"time"
)

// Time is a zx_time_t: nanoseconds on the monotonic clock unless said otherwise.
type Time int64

// The ends of time. A wait with a deadline of InfinitePast only looks.
const (
	InfiniteFuture Time = math.MaxInt64
	InfinitePast   Time = math.MinInt64
)

// Now reads the monotonic clock (zx_clock_get_monotonic).
func Now() Time { return sysClockMonotonic() }

// After is the moment d from now; far away it is InfiniteFuture
// (zx_deadline_after).
func After(d time.Duration) Time {
	now := Now()
	t := now + Time(d)
	if d > 0 && t < now {
		return InfiniteFuture
	}
	return t
}
