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
	data    []byte // read-only; link aligns it to 16
	cie     []byte // of the unwind tables: see unwind.go

	constants constants
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

// newProgram returns a program with all its data and no code.
func newProgram(cfg *Config) *program {
	p := &program{
		code:  make([]byte, 0, 32*len(cfg.Entries)+4096),
		funcs: make([]function, 0, len(cfg.Entries)+32),
		data:  make([]byte, 0, 4096),
	}
	p.constants.unknown = p.str("(UNKNOWN)")
	p.addStatuses()
	for i, e := range exceptions {
		p.constants.exceptions[i] = p.str(e.name)
	}
	p.align(8)
	p.constants.version = uint32(len(p.data))
	p.data = append(p.data, make([]byte, versionSize)...)
	copy(p.data[p.constants.version:], cfg.Version)
	p.constants.features = uint32(len(p.data))
	for _, v := range cfg.Features.byKind() {
		p.data = le.AppendUint32(p.data, v)
	}
	return p
}

// constants says where in the data the code finds what.
type constants struct {
	unknown     uint32 // C string: what a value without a name is called
	statuses    uint32 // array of int32: from the array to the name of each status, from 0 downwards
	numStatuses uint32
	exceptions  [len(exceptions)]uint32 // C strings
	version     uint32                  // versionSize bytes, filled up with NUL
	features    uint32                  // array of uint32, by kind
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

// addStatuses adds the names of statuses. Zircon's private ones, far below the
// others, have no name in a vDSO.
func (p *program) addStatuses() {
	const limit = 128
	names := make([]uint32, limit)
	n := 0
	for i := range names {
		names[i] = p.constants.unknown
		if name := zx.Status(-i).String(); strings.HasPrefix(name, "ZX_") {
			names[i] = p.str(name)
			n = i + 1
		}
	}
	p.align(4)
	off := uint32(len(p.data))
	for _, name := range names[:n] {
		p.data = le.AppendUint32(p.data, name-off)
	}
	p.constants.statuses, p.constants.numStatuses = off, uint32(n)
}

// byKind returns the features as zx_system_get_features numbers them.
func (f *Features) byKind() [5]uint32 {
	return [...]uint32{f.CPU, f.HWBreakpoints, f.HWWatchpoints, f.AddressTagging, f.VM}
}

// exceptions are the exception types and names of <zircon/syscalls/exception.h>.
var exceptions = [...]struct {
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
