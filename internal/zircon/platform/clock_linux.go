//go:build amd64

package platform

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock reads CLOCK_MONOTONIC without a system call: Go's monotonic time is
// that clock from a start of its own.
type clock struct {
	start time.Time
	mono  int64 // CLOCK_MONOTONIC just before start, so that Monotonic is never ahead
}

func newClock() clock {
	mono := clockGettime(unix.CLOCK_MONOTONIC)
	return clock{start: time.Now(), mono: mono}
}

func clockGettime(id int32) int64 {
	var ts unix.Timespec
	unix.ClockGettime(id, &ts) // cannot fail for the clocks we name
	return ts.Nano()
}

// Monotonic implements object.Clock.
func (c clock) Monotonic() int64 { return c.mono + int64(time.Since(c.start)) }

// Boot implements object.Clock.
func (c clock) Boot() int64 { return clockGettime(unix.CLOCK_BOOTTIME) }

// UTC implements object.Clock.
func (c clock) UTC() int64 { return time.Now().UnixNano() }
