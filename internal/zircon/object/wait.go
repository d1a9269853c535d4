package object

import (
	"sync"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
)

// Deadlines that are no time, from <zircon/types.h>.
const (
	TimeInfinite     = 1<<63 - 1
	TimeInfinitePast = -1 << 63
)

// Block waits until ready has something, done is closed or the monotonic time
// is past deadline: OK, CANCELED or TIMED_OUT. A deadline in the past only looks
// whether ready has something.
func (k *Kernel) Block(ready, done <-chan struct{}, deadline int64) zx.Status {
	select {
	case <-ready:
		return zx.OK
	default:
	}
	if deadline == TimeInfinite {
		select {
		case <-ready:
			return zx.OK
		case <-done:
			return zx.ErrCanceled
		}
	}
	var timer *time.Timer
	for {
		// The host's timers and Machine's clock need not agree to the
		// nanosecond, so a timer that fires is no proof that it is time.
		left := deadline - k.Monotonic()
		if deadline <= 0 || left <= 0 {
			return zx.ErrTimedOut
		}
		if timer == nil {
			timer = time.NewTimer(time.Duration(left))
			defer timer.Stop()
		} else {
			timer.Reset(time.Duration(left))
		}
		select {
		case <-ready:
			return zx.OK
		case <-done:
			return zx.ErrCanceled
		case <-timer.C:
		}
	}
}

// waiter waits for signals of one or several objects.
type waiter struct {
	ready chan struct{} // has something once an item matched or was canceled

	mu       sync.Mutex
	canceled bool // guarded by mu
}

func newWaiter() *waiter { return &waiter{ready: make(chan struct{}, 1)} }

func (w *waiter) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// waitItem is a waiter's observer of one object.
type waitItem struct {
	w    *waiter
	want zx.Signals

	observed zx.Signals // guarded by w.mu; the state that ended the wait
}

func (i *waitItem) OnSignals(s zx.Signals) bool {
	if s&i.want == 0 {
		return false
	}
	i.end(s, false)
	return true
}

func (i *waitItem) OnCancel(s zx.Signals) { i.end(s|zx.SignalHandleClosed, true) }

func (i *waitItem) end(s zx.Signals, canceled bool) {
	i.w.mu.Lock()
	i.observed = s
	i.w.canceled = i.w.canceled || canceled
	i.w.mu.Unlock()
	i.w.wake()
}

// finish takes the item off o and gives the signals to report.
func (i *waitItem) finish(o Object) zx.Signals {
	c := o.base()
	now, there := c.removeObserver(i)
	if there {
		return now
	}
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	return i.observed
}

// WaitOne waits until the object that v names in t has one of signals. See
// zx_object_wait_one for the statuses; done gives up with CANCELED. observed is
// set for OK, TIMED_OUT and CANCELED.
func WaitOne(k *Kernel, t *HandleTable, done <-chan struct{}, v zx.Handle, signals zx.Signals, deadline int64) (observed zx.Signals, st zx.Status) {
	if s, st := Poll(t, v); st != zx.OK || s&signals != 0 {
		return s, st
	}
	i := &waitItem{w: newWaiter(), want: signals}
	o, st := t.Observe(v, i)
	if st != zx.OK {
		return 0, st
	}
	st = k.Block(i.w.ready, done, deadline)
	observed = i.finish(o)
	return observed, i.w.status(st)
}

// Poll gives the signals of the object that v names in t, for one who may wait
// for them.
func Poll(t *HandleTable, v zx.Handle) (zx.Signals, zx.Status) {
	h := t.Lookup(v)
	if h == nil {
		return 0, zx.ErrBadHandle
	}
	if h.rights&zx.RightWait == 0 {
		return 0, zx.ErrAccessDenied
	}
	return h.obj.Signals(), zx.OK
}

// status is the outcome of a wait that Block ended with st. What happened to an
// object counts more than that time ran out meanwhile.
func (w *waiter) status(st zx.Status) zx.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.canceled:
		return zx.ErrCanceled
	case st == zx.ErrTimedOut && len(w.ready) > 0:
		return zx.OK
	}
	return st
}

// WaitMaxItems is the number of objects that can be waited for at once.
const WaitMaxItems = 64

// WaitItem is one of several objects to wait for: zx_wait_item_t. Pending is an
// output.
type WaitItem struct {
	Handle  zx.Handle
	WaitFor zx.Signals
	Pending zx.Signals
}

// WaitMany waits until one object has one of the signals wanted of it. Without
// items it sleeps. See zx_object_wait_many for the statuses; Pending is set for
// OK, TIMED_OUT and CANCELED.
func WaitMany(k *Kernel, t *HandleTable, done <-chan struct{}, items []WaitItem, deadline int64) zx.Status {
	if len(items) > WaitMaxItems {
		return zx.ErrOutOfRange
	}
	w := newWaiter()
	waits := make([]waitItem, len(items))
	objects := make([]Object, len(items))
	var st zx.Status
	n := 0
	for ; n < len(items); n++ {
		waits[n] = waitItem{w: w, want: items[n].WaitFor}
		if objects[n], st = t.Observe(items[n].Handle, &waits[n]); st != zx.OK {
			break
		}
	}
	if st == zx.OK {
		st = k.Block(w.ready, done, deadline)
	}
	failed := n < len(items)
	for i := range n {
		items[i].Pending = waits[i].finish(objects[i])
	}
	if failed {
		return st
	}
	return w.status(st)
}

// Sleep waits until the monotonic time is past deadline. done ends it with
// CANCELED.
func Sleep(k *Kernel, done <-chan struct{}, deadline int64) zx.Status {
	if st := k.Block(nil, done, deadline); st != zx.ErrTimedOut {
		return st
	}
	return zx.OK
}
