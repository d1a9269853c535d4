package vm_test

import (
	"math/rand/v2"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
	"go.fuchsia.dev/launcherd/internal/zircon/vm/vmtest"
)

const (
	rw  = vm.PermRead | vm.PermWrite
	rwx = vm.ProtRead | vm.ProtWrite | vm.ProtExec
	can = vm.CanMapSpecific | vm.CanMapRead | vm.CanMapWrite | vm.CanMapExecute
)

// arena gives an address space with a native space, and a VMAR of n pages in it.
func arena(t testing.TB, n uint64) (*vm.Aspace, *vmtest.Space, *vm.VMAR) {
	host(t) // before the cleanup below
	as, s := vm.NewAspace(), &vmtest.Space{}
	if st := as.Attach(s); st != zx.OK {
		t.Fatal(st)
	}
	t.Cleanup(as.Destroy)
	return as, s, must[*vm.VMAR](t)(as.Root().Allocate(can, 0, n*page))
}

func vmo(t testing.TB, pages uint64) *vm.VMO {
	v := vm.NewVMO(host(t), pages*page, pages*page, false)
	t.Cleanup(v.Release)
	return v
}

func TestMapWithWrongArguments(t *testing.T) {
	v := vmo(t, 4)
	resizable := vm.NewVMO(host(t), page, page, true)
	defer resizable.Release()
	_, _, r := arena(t, 8)
	readOnly := must[*vm.VMAR](t)(r.Allocate(vm.CanMapRead, 0, 2*page))
	must[uint64](t)(r.Map(vm.PermRead|vm.Specific, 6*page, v, 0, page, rwx))

	for _, c := range []struct {
		what     string
		r        *vm.VMAR
		o        vm.Option
		off      uint64
		v        *vm.VMO
		vmoOff   uint64
		n        uint64
		want     zx.Status
		max      vm.Prot
		allocate bool
	}{
		{what: "no bytes", r: r, o: rw, v: v, want: zx.ErrInvalidArgs},
		{what: "write and not read", r: r, o: vm.PermWrite, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "unknown option", r: r, o: rw | 1<<20, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "CAN_MAP_READ", r: r, o: rw | vm.CanMapRead, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "alignment 2^9", r: r, o: rw | 9<<24, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "alignment 2^33", r: r, o: rw | 33<<24, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "VMO offset within a page", r: r, o: rw, v: v, vmoOff: 1, n: page, want: zx.ErrInvalidArgs},
		{what: "length that overflows", r: r, o: rw, v: v, n: 1<<64 - 1, want: zx.ErrOutOfRange},
		{what: "VMO offset that overflows", r: r, o: rw, v: v, vmoOff: 1<<64 - page, n: page, want: zx.ErrOutOfRange},
		{what: "offset without SPECIFIC", r: r, o: rw, off: page, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "offset within a page", r: r, o: rw | vm.Specific, off: 1, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "beyond the VMAR", r: r, o: rw | vm.Specific, off: 7 * page, v: v, n: 2 * page, want: zx.ErrInvalidArgs},
		{what: "offset at the end", r: r, o: rw | vm.Specific, off: 8 * page, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "occupied", r: r, o: rw | vm.Specific, off: 6 * page, v: v, n: page, want: zx.ErrAlreadyExists},
		{what: "SPECIFIC and upper limit", r: r, o: rw | vm.Specific | vm.OffsetIsUpperLimit, off: page, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "upper limit below the size", r: r, o: rw | vm.OffsetIsUpperLimit, off: page, v: v, n: 2 * page, want: zx.ErrInvalidArgs},
		{what: "overwrite and MAP_RANGE", r: r, o: rw | vm.SpecificOverwrite | vm.MapRange, v: v, n: page, want: zx.ErrInvalidArgs},
		{what: "no room", r: r, o: rw, v: v, n: 7 * page, want: zx.ErrNoResources},
		{what: "no room of that alignment", r: readOnly, o: vm.PermRead | 32<<24, v: v, n: page, want: zx.ErrNoResources},
		{what: "resizable refused", r: r, o: rw | vm.RequireNonResizable, v: resizable, n: page, want: zx.ErrNotSupported},
		{what: "faults beyond the stream", r: r, o: rw | vm.AllowFaults | vm.FaultBeyondStream, v: v, n: page, want: zx.ErrNotSupported},
		{what: "write in a read-only VMAR", r: readOnly, o: rw, v: v, n: page, want: zx.ErrAccessDenied},
		{what: "SPECIFIC where not allowed", r: readOnly, o: vm.PermRead | vm.Specific, v: v, n: page, want: zx.ErrAccessDenied},

		{what: "part of a page", r: r, allocate: true, o: vm.CanMapRead, n: page + 1, want: zx.ErrInvalidArgs},
		{what: "no bytes", r: r, allocate: true, o: vm.CanMapRead, want: zx.ErrInvalidArgs},
		{what: "PERM option", r: r, allocate: true, o: vm.PermRead, n: page, want: zx.ErrInvalidArgs},
		{what: "overwrite", r: r, allocate: true, o: vm.SpecificOverwrite, n: page, want: zx.ErrInvalidArgs},
		{what: "occupied", r: r, allocate: true, o: vm.Specific, off: 6 * page, n: page, want: zx.ErrAlreadyExists},
		{what: "more than the parent", r: readOnly, allocate: true, o: vm.CanMapWrite, n: page, want: zx.ErrAccessDenied},
		{what: "no room", r: r, allocate: true, o: vm.CanMapRead, n: 7 * page, want: zx.ErrNoMemory},
	} {
		if c.allocate {
			_, st := c.r.Allocate(c.o, c.off, c.n)
			want(t, "allocate: "+c.what, st, c.want)
			continue
		}
		_, st := c.r.Map(c.o, c.off, c.v, c.vmoOff, c.n, c.max)
		want(t, "map: "+c.what, st, c.want)
	}
}

func TestMapPlaces(t *testing.T) {
	_, _, r := arena(t, 1024)
	v := vmo(t, 1)
	a := must[uint64](t)(r.Map(rw|16<<24, 0, v, 0, page, rwx))
	if a%(64<<10) != 0 {
		t.Errorf("%#x is not aligned to 64 KiB", a)
	}
	limit := must[uint64](t)(r.Map(rw|vm.OffsetIsUpperLimit, 32*page, v, 0, page, rwx))
	if limit+page > r.Base()+32*page {
		t.Errorf("%#x is above the limit", limit)
	}
	// The root is large enough for its places to begin at random.
	seen := map[uint64]bool{}
	for range 4 {
		as := vm.NewAspace()
		seen[must[uint64](t)(as.Root().Map(rw, 0, v, 0, page, rwx))] = true
		as.Destroy()
	}
	if len(seen) == 1 {
		t.Error("four address spaces begin at the same address")
	}
}

func TestMappingsBeforeTheProcessRuns(t *testing.T) {
	as := vm.NewAspace()
	defer as.Destroy()
	v := vmo(t, 4)
	a := must[uint64](t)(as.Root().Map(rw, 0, v, 0, 4*page, rwx))
	want(t, "protect", as.Root().Protect(vm.PermRead, a, page, true), zx.OK)
	want(t, "unmap", as.Root().Unmap(a+3*page, page, true), zx.OK)
	s := &vmtest.Space{}
	want(t, "attach", as.Attach(s), zx.OK)
	if first, _ := s.At(a); s.Len() != 3 || first.Prot != vm.ProtRead {
		t.Errorf("%d pages, the first %v", s.Len(), first.Prot)
	}
	if second, _ := s.At(a + page); second.Prot != vm.ProtRead|vm.ProtWrite || second.Off != page {
		t.Errorf("the second page is %+v", second)
	}
}

func TestSliceShowsNothingBeyondItself(t *testing.T) {
	_, s, r := arena(t, 8)
	sl := must[*vm.VMO](t)(vmo(t, 8).NewSlice(2*page, page, page))
	defer sl.Release()
	a := must[uint64](t)(r.Map(rw, 0, sl, 0, 3*page, rwx))
	if _, ok := s.At(a + page); ok || s.Len() != 1 {
		t.Error("memory of the parent is shown")
	}
	want(t, "protect all of it", r.Protect(vm.PermRead, a, 3*page, true), zx.OK)

	// In place of what was there, too.
	must[uint64](t)(r.Map(rw|vm.Specific, 5*page, vmo(t, 3), 0, 3*page, rwx))
	must[uint64](t)(r.Map(rw|vm.SpecificOverwrite, 5*page, sl, 0, 3*page, rwx))
	if _, ok := s.At(r.Base() + 6*page); ok {
		t.Error("the mapping that was overwritten shows")
	}
}

func TestFailureOfTheHost(t *testing.T) {
	as, s, r := arena(t, 8)
	v := vmo(t, 8)
	a := must[uint64](t)(r.Map(rw|vm.Specific, 0, v, 0, 4*page, rwx))
	s.Refuse = func([]vm.Op) error { return zx.ErrNoMemory }

	_, st := r.Map(rw, 0, v, 0, page, rwx)
	want(t, "map", st, zx.ErrNoMemory)
	want(t, "unmap", r.Unmap(a, page, true), zx.ErrNoMemory)
	want(t, "protect", r.Protect(vm.PermRead, a, page, true), zx.ErrNoMemory)
	want(t, "destroy", r.Destroy(), zx.ErrNoMemory)
	if v.Mappings() != 1 {
		t.Errorf("%d mappings, want the first", v.Mappings())
	}
	// A failed overwrite may have unmapped what was there.
	_, st = r.Map(vm.PermRead|vm.SpecificOverwrite, page, v, 0, page, rwx)
	want(t, "overwrite", st, zx.ErrNoMemory)
	if m, _, _ := as.Find(a + page); m != nil {
		t.Error("the books show what a failed overwrite may have removed")
	}
	s.Refuse = nil
	want(t, "unmap", r.Unmap(a, 4*page, true), zx.OK)
}

func TestVDSOCode(t *testing.T) {
	image := vmo(t, 4)
	as := vm.NewAspace()
	defer as.Destroy()
	as.SetVDSO(image, 2*page, 2*page)
	root := as.Root()
	rx := vm.PermRead | vm.PermExecute
	for _, c := range []struct{ off, n uint64 }{{0, 4 * page}, {2 * page, page}, {3 * page, page}, {page, 2 * page}} {
		_, st := root.Map(rx, 0, image, c.off, c.n, rwx)
		want(t, "part of the code", st, zx.ErrAccessDenied)
	}
	must[uint64](t)(root.Map(vm.PermRead, 0, image, 0, 4*page, rwx))
	r := must[*vm.VMAR](t)(root.Allocate(can, 0, 4*page))
	must[uint64](t)(r.Map(vm.PermRead|vm.Specific, 0, image, 0, 2*page, rwx))
	code := must[uint64](t)(r.Map(rx|vm.Specific, 2*page, image, 2*page, 2*page, rwx))
	if as.VDSOCode() != code {
		t.Errorf("code at %#x, want %#x", as.VDSOCode(), code)
	}
	_, st := root.Map(rx, 0, image, 2*page, 2*page, rwx)
	want(t, "the code again", st, zx.ErrAccessDenied)
	want(t, "unmap", r.Unmap(code, page, true), zx.ErrAccessDenied)
	want(t, "protect", r.Protect(vm.PermRead, code, page, true), zx.ErrAccessDenied)
	want(t, "destroy", r.Destroy(), zx.ErrAccessDenied)
	_, st = r.Map(vm.PermRead|vm.SpecificOverwrite, 3*page, image, 0, page, rwx)
	want(t, "overwrite", st, zx.ErrAccessDenied)
	_, st = as.WriteMemory([]byte("x"), code)
	want(t, "write", st, zx.ErrAccessDenied)
}

func TestOpRange(t *testing.T) {
	_, _, r := arena(t, 8)
	v := vmo(t, 2)
	a := must[uint64](t)(r.Map(rw|vm.Specific, 0, v, 0, 2*page, vm.ProtRead|vm.ProtWrite))
	ro := must[uint64](t)(r.Map(vm.PermRead|vm.Specific, 2*page, v, 0, page, vm.ProtRead))
	child := must[*vm.VMAR](t)(r.Allocate(can|vm.Specific, 3*page, page))
	must[uint64](t)(child.Map(rw, 0, v, 0, page, rwx))

	want(t, "write", v.Write([]byte("data"), page), zx.OK)
	want(t, "commit", r.OpRange(vm.RangeCommit, a, 2*page, true), zx.OK)
	want(t, "decommit", r.OpRange(vm.RangeDecommit, a+page, page, true), zx.OK)
	wantBytes(t, v, page, "\x00\x00\x00\x00")
	for _, c := range []struct {
		what     string
		op       vm.RangeOp
		addr, n  uint64
		children bool
		want     zx.Status
	}{
		{"unknown", 99, a, page, true, zx.ErrInvalidArgs},
		{"nothing", vm.RangeZero, a, 0, true, zx.ErrInvalidArgs},
		{"within a page", vm.RangeZero, a + 1, page, true, zx.ErrInvalidArgs},
		{"beyond the VMAR", vm.RangeZero, a, 9 * page, true, zx.ErrOutOfRange},
		{"gap", vm.RangeMap, a, 5 * page, true, zx.ErrBadState},
		{"zero what is read-only", vm.RangeZero, ro, page, true, zx.ErrAccessDenied},
		{"commit what stays read-only", vm.RangeCommit, ro, page, true, zx.ErrAccessDenied},
		{"prefetch", vm.RangePrefetch, ro, page, true, zx.OK},
		{"commit in a child VMAR", vm.RangeCommit, a + 3*page, page, true, zx.ErrInvalidArgs},
		{"zero in a child VMAR", vm.RangeZero, a + 3*page, page, true, zx.OK},
		{"child VMAR that one may not touch", vm.RangeZero, a + 3*page, page, false, zx.ErrInvalidArgs},
		{"hint", vm.RangeDontNeed, a, 4 * page, true, zx.OK},
	} {
		want(t, c.what, r.OpRange(c.op, c.addr, c.n, c.children), c.want)
	}
}

func TestMemoryOfAnotherProcess(t *testing.T) {
	as := vm.NewAspace()
	v := vmo(t, 2)
	a := must[uint64](t)(as.Root().Map(vm.PermRead, 0, v, 0, 4*page, vm.ProtRead))
	n, st := as.WriteMemory(make([]byte, 3*page), a+page)
	if n != page || st != zx.OK {
		t.Errorf("write across the VMO's end: %d, %v", n, st)
	}
	if n, st := as.ReadMemory(make([]byte, 10), a+3*page); st != zx.ErrOutOfRange {
		t.Errorf("read beyond the VMO's end: %d, %v", n, st)
	}
	if n, st := as.ReadMemory(make([]byte, 10), a+4*page); st != zx.ErrNotFound {
		t.Errorf("read of nothing: %d, %v", n, st)
	}
	as.Destroy()
	if _, st := as.ReadMemory(make([]byte, 1), a); st != zx.ErrBadState {
		t.Errorf("read of a dead process: %v", st)
	}
	_, st = as.Root().Map(vm.PermRead, 0, v, 0, page, vm.ProtRead)
	want(t, "map in a dead process", st, zx.ErrBadState)
}

// TestProtectInChildVMARs: by way of a parent, rights can only be taken away.
func TestProtectInChildVMARs(t *testing.T) {
	_, _, r := arena(t, 8)
	c := must[*vm.VMAR](t)(r.Allocate(can|vm.Specific, 0, 4*page))
	a := must[uint64](t)(c.Map(rw|vm.Specific, 0, vmo(t, 4), 0, 4*page, rwx))
	want(t, "to read-only", r.Protect(vm.PermRead, a, page, true), zx.OK)
	want(t, "back", r.Protect(rw, a, page, true), zx.ErrAccessDenied)
	want(t, "what has not changed too", r.Protect(rw, a, 4*page, true), zx.ErrAccessDenied)
	want(t, "what is as it was", r.Protect(rw, a+page, page, true), zx.OK)
	want(t, "back, by the child itself", c.Protect(rw, a, page, true), zx.OK)
	want(t, "without the right to touch it", r.Protect(vm.PermRead, a, page, false), zx.ErrInvalidArgs)
}

// TestMappingsMerge: a program that changes protections back and forth does not
// end up with a mapping for each page.
func TestMappingsMerge(t *testing.T) {
	as, _, r := arena(t, 8)
	v := vmo(t, 8)
	count := func() (n int) {
		maps, _ := as.Maps()
		for _, m := range maps {
			if m.VMO != nil {
				n++
			}
		}
		return n
	}
	for i := range uint64(4) { // one after the other, of one VMO
		must[uint64](t)(r.Map(rw|vm.Specific, i*page, v, i*page, page, rwx))
	}
	if n := count(); n != 1 || v.Mappings() != 1 {
		t.Errorf("%d mappings, the VMO counts %d, want 1", n, v.Mappings())
	}
	want(t, "protect", r.Protect(vm.PermRead, r.Base()+page, 2*page, true), zx.OK)
	if n := count(); n != 3 || v.Mappings() != 3 {
		t.Errorf("%d mappings, the VMO counts %d, want 3", n, v.Mappings())
	}
	want(t, "protect", r.Protect(rw, r.Base()+page, page, true), zx.OK)
	want(t, "protect", r.Protect(rw, r.Base()+2*page, page, true), zx.OK)
	if n := count(); n != 1 {
		t.Errorf("%d mappings, want 1", n)
	}
	must[uint64](t)(r.Map(rw|vm.Specific, 4*page, v, 6*page, page, rwx)) // not what follows in the VMO
	if n := count(); n != 2 {
		t.Errorf("%d mappings, want 2", n)
	}
}

// TestPlacesAreApart: what runs over the end of a mapping does not run into
// another, as long as there is room.
func TestPlacesAreApart(t *testing.T) {
	_, s, r := arena(t, 7)
	v := vmo(t, 1)
	must[uint64](t)(r.Map(rw|vm.Specific, 3*page, v, 0, page, rwx))
	for range 2 {
		a := must[uint64](t)(r.Map(rw, 0, v, 0, page, rwx))
		for _, next := range []uint64{a - page, a + page} {
			if _, ok := s.At(next); ok {
				t.Errorf("something is mapped right beside %#x", a)
			}
		}
	}
	for range 4 { // and then the rest is used all the same
		must[uint64](t)(r.Map(rw, 0, v, 0, page, rwx))
	}
	if s.Len() != 7 {
		t.Errorf("%d pages of 7 are used", s.Len())
	}
}

// TestPlacesAreReused: what is mapped and unmapped again and again stays where
// the page tables already are.
func TestPlacesAreReused(t *testing.T) {
	as := vm.NewAspace()
	defer as.Destroy()
	v := vmo(t, 1)
	first := must[uint64](t)(as.Root().Map(rw, 0, v, 0, page, rwx))
	must[uint64](t)(as.Root().Map(rw, 0, v, 0, page, rwx))
	for range 3 {
		want(t, "unmap", as.Root().Unmap(first, page, true), zx.OK)
		if a := must[uint64](t)(as.Root().Map(rw, 0, v, 0, page, rwx)); a != first {
			t.Fatalf("mapped at %#x, want %#x again", a, first)
		}
	}
}

// model is an arena of pages, each with the VMAR that it is in and what is
// mapped there. It is what the VMARs are compared with.
type model struct {
	t     testing.TB
	as    *vm.Aspace
	space *vmtest.Space
	vmos  []*vm.VMO
	shown []uint64 // pages of each VMO that a mapping may show
	vmars []*modelVMAR
	pages []modelPage
}

type modelVMAR struct {
	real   *vm.VMAR
	parent *modelVMAR
	lo, hi int // pages of the arena
	dead   bool
}

type modelPage struct {
	in        *modelVMAR
	vmo       *vm.VMO // nil for none
	off       uint64
	prot, max vm.Prot
	native    bool
}

const arenaPages = 24

func newModel(t testing.TB) *model {
	as, s, r := arena(t, arenaPages)
	m := &model{t: t, as: as, space: s, pages: make([]modelPage, arenaPages)}
	whole := vmo(t, 2*arenaPages)
	slice := must[*vm.VMO](t)(whole.NewSlice(page, 3*page, 3*page))
	t.Cleanup(slice.Release)
	m.vmos, m.shown = []*vm.VMO{whole, slice}, []uint64{2 * arenaPages, 3}
	root := &modelVMAR{real: r, hi: arenaPages}
	m.vmars = []*modelVMAR{root}
	for i := range m.pages {
		m.pages[i].in = root
	}
	return m
}

func (m *model) addr(i int) uint64 { return m.vmars[0].real.Base() + uint64(i)*page }

// childAt gives the VMAR that is a child of v and has the page; nil for none.
func (v *modelVMAR) childAt(p modelPage) *modelVMAR {
	for c := p.in; c != v; c = c.parent {
		if c.parent == v {
			return c
		}
	}
	return nil
}

func (m *model) free(v *modelVMAR, lo, hi int) bool {
	for i := lo; i < hi; i++ {
		if m.pages[i].in != v || m.pages[i].vmo != nil {
			return false
		}
	}
	return true
}

// room says whether v has n free pages in a row.
func (m *model) room(v *modelVMAR, n int) bool {
	for i := v.lo; i+n <= v.hi; i++ {
		if m.free(v, i, i+n) {
			return true
		}
	}
	return false
}

// children says whether child VMARs of v meet [lo, hi), and one only in part.
func (m *model) children(v *modelVMAR, lo, hi int) (any, part bool) {
	for i := lo; i < hi; i++ {
		if c := v.childAt(m.pages[i]); c != nil {
			any = true
			part = part || c.lo < lo || c.hi > hi
		}
	}
	return any, part
}

// clear empties [lo, hi) of v; child VMARs in it die.
func (m *model) clear(v *modelVMAR, lo, hi int) {
	for _, c := range m.vmars {
		for x := c; x != nil && x != v; x = x.parent {
			if x.parent == v && x.lo >= lo && x.hi <= hi {
				c.dead = true
			}
		}
	}
	for i := lo; i < hi; i++ {
		m.pages[i] = modelPage{in: v}
	}
}

// step does one operation, chosen by six bytes, on the VMARs and on the model.
func (m *model) step(b [6]byte) {
	v := m.vmars[int(b[1])%len(m.vmars)]
	lo, n := int(b[2])%(arenaPages+2)-1, int(b[3])%5
	hi := lo + n
	within := n > 0 && lo >= v.lo && hi <= v.hi
	off := uint64(lo-v.lo) * page
	children := b[4]&1 == 0
	kind := int(b[4]>>1) % len(m.vmos)
	prot := []vm.Prot{0, vm.ProtRead, vm.ProtRead | vm.ProtWrite, vm.ProtRead | vm.ProtExec}[b[5]%4]
	perm := vm.Option(prot)
	max := []vm.Prot{rwx, vm.ProtRead | vm.ProtWrite}[b[5]>>7]
	var got, exp zx.Status
	switch b[0] % 7 {
	case 0, 1: // map at a place, over what is there or not
		over := b[0]%7 == 1
		o := perm | vm.Specific
		if over {
			o = perm | vm.SpecificOverwrite
		}
		vmoOff := int(b[5]>>2) % 4
		_, got = v.real.Map(o, off, m.vmos[kind], uint64(vmoOff)*page, uint64(n)*page, max)
		kids := false
		if within && !v.dead {
			kids, _ = m.children(v, lo, hi)
		}
		switch {
		case v.dead:
			exp = zx.ErrBadState
		case !within:
			exp = zx.ErrInvalidArgs
		case !over && !m.free(v, lo, hi):
			exp = zx.ErrAlreadyExists
		case kids:
			exp = zx.ErrInvalidArgs
		default:
			m.fill(v, lo, n, kind, vmoOff, prot, max|prot)
		}
	case 2: // map anywhere
		addr, st := v.real.Map(perm, 0, m.vmos[kind], 0, uint64(n)*page, max)
		got = st
		switch {
		case v.dead:
			exp = zx.ErrBadState
		case n == 0, n > v.hi-v.lo:
			exp = zx.ErrInvalidArgs
		case !m.room(v, n):
			exp = zx.ErrNoResources
		case st == zx.OK:
			at := int((addr - m.addr(0)) / page)
			if at < v.lo || at+n > v.hi || !m.free(v, at, at+n) {
				m.t.Fatalf("mapped at page %d, which is not free", at)
			}
			m.fill(v, at, n, kind, 0, prot, max|prot)
		}
	case 3: // allocate at a place
		r, st := v.real.Allocate(can|vm.Specific, off, uint64(n)*page)
		got = st
		switch {
		case v.dead:
			exp = zx.ErrBadState
		case !within:
			exp = zx.ErrInvalidArgs
		case !m.free(v, lo, hi):
			exp = zx.ErrAlreadyExists
		case st == zx.OK:
			c := &modelVMAR{real: r, parent: v, lo: lo, hi: hi}
			m.vmars = append(m.vmars, c)
			for i := lo; i < hi; i++ {
				m.pages[i].in = c
			}
		}
	case 4: // unmap
		got = v.real.Unmap(m.addr(0)+uint64(lo)*page, uint64(n)*page, children)
		switch {
		case n == 0:
			exp = zx.ErrInvalidArgs
		case v.dead:
			exp = zx.ErrBadState
		case !within:
			exp = zx.ErrInvalidArgs
		default:
			if any, part := m.children(v, lo, hi); part || any && !children {
				exp = zx.ErrInvalidArgs
			} else {
				m.clear(v, lo, hi)
			}
		}
	case 5: // protect
		got = v.real.Protect(perm, m.addr(0)+uint64(lo)*page, uint64(n)*page, children)
		switch {
		case n == 0:
			exp = zx.ErrInvalidArgs
		case v.dead:
			exp = zx.ErrBadState
		case !within:
			exp = zx.ErrInvalidArgs
		default:
			for i := lo; i < hi && exp == zx.OK; i++ {
				p := m.pages[i]
				switch {
				case p.vmo == nil:
					exp = zx.ErrNotFound
				case prot&^p.max != 0:
					exp = zx.ErrAccessDenied
				case p.in != v && !children:
					exp = zx.ErrInvalidArgs
				case p.in != v && prot&^p.prot != 0:
					exp = zx.ErrAccessDenied
				}
			}
			for i := lo; i < hi && exp == zx.OK; i++ {
				m.pages[i].prot = prot
			}
		}
	case 6: // destroy
		if v.parent == nil {
			return
		}
		got = v.real.Destroy()
		if v.dead {
			exp = zx.ErrBadState
		} else {
			m.clear(v.parent, v.lo, v.hi)
		}
	}
	if got != exp {
		m.t.Fatalf("step %v on pages [%d, %d) of VMAR [%d, %d): %v, want %v", b, lo, hi, v.lo, v.hi, got, exp)
	}
	m.check()
}

func (m *model) fill(v *modelVMAR, lo, n, kind, vmoOff int, prot, max vm.Prot) {
	for i := range n {
		off := uint64(vmoOff + i)
		m.pages[lo+i] = modelPage{v, m.vmos[kind], off * page, prot, max, off < m.shown[kind]}
	}
}

// check compares the books and the native space with the model.
func (m *model) check() {
	m.t.Helper()
	maps, st := m.as.Maps()
	if st != zx.OK {
		m.t.Fatal(st)
	}
	found := make([]modelPage, arenaPages)
	for _, x := range maps {
		if x.VMO == nil || x.Base < m.addr(0) || x.Base >= m.addr(arenaPages) {
			continue
		}
		for o := uint64(0); o < x.Size; o += page {
			found[(x.Base+o-m.addr(0))/page] = modelPage{vmo: x.VMO, off: x.Off + o, prot: x.Prot}
		}
	}
	for i, p := range m.pages {
		f := found[i]
		if p.vmo != f.vmo || p.vmo != nil && (p.off != f.off || p.prot != f.prot) {
			m.t.Fatalf("page %d: the books say %+v, want %+v", i, f, p)
		}
		n, ok := m.space.At(m.addr(i))
		if ok != p.native || ok && n.Prot != p.prot {
			m.t.Fatalf("page %d: natively %v %+v, want %+v", i, ok, n, p)
		}
		if p.vmo == m.vmos[1] {
			p.off += page // where the slice begins
		}
		if ok && n.Off != p.off {
			m.t.Fatalf("page %d: natively at offset %#x, want %#x", i, n.Off, p.off)
		}
	}
}

func (m *model) run(data []byte) {
	for ; len(data) >= 6; data = data[6:] {
		m.step([6]byte(data))
	}
}

// TestVMARModel compares random operations with a plain array of pages.
func TestVMARModel(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 6*60)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		newModel(t).run(data)
	}
}

func FuzzVMAR(f *testing.F) {
	f.Add([]byte{0, 0, 2, 3, 0, 2, 5, 0, 2, 2, 0, 1, 4, 0, 3, 1, 0, 0})
	f.Add([]byte{3, 0, 3, 4, 0, 0, 2, 1, 0, 2, 0, 2, 1, 0, 2, 4, 0, 2, 6, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		newModel(t).run(data[:min(len(data), 6*200)])
	})
}

func BenchmarkMapUnmap(b *testing.B) {
	as := vm.NewAspace()
	v := vm.NewVMO(&vmtest.Host{}, page, page, false)
	for range 200 { // a program of some size
		must[uint64](b)(as.Root().Map(rw, 0, v, 0, page, rwx))
	}
	b.ReportAllocs()
	for b.Loop() {
		a, _ := as.Root().Map(rw, 0, v, 0, page, rwx)
		as.Root().Unmap(a, page, true)
	}
}

// What a program can make the host keep has an end, and so has the depth of
// VMARs, however many of their handles are closed.
func TestTooManyRegions(t *testing.T) {
	as := vm.NewAspace()
	const all = vm.CanMapSpecific | vm.CanMapRead | vm.CanMapWrite
	size := uint64(vm.UserSize)
	r := as.Root()
	n := 0
	for st := zx.OK; ; n++ {
		var c *vm.VMAR
		if c, st = r.Allocate(all|vm.Specific, 0, size); st != zx.OK {
			want(t, "one too many", st, zx.ErrNoMemory)
			break
		}
		r = c
	}
	if n < 1000 {
		t.Errorf("only %d VMARs in each other", n)
	}
	v := vm.NewVMO(host(t), page, page, false)
	defer v.Release()
	_, st := r.Map(vm.PermRead, 0, v, 0, page, vm.ProtRead)
	want(t, "map", st, zx.ErrNoMemory)
	if l := must[[]vm.MapInfo](t)(as.Maps()); len(l) != n+1 {
		t.Errorf("%d regions, listed as %d", n, len(l))
	}
	want(t, "destroy", r.Destroy(), zx.OK)
	want(t, "unmap", as.Root().Unmap(vm.UserBase, size, true), zx.OK)
	_, st = as.Root().Allocate(all, 0, page)
	want(t, "allocate after that", st, zx.OK)
	as.Destroy()
}

// TestAbove: an address shortly below a mapping, also of another VMAR.
func TestAbove(t *testing.T) {
	as, _, r := arena(t, 8)
	child := must[*vm.VMAR](t)(r.Allocate(can|vm.Specific, 4*page, 2*page))
	low, high := vmo(t, 1), vmo(t, 1)
	must[uint64](t)(r.Map(rw|vm.Specific, 0, low, 0, page, rwx))
	must[uint64](t)(child.Map(rw|vm.Specific, 0, high, 0, page, rwx))
	end := r.Base() + 4*page
	for _, c := range []struct {
		what      string
		addr, n   uint64
		want      *vm.VMO
		wantBelow uint64
	}{
		{"a byte below", end - 1, page, high, 1},
		{"nearly too far", end - page + 1, page, high, page - 1},
		{"too far", end - page, page, nil, 0},
		{"from within another", r.Base() + page - 1, 4 * page, high, 3*page + 1},
		{"in the last", end, 4 * page, nil, 0},
		{"null", 0, page, nil, 0},
		{"the last address there is", ^uint64(0), page, nil, 0},
	} {
		if v, gap := as.Above(c.addr, c.n); v != c.want || gap != c.wantBelow {
			t.Errorf("%s: %p, %#x; want %p, %#x", c.what, v, gap, c.want, c.wantBelow)
		}
	}
}

// TestFindImage: a file's segments that share a page of it are told apart by the
// address, which is the file's own.
func TestFindImage(t *testing.T) {
	as, _, r := arena(t, 16)
	file, other := vmo(t, 2), vmo(t, 2)
	data := must[*vm.VMO](t)(file.NewSnapshot(page, page, page, false))
	t.Cleanup(data.Release)
	image := must[*vm.VMAR](t)(r.Allocate(can|vm.Specific, 4*page, 8*page))
	for i, m := range []struct {
		v   *vm.VMO
		off uint64
	}{{file, 0}, {file, 0}, {data, 0}, {other, page}} {
		must[uint64](t)(image.Map(rw|vm.Specific, uint64(2*i)*page, m.v, m.off, page, rwx))
	}
	must[uint64](t)(r.Map(rw|vm.Specific, 0, file, page, page, rwx))
	base := image.Base()
	for _, c := range []struct {
		what string
		addr uint64
		want *vm.VMO
		off  uint64
	}{
		{"the first segment", base + 5, file, 5},
		{"another that has the same page", base + 2*page + 5, file, 2*page + 5},
		{"a copy of the file's memory", base + 4*page + 5, file, 4*page + 5},
		{"other memory", base + 6*page + 5, other, page + 5},
		{"the file, not loaded", r.Base() + 5, file, page + 5},
		{"nothing", base + page, nil, 0},
		{"null", 0, nil, 0},
		{"the last address there is", ^uint64(0), nil, 0},
	} {
		if v, off := as.FindImage(c.addr); v != c.want || off != c.off {
			t.Errorf("%s: %p+%#x, want %p+%#x", c.what, v, off, c.want, c.off)
		}
	}
}
