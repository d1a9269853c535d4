package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var objectTable = []Entry{
	{Name: "zx_object_wait_one", Args: 4, Params: "handle:h signals:signals deadline:t observed:*signals", Handler: sysObjectWaitOne},
	{Name: "zx_object_wait_many", Args: 3, Params: "items:wait[num_items] num_items:u64 deadline:t", Handler: sysObjectWaitMany},
	{Name: "zx_object_wait_async", Args: 5, Params: "handle:h port:h key:x64 signals:signals options:waitasync", Handler: func(c *Call) zx.Status {
		return ObjectWaitAsync(c.Proc, c.Handle(0), c.Handle(1), c.U64(2), zx.Signals(c.U32(3)), c.U32(4))
	}},
	{Name: "zx_object_signal", Args: 3, Params: "handle:h clear_mask:signals set_mask:signals", Handler: func(c *Call) zx.Status {
		return ObjectSignal(c.Proc, c.Handle(0), zx.Signals(c.U32(1)), zx.Signals(c.U32(2)))
	}},
	{Name: "zx_object_signal_peer", Args: 3, Params: "handle:h clear_mask:signals set_mask:signals", Handler: func(c *Call) zx.Status {
		return ObjectSignalPeer(c.Proc, c.Handle(0), zx.Signals(c.U32(1)), zx.Signals(c.U32(2)))
	}},
	{Name: "zx_object_get_info", Args: 6, Params: "handle:h topic:info buffer:p buffer_size:u64 actual:*u64 avail:*u64", Handler: sysObjectGetInfo, Support: Partial},
	{Name: "zx_object_get_property", Args: 4, Params: "handle:h property:prop value:*propvalue[value_size] value_size:u64", Handler: sysObjectGetProperty, Support: Partial},
	{Name: "zx_object_set_property", Args: 4, Params: "handle:h property:prop value:propvalue[value_size] value_size:u64", Handler: sysObjectSetProperty, Support: Partial},
	{Name: "zx_object_get_child", Args: 4, Params: "handle:h koid:u64 rights:rights out:*h", Handler: func(c *Call) zx.Status {
		h, st := ObjectGetChild(c.Proc, c.Handle(0), zx.Koid(c.U64(1)), zx.Rights(c.U32(2)))
		return c.OutHandle(c.U64(3), h, st)
	}},
	{Name: "zx_object_set_profile", Args: 3, Params: "handle:h profile:h options:x32"}, // there are no profiles
}

// WaitItem is one of the objects that ObjectWaitMany waits for.
type WaitItem = object.WaitItem

// waitItemSize is the size of zx_wait_item_t.
const waitItemSize = 12

// ObjectWaitOne waits until the object of h has one of signals, and gives all
// that it has: for OK, TIMED_OUT and CANCELED.
func ObjectWaitOne(p *object.Process, done <-chan struct{}, h zx.Handle, signals zx.Signals, deadline int64) (zx.Signals, zx.Status) {
	if s, st := object.Poll(p.Handles(), h); st != zx.OK || s&signals != 0 {
		return s, st
	}
	w, st := object.BeginWait(p.Handles(), h, signals)
	if st != zx.OK {
		return 0, st
	}
	return w.End(p.Kernel(), done, deadline)
}

func sysObjectWaitOne(c *Call) zx.Status {
	h, signals, deadline, out := c.Handle(0), zx.Signals(c.U32(1)), c.I64(2), c.U64(3)
	s, st := object.Poll(c.Proc.Handles(), h)
	switch {
	case st != zx.OK:
		return st
	case s&signals != 0:
		return c.OptU32(out, uint32(s))
	case deadline <= 0:
		return c.waited(out, s, zx.ErrTimedOut)
	}
	// It begins before the thread is seen to be blocked: who sees that may act.
	w, st := object.BeginWait(c.Proc.Handles(), h, signals)
	if st != zx.OK {
		return st
	}
	end := func() zx.Status {
		s, st := w.End(c.Proc.Kernel(), c.Done(), deadline)
		return c.waited(out, s, st)
	}
	return c.BlockUnless(w.Ready, object.ThreadStateBlockedWaitOne, end)
}

// waited is the end of a wait: st, or why the signals could not be told.
func (c *Call) waited(addr uint64, s zx.Signals, st zx.Status) zx.Status {
	if st == zx.OK || st == zx.ErrTimedOut || st == zx.ErrCanceled {
		if w := c.OptU32(addr, uint32(s)); w != zx.OK {
			return w
		}
	}
	return st
}

// ObjectWaitMany waits until one of items has one of the signals wanted of it,
// and gives the signals of all: for OK, TIMED_OUT and CANCELED.
func ObjectWaitMany(p *object.Process, done <-chan struct{}, items []WaitItem, deadline int64) zx.Status {
	w, st := object.BeginWaits(p.Handles(), items)
	if st != zx.OK {
		return st
	}
	return w.End(p.Kernel(), done, items, deadline)
}

func sysObjectWaitMany(c *Call) zx.Status {
	addr, n, deadline := c.U64(0), c.U64(1), c.I64(2)
	if n > object.WaitMaxItems {
		return zx.ErrOutOfRange
	}
	b, st := c.ReadBytes(addr, waitItemSize*n)
	if st != zx.OK {
		return st
	}
	items := make([]WaitItem, n)
	for i := range items {
		items[i].Handle = zx.Handle(binary.LittleEndian.Uint32(b[waitItemSize*i:]))
		items[i].WaitFor = zx.Signals(binary.LittleEndian.Uint32(b[waitItemSize*i+4:]))
	}
	w, st := object.BeginWaits(c.Proc.Handles(), items)
	if st != zx.OK {
		return st
	}
	end := func() zx.Status {
		st := w.End(c.Proc.Kernel(), c.Done(), items, deadline)
		for i := range items {
			binary.LittleEndian.PutUint32(b[waitItemSize*i+8:], uint32(items[i].Pending))
		}
		if s := c.WriteBytes(addr, b); s != zx.OK {
			return s
		}
		return st
	}
	if deadline <= 0 || w.Ready() {
		return end()
	}
	return c.BlockAs(object.ThreadStateBlockedWaitMany, end)
}

// ObjectWaitAsync lets a packet be queued to port once the object of h has one
// of signals. options are object.WaitAsync….
func ObjectWaitAsync(p *object.Process, h, port zx.Handle, key uint64, signals zx.Signals, options uint32) zx.Status {
	const all = object.WaitAsyncTimestamp | object.WaitAsyncEdge | object.WaitAsyncBootTimestamp
	const both = object.WaitAsyncTimestamp | object.WaitAsyncBootTimestamp
	if options&^all != 0 || options&both == both {
		return zx.ErrInvalidArgs
	}
	o, st := get[*object.Port](p, port, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return o.WaitAsync(p.Handles(), h, key, signals, options)
}

// getAny gives the object that h names, if the handle has r.
func getAny(p *object.Process, h zx.Handle, r zx.Rights) (object.Object, zx.Status) {
	return get[object.Object](p, h, r)
}

// ObjectSignal clears and then sets signals of an object that a program may.
func ObjectSignal(p *object.Process, h zx.Handle, clear, set zx.Signals) zx.Status {
	o, st := getAny(p, h, zx.RightSignal)
	if st != zx.OK {
		return st
	}
	return object.Signal(o, clear, set)
}

// ObjectSignalPeer is ObjectSignal for the other end of h's object.
func ObjectSignalPeer(p *object.Process, h zx.Handle, clear, set zx.Signals) zx.Status {
	o, st := getAny(p, h, zx.RightSignalPeer)
	if st != zx.OK {
		return st
	}
	return object.SignalPeer(o, clear, set)
}

// ObjectGetChild gives a handle to the child of a job or process that has koid,
// with rights, at most those of h.
func ObjectGetChild(p *object.Process, h zx.Handle, koid zx.Koid, rights zx.Rights) (zx.Handle, zx.Status) {
	o, hh, st := object.GetHandle[object.Object](p.Handles(), h, zx.RightEnumerate)
	if st != zx.OK {
		return 0, st
	}
	if rights == zx.RightSameRights {
		rights = hh.Rights()
	}
	if rights&^hh.Rights() != 0 {
		return 0, zx.ErrAccessDenied
	}
	parent, ok := o.(interface {
		Child(zx.Koid, zx.Rights) *object.Handle
	})
	if !ok {
		return 0, zx.ErrWrongType
	}
	child := parent.Child(koid, rights)
	if child == nil {
		return 0, zx.ErrNotFound
	}
	return addHandle(p, child)
}
