package zx

import "time"

// Timer is an object that is signaled at a deadline.
type Timer struct{ Object }

// What a timer's slack allows.
const (
	TimerSlackCenter uint32 = 0
	TimerSlackEarly  uint32 = 1
	TimerSlackLate   uint32 = 2
)

// TimerFromHandle makes a Timer that owns h.
func TimerFromHandle(h Handle) Timer { return Timer{Object{h}} }

// NewTimer makes a timer on the monotonic clock (zx_timer_create). options say
// what its slack allows.
func NewTimer(options uint32) (Timer, error) {
	h, st := sysTimerCreate(options, 0)
	return TimerFromHandle(h), st.Err()
}

// Set has TimerSignaled raised at the deadline, give or take slack, in place of
// an earlier setting (zx_timer_set).
func (t *Timer) Set(deadline Time, slack time.Duration) error {
	return sysTimerSet(t.Handle(), deadline, int64(slack)).Err()
}

// Cancel stops a timer that has not fired (zx_timer_cancel).
func (t *Timer) Cancel() error { return sysTimerCancel(t.Handle()).Err() }
