// Package object holds the kernel objects of the hosted Zircon: one file per
// kind of object, as in Zircon's own table of contents, with the handle table
// that processes reach them by.
//
// The package knows no Linux. Memory and native execution are behind the
// interfaces of machine.go, which package platform implements.
//
// # Lifetime
//
// An Object is kept by Go references. Its handles are counted: when the last
// one is closed the object hears of it (onZeroHandles) and lets go of what it
// holds, raises PEER_CLOSED on its peer, and so on. A handle inside a channel
// message counts like one in a table.
//
// # Lock order
//
//	handle table ─┐
//	object state ─┴→ Core.mu → port, waiter
//
// Object state is a channel pair, a socket pair, a job, a process and so on. No
// object's lock is taken with a handle table's, nor the other way round. Handles
// are never closed with one of these held: what has to be closed is collected
// and closed after unlocking.
package object

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
)

// Object is a kernel object.
type Object interface {
	// Koid is the object's id, unique while the kernel runs.
	Koid() zx.Koid
	// RelatedKoid is the koid of the peer, or of the parent of a task; 0 for none.
	RelatedKoid() zx.Koid
	// Type is the kind of object.
	Type() zx.ObjType
	// Signals is the object's present state.
	Signals() zx.Signals
	// HandleCount is the number of handles to it, in all processes and messages.
	HandleCount() uint32

	base() *Core
	// onZeroHandles is called once, with no lock held, after the last handle is closed.
	onZeroHandles()
}

var lastKoid atomic.Uint64

func init() { lastKoid.Store(uint64(zx.KoidFirst) - 1) }

// NewKoid gives a koid that was not given before.
func NewKoid() zx.Koid { return zx.Koid(lastKoid.Add(1)) }

// Core is what every object has: a koid, a count of handles, signals and those
// who wait for them. Objects embed it and call init.
type Core struct {
	koid    zx.Koid
	typ     zx.ObjType
	live    *atomic.Int64 // the kernel's count of objects of the type
	counted atomic.Bool   // is in live
	handles atomic.Int32

	mu        sync.Mutex
	signals   zx.Signals    // guarded by mu
	observers []observation // guarded by mu
}

type observation struct {
	o   Observer
	via *Handle
}

// Observer is told of an object's signals. Both methods are called with the
// object's Core locked: they must not block or call back into the object.
type Observer interface {
	// OnSignals gets the state after each change, and once when the observer
	// is added. True removes the observer.
	OnSignals(s zx.Signals) (done bool)
	// OnCancel says that the handle was closed or moved; the observer is
	// already removed. s is the last state.
	OnCancel(s zx.Signals)
}

func (c *Core) init(k *Kernel, t zx.ObjType, signals zx.Signals) {
	c.koid = NewKoid()
	c.typ = t
	c.live = &k.live[t]
	c.signals = signals
}

func (c *Core) base() *Core          { return c }
func (c *Core) Type() zx.ObjType     { return c.typ }
func (c *Core) onZeroHandles()       {}
func (c *Core) Koid() zx.Koid        { return c.koid }
func (c *Core) RelatedKoid() zx.Koid { return zx.KoidInvalid }

// HandleCount is the number of handles to the object, in all processes and messages.
func (c *Core) HandleCount() uint32 { return uint32(max(c.handles.Load(), 0)) }

// Signals is the object's present state.
func (c *Core) Signals() zx.Signals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signals
}

// updateSignals clears and then sets bits, and tells the observers of a change.
func (c *Core) updateSignals(clear, set zx.Signals) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.signals&^clear | set
	if s == c.signals {
		return
	}
	c.signals = s
	c.notifyLocked()
}

// strobeSignals lets observers see bits go on and off again at once.
func (c *Core) strobeSignals(s zx.Signals) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.signals
	c.signals |= s
	c.notifyLocked()
	if c.signals != old {
		c.signals = old
		c.notifyLocked()
	}
}

func (c *Core) notifyLocked() {
	for i := 0; i < len(c.observers); {
		if c.observers[i].o.OnSignals(c.signals) {
			c.observers = slices.Delete(c.observers, i, i+1)
		} else {
			i++
		}
	}
}

// addObserver adds o, which at once gets the present state and may be done by
// it. via is the handle whose leaving its table cancels o; nil for none. With a
// handle, the caller holds the table's lock (HandleTable.Observe), so that the
// handle cannot leave between being looked up and being observed.
func (c *Core) addObserver(o Observer, via *Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !o.OnSignals(c.signals) {
		c.observers = append(c.observers, observation{o, via})
	}
}

// Observers is how many wait for o's signals, for tests that wait for them to.
func Observers(o Object) int {
	c := o.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.observers)
}

// removeObserver removes o if it is still there and says whether it was. now is
// the present state.
func (c *Core) removeObserver(o Observer) (now zx.Signals, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.observers, func(b observation) bool { return b.o == o })
	if i >= 0 {
		c.observers = slices.Delete(c.observers, i, i+1)
	}
	return c.signals, i >= 0
}

// removeObservers ends, without telling them, the observers added through h of
// which match is true, and gives their number.
func (c *Core) removeObservers(h *Handle, match func(Observer) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.observers)
	c.observers = slices.DeleteFunc(c.observers, func(b observation) bool {
		return b.via == h && match(b.o)
	})
	return n - len(c.observers)
}

// cancel ends the observers that were added through h.
func (c *Core) cancel(h *Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i < len(c.observers); {
		if c.observers[i].via == h {
			o := c.observers[i].o
			c.observers = slices.Delete(c.observers, i, i+1)
			o.OnCancel(c.signals)
		} else {
			i++
		}
	}
}
