package object

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
)

// Handle is a reference to an object with rights. It is in one place at a
// time: a handle table, a channel message, or the hands of a syscall.
type Handle struct {
	obj    Object
	rights zx.Rights
	closed atomic.Bool

	observed          atomic.Bool  // was observed at some time
	firstObs, lastObs *Observation // guarded by the object's Core.mu: those who observe through this handle
}

// NewHandle makes a handle to o. The caller owns it.
func NewHandle(o Object, r zx.Rights) *Handle {
	c := o.base()
	c.handles.Add(1)
	if !c.counted.Swap(true) {
		c.live.Add(1)
	}
	return &Handle{obj: o, rights: r}
}

// Object is what the handle refers to.
func (h *Handle) Object() Object { return h.obj }

// Rights are the handle's rights.
func (h *Handle) Rights() zx.Rights { return h.rights }

// Close ends the handle, which must be in no table. A second call, or one of a
// nil handle, does nothing.
func (h *Handle) Close() {
	if h != nil && h.drop() {
		h.obj.onZeroHandles()
	}
}

// drop is Close that leaves it to the caller to tell the object, which is to be
// done when the result is true.
func (h *Handle) drop() bool {
	if h.closed.Swap(true) {
		return false
	}
	c := h.obj.base()
	c.cancel(h)
	if c.handles.Add(-1) > 0 {
		return false
	}
	// A task can get a handle again, from its parent's list of children; it is
	// then counted again.
	if c.counted.Swap(false) {
		c.live.Add(-1)
	}
	return true
}

// Narrow gives a handle with other rights in place of h, which ends without
// the object seeing its count fall.
func (h *Handle) Narrow(r zx.Rights) *Handle {
	n := NewHandle(h.obj, r)
	h.Close()
	return n
}

// Handle values: two fixed low bits, an index, a generation that makes a stale
// value miss, all but the fixed bits mixed with a secret of the table.
const (
	indexBits = 18
	// MaxHandles is how many handles a process may have.
	MaxHandles = 1 << indexBits
	genMask    = 1<<(30-indexBits) - 1
)

// HandleTable is the handles of one process.
type HandleTable struct {
	secret uint32

	mu    sync.Mutex
	slots []slot // guarded by mu
	free  []uint32
	count int
	dead  bool // no more handles are taken: the process has ended
}

type slot struct {
	h   *Handle
	gen uint32
}

// NewHandleTable makes an empty table.
func NewHandleTable() *HandleTable {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return &HandleTable{secret: binary.LittleEndian.Uint32(b[:]) >> 2}
}

func (t *HandleTable) value(i uint32, gen uint32) zx.Handle {
	v := (gen<<indexBits | i) ^ t.secret
	return zx.Handle(v<<2) | zx.HandleFixedBitsMask
}

// lookupLocked gives the slot that v names.
func (t *HandleTable) lookupLocked(v zx.Handle) (*slot, uint32) {
	if v&zx.HandleFixedBitsMask != zx.HandleFixedBitsMask {
		return nil, 0
	}
	x := (uint32(v) >> 2) ^ t.secret
	i, gen := x&(MaxHandles-1), x>>indexBits
	if int(i) >= len(t.slots) || t.slots[i].h == nil || t.slots[i].gen != gen {
		return nil, 0
	}
	return &t.slots[i], i
}

// Add puts h in the table, which owns it from now on, and gives its value. When
// the table is full or of a process that has ended, h is closed and the value
// is zx.HandleInvalid.
func (t *HandleTable) Add(h *Handle) zx.Handle {
	t.mu.Lock()
	v := t.addLocked(h)
	t.mu.Unlock()
	if v == zx.HandleInvalid {
		h.Close()
	}
	return v
}

// AddAll is Add for several handles. When not all have room, all are closed
// and the result is false.
func (t *HandleTable) AddAll(hs []*Handle, values []zx.Handle) bool {
	t.mu.Lock()
	n := 0
	for ; n < len(hs); n++ {
		if values[n] = t.addLocked(hs[n]); values[n] == zx.HandleInvalid {
			break
		}
	}
	if n == len(hs) {
		t.mu.Unlock()
		return true
	}
	for i := range n {
		t.removeLocked(values[i])
	}
	t.mu.Unlock()
	clear(values)
	for _, h := range hs {
		h.Close()
	}
	return false
}

func (t *HandleTable) addLocked(h *Handle) zx.Handle {
	if t.dead {
		return zx.HandleInvalid
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if len(t.slots) == MaxHandles {
			return zx.HandleInvalid
		}
		i = uint32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	s := &t.slots[i]
	// Value 3 after unmixing would be fine, but a value whose upper bits are
	// all zero reads like a small constant; skip that generation.
	if t.value(i, s.gen) == zx.HandleFixedBitsMask {
		s.gen = (s.gen + 1) & genMask
	}
	s.h = h
	t.count++
	return t.value(i, s.gen)
}

// Lookup gives the handle named by v, which stays in the table; nil for none.
func (t *HandleTable) Lookup(v zx.Handle) *Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, _ := t.lookupLocked(v); s != nil {
		return s.h
	}
	return nil
}

// Remove takes the handle named by v out of the table; the caller owns it.
// Waits made through it end with CANCELED. nil for none.
func (t *HandleTable) Remove(v zx.Handle) *Handle {
	t.mu.Lock()
	h := t.removeLocked(v)
	t.mu.Unlock()
	if h != nil {
		h.obj.base().cancel(h)
	}
	return h
}

func (t *HandleTable) removeLocked(v zx.Handle) *Handle {
	s, i := t.lookupLocked(v)
	if s == nil {
		return nil
	}
	h := s.h
	s.h = nil
	s.gen = (s.gen + 1) & genMask
	t.free = append(t.free, i)
	t.count--
	return h
}

// Observe adds o to the object that v names, as Core.addObserver does, until the
// handle leaves the table. BAD_HANDLE; ACCESS_DENIED without the WAIT right.
func (t *HandleTable) Observe(v zx.Handle, o Observer) (Object, zx.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _ := t.lookupLocked(v)
	if s == nil {
		return nil, zx.ErrBadHandle
	}
	if s.h.rights&zx.RightWait == 0 {
		return nil, zx.ErrAccessDenied
	}
	s.h.obj.base().addObserver(o, s.h)
	return s.h.obj, zx.OK
}

// with calls f with the handle that v names, which cannot leave the table
// meanwhile: BAD_HANDLE for none, else what f says. f must not use the table.
func (t *HandleTable) with(v zx.Handle, f func(*Handle) zx.Status) zx.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _ := t.lookupLocked(v)
	if s == nil {
		return zx.ErrBadHandle
	}
	return f(s.h)
}

// observeObject is Observe that asks for no right but that v names an o.
func (t *HandleTable) observeObject(v zx.Handle, obj Object, o Observer) zx.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _ := t.lookupLocked(v)
	if s == nil || s.h.obj != obj {
		return zx.ErrBadHandle
	}
	obj.base().addObserver(o, s.h)
	return zx.OK
}

// Duplicate gives another handle to the object that v names, which is in no
// table yet. rights says which rights it has, given those of v, or what is wrong.
func (t *HandleTable) Duplicate(v zx.Handle, rights func(zx.Rights) (zx.Rights, zx.Status)) (dup *Handle, st zx.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _ := t.lookupLocked(v)
	if s == nil {
		return nil, zx.ErrBadHandle
	}
	r, st := rights(s.h.rights)
	if st != zx.OK {
		return nil, st
	}
	return NewHandle(s.h.obj, r), zx.OK
}

// Len is the number of handles in the table.
func (t *HandleTable) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// All calls f for each handle until it returns false. f must not use the table.
func (t *HandleTable) All(f func(v zx.Handle, h *Handle) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.slots {
		if s := &t.slots[i]; s.h != nil && !f(t.value(uint32(i), s.gen), s.h) {
			return
		}
	}
}

// Drain closes every handle and lets no new one in.
func (t *HandleTable) Drain() {
	t.mu.Lock()
	slots := t.slots
	t.slots, t.free, t.count, t.dead = nil, nil, 0, true
	t.mu.Unlock()
	for i := range slots {
		if slots[i].h != nil {
			slots[i].h.Close()
		}
	}
}

// Get gives the object that v names if it is a T and the handle has all of
// rights: BAD_HANDLE, WRONG_TYPE or ACCESS_DENIED otherwise, in this order.
func Get[T Object](t *HandleTable, v zx.Handle, rights zx.Rights) (T, zx.Status) {
	o, _, st := GetHandle[T](t, v, rights)
	return o, st
}

// GetHandle is Get that also gives the handle, for its rights or to wait through.
func GetHandle[T Object](t *HandleTable, v zx.Handle, rights zx.Rights) (T, *Handle, zx.Status) {
	var none T
	h := t.Lookup(v)
	if h == nil {
		return none, nil, zx.ErrBadHandle
	}
	o, ok := h.obj.(T)
	if !ok {
		return none, nil, zx.ErrWrongType
	}
	if h.rights&rights != rights {
		return none, nil, zx.ErrAccessDenied
	}
	return o, h, zx.OK
}
