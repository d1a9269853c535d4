package vm

import (
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
)

// Aspace is the address space of a process: a tree of VMARs with mappings, and
// the native space that shows them once the process runs.
//
// Until Attach everything is bookkeeping. After it each change goes to the
// native space first, under the lock, and into the books if it went well.
type Aspace struct {
	mu    sync.Mutex
	root  *VMAR
	space Space // guarded by mu; nil until the process runs
	dead  bool  // guarded by mu
	count int   // guarded by mu; of regions, in all VMARs

	vdso     codeRange     // set before the process is shared
	vdsoBase atomic.Uint64 // where the code is mapped; 0 for nowhere
}

// maxRegions is how many mappings and VMARs an address space may have. Closing
// handles does not undo them, so nothing else bounds what a program can make the
// host keep, nor how deep in each other VMARs are. Linux has half as many
// mappings in a process.
const maxRegions = 1 << 17

// full says whether further regions are too many.
func (a *Aspace) full(further int) bool { return a.count+further > maxRegions }

// codeRange is the executable part of the vDSO's VMO.
type codeRange struct {
	st        *store
	off, size uint64
}

// NewAspace makes an empty address space of [UserBase, UserTop).
func NewAspace() *Aspace {
	a := &Aspace{}
	a.root = &VMAR{
		as: a, base: UserBase, size: UserSize,
		can: CanMapSpecific | CanMapRead | CanMapWrite | CanMapExecute,
	}
	a.root.place()
	return a
}

// Root is the VMAR that all others are in.
func (a *Aspace) Root() *VMAR { return a.root }

// SetVDSO says that [off, off+size) of v is the code of the vDSO. It can be
// mapped executable once, as a whole, and stays there.
func (a *Aspace) SetVDSO(v *VMO, off, size uint64) {
	a.vdso = codeRange{v.st, off, size}
}

// VDSOCode is the address that the vDSO's code is mapped at; 0 for nowhere.
func (a *Aspace) VDSOCode() uint64 { return a.vdsoBase.Load() }

// touchesVDSO says whether a range meets the vDSO's code.
func (a *Aspace) touchesVDSO(lo, hi uint64) bool {
	base := a.vdsoBase.Load()
	return base != 0 && lo < base+a.vdso.size && base < hi
}

// Attach shows every mapping in s, and from now on every change: NO_MEMORY, or
// BAD_STATE when the address space is destroyed.
func (a *Aspace) Attach(s Space) zx.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dead {
		return zx.ErrBadState
	}
	var ops []Op
	var st zx.Status
	a.root.leaves(UserBase, UserTop, func(_ *VMAR, m *region) bool {
		ops, st = m.mapOps(ops)
		return st == zx.OK
	})
	if st != zx.OK {
		return st
	}
	if len(ops) > 0 {
		if err := s.Apply(ops); err != nil {
			return StatusOf(err)
		}
	}
	a.space = s
	return zx.OK
}

// apply carries ops out if the process runs. a.mu is held.
func (a *Aspace) apply(ops ...Op) zx.Status {
	if a.space == nil || len(ops) == 0 {
		return zx.OK
	}
	return StatusOf(a.space.Apply(ops))
}

// Destroy lets go of every mapping, once the native space is gone. Everything
// that is asked of the address space afterwards is BAD_STATE.
func (a *Aspace) Destroy() {
	a.mu.Lock()
	a.dead = true
	a.space = nil
	var gone []*VMO
	a.root.kill(&gone)
	a.mu.Unlock()
	dropAll(gone)
}

func dropAll(gone []*VMO) {
	for _, v := range gone {
		v.dropMapping()
	}
}

// Find gives the VMO mapped at addr, the offset in it and how many bytes of the
// mapping follow; nil for none.
func (a *Aspace) Find(addr uint64) (v *VMO, off, n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.find(addr); m != nil {
		return m.vmo, m.off + (addr - m.base), m.end() - addr
	}
	return nil, 0, 0
}

// FindImage gives the VMO mapped at addr, and the offset in it. If it is one of
// the mappings of a loaded ELF file, which have a VMAR to themselves that begins
// with the file's first, it gives the file's VMO and the file's own address.
// nil for none.
func (a *Aspace) FindImage(addr uint64) (v *VMO, off uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.root.leaves(addr, addr+1, func(in *VMAR, m *region) bool {
		v, off = m.vmo, m.off+(addr-m.base)
		first := in.regions[0]
		if in != a.root && first.base == in.base && first.vmo != nil && first.off == 0 &&
			(m.vmo == first.vmo || m.vmo.Parent() == first.vmo) {
			v, off = first.vmo, addr-in.base
		}
		return false
	})
	return v, off
}

// Above gives the VMO whose mapping is the next above addr, if it begins less
// than n bytes above, and how many; nil for none.
func (a *Aspace) Above(addr, n uint64) (v *VMO, gap uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.root.leaves(addr, addr+min(n, ^addr), func(_ *VMAR, m *region) bool {
		if m.base <= addr {
			return true
		}
		v, gap = m.vmo, m.base-addr
		return false
	})
	return v, gap
}

func (a *Aspace) find(addr uint64) *region {
	for r := a.root; ; {
		i := r.index(addr)
		if i == len(r.regions) || r.regions[i].base > addr {
			return nil
		}
		if m := r.regions[i]; m.child == nil {
			return m
		} else {
			r = m.child
		}
	}
}

// ReadMemory copies from addr as a debugger does: by way of the mapping there,
// whatever its protection, and not beyond its end. It gives the number of bytes:
// NOT_FOUND where nothing is mapped, OUT_OF_RANGE beyond the VMO's end.
func (a *Aspace) ReadMemory(b []byte, addr uint64) (int, zx.Status) {
	return a.access(b, addr, (*VMO).Read, nil)
}

// WriteMemory is ReadMemory the other way: ACCESS_DENIED for what cannot change.
func (a *Aspace) WriteMemory(b []byte, addr uint64) (int, zx.Status) {
	return a.access(b, addr, (*VMO).Write, a.vdso.st)
}

// access calls f, which must not touch except.
func (a *Aspace) access(b []byte, addr uint64, f func(*VMO, []byte, uint64) zx.Status, except *store) (int, zx.Status) {
	a.mu.Lock()
	if a.dead {
		a.mu.Unlock()
		return 0, zx.ErrBadState
	}
	m := a.find(addr)
	if m == nil {
		a.mu.Unlock()
		return 0, zx.ErrNotFound
	}
	if m.vmo.st == except {
		a.mu.Unlock()
		return 0, zx.ErrAccessDenied
	}
	v, off, n := m.vmo, m.off+(addr-m.base), m.end()-addr
	v.addMapping() // so that it outlives an unmap
	a.mu.Unlock()
	defer v.dropMapping()

	size := v.Size()
	if off >= size {
		return 0, zx.ErrOutOfRange
	}
	n = min(n, size-off, uint64(len(b)))
	if st := f(v, b[:n], off); st != zx.OK {
		return 0, st
	}
	return int(n), zx.OK
}

// MapInfo is a VMAR, or a mapping if VMO is not nil.
type MapInfo struct {
	Base, Size uint64
	Depth      int // 1 for the root VMAR
	VMO        *VMO
	Off        uint64
	Prot       Prot
}

// Maps lists the VMARs and mappings in the order of their addresses, parents
// first. The VMOs stay alive only as long as they are mapped.
func (a *Aspace) Maps() ([]MapInfo, zx.Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dead {
		return nil, zx.ErrBadState
	}
	var l []MapInfo
	var walk func(r *VMAR, depth int)
	walk = func(r *VMAR, depth int) {
		l = append(l, MapInfo{Base: r.base, Size: r.size, Depth: depth})
		for _, m := range r.regions {
			if m.child != nil {
				walk(m.child, depth+1)
			} else {
				l = append(l, MapInfo{m.base, m.size, depth + 1, m.vmo, m.off, m.prot})
			}
		}
	}
	walk(a.root, 1)
	return l, zx.OK
}
