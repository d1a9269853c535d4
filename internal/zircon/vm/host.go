// Package vm is the memory of the hosted Zircon: VMOs, VMARs and mappings, as
// bookkeeping. It makes no Linux call: memory and native address spaces are
// behind the interfaces of this file, which package platform implements.
package vm

// PageSize is the size of a page in bytes.
const PageSize = 4096

// The addresses that a process may map, as on Zircon for x86-64 but for the
// top, where the host keeps its own pages (package platform).
const (
	UserBase = 0x0000_0000_0020_0000
	UserTop  = 0x0000_7fc0_0000_0000
	UserSize = UserTop - UserBase
)

// Host makes memory.
type Host interface {
	// NewPages gives size bytes of zeroes. size is a multiple of PageSize.
	// Errors are a zx.Status: NO_MEMORY.
	NewPages(size uint64) (Pages, error)
}

// Pages is memory that can be read, written and mapped: a memfd, or a
// read-only file of the host. Methods may be called at the same time. Offsets
// are in bytes; the caller keeps them within Size.
type Pages interface {
	Size() uint64
	// ReadAt fills p, reading zeroes where nothing was ever written.
	ReadAt(p []byte, off uint64) error
	WriteAt(p []byte, off uint64) error
	// Resize changes the size, a multiple of PageSize. Pages that go are lost;
	// an access to a mapping of them faults.
	Resize(size uint64) error
	// Zero makes a range read as zeroes and gives its memory back. Mappings see it.
	Zero(off, n uint64) error
	// Commit makes sure that a range has memory.
	Commit(off, n uint64) error
	// Clone gives new, private Pages with a copy of a range, zero beyond Size.
	Clone(off, n uint64) (Pages, error)
	// Committed is the number of bytes that have memory.
	Committed() uint64
	// Immutable pages never change: they are a read-only file of the host.
	Immutable() bool
	// Close gives the memory back once no process maps it. Called once.
	Close()
}

// Prot is what an access to mapped memory may do.
type Prot uint8

const (
	ProtRead Prot = 1 << iota
	ProtWrite
	ProtExec
)

// OpKind is what an Op does.
type OpKind uint8

const (
	OpMap     OpKind = iota // map Pages, replacing what was there
	OpUnmap                 // leave nothing there
	OpProtect               // change Prot of what is there
)

// Op is a change of a native address space. Addr and Len are page-aligned and
// within [UserBase, UserTop).
type Op struct {
	Kind      OpKind
	Addr, Len uint64
	Prot      Prot   // OpMap, OpProtect
	Pages     Pages  // OpMap
	Off       uint64 // OpMap: offset in Pages
}

// Space is the native address space of a process that runs.
type Space interface {
	// Apply carries ops out in order, all or (after a failure) a prefix.
	// Errors are a zx.Status: NO_MEMORY, or BAD_STATE when the process is gone.
	Apply(ops []Op) error
	// ReadMemory and WriteMemory copy from and to addresses within
	// [UserBase, UserTop). They honour the protection of the mappings and copy
	// all or fail: zx.ErrInvalidArgs for a fault, zx.ErrBadState when the
	// process is gone.
	ReadMemory(p []byte, addr uint64) error
	WriteMemory(p []byte, addr uint64) error
}
