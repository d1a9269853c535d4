package vm

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"

	"go.fuchsia.dev/fidl-go/zx"
)

// Option is a zx_vm_option_t: how to map or allocate, from <zircon/types.h>.
type Option uint32

const (
	PermRead            Option = 1 << 0
	PermWrite           Option = 1 << 1
	PermExecute         Option = 1 << 2
	Compact             Option = 1 << 3
	Specific            Option = 1 << 4
	SpecificOverwrite   Option = 1 << 5
	CanMapSpecific      Option = 1 << 6
	CanMapRead          Option = 1 << 7
	CanMapWrite         Option = 1 << 8
	CanMapExecute       Option = 1 << 9
	MapRange            Option = 1 << 10
	RequireNonResizable Option = 1 << 11
	AllowFaults         Option = 1 << 12
	OffsetIsUpperLimit  Option = 1 << 13
	PermReadIfNoXOM     Option = 1 << 14
	FaultBeyondStream   Option = 1 << 15
	alignShift                 = 24
	optionMask          Option = 1<<alignShift - 1
	permMask                   = PermRead | PermWrite | PermExecute
	canMapMask                 = CanMapRead | CanMapWrite | CanMapExecute
	allocateOptions            = Compact | Specific | OffsetIsUpperLimit | CanMapSpecific | canMapMask
	mapOptions                 = permMask | Specific | SpecificOverwrite | OffsetIsUpperLimit |
		MapRange | RequireNonResizable | AllowFaults | PermReadIfNoXOM
)

// align is the alignment that the options ask for, at least a page.
func (o Option) align() (uint64, zx.Status) {
	n := uint(o >> alignShift)
	if n == 0 {
		return PageSize, zx.OK
	}
	if n < 10 || n > 32 {
		return 0, zx.ErrInvalidArgs
	}
	return max(uint64(1)<<n, PageSize), zx.OK
}

// Prot is the protection the options ask for: INVALID_ARGS for what can be
// written or executed and not read.
func (o Option) Prot() (Prot, zx.Status) {
	if o&PermReadIfNoXOM != 0 {
		o |= PermRead
	}
	p := Prot(o & permMask) // the bits are the same
	if p != 0 && p&ProtRead == 0 {
		return 0, zx.ErrInvalidArgs
	}
	return p, zx.OK
}

// VMAR is a range of an address space that holds mappings and further VMARs.
// All of it but the constants is guarded by the lock of its address space.
type VMAR struct {
	as         *Aspace
	parent     *VMAR
	base, size uint64
	can        Option // CanMapSpecific and canMapMask

	dead    bool
	regions []*region // in the order of addresses; they do not overlap
	start   uint64    // where places are looked for first
	next    uint64    // no place was seen between start and here
}

// randomFrom is the size from which a VMAR's places begin at random. A small
// one would only be cut into pieces too small to be of use.
const randomFrom = 1 << 30

// place chooses where the VMAR's places begin. Places follow each other from
// there, which keeps the page tables of the host small.
func (r *VMAR) place() {
	r.start = r.base
	if r.size >= randomFrom && r.can&Compact == 0 {
		r.start += rand.Uint64N(r.size/2) &^ (PageSize - 1)
	}
	r.next = r.start
}

// Base and Size are the range of the VMAR. They do not change.
func (r *VMAR) Base() uint64 { return r.base }
func (r *VMAR) Size() uint64 { return r.size }

// Can is what mappings in the VMAR may do at most.
func (r *VMAR) Can() Option { return r.can & (canMapMask | CanMapSpecific) }

func (r *VMAR) end() uint64 { return r.base + r.size }

// contains says whether [addr, addr+n) lies in the VMAR.
func (r *VMAR) contains(addr, n uint64) bool {
	return addr >= r.base && inRange(addr-r.base, n, r.size)
}

// index is that of the first region that ends above addr.
func (r *VMAR) index(addr uint64) int {
	return sort.Search(len(r.regions), func(i int) bool { return r.regions[i].end() > addr })
}

// leaves calls f for each mapping that meets [lo, hi), at any depth, in the
// order of addresses, until it returns false. in is the VMAR it is directly in.
func (r *VMAR) leaves(lo, hi uint64, f func(in *VMAR, m *region) bool) bool {
	for i := r.index(lo); i < len(r.regions) && r.regions[i].base < hi; i++ {
		if m := r.regions[i]; m.child != nil {
			if !m.child.leaves(lo, hi, f) {
				return false
			}
		} else if !f(r, m) {
			return false
		}
	}
	return true
}

// guard is left free between regions whose places were not asked for, where
// there is room: what runs over its end, as a stack does, is to fault.
const guard = PageSize

// fit finds size free bytes within [from, to), with a gap to what is around.
func (r *VMAR) fit(from, to, size, align, gap uint64) (uint64, bool) {
	i := r.index(from)
	at := from
	if i > 0 {
		at = max(at, r.regions[i-1].end()+gap)
	}
	for ; ; i++ {
		end := to
		if i < len(r.regions) {
			end = min(end, r.regions[i].base-gap)
		}
		if a := (at + align - 1) &^ (align - 1); a <= end && size <= end-a {
			return a, true
		}
		if i >= len(r.regions) || r.regions[i].base >= to {
			return 0, false
		}
		at = r.regions[i].end() + gap
	}
}

// choose gives the address for a new region: what Allocate and Map have in
// common. off is relative to the VMAR. full is the status for a lack of room.
func (r *VMAR) choose(o Option, off, size uint64, full zx.Status) (addr uint64, st zx.Status) {
	align, st := o.align()
	if st != zx.OK {
		return 0, st
	}
	if r.dead {
		return 0, zx.ErrBadState
	}
	specific := o&(Specific|SpecificOverwrite) != 0
	limited := o&OffsetIsUpperLimit != 0
	switch {
	case size == 0, !aligned(off), specific && limited, !specific && !limited && off != 0:
		return 0, zx.ErrInvalidArgs
	case (specific || limited) && r.can&CanMapSpecific == 0:
		return 0, zx.ErrAccessDenied
	case limited && (off > r.size || size > off):
		return 0, zx.ErrInvalidArgs
	case !limited && (off >= r.size || size > r.size-off):
		return 0, zx.ErrInvalidArgs
	}
	if specific {
		addr = r.base + off
		if addr&(align-1) != 0 {
			return 0, zx.ErrInvalidArgs
		}
		if i := r.index(addr); o&SpecificOverwrite == 0 && i < len(r.regions) && r.regions[i].base < addr+size {
			return 0, zx.ErrAlreadyExists
		}
		return addr, zx.OK
	}
	top := r.end()
	if limited {
		top = r.base + off
	}
	if r.next < top {
		if a, ok := r.fit(r.next, top, size, align, guard); ok {
			r.next = a + size
			return a, zx.OK
		}
	}
	for _, gap := range [...]uint64{guard, 0} {
		if a, ok := r.fit(r.base, top, size, align, gap); ok {
			return a, zx.OK
		}
	}
	return 0, full
}

// insert puts m, for which there is room, among the regions.
func (r *VMAR) insert(m *region) {
	i := r.index(m.base)
	r.replace(i, i, m)
}

// replace puts now in the place of the regions from i to j.
func (r *VMAR) replace(i, j int, now ...*region) {
	r.regions = slices.Replace(r.regions, i, j, now...)
	r.as.count += len(now) - (j - i)
}

// Allocate makes a child VMAR of size bytes. off is relative to the VMAR, with
// Specific or OffsetIsUpperLimit. INVALID_ARGS, ACCESS_DENIED, ALREADY_EXISTS,
// NO_MEMORY (no room), BAD_STATE (destroyed).
func (r *VMAR) Allocate(o Option, off, size uint64) (*VMAR, zx.Status) {
	if !aligned(size) || o&optionMask&^allocateOptions != 0 {
		return nil, zx.ErrInvalidArgs
	}
	r.as.mu.Lock()
	defer r.as.mu.Unlock()
	if !r.dead && o&canMapMask&^r.can != 0 {
		return nil, zx.ErrAccessDenied
	}
	addr, st := r.choose(o, off, size, zx.ErrNoMemory)
	switch {
	case st != zx.OK:
		return nil, st
	case r.as.full(1):
		return nil, zx.ErrNoMemory
	}
	c := &VMAR{as: r.as, parent: r, base: addr, size: size, can: o & (canMapMask | CanMapSpecific | Compact)}
	c.place()
	r.insert(&region{base: addr, size: size, child: c})
	return c, zx.OK
}

// Map maps n bytes of v from vmoOff, rounded up to pages, and gives the
// address. o has the protection (checked by the caller against the handles) and
// how to place it; max is what Protect may give later. As on Zircon, a range
// beyond the end of the VMO can be mapped even without AllowFaults, and faults.
//
// INVALID_ARGS, ACCESS_DENIED, ALREADY_EXISTS, OUT_OF_RANGE (overflow),
// NO_RESOURCES (no room), NOT_SUPPORTED, NO_MEMORY, BAD_STATE (destroyed).
func (r *VMAR) Map(o Option, off uint64, v *VMO, vmoOff, n uint64, max Prot) (uint64, zx.Status) {
	prot, st := o.Prot()
	if st != zx.OK {
		return 0, st
	}
	if o&FaultBeyondStream != 0 {
		return 0, zx.ErrNotSupported
	}
	if o&optionMask&^mapOptions != 0 || o&MapRange != 0 && o&SpecificOverwrite != 0 {
		return 0, zx.ErrInvalidArgs
	}
	if o&RequireNonResizable != 0 && v.Resizable() || o&AllowFaults == 0 && v.Discardable {
		return 0, zx.ErrNotSupported
	}
	if !aligned(vmoOff) {
		return 0, zx.ErrInvalidArgs
	}
	size := pageUp(n)
	if size < n {
		return 0, zx.ErrOutOfRange
	}
	if _, carry := bits.Add64(vmoOff, size, 0); carry != 0 {
		return 0, zx.ErrOutOfRange
	}
	max |= prot

	var gone []*VMO
	defer func() { dropAll(gone) }()
	a := r.as
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.dead && max&^r.maxProt() != 0 {
		return 0, zx.ErrAccessDenied
	}
	addr, st := r.choose(o, off, size, zx.ErrNoResources)
	if st != zx.OK {
		return 0, st
	}
	end := addr + size
	if a.touchesVDSO(addr, end) {
		return 0, zx.ErrAccessDenied
	}
	overwrites := false
	for i := r.index(addr); i < len(r.regions) && r.regions[i].base < end; i++ {
		if r.regions[i].child != nil {
			return 0, zx.ErrInvalidArgs
		}
		overwrites = true
	}
	code := prot&ProtExec != 0 && v.st == a.vdso.st
	if code && (a.vdsoBase.Load() != 0 || vmoOff != a.vdso.off || size != a.vdso.size) {
		return 0, zx.ErrAccessDenied
	}

	if a.full(2) { // it may leave both ends of what it overwrites
		return 0, zx.ErrNoMemory
	}
	if !v.addMapping() {
		return 0, zx.ErrBadHandle
	}
	m := &region{base: addr, size: size, vmo: v, off: vmoOff, prot: prot, max: max}
	if a.space != nil {
		ops, st := m.mapOps(nil)
		if st != zx.OK {
			gone = append(gone, v)
			return 0, st
		}
		if overwrites && (len(ops) == 0 || ops[0].Len < size) {
			ops = slices.Insert(ops, 0, Op{Kind: OpUnmap, Addr: addr, Len: size})
		}
		if st := a.apply(ops...); st != zx.OK {
			if overwrites {
				// What was there may be gone: make that so.
				a.apply(Op{Kind: OpUnmap, Addr: addr, Len: size})
				r.remove(addr, end, &gone)
			}
			gone = append(gone, v)
			return 0, st
		}
	}
	if overwrites {
		r.remove(addr, end, &gone)
	}
	r.insert(m)
	r.merge(addr, end, &gone)
	if code {
		a.vdsoBase.Store(addr)
	}
	return addr, zx.OK
}

func (r *VMAR) maxProt() Prot {
	var p Prot
	if r.can&CanMapRead != 0 {
		p |= ProtRead
	}
	if r.can&CanMapWrite != 0 {
		p |= ProtWrite
	}
	if r.can&CanMapExecute != 0 {
		p |= ProtExec
	}
	return p
}

// merge joins mappings that continue each other around [lo, hi].
func (r *VMAR) merge(lo, hi uint64, gone *[]*VMO) {
	i := r.index(lo)
	if i > 0 {
		i--
	}
	for i+1 < len(r.regions) && r.regions[i+1].base <= hi {
		m, next := r.regions[i], r.regions[i+1]
		if !m.continues(next) {
			i++
			continue
		}
		m.size += next.size
		*gone = append(*gone, next.vmo)
		r.replace(i+1, i+2)
	}
}

// remove takes [lo, hi) out of the books: mappings are cut, child VMARs, which
// lie in it whole, destroyed.
func (r *VMAR) remove(lo, hi uint64, gone *[]*VMO) {
	i := r.index(lo)
	j := i
	var rest []*region
	for ; j < len(r.regions) && r.regions[j].base < hi; j++ {
		m := r.regions[j]
		if m.child != nil {
			m.child.kill(gone)
			continue
		}
		if m.base < lo {
			rest = append(rest, m.cut(m.base, lo))
		}
		if m.end() > hi {
			rest = append(rest, m.cut(hi, m.end()))
		}
		*gone = append(*gone, m.vmo)
	}
	r.replace(i, j, rest...)
	if r.start <= lo {
		r.next = min(r.next, lo)
	}
}

// kill marks the VMAR and all in it destroyed.
func (r *VMAR) kill(gone *[]*VMO) {
	r.dead = true
	for _, m := range r.regions {
		if m.child != nil {
			m.child.kill(gone)
		} else {
			*gone = append(*gone, m.vmo)
		}
	}
	r.as.count -= len(r.regions)
	r.regions = nil
}

// checkRange checks what Unmap and Protect have in common and gives the end.
func (r *VMAR) checkRange(addr, n uint64) (end uint64, st zx.Status) {
	n = pageUp(n)
	if n == 0 || !aligned(addr) {
		return 0, zx.ErrInvalidArgs
	}
	if r.dead {
		return 0, zx.ErrBadState
	}
	if !r.contains(addr, n) {
		return 0, zx.ErrInvalidArgs
	}
	return addr + n, zx.OK
}

// Unmap removes what is mapped in [addr, addr+n), n rounded up to pages, and
// destroys the child VMARs in it, if children allows. Nothing need be there.
// INVALID_ARGS (also for a child VMAR partly in the range), ACCESS_DENIED (the
// vDSO's code), BAD_STATE (destroyed), NO_MEMORY.
func (r *VMAR) Unmap(addr, n uint64, children bool) zx.Status {
	var gone []*VMO
	defer func() { dropAll(gone) }()
	a := r.as
	a.mu.Lock()
	defer a.mu.Unlock()
	end, st := r.checkRange(addr, n)
	if st != zx.OK {
		return st
	}
	i := r.index(addr)
	if i == len(r.regions) || r.regions[i].base >= end {
		return zx.OK
	}
	if a.touchesVDSO(addr, end) {
		return zx.ErrAccessDenied
	}
	if m := r.regions[i]; m.child == nil && m.base < addr && m.end() > end && a.full(1) {
		return zx.ErrNoMemory // it leaves both ends
	}
	for ; i < len(r.regions) && r.regions[i].base < end; i++ {
		if m := r.regions[i]; m.child != nil && (!children || m.base < addr || m.end() > end) {
			return zx.ErrInvalidArgs
		}
	}
	if st := a.apply(Op{Kind: OpUnmap, Addr: addr, Len: end - addr}); st != zx.OK {
		return st
	}
	r.remove(addr, end, &gone)
	return zx.OK
}

// Destroy destroys the VMAR and all in it: NOT_SUPPORTED for the root,
// BAD_STATE when it is destroyed, ACCESS_DENIED if the vDSO's code is in it.
func (r *VMAR) Destroy() zx.Status {
	if r.parent == nil {
		return zx.ErrNotSupported
	}
	var gone []*VMO
	defer func() { dropAll(gone) }()
	a := r.as
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.dead {
		return zx.ErrBadState
	}
	if a.touchesVDSO(r.base, r.end()) {
		return zx.ErrAccessDenied
	}
	if !r.leaves(r.base, r.end(), func(*VMAR, *region) bool { return false }) {
		if st := a.apply(Op{Kind: OpUnmap, Addr: r.base, Len: r.size}); st != zx.OK {
			return st
		}
	}
	r.parent.remove(r.base, r.end(), &gone)
	return zx.OK
}

// Protect changes what may be done with all of [addr, addr+n), n rounded up to
// pages. In child VMARs, if children allows them at all, rights can only be
// taken away. INVALID_ARGS, NOT_FOUND (a part is not mapped), ACCESS_DENIED,
// BAD_STATE (destroyed), NO_MEMORY. After an error nothing has changed.
func (r *VMAR) Protect(o Option, addr, n uint64, children bool) zx.Status {
	prot, st := o.Prot()
	if st != zx.OK {
		return st
	}
	if o&^(permMask|PermReadIfNoXOM) != 0 {
		return zx.ErrInvalidArgs
	}
	var gone []*VMO
	defer func() { dropAll(gone) }()
	a := r.as
	a.mu.Lock()
	defer a.mu.Unlock()
	end, st := r.checkRange(addr, n)
	if st != zx.OK {
		return st
	}
	var ops []Op
	at := addr
	r.leaves(addr, end, func(in *VMAR, m *region) bool {
		switch {
		case m.base > at:
			st = zx.ErrNotFound
		case prot&^m.max != 0, a.touchesVDSO(m.base, m.end()):
			st = zx.ErrAccessDenied
		case in != r && !children:
			st = zx.ErrInvalidArgs
		case in != r && prot&^m.prot != 0:
			st = zx.ErrAccessDenied
		}
		if m.prot != prot && st == zx.OK {
			ops = m.protectOps(ops, addr, end, prot)
		}
		at = m.end()
		return st == zx.OK
	})
	switch {
	case st != zx.OK:
	case at < end:
		st = zx.ErrNotFound
	case a.full(2): // it may leave both ends
		st = zx.ErrNoMemory
	}
	if st != zx.OK {
		return st
	}
	if st := a.apply(ops...); st != zx.OK {
		return st
	}
	r.setProt(addr, end, prot, &gone)
	return zx.OK
}

// setProt changes the books for Protect.
func (r *VMAR) setProt(lo, hi uint64, prot Prot, gone *[]*VMO) {
	i := r.index(lo)
	j := i
	var now []*region
	for ; j < len(r.regions) && r.regions[j].base < hi; j++ {
		m := r.regions[j]
		if m.child != nil {
			m.child.setProt(lo, hi, prot, gone)
			now = append(now, m)
			continue
		}
		if m.prot == prot {
			now = append(now, m)
			continue
		}
		if m.base < lo {
			now = append(now, m.cut(m.base, lo))
		}
		mid := m.cut(max(m.base, lo), min(m.end(), hi))
		mid.prot = prot
		now = append(now, mid)
		if m.end() > hi {
			now = append(now, m.cut(hi, m.end()))
		}
		*gone = append(*gone, m.vmo)
	}
	r.replace(i, j, now...)
	r.merge(lo, hi, gone)
}

// RangeOp is an operation of zx_vmar_op_range, from <zircon/types.h>.
type RangeOp uint32

const (
	RangeCommit     RangeOp = 1
	RangeDecommit   RangeOp = 2
	RangeMap        RangeOp = 3
	RangeZero       RangeOp = 10
	RangeDontNeed   RangeOp = 12
	RangeAlwaysNeed RangeOp = 13
	RangePrefetch   RangeOp = 14
)

// OpRange does op with the VMOs mapped in [addr, addr+n), n rounded up to
// pages. INVALID_ARGS, OUT_OF_RANGE (not in the VMAR, or beyond a VMO),
// BAD_STATE (a part is not mapped; destroyed), ACCESS_DENIED, NO_MEMORY.
func (r *VMAR) OpRange(op RangeOp, addr, n uint64, children bool) zx.Status {
	switch op {
	case RangeCommit, RangeDecommit, RangeMap, RangeZero, RangeDontNeed, RangeAlwaysNeed, RangePrefetch:
	default:
		return zx.ErrInvalidArgs
	}
	n = pageUp(n)
	if n == 0 || !aligned(addr) {
		return zx.ErrInvalidArgs
	}
	if !r.contains(addr, n) {
		return zx.ErrOutOfRange
	}
	a := r.as
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.dead {
		return zx.ErrBadState
	}
	end := addr + n
	if a.touchesVDSO(addr, end) {
		return zx.ErrAccessDenied
	}
	at := addr
	st := zx.OK
	r.leaves(addr, end, func(in *VMAR, m *region) bool {
		if m.base > at {
			st = zx.ErrBadState
			return false
		}
		strict := op == RangeCommit || op == RangeDecommit || op == RangePrefetch
		if in != r && (strict || !children) {
			st = zx.ErrInvalidArgs
			return false
		}
		st = m.rangeOp(op, m.off+(at-m.base), min(end, m.end())-at)
		at = m.end()
		return st == zx.OK
	})
	if st == zx.OK && at < end {
		st = zx.ErrBadState
	}
	return st
}

func (m *region) rangeOp(op RangeOp, off, n uint64) zx.Status {
	need, have := Prot(0), m.max
	switch op {
	case RangeCommit, RangeDecommit:
		need = ProtWrite
	case RangePrefetch:
		need = ProtRead
	case RangeZero:
		need, have = ProtWrite, m.prot
	}
	if need&^have != 0 {
		return zx.ErrAccessDenied
	}
	switch op {
	case RangeCommit:
		return m.vmo.Commit(off, n)
	case RangeDecommit:
		return m.vmo.Decommit(off, n)
	case RangeZero:
		return m.vmo.Zero(off, n)
	default:
		// Hints: the host pages in on its own.
		return m.vmo.CheckRange(off, n)
	}
}
