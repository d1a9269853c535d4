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
	// onZeroHandles is called, with no lock held, after the last handle is closed:
	// once, but for tasks, of which their parents can give another handle.
	onZeroHandles()
}

var lastKoid atomic.Uint64

func init() { lastKoid.Store(uint64(zx.KoidFirst) - 1) }

// newKoid gives a koid that was not given before.
func newKoid() zx.Koid { return zx.Koid(lastKoid.Add(1)) }

// Core is what every object has: a koid, a count of handles, signals and those
// who wait for them. Objects embed it and call init.
type Core struct {
	koid    zx.Koid
	typ     zx.ObjType
	live    *atomic.Int64 // the kernel's count of objects of the type
	counted atomic.Bool   // is in live
	handles atomic.Int32

	mu          sync.Mutex
	signals     zx.Signals   // guarded by mu
	first, last *Observation // guarded by mu: those who observe signals, oldest first
}

func (c *Core) init(k *Kernel, t zx.ObjType, signals zx.Signals) {
	c.koid = newKoid()
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
