package vm

import (
	"errors"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// MaxVMOSize is the largest size a VMO may have: what a signed file offset of
// the host can express, with room to round up.
const MaxVMOSize = 1<<62 - PageSize

// RoundSize rounds a VMO's size up to pages: OUT_OF_RANGE above MaxVMOSize.
func RoundSize(n uint64) (uint64, zx.Status) {
	if n > MaxVMOSize {
		return 0, zx.ErrOutOfRange
	}
	return (n + PageSize - 1) &^ (PageSize - 1), zx.OK
}

// VMO is the memory of a VM object: pages, or a window on the pages of another
// VMO (a slice or a reference).
//
// It is alive while something holds it: its object while that has handles, and
// each mapping. Release gives up the object's hold. The children of a VMO that
// is no longer held are then its parent's, and the last VMO on a store closes
// the pages.
//
// Locks: that of an address space comes first. family.mu is held alone (but for
// what OnChildren's function takes), VMO.mu alone, store.mu last.
type VMO struct {
	// Owner is the object that stands for the VMO in the handle world; set
	// once, before the VMO is shared.
	Owner any
	// Discardable memory may be taken back while it is not locked, which this
	// kernel leaves to the host and never does. Set before the VMO is shared.
	Discardable bool

	st     *store
	fam    *family
	window bool   // a slice: [off, off+size) of the store
	off    uint64 // of the window
	size   uint64 // of the window
	kind   ChildKind

	parent     *VMO            // guarded by fam.mu; it may be no longer held: see parentLocked
	holds      int             // guarded by fam.mu
	children   int             // guarded by fam.mu; those that are held
	mappings   int             // guarded by fam.mu
	onChildren func(some bool) // guarded by fam.mu; told when the first child comes and the last goes

	mu      sync.Mutex
	locks   int    // guarded by mu; of discardable memory
	content uint64 // guarded by mu; stream size of a window
}

// family is a VMO that is no child, and all that were made from it. They share
// a lock, because what becomes of one can change any above it.
type family struct{ mu sync.Mutex }

// ChildKind is how a VMO was made from its parent.
type ChildKind uint8

const (
	NotChild  ChildKind = iota
	Snapshot            // a private copy
	Slice               // a window on a part
	Reference           // a window on the whole, that follows its size
)

// store is memory that one VMO or more look at. Its pages are made when they
// are first needed, so that a VMO nobody uses costs nothing.
type store struct {
	host      Host
	resizable bool
	copied    bool // the memory was copied from a parent

	// stream is held through a write of a stream, so that the stream size and
	// what is before it change together. It comes before mu.
	stream sync.Mutex

	mu      sync.RWMutex
	refs    int    // guarded by mu
	pages   Pages  // guarded by mu; nil until needed
	size    uint64 // guarded by mu
	content uint64 // guarded by mu; the stream size
}

// NewVMO makes a VMO of size bytes, a multiple of PageSize up to MaxVMOSize,
// with content as its stream size. The caller holds it.
func NewVMO(h Host, size, content uint64, resizable bool) *VMO {
	return &VMO{fam: new(family), holds: 1, st: &store{host: h, size: size, content: content, resizable: resizable, refs: 1}}
}

// NewVMOFromPages makes a VMO of pages, which it owns from now on.
func NewVMOFromPages(h Host, pages Pages) *VMO {
	n := pages.Size()
	return &VMO{fam: new(family), holds: 1, st: &store{host: h, pages: pages, size: pageUp(n), content: n, refs: 1}}
}

func pageUp(n uint64) uint64 { return (n + PageSize - 1) &^ (PageSize - 1) }

func aligned(n uint64) bool { return n%PageSize == 0 }

// StatusOf takes the zx.Status out of an error of the host: INTERNAL for one
// without.
func StatusOf(err error) zx.Status {
	if err == nil {
		return zx.OK
	}
	var st zx.Status
	if errors.As(err, &st) {
		return st
	}
	return zx.ErrInternal
}

// Hold keeps the VMO alive until Release: false when nothing does already.
func (v *VMO) Hold() bool {
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	if v.holds == 0 {
		return false
	}
	v.holds++
	return true
}

// Release gives up the hold that came with making the VMO, or with Hold.
func (v *VMO) Release() {
	v.fam.mu.Lock()
	last := v.dropLocked()
	v.fam.mu.Unlock()
	if last {
		v.st.unref()
	}
}

// dropLocked gives up a hold. When it was the last, the children are counted
// with the parent, and the caller lets go of the store.
func (v *VMO) dropLocked() (last bool) {
	v.holds--
	if v.holds > 0 {
		return false
	}
	if p := v.parentLocked(); p != nil {
		p.children += v.children - 1
		if p.children == 0 && p.onChildren != nil {
			p.onChildren(false)
		}
	}
	return true
}

// parentLocked gives the nearest VMO above that is still held; nil for none. It
// shortens the way to it for the next time, so that VMOs nobody holds any more
// are let go of.
func (v *VMO) parentLocked() *VMO {
	p := v.parent
	for p != nil && p.holds == 0 {
		p = p.parent
	}
	for x := v; x.parent != p; {
		x, x.parent = x.parent, p
	}
	return p
}

// OnChildren sets what is told when the VMO gets its first child and loses its
// last. f is called with the family locked.
func (v *VMO) OnChildren(f func(some bool)) {
	v.fam.mu.Lock()
	v.onChildren = f
	v.fam.mu.Unlock()
}

func (s *store) ref() {
	s.mu.Lock()
	s.refs++
	s.mu.Unlock()
}

func (s *store) unref() {
	s.mu.Lock()
	s.refs--
	var p Pages
	if s.refs == 0 {
		p, s.pages = s.pages, nil
	}
	s.mu.Unlock()
	if p != nil {
		p.Close()
	}
}

// needPagesLocked makes the pages if there are none: BAD_HANDLE when nothing
// holds the store any more. s.mu is held for writing.
func (s *store) needPagesLocked() (Pages, zx.Status) {
	if s.refs == 0 {
		return nil, zx.ErrBadHandle
	}
	if s.pages == nil {
		p, err := s.host.NewPages(s.size)
		if err != nil {
			return nil, StatusOf(err)
		}
		s.pages = p
	}
	return s.pages, zx.OK
}

func (s *store) needPages() (Pages, zx.Status) {
	s.mu.RLock()
	p := s.pages
	s.mu.RUnlock()
	if p != nil {
		return p, zx.OK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.needPagesLocked()
}

// Size is the size in bytes, a multiple of PageSize.
func (v *VMO) Size() uint64 {
	if v.window {
		return v.size
	}
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	return v.st.size
}

// ContentSize is the stream size in bytes.
func (v *VMO) ContentSize() uint64 {
	if v.window {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.content
	}
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	return v.st.content
}

// Resizable says whether SetSize may work.
func (v *VMO) Resizable() bool { return v.st.resizable }

// Kind says how the VMO was made from Parent.
func (v *VMO) Kind() ChildKind { return v.kind }

// Parent is the VMO this one was made from or, when that is gone, the one that
// was made from; nil for none.
func (v *VMO) Parent() *VMO {
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	return v.parentLocked()
}

// Children is the number of children that are alive.
func (v *VMO) Children() int {
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	return v.children
}

// Mappings is the number of mappings of the VMO.
func (v *VMO) Mappings() int {
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	return v.mappings
}

// Committed is the number of bytes of memory that the VMO has for itself: none
// for a window.
func (v *VMO) Committed() uint64 {
	if v.window || v.kind == Reference {
		return 0
	}
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	if v.st.pages == nil {
		return 0
	}
	return v.st.pages.Committed()
}

// Immutable says that the memory is a read-only file of the host.
func (v *VMO) Immutable() bool {
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	return v.st.pages != nil && v.st.pages.Immutable()
}

// sizeLocked is Size with st.mu held.
func (v *VMO) sizeLocked() uint64 {
	if v.window {
		return v.size
	}
	return v.st.size
}

// inRange says whether [off, off+n) lies within size.
func inRange(off, n, size uint64) bool { return off <= size && n <= size-off }

// Read fills b from off: OUT_OF_RANGE beyond the VMO's size.
func (v *VMO) Read(b []byte, off uint64) zx.Status {
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	if !inRange(off, uint64(len(b)), v.sizeLocked()) {
		return zx.ErrOutOfRange
	}
	return v.readLocked(b, off)
}

// readLocked reads within the VMO's size. The last page of a file of the host
// may be shorter than a page; the rest of it is zero.
func (v *VMO) readLocked(b []byte, off uint64) zx.Status {
	if v.st.pages == nil {
		clear(b)
		return zx.OK
	}
	off += v.off
	have := uint64(len(b))
	if size := v.st.pages.Size(); off >= size {
		have = 0
	} else {
		have = min(have, size-off)
	}
	clear(b[have:])
	if have == 0 {
		return zx.OK
	}
	return StatusOf(v.st.pages.ReadAt(b[:have], off))
}

// Write stores b at off: OUT_OF_RANGE beyond the VMO's size, ACCESS_DENIED for
// a file of the host, NO_MEMORY, BAD_HANDLE when nothing holds v.
func (v *VMO) Write(b []byte, off uint64) zx.Status {
	if _, st := v.st.needPages(); st != zx.OK {
		return st
	}
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	if !inRange(off, uint64(len(b)), v.sizeLocked()) {
		return zx.ErrOutOfRange
	}
	if v.st.pages == nil {
		return zx.ErrBadHandle // the last hold went a moment ago
	}
	if v.st.pages.Immutable() {
		return zx.ErrAccessDenied
	}
	if len(b) == 0 {
		return zx.OK
	}
	return StatusOf(v.st.pages.WriteAt(b, v.off+off))
}

// SetSize changes the size, rounded up to pages, and the stream size, which is
// not: UNAVAILABLE if not resizable, OUT_OF_RANGE, NO_MEMORY. What lies between
// the stream size and the end of its page becomes zero.
func (v *VMO) SetSize(n uint64) zx.Status {
	size, st := RoundSize(n)
	if st != zx.OK {
		return st
	}
	s := v.st
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.resizable {
		return zx.ErrUnavailable
	}
	if st := s.resizeLocked(size); st != zx.OK {
		return st
	}
	if n < size && s.pages != nil {
		if err := s.pages.Zero(n, size-n); err != nil {
			return StatusOf(err)
		}
	}
	s.content = n
	return zx.OK
}

func (s *store) resizeLocked(size uint64) zx.Status {
	if size == s.size {
		return zx.OK
	}
	if s.pages != nil {
		if err := s.pages.Resize(size); err != nil {
			return StatusOf(err)
		}
	}
	s.size = size
	return zx.OK
}

// SetContentSize changes the stream size. Growing it shows zeroes, and what is
// beyond it becomes zero: the range between the smaller of the two and the end
// of the VMO; a file of the host is taken to be zero there. It may exceed the
// size, as ZX_PROP_VMO_CONTENT_SIZE may.
func (v *VMO) SetContentSize(n uint64) zx.Status {
	old, size := v.ContentSize(), v.Size()
	if n == old {
		return zx.OK
	}
	if from := min(n, old); from < size && !v.Immutable() {
		if st := v.Zero(from, size-from); st != zx.OK {
			return st
		}
	}
	v.setContent(func(uint64) uint64 { return n })
	return zx.OK
}

func (v *VMO) setContent(f func(old uint64) uint64) {
	if v.window {
		v.mu.Lock()
		v.content = f(v.content)
		v.mu.Unlock()
		return
	}
	v.st.mu.Lock()
	v.st.content = f(v.st.content)
	v.st.mu.Unlock()
}

// LockStream keeps other streams from writing until unlock is called.
func (v *VMO) LockStream() (unlock func()) {
	v.st.stream.Lock()
	return v.st.stream.Unlock
}

// Extend makes room for a stream that is written in [from, end): it grows the
// VMO when grow allows it and it must, and gives how far the stream can reach,
// which is beyond from and at most end. What lies between the stream size and
// from becomes zero. The stream size itself follows by Wrote. NO_SPACE when there
// is no room at all; OUT_OF_RANGE when no VMO has as much.
func (v *VMO) Extend(from, end uint64, grow bool) (reach uint64, st zx.Status) {
	s := v.st
	full := zx.ErrNoSpace
	if !v.window && grow && s.resizable {
		size, st := RoundSize(end)
		if st != zx.OK {
			full = st
		} else {
			s.mu.Lock()
			if size > s.size {
				// When it cannot grow, the room there is can still be used.
				_ = s.resizeLocked(size)
			}
			s.mu.Unlock()
		}
	}
	content, size := v.ContentSize(), v.Size()
	if size <= from {
		return 0, full
	}
	if content < from {
		if st := v.Zero(content, from-content); st != zx.OK {
			return 0, st
		}
	}
	return min(end, size), zx.OK
}

// Wrote says that a stream was written up to end.
func (v *VMO) Wrote(end uint64) {
	v.setContent(func(old uint64) uint64 { return max(old, end) })
}

// Zero makes a range read as zero: OUT_OF_RANGE beyond the size, ACCESS_DENIED
// for a file of the host.
func (v *VMO) Zero(off, n uint64) zx.Status {
	return v.withRange(off, n, func(p Pages, off uint64) error { return p.Zero(off, n) })
}

// Decommit gives the memory of a range back, which then reads as zero:
// INVALID_ARGS when not on pages, NOT_SUPPORTED for a copy or a file.
func (v *VMO) Decommit(off, n uint64) zx.Status {
	if !aligned(off) || !aligned(n) {
		return zx.ErrInvalidArgs
	}
	if v.st.copied || v.Immutable() {
		return zx.ErrNotSupported
	}
	return v.Zero(off, n)
}

// withRange calls f, which writes, for a range of the store if there are pages.
func (v *VMO) withRange(off, n uint64, f func(p Pages, off uint64) error) zx.Status {
	s := v.st
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !inRange(off, n, v.sizeLocked()) {
		return zx.ErrOutOfRange
	}
	if n == 0 || s.pages == nil {
		return zx.OK
	}
	if s.pages.Immutable() {
		return zx.ErrAccessDenied
	}
	return StatusOf(f(s.pages, v.off+off))
}

// Commit makes sure that a range, widened to pages, has memory: OUT_OF_RANGE,
// NO_MEMORY.
func (v *VMO) Commit(off, n uint64) zx.Status {
	if !inRange(off, n, v.Size()) {
		return zx.ErrOutOfRange
	}
	if n == 0 {
		return zx.OK
	}
	if v.Immutable() {
		return zx.OK
	}
	if _, st := v.st.needPages(); st != zx.OK {
		return st
	}
	end := pageUp(off + n)
	off &^= PageSize - 1
	return v.withRange(off, end-off, func(p Pages, o uint64) error { return p.Commit(o, end-off) })
}

// Lock keeps discardable memory from being discarded, all of it: NOT_SUPPORTED
// if it is not discardable, OUT_OF_RANGE for another range than the whole.
func (v *VMO) Lock(off, n uint64) zx.Status { return v.lock(off, n, 1) }

// Unlock undoes a Lock: BAD_STATE when there was none.
func (v *VMO) Unlock(off, n uint64) zx.Status { return v.lock(off, n, -1) }

func (v *VMO) lock(off, n uint64, by int) zx.Status {
	if !v.Discardable {
		return zx.ErrNotSupported
	}
	if off != 0 || n != v.Size() {
		return zx.ErrOutOfRange
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.locks+by < 0 {
		return zx.ErrBadState
	}
	v.locks += by
	return zx.OK
}

// CheckRange gives OUT_OF_RANGE for a range that is not within the VMO.
func (v *VMO) CheckRange(off, n uint64) zx.Status {
	if !inRange(off, n, v.Size()) {
		return zx.ErrOutOfRange
	}
	return zx.OK
}

// extent is where the memory of the VMO ends within its pages: mappings must
// not show what is beyond.
func (v *VMO) extent(p Pages) uint64 {
	switch {
	case v.window:
		return v.off + v.size
	case p.Immutable():
		return pageUp(p.Size())
	default:
		return MaxVMOSize
	}
}

// addMapping counts a mapping, which holds the VMO. It is false when nothing
// else does: the last handle was closed a moment ago.
func (v *VMO) addMapping() bool {
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	if v.holds == 0 {
		return false
	}
	v.holds++
	v.mappings++
	return true
}

// dropMapping undoes addMapping.
func (v *VMO) dropMapping() {
	v.fam.mu.Lock()
	v.mappings--
	last := v.dropLocked()
	v.fam.mu.Unlock()
	if last {
		v.st.unref()
	}
}

// adopt makes c, which the caller holds, a child of v, which somebody holds.
func (v *VMO) adopt(c *VMO) *VMO {
	c.fam, c.holds = v.fam, 1
	v.fam.mu.Lock()
	defer v.fam.mu.Unlock()
	v.parentLocked() // before it is a longer way for c
	c.parent = v
	v.children++
	if v.children == 1 && v.onChildren != nil {
		v.onChildren(true)
	}
	return c
}

// NewSlice makes a window on [off, off+size), both multiples of PageSize:
// INVALID_ARGS when not, or beyond the VMO; NOT_SUPPORTED if it is resizable;
// BAD_HANDLE when nothing holds v. content is the slice's own stream size. The
// caller holds the slice.
func (v *VMO) NewSlice(off, size, content uint64) (*VMO, zx.Status) {
	if !aligned(off) || !aligned(size) {
		return nil, zx.ErrInvalidArgs
	}
	if v.st.resizable {
		return nil, zx.ErrNotSupported
	}
	if !inRange(off, size, v.Size()) {
		return nil, zx.ErrInvalidArgs
	}
	if !v.Hold() {
		return nil, zx.ErrBadHandle
	}
	defer v.Release()
	v.st.ref()
	return v.adopt(&VMO{
		st: v.st, kind: Slice,
		window: true, off: v.off + off, size: size, content: content,
	}), zx.OK
}

// NewReference makes a VMO that is the same memory as v: BAD_HANDLE when nothing
// holds v. The caller holds it.
func (v *VMO) NewReference() (*VMO, zx.Status) {
	if !v.Hold() {
		return nil, zx.ErrBadHandle
	}
	defer v.Release()
	v.st.ref()
	c := &VMO{st: v.st, kind: Reference, window: v.window, off: v.off, size: v.size}
	if v.window {
		c.content = v.ContentSize()
	}
	return v.adopt(c), zx.OK
}

// NewSnapshot makes a VMO with a copy of [off, off+size), both multiples of
// PageSize, zero beyond the end of v: INVALID_ARGS, OUT_OF_RANGE, NO_MEMORY,
// BAD_HANDLE when nothing holds v. A copy is more than SNAPSHOT_AT_LEAST_ON_WRITE
// and SNAPSHOT_MODIFIED ask for. The caller holds it.
func (v *VMO) NewSnapshot(off, size, content uint64, resizable bool) (*VMO, zx.Status) {
	if !aligned(off) || !aligned(size) {
		return nil, zx.ErrInvalidArgs
	}
	if size > MaxVMOSize || off > MaxVMOSize {
		return nil, zx.ErrOutOfRange
	}
	if !v.Hold() {
		return nil, zx.ErrBadHandle
	}
	defer v.Release()
	st := &store{host: v.st.host, size: size, content: content, resizable: resizable, copied: true, refs: 1}
	p, status := v.cloneTo(off, size)
	if status != zx.OK {
		return nil, status
	}
	st.pages = p
	return v.adopt(&VMO{st: st, kind: Snapshot}), zx.OK
}

// cloneTo gives size bytes of new pages with a copy of what v has from off; nil
// when that is nothing.
func (v *VMO) cloneTo(off, size uint64) (Pages, zx.Status) {
	v.st.mu.RLock()
	defer v.st.mu.RUnlock()
	// A window ends before its store does, and what is beyond is not for it.
	end := v.sizeLocked()
	if v.st.pages == nil || off >= end {
		return nil, zx.OK
	}
	n := min(size, end-off)
	p, err := v.st.pages.Clone(v.off+off, n)
	if err == nil && n < size {
		if err = p.Resize(size); err != nil {
			p.Close()
		}
	}
	if err != nil {
		return nil, StatusOf(err)
	}
	return p, zx.OK
}
