package object

import (
	"sync"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
)

// TimerRights are the rights of a new timer's handle.
const TimerRights = zx.RightsBasic | zx.RightWrite | zx.RightSignal

// Timer raises SIGNALED at a time that is set. Slack is remembered and not used:
// timers of the host are not coalesced.
type Timer struct {
	Core
	options uint32
	boot    bool
	now     func() int64 // the clock it goes by

	mu       sync.Mutex
	deadline int64       // guarded by mu; 0 when not set
	slack    int64       // guarded by mu
	timer    *time.Timer // guarded by mu
	set      uint64      // guarded by mu: counts Set and Cancel, to tell a late firing
	closed   bool        // guarded by mu; nobody has a handle any more
}

// NewTimer makes a timer, by the boot clock or else the monotonic one. options
// are only reported.
func NewTimer(k *Kernel, options uint32, boot bool) *Timer {
	t := &Timer{options: options, boot: boot, now: k.Machine.Monotonic}
	if boot {
		t.now = k.Machine.Boot
	}
	t.init(k, zx.ObjTypeTimer, 0)
	return t
}

// Set lets the timer fire at deadline, at once if that is past, and no more at
// the time that was set before.
func (t *Timer) Set(deadline, slack int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopLocked()
	t.updateSignals(zx.TimerSignaled, 0)
	if t.closed {
		return
	}
	left := deadline - t.now()
	if deadline <= 0 || left <= 0 {
		t.updateSignals(0, zx.TimerSignaled)
		return
	}
	t.deadline, t.slack = deadline, slack
	if deadline == TimeInfinite {
		return
	}
	id := t.set
	t.timer = time.AfterFunc(time.Duration(left), func() { t.fire(id) })
}

// Cancel unsets the timer and takes SIGNALED back.
func (t *Timer) Cancel() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopLocked()
	t.updateSignals(zx.TimerSignaled, 0)
}

func (t *Timer) stopLocked() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.set++
	t.deadline, t.slack = 0, 0
}

func (t *Timer) fire(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set != id {
		return
	}
	if left := t.deadline - t.now(); left > 0 { // the host's timer was early
		t.timer = time.AfterFunc(time.Duration(left), func() { t.fire(id) })
		return
	}
	t.timer = nil
	t.deadline, t.slack = 0, 0
	t.updateSignals(0, zx.TimerSignaled)
}

// TimerInfo is what zx_info_timer_t says. Deadline and Slack are 0 when the
// timer is not set.
type TimerInfo struct {
	Options         uint32
	Boot            bool // by the boot clock
	Deadline, Slack int64
}

// Info gives the timer's state.
func (t *Timer) Info() TimerInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TimerInfo{Options: t.options, Boot: t.boot, Deadline: t.deadline, Slack: t.slack}
}

func (t *Timer) onZeroHandles() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.stopLocked()
}
