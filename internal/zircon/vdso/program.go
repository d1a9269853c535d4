package vdso

import (
	"debug/elf"
	"strings"

	"go.fuchsia.dev/fidl-go/zx"
)

// functionAlign is what the start of each function is aligned to.
const functionAlign = 16

// program is what an architecture's assembler hands to link: code and the
// constants that it refers to, before either has an address.
type program struct {
	machine elf.Machine
	code    []byte // a whole number of functionAlign bytes
	fill    byte   // what code is filled up with: an instruction that traps
	funcs   []function
	refs    []ref
	data    []byte // read-only constants
	cie     []byte // of the unwind tables: see unwind.go
}

// function is one function, at code[start:][:size].
type function struct {
	name        string // "zx_…"
	start, size uint32
	// While the instructions in [deeper, shallower) run, offsets from start,
	// the stack is by depth bytes deeper than at the function's start.
	deeper, shallower, depth uint8

	trap   uint32 // offset in code of what follows the syscall instruction; 0 when there is none
	number uint32
}

// ref is a 32-bit field of the code, to be set to the distance from its end to
// an offset in the data.
type ref struct {
	at   uint32
	data uint32
}

// str adds a C string to the data and returns its offset.
func (p *program) str(s string) uint32 {
	off := uint32(len(p.data))
	p.data = append(p.data, s...)
	p.data = append(p.data, 0)
	return off
}

// align fills the data up to a multiple of n.
func (p *program) align(n int) {
	for len(p.data)%n != 0 {
		p.data = append(p.data, 0)
	}
}

// unknown is what zx_status_get_string and zx_exception_get_string give for
// values without a name.
const unknown = "(UNKNOWN)"

// statusTable adds an array of int32 to the data: for each status from 0
// downwards, the distance from the array to its name. Zircon's private
// statuses, far below, have no name here either.
func (p *program) statusTable() (off uint32, n int) {
	const limit = 128
	var names []uint32
	none := p.str(unknown)
	for i := range limit {
		name := zx.Status(-i).String()
		if !strings.HasPrefix(name, "ZX_") {
			names = append(names, none)
			continue
		}
		names = append(names, p.str(name))
		n = i + 1
	}
	p.align(4)
	off = uint32(len(p.data))
	for _, name := range names[:n] {
		p.data = le.AppendUint32(p.data, name-off)
	}
	return off, n
}

// exceptions are the exception types and names of <zircon/syscalls/exception.h>.
var exceptions = []struct {
	typ  uint32
	name string
}{
	{0x008, "ZX_EXCP_GENERAL"},
	{0x108, "ZX_EXCP_FATAL_PAGE_FAULT"},
	{0x208, "ZX_EXCP_UNDEFINED_INSTRUCTION"},
	{0x308, "ZX_EXCP_SW_BREAKPOINT"},
	{0x408, "ZX_EXCP_HW_BREAKPOINT"},
	{0x508, "ZX_EXCP_UNALIGNED_ACCESS"},
	{0x8008, "ZX_EXCP_THREAD_STARTING"},
	{0x8108, "ZX_EXCP_THREAD_EXITING"},
	{0x8208, "ZX_EXCP_POLICY_ERROR"},
	{0x8308, "ZX_EXCP_PROCESS_STARTING"},
}
