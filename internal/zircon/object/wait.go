package object

import (
	"sync"
	"sync/atomic"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
)

// Deadlines that are no time, from <zircon/types.h>.
const (
	TimeInfinite     = 1<<63 - 1
	TimeInfinitePast = -1 << 63
)

// Wakeups counts the goroutines that system calls made runnable. Who receives
// system calls and is about to block in the host looks at it: the goroutines
// would otherwise wait until Go's scheduler notices that its thread is blocked,
// which takes tens of microseconds at best.
var Wakeups atomic.Uint64

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

// waiter is what a thread waits with for signals of one or several objects.
type waiter struct {
	ready chan struct{} // has something once an item matched or was canceled

	mu       sync.Mutex
	canceled bool // guarded by mu
}

func (w *waiter) wake() {
	select {
	case w.ready <- struct{}{}:
		Wakeups.Add(1)
	default:
	}
}

// status is the outcome of a wait that Block ended with st, once no item is
// observed any more. What happened to an object counts more than that time ran
// out meanwhile.
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

// waitItem is a waiter's observer of one object.
type waitItem struct {
	Observation
	w    *waiter
	obj  Object
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

// finish takes the item off its object and gives the signals to report.
func (i *waitItem) finish() zx.Signals {
	now, there := i.obj.base().removeObserver(i)
	if there {
		return now
	}
	i.w.mu.Lock()
	defer i.w.mu.Unlock()
	return i.observed
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

// Wait is a wait for signals of one object, from when it begins to when it ends.
type Wait struct {
	w    waiter
	item waitItem
}

// BeginWait begins a wait until the object that v names in t has one of signals:
// what happens from now on is not missed. End must follow. BAD_HANDLE,
// ACCESS_DENIED without the WAIT right.
func BeginWait(t *HandleTable, v zx.Handle, signals zx.Signals) (*Wait, zx.Status) {
	w := &Wait{w: waiter{ready: make(chan struct{}, 1)}}
	w.item = waitItem{w: &w.w, want: signals}
	var st zx.Status
	w.item.obj, st = t.Observe(v, &w.item)
	return w, st
}

// Ready says whether End will not wait.
func (w *Wait) Ready() bool { return len(w.w.ready) > 0 }

// End waits, and gives all signals of the object: for OK, TIMED_OUT and CANCELED,
// which are the statuses of zx_object_wait_one. done gives up, with CANCELED.
func (w *Wait) End(k *Kernel, done <-chan struct{}, deadline int64) (zx.Signals, zx.Status) {
	st := k.Block(w.w.ready, done, deadline)
	observed := w.item.finish()
	return observed, w.w.status(st)
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

// Waits is a wait for signals of several objects, from when it begins to when it
// ends.
type Waits struct {
	w     waiter
	items []waitItem
}

// BeginWaits begins a wait until one object has one of the signals wanted of it.
// End must follow. OUT_OF_RANGE for too many, BAD_HANDLE, ACCESS_DENIED.
func BeginWaits(t *HandleTable, items []WaitItem) (*Waits, zx.Status) {
	if len(items) > WaitMaxItems {
		return nil, zx.ErrOutOfRange
	}
	w := &Waits{w: waiter{ready: make(chan struct{}, 1)}, items: make([]waitItem, len(items))}
	for i := range items {
		w.items[i] = waitItem{w: &w.w, want: items[i].WaitFor}
		var st zx.Status
		if w.items[i].obj, st = t.Observe(items[i].Handle, &w.items[i]); st != zx.OK {
			for k := range i {
				w.items[k].finish()
			}
			return nil, st
		}
	}
	return w, zx.OK
}

// Ready says whether End will not wait.
func (w *Waits) Ready() bool { return len(w.w.ready) > 0 }

// End waits, without items until deadline, and fills in Pending: for OK,
// TIMED_OUT and CANCELED, which are the statuses of zx_object_wait_many. done
// gives up, with CANCELED.
func (w *Waits) End(k *Kernel, done <-chan struct{}, items []WaitItem, deadline int64) zx.Status {
	st := k.Block(w.w.ready, done, deadline)
	for i := range items {
		items[i].Pending = w.items[i].finish()
	}
	return w.w.status(st)
}

// Sleep waits until the monotonic time is past deadline. done ends it with
// CANCELED.
func Sleep(k *Kernel, done <-chan struct{}, deadline int64) zx.Status {
	if st := k.Block(nil, done, deadline); st != zx.ErrTimedOut {
		return st
	}
	return zx.OK
}
