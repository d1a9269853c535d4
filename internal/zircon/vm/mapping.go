package vm

import "go.fuchsia.dev/fidl-go/zx"

// region is what occupies a part of a VMAR: a child VMAR, or a mapping.
type region struct {
	base, size uint64
	child      *VMAR // nil for a mapping

	// Of a mapping, which counts in vmo.
	vmo  *VMO
	off  uint64 // in vmo, of base
	prot Prot
	max  Prot // what protect may give
}

func (m *region) end() uint64 { return m.base + m.size }

// cut gives the part [lo, hi) of a mapping as a mapping of its own.
func (m *region) cut(lo, hi uint64) *region {
	m.vmo.addMapping()
	return &region{base: lo, size: hi - lo, vmo: m.vmo, off: m.off + (lo - m.base), prot: m.prot, max: m.max}
}

// continues says that m and next show one piece of memory in the same way.
func (m *region) continues(next *region) bool {
	return m.child == nil && next.child == nil && m.end() == next.base &&
		m.vmo == next.vmo && m.off+m.size == next.off && m.prot == next.prot && m.max == next.max
}

// shown is how much of the mapping the VMO's extent covers; an access to the
// rest faults because nothing is there.
func (m *region) shown(p Pages) uint64 {
	off, end := m.vmo.off+m.off, m.vmo.extent(p)
	if off >= end {
		return 0
	}
	return min(m.size, end-off)
}

// mapOps adds what shows the mapping in a native space.
func (m *region) mapOps(ops []Op) ([]Op, zx.Status) {
	p, st := m.vmo.st.needPages()
	if st != zx.OK {
		return ops, st
	}
	if n := m.shown(p); n > 0 {
		ops = append(ops, Op{Kind: OpMap, Addr: m.base, Len: n, Prot: m.prot, Pages: p, Off: m.vmo.off + m.off})
	}
	return ops, zx.OK
}

// protectOps adds what gives [lo, hi) of the mapping another protection. Ranges
// that follow each other become one.
func (m *region) protectOps(ops []Op, lo, hi uint64, prot Prot) []Op {
	p, st := m.vmo.st.needPages()
	if st != zx.OK {
		return ops // it could not have been mapped
	}
	lo, hi = max(lo, m.base), min(hi, m.base+m.shown(p))
	if lo >= hi {
		return ops
	}
	if n := len(ops); n > 0 && ops[n-1].Addr+ops[n-1].Len == lo {
		ops[n-1].Len += hi - lo
		return ops
	}
	return append(ops, Op{Kind: OpProtect, Addr: lo, Len: hi - lo, Prot: prot})
}
