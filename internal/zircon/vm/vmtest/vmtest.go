// Package vmtest is memory and an address space for tests that run no native
// code: pages in Go's heap, and a table of which page is mapped where. Both
// keep the contracts of package vm and complain of callers that do not.
package vmtest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Host makes memory in the heap.
type Host struct {
	live atomic.Int64
}

// Live is the number of Pages that were made and not closed.
func (h *Host) Live() int64 { return h.live.Load() }

// NewPages implements vm.Host.
func (h *Host) NewPages(size uint64) (vm.Pages, error) {
	h.live.Add(1)
	return &Pages{host: h, size: size, data: make(map[uint64]*page)}, nil
}

// File gives immutable Pages with content, as a read-only file has.
func (h *Host) File(content []byte) *Pages {
	h.live.Add(1)
	p := &Pages{host: h, size: uint64(len(content)), data: make(map[uint64]*page)}
	p.copyIn(content, 0)
	p.immutable = true
	return p
}

type page [vm.PageSize]byte

// Pages is sparse memory.
type Pages struct {
	host      *Host
	immutable bool

	mu     sync.Mutex
	size   uint64           // guarded by mu
	data   map[uint64]*page // guarded by mu; by page number
	closed bool             // guarded by mu
}

func (p *Pages) lock() {
	p.mu.Lock()
	if p.closed {
		panic("vmtest: Pages are used after Close")
	}
}

func (p *Pages) check(off, n uint64) {
	if off > p.size || n > p.size-off {
		panic(fmt.Sprintf("vmtest: [%#x, +%#x) is beyond the %#x bytes of the Pages", off, n, p.size))
	}
}

// each calls f for the part of each page that [off, off+n) covers. pg is nil
// for a page that has no memory, unless alloc.
func (p *Pages) each(off, n uint64, alloc bool, f func(pg *page, in, at, n uint64)) {
	for at := uint64(0); at < n; {
		i, in := (off+at)/vm.PageSize, (off+at)%vm.PageSize
		k := min(n-at, vm.PageSize-in)
		if p.data[i] == nil && alloc {
			p.data[i] = new(page)
		}
		f(p.data[i], in, at, k)
		at += k
	}
}

func (p *Pages) copyIn(b []byte, off uint64) {
	p.each(off, uint64(len(b)), true, func(pg *page, in, at, n uint64) { copy(pg[in:in+n], b[at:]) })
}

func (p *Pages) copyOut(b []byte, off uint64) {
	p.each(off, uint64(len(b)), false, func(pg *page, in, at, n uint64) {
		if pg == nil {
			clear(b[at : at+n])
		} else {
			copy(b[at:at+n], pg[in:])
		}
	})
}

// Size implements vm.Pages.
func (p *Pages) Size() uint64 {
	p.lock()
	defer p.mu.Unlock()
	return p.size
}

// ReadAt implements vm.Pages.
func (p *Pages) ReadAt(b []byte, off uint64) error {
	p.lock()
	defer p.mu.Unlock()
	p.check(off, uint64(len(b)))
	p.copyOut(b, off)
	return nil
}

// WriteAt implements vm.Pages.
func (p *Pages) WriteAt(b []byte, off uint64) error {
	p.lock()
	defer p.mu.Unlock()
	p.check(off, uint64(len(b)))
	p.mustChange()
	p.copyIn(b, off)
	return nil
}

func (p *Pages) mustChange() {
	if p.immutable {
		panic("vmtest: immutable Pages are changed")
	}
}

// Resize implements vm.Pages.
func (p *Pages) Resize(size uint64) error {
	p.lock()
	defer p.mu.Unlock()
	p.mustChange()
	if size%vm.PageSize != 0 {
		panic("vmtest: Resize to a part of a page")
	}
	for i := range p.data {
		if i >= size/vm.PageSize {
			delete(p.data, i)
		}
	}
	p.size = size
	return nil
}

// Zero implements vm.Pages.
func (p *Pages) Zero(off, n uint64) error {
	p.lock()
	defer p.mu.Unlock()
	p.check(off, n)
	p.mustChange()
	lo, hi := (off+vm.PageSize-1)/vm.PageSize, (off+n)/vm.PageSize
	for i, pg := range p.data {
		switch {
		case i >= lo && i < hi:
			delete(p.data, i)
		default:
			from, to := max(off, i*vm.PageSize), min(off+n, (i+1)*vm.PageSize)
			if from < to {
				clear(pg[from-i*vm.PageSize : to-i*vm.PageSize])
			}
		}
	}
	return nil
}

// Commit implements vm.Pages.
func (p *Pages) Commit(off, n uint64) error {
	p.lock()
	defer p.mu.Unlock()
	p.check(off, n)
	p.each(off, n, true, func(*page, uint64, uint64, uint64) {})
	return nil
}

// Clone implements vm.Pages.
func (p *Pages) Clone(off, n uint64) (vm.Pages, error) {
	p.lock()
	defer p.mu.Unlock()
	if off%vm.PageSize != 0 || n%vm.PageSize != 0 {
		panic("vmtest: Clone of a part of a page")
	}
	p.host.live.Add(1)
	c := &Pages{host: p.host, size: n, data: make(map[uint64]*page)}
	for i, pg := range p.data {
		if a := i * vm.PageSize; a >= off && a-off < n {
			dup := *pg
			c.data[(a-off)/vm.PageSize] = &dup
		}
	}
	return c, nil
}

// Committed implements vm.Pages.
func (p *Pages) Committed() uint64 {
	p.lock()
	defer p.mu.Unlock()
	return uint64(len(p.data)) * vm.PageSize
}

// Immutable implements vm.Pages.
func (p *Pages) Immutable() bool { return p.immutable }

// Close implements vm.Pages.
func (p *Pages) Close() {
	p.lock()
	defer p.mu.Unlock()
	p.closed = true
	p.host.live.Add(-1)
}

// Mapped is what a page of a Space shows.
type Mapped struct {
	Pages vm.Pages
	Off   uint64
	Prot  vm.Prot
}

// Space is a table of pages. The zero value is empty.
type Space struct {
	// Refuse, if set, is asked before each Apply; its error is Apply's.
	Refuse func(ops []vm.Op) error

	mu    sync.Mutex
	pages map[uint64]Mapped // guarded by mu; by address
	gone  bool              // guarded by mu
}

// Apply implements vm.Space.
func (s *Space) Apply(ops []vm.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return zx.ErrBadState
	}
	if s.Refuse != nil {
		if err := s.Refuse(ops); err != nil {
			return err
		}
	}
	if s.pages == nil {
		s.pages = make(map[uint64]Mapped)
	}
	for _, op := range ops {
		s.apply(op)
	}
	return nil
}

func (s *Space) apply(op vm.Op) {
	if op.Addr%vm.PageSize != 0 || op.Len%vm.PageSize != 0 || op.Len == 0 ||
		op.Addr < vm.UserBase || op.Addr+op.Len > vm.UserTop || op.Addr+op.Len < op.Addr {
		panic(fmt.Sprintf("vmtest: op out of bounds: %+v", op))
	}
	if op.Kind == vm.OpUnmap {
		for a := range s.pages {
			if a >= op.Addr && a < op.Addr+op.Len {
				delete(s.pages, a)
			}
		}
		return
	}
	for i := uint64(0); i < op.Len; i += vm.PageSize {
		a := op.Addr + i
		switch op.Kind {
		case vm.OpMap:
			s.pages[a] = Mapped{op.Pages, op.Off + i, op.Prot}
		case vm.OpProtect:
			m, ok := s.pages[a]
			if !ok {
				panic(fmt.Sprintf("vmtest: OpProtect of %#x, where nothing is mapped", a))
			}
			m.Prot = op.Prot
			s.pages[a] = m
		}
	}
}

// At is what is mapped at a page.
func (s *Space) At(addr uint64) (Mapped, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.pages[addr]
	return m, ok
}

// Len is the number of pages mapped.
func (s *Space) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pages)
}

// Close makes every further call fail: the process is gone.
func (s *Space) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.pages = true, nil
}

// ReadMemory implements vm.Space.
func (s *Space) ReadMemory(b []byte, addr uint64) error {
	return s.access(b, addr, vm.ProtRead, func(m Mapped, b []byte, off uint64) error { return m.Pages.ReadAt(b, off) })
}

// WriteMemory implements vm.Space.
func (s *Space) WriteMemory(b []byte, addr uint64) error {
	return s.access(b, addr, vm.ProtWrite, func(m Mapped, b []byte, off uint64) error { return m.Pages.WriteAt(b, off) })
}

func (s *Space) access(b []byte, addr uint64, need vm.Prot, f func(Mapped, []byte, uint64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return zx.ErrBadState
	}
	for len(b) > 0 {
		in := addr % vm.PageSize
		n := min(uint64(len(b)), vm.PageSize-in)
		m, ok := s.pages[addr-in]
		if !ok || m.Prot&need == 0 || m.Off+in+n > m.Pages.Size() {
			return zx.ErrInvalidArgs
		}
		if err := f(m, b[:n], m.Off+in); err != nil {
			return err
		}
		addr += n
		b = b[n:]
	}
	return nil
}
