package object

import "go.fuchsia.dev/fidl-go/zx"

// Observer is told of an object's signals. Both methods are called with the
// object's Core locked: they must not block or call back into the object. An
// Observer observes one object at a time; it embeds an Observation.
type Observer interface {
	// OnSignals gets the state after each change, and once when the observer
	// is added. True removes the observer.
	OnSignals(s zx.Signals) (done bool)
	// OnCancel says that the handle was closed or moved; the observer is
	// already removed. s is the last state.
	OnCancel(s zx.Signals)

	observing() *Observation
}

// Observation is the place of an Observer in two lists, its object's and its
// handle's, so that it costs the same to add and to remove one however many
// there are: a program may have very many. All of it is guarded by the object's
// Core.mu.
type Observation struct {
	o   Observer
	via *Handle // nil for none
	in  *Core   // nil when in no list

	next, prev       *Observation // in Core
	nextVia, prevVia *Observation // in via
}

func (n *Observation) observing() *Observation { return n }

// linkLocked puts n at the end of c's list and of its handle's.
func (c *Core) linkLocked(n *Observation) {
	n.in = c
	if n.prev = c.last; n.prev != nil {
		n.prev.next = n
	} else {
		c.first = n
	}
	c.last = n
	if h := n.via; h != nil {
		if n.prevVia = h.lastObs; n.prevVia != nil {
			n.prevVia.nextVia = n
		} else {
			h.firstObs = n
		}
		h.lastObs = n
		h.observed.Store(true)
	}
}

// unlinkLocked takes n off its lists.
func (c *Core) unlinkLocked(n *Observation) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		c.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		c.last = n.prev
	}
	if h := n.via; h != nil {
		if n.prevVia != nil {
			n.prevVia.nextVia = n.nextVia
		} else {
			h.firstObs = n.nextVia
		}
		if n.nextVia != nil {
			n.nextVia.prevVia = n.prevVia
		} else {
			h.lastObs = n.prevVia
		}
	}
	n.in, n.next, n.prev, n.nextVia, n.prevVia = nil, nil, nil, nil, nil
}

func (c *Core) notifyLocked() {
	for n := c.first; n != nil; {
		next := n.next
		if n.o.OnSignals(c.signals) {
			c.unlinkLocked(n)
		}
		n = next
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
		n := o.observing()
		n.o, n.via = o, via
		c.linkLocked(n)
	}
}

// Observers is how many wait for o's signals, for tests that wait for them to.
func Observers(o Object) (count int) {
	c := o.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := c.first; n != nil; n = n.next {
		count++
	}
	return count
}

// removeObserver removes o if it is still there and says whether it was. now is
// the present state.
func (c *Core) removeObserver(o Observer) (now zx.Signals, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := o.observing()
	if there = n.in == c; there {
		c.unlinkLocked(n)
	}
	return c.signals, there
}

// removeObservers ends, without telling them, the observers added through h of
// which match is true, and gives their number.
func (c *Core) removeObservers(h *Handle, match func(Observer) bool) (count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := h.firstObs; n != nil; {
		next := n.nextVia
		if match(n.o) {
			c.unlinkLocked(n)
			count++
		}
		n = next
	}
	return count
}

// cancel ends the observers that were added through h, which nobody can look up
// any more.
func (c *Core) cancel(h *Handle) {
	if !h.observed.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := h.firstObs; n != nil; n = h.firstObs {
		c.unlinkLocked(n)
		n.o.OnCancel(c.signals)
	}
}
