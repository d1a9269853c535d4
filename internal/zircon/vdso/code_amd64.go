package vdso

import (
	"debug/elf"
	"math"

	"go.fuchsia.dev/fidl-go/zx"
)

// The machine code of x86-64.
//
// C callers pass arguments in rdi, rsi, rdx, rcx, r8, r9 and then on the stack;
// the kernel takes its number in eax and its arguments in rdi, rsi, rdx, r10,
// r8, r9. The syscall instruction itself overwrites rcx and r11. No function
// here uses rbx, rbp or r12 to r15, so none has to save them.

// Linux's numbers of the clocks behind Zircon's.
const (
	linuxClockMonotonic = 1
	linuxClockBoottime  = 7
)

// cie gives the unwind rule at the start of each function: the return address
// (DWARF register 16) is at the top of the stack (register 7).
var cie = []byte{
	1,           // version
	'z', 'R', 0, // FDEs have augmentation data, pointers an encoding
	1,              // instructions are counted in units of 1
	0x78,           // and stack slots in units of -8
	16,             // return address
	1, 0x10 | 0x0b, // one byte: pointers are signed 32-bit distances
	0x0c, 7, 8, // the frame's address is rsp + 8
	0x80 | 16, 1, // the return address is one slot below it
}

// assembler appends instructions to a program.
type assembler struct {
	*program
	cfg *Config
}

// assemble writes the code of p.
func assemble(cfg *Config, p *program) error {
	p.machine = elf.EM_X86_64
	p.fill = 0xcc // int3
	p.cie = cie
	a := assembler{p, cfg}
	for i := range cfg.Entries {
		e := &cfg.Entries[i]
		a.function(e.Name, func() { a.entry(e) })
	}
	a.clocks()
	a.names()
	a.system()
	return nil
}

// function adds one function, whose instructions body writes.
func (a *assembler) function(name string, body func()) {
	start := len(a.code)
	a.funcs = append(a.funcs, function{name: name, start: uint32(start)})
	body()
	a.current().size = uint32(len(a.code) - start)
	for len(a.code)%functionAlign != 0 {
		a.code = append(a.code, a.fill)
	}
}

func (a *assembler) current() *function { return &a.funcs[len(a.funcs)-1] }

// here is the offset of the next instruction from the start of its function.
func (a *assembler) here() uint8 { return uint8(uint32(len(a.code)) - a.current().start) }

// deeper and shallower tell the unwind tables of what the last instruction did
// to the stack pointer.
func (a *assembler) deeper(n uint8) { a.current().deeper, a.current().depth = a.here(), n }
func (a *assembler) shallower()     { a.current().shallower = a.here() }

func (a *assembler) emit(b ...byte) { a.code = append(a.code, b...) }
func (a *assembler) imm32(v uint32) { a.code = le.AppendUint32(a.code, v) }
func (a *assembler) imm64(v uint64) { a.code = le.AppendUint64(a.code, v) }

// dataRel32 is a 32-bit operand that addresses data relative to the next
// instruction.
func (a *assembler) dataRel32(data uint32) {
	a.refs = append(a.refs, ref{at: uint32(len(a.code)), data: data})
	a.imm32(0)
}

// Opcodes of short conditional jumps.
const (
	jb  = 0x72
	jae = 0x73
	je  = 0x74
	jne = 0x75
	ja  = 0x77
	jno = 0x71
)

// jump emits a short forward jump, to be given its target by land.
func (a *assembler) jump(op byte) (from int) {
	a.emit(op, 0)
	return len(a.code)
}

func (a *assembler) land(from int) { a.code[from-1] = byte(len(a.code) - from) }

func (a *assembler) ret() { a.emit(0xc3) }

// status returns a constant status.
func (a *assembler) status(s zx.Status) {
	if s == zx.OK {
		a.emit(0x31, 0xc0) // xor eax, eax
	} else {
		a.emit(0xb8) // mov eax, s
		a.imm32(uint32(s))
	}
	a.ret()
}

// entry is a function that enters the kernel.
func (a *assembler) entry(e *Entry) {
	if e.Args > StackArgs {
		a.emit(0x41, 0x51) // push r9
		a.deeper(8)
		a.emit(0x49, 0x89, 0xe1) // mov r9, rsp
	}
	if e.Args >= 4 {
		a.emit(0x49, 0x89, 0xca) // mov r10, rcx
	}
	a.emit(0xb8) // mov eax, number
	a.imm32(e.Number)
	a.emit(0x0f, 0x05) // syscall
	a.current().trap, a.current().number = uint32(len(a.code)), e.Number
	if e.SetsRegister {
		a.setRegister()
	}
	if !e.NoReturn {
		if e.Args > StackArgs {
			a.emit(0x59) // pop rcx
			a.shallower()
		}
		a.ret()
		return
	}
	if e.ReturnsOnError {
		a.emit(0x85, 0xc0) // test eax, eax
		ok := a.jump(je)
		a.ret()
		a.land(ok)
	}
	a.emit(0x49, 0xbb) // mov r11, ThreadExit
	a.imm64(a.cfg.ThreadExit)
	a.emit(0x41, 0xff, 0xe3) // jmp r11
}

// setRegister follows zx_object_set_property: once the kernel agrees, the base
// of fs or gs is set in the calling thread, which only it can do.
func (a *assembler) setRegister() {
	const (
		propGS, propFS = 2, 4 // ZX_PROP_REGISTER_GS, ZX_PROP_REGISTER_FS
		archPrctl      = 158
		archGS, archFS = 0x1001, 0x1002
	)
	a.emit(0x85, 0xc0) // test eax, eax
	failed := a.jump(jne)
	a.emit(0xbf) // mov edi, ARCH_SET_FS
	a.imm32(archFS)
	a.emit(0x83, 0xfe, propFS) // cmp esi, ZX_PROP_REGISTER_FS
	fs := a.jump(je)
	a.emit(0xbf) // mov edi, ARCH_SET_GS
	a.imm32(archGS)
	a.emit(0x83, 0xfe, propGS) // cmp esi, ZX_PROP_REGISTER_GS
	other := a.jump(jne)
	a.land(fs)
	a.emit(0x48, 0x8b, 0x32) // mov rsi, [rdx]
	a.emit(0xb8)             // mov eax, arch_prctl
	a.imm32(archPrctl)
	a.emit(0x49, 0xbb) // mov r11, LinuxCall
	a.imm64(a.cfg.LinuxCall)
	a.emit(0x41, 0xff, 0xe3) // jmp r11
	a.land(failed)
	a.land(other)
}

// now leaves the time of a Linux clock, in nanoseconds, in rax, and rdi's value
// on entry in [rsp+16]. It makes the stack 24 bytes deeper, which aligns it for
// the call; frameEnd undoes that.
func (a *assembler) now(clock uint32) {
	a.emit(0x48, 0x83, 0xec, 24) // sub rsp, 24
	a.deeper(24)
	a.emit(0x48, 0x89, 0x7c, 0x24, 16) // mov [rsp+16], rdi
	a.emit(0xbf)                       // mov edi, clock
	a.imm32(clock)
	a.emit(0x48, 0x89, 0xe6) // mov rsi, rsp
	a.emit(0x48, 0xb8)       // mov rax, ClockGettime
	a.imm64(a.cfg.ClockGettime)
	a.emit(0xff, 0x10)             // call [rax]
	a.emit(0x48, 0x69, 0x04, 0x24) // imul rax, [rsp], 1e9
	a.imm32(1e9)
	a.emit(0x48, 0x03, 0x44, 0x24, 8) // add rax, [rsp+8]
}

func (a *assembler) frameEnd() {
	a.emit(0x48, 0x83, 0xc4, 24) // add rsp, 24
	a.shallower()
	a.ret()
}

func (a *assembler) clocks() {
	for _, f := range []struct {
		name  string
		clock uint32
	}{
		{"zx_clock_get_monotonic", linuxClockMonotonic},
		{"zx_clock_get_boot", linuxClockBoottime},
		{"zx_ticks_get", linuxClockMonotonic},
		{"zx_ticks_get_boot", linuxClockBoottime},
	} {
		a.function(f.name, func() {
			a.now(f.clock)
			a.frameEnd()
		})
	}
	a.constant("zx_ticks_per_second", 1e9)
	a.function("zx_deadline_after", func() {
		a.now(linuxClockMonotonic)
		a.emit(0x48, 0x03, 0x44, 0x24, 16) // add rax, [rsp+16]
		fits := a.jump(jno)
		// The sign is now the wrong one: negative becomes the largest value,
		// positive the smallest.
		a.emit(0x48, 0xc1, 0xf8, 63)       // sar rax, 63
		a.emit(0x48, 0x0f, 0xba, 0xf8, 63) // btc rax, 63
		a.land(fits)
		a.frameEnd()
	})
}

// constant is a function that returns a number.
func (a *assembler) constant(name string, v uint64) {
	a.function(name, func() {
		if v <= math.MaxUint32 {
			a.emit(0xb8) // mov eax, v
			a.imm32(uint32(v))
		} else {
			a.emit(0x48, 0xb8) // mov rax, v
			a.imm64(v)
		}
		a.ret()
	})
}

// names are the functions that name statuses and exceptions.
func (a *assembler) names() {
	c := &a.constants
	a.function("zx_status_get_string", func() {
		a.emit(0xf7, 0xdf) // neg edi
		a.emit(0x81, 0xff) // cmp edi, numStatuses
		a.imm32(c.numStatuses)
		over := a.jump(jae)
		a.emit(0x48, 0x8d, 0x15) // lea rdx, statuses
		a.dataRel32(c.statuses)
		a.emit(0x48, 0x63, 0x04, 0xba) // movsxd rax, [rdx+rdi*4]
		a.emit(0x48, 0x01, 0xd0)       // add rax, rdx
		a.ret()
		a.land(over)
		a.emit(0x48, 0x8d, 0x05) // lea rax, unknown
		a.dataRel32(c.unknown)
		a.ret()
	})
	a.function("zx_exception_get_string", func() {
		for i, e := range exceptions {
			a.emit(0x48, 0x8d, 0x05) // lea rax, name
			a.dataRel32(c.exceptions[i])
			a.emit(0x81, 0xff) // cmp edi, type
			a.imm32(e.typ)
			other := a.jump(jne)
			a.ret()
			a.land(other)
		}
		a.emit(0x48, 0x8d, 0x05) // lea rax, unknown
		a.dataRel32(c.unknown)
		a.ret()
	})
}

// system are the functions that describe the system, and zx_cache_flush.
func (a *assembler) system() {
	cfg := a.cfg
	a.constant("zx_system_get_num_cpus", uint64(cfg.NumCPUs))
	a.constant("zx_system_get_physmem", cfg.PhysMem)
	a.constant("zx_system_get_page_size", uint64(cfg.PageSize))
	a.constant("zx_system_get_dcache_line_size", uint64(cfg.DCacheLine))

	// A zx_string_view_t is returned in two registers: pointer and length.
	a.function("zx_system_get_version_string", func() {
		a.emit(0x48, 0x8d, 0x05) // lea rax, version
		a.dataRel32(a.constants.version)
		a.emit(0xba) // mov edx, length
		a.imm32(uint32(len(cfg.Version)))
		a.ret()
	})
	// The older form, zx_status_t(char buffer[], size_t size), fills versionSize
	// bytes and wants room for all of them.
	a.function("zx_system_get_version", func() {
		a.emit(0x48, 0x83, 0xfe, versionSize) // cmp rsi, versionSize
		small := a.jump(jb)
		a.emit(0x48, 0x8d, 0x35) // lea rsi, version
		a.dataRel32(a.constants.version)
		a.emit(0xb9) // mov ecx, versionSize/8
		a.imm32(versionSize / 8)
		a.emit(0xf3, 0x48, 0xa5) // rep movsq
		a.status(zx.OK)
		a.land(small)
		a.status(zx.ErrBufferTooSmall)
	})
	a.function("zx_system_get_features", func() { a.features() })
	a.function("zx_cache_flush", func() { a.cacheFlush() })
}

// features is zx_status_t(uint32_t kind, uint32_t* out).
func (a *assembler) features() {
	const hasCPUFeatures = 1 // ZX_HAS_CPU_FEATURES
	f := &a.cfg.Features
	kinds := uint32(len(f.byKind()))
	first := uint32(0) // the lowest kind that is supported
	if f.CPU&hasCPUFeatures == 0 {
		first = 1
	}
	a.emit(0x89, 0xf8)              // mov eax, edi
	a.emit(0x83, 0xe8, byte(first)) // sub eax, first
	a.emit(0x3d)                    // cmp eax, kinds-first
	a.imm32(kinds - first)
	bad := a.jump(jae)
	a.emit(0x48, 0x8d, 0x15) // lea rdx, features
	a.dataRel32(a.constants.features)
	a.emit(0x89, 0xff)       // mov edi, edi: the argument's upper half is undefined
	a.emit(0x8b, 0x04, 0xba) // mov eax, [rdx+rdi*4]
	a.emit(0x89, 0x06)       // mov [rsi], eax
	a.status(zx.OK)
	a.land(bad)
	a.status(zx.ErrNotSupported)
}

// cacheFlush is zx_status_t(const void* addr, size_t size, uint32_t options).
// On x86-64 the caches are coherent with instructions, and clflush does all
// that any of the options asks for.
func (a *assembler) cacheFlush() {
	// Bit n is set when n is a valid set of options: instructions (1), data (2),
	// both, and invalidation (4) with data.
	const valid = 1<<1 | 1<<2 | 1<<3 | 1<<6 | 1<<7
	a.emit(0x83, 0xfa, 7) // cmp edx, 7
	over := a.jump(ja)
	a.emit(0xb9) // mov ecx, valid
	a.imm32(valid)
	a.emit(0x0f, 0xa3, 0xd1) // bt ecx, edx
	invalid := a.jump(jae)
	line := a.cfg.DCacheLine
	if line == 0 {
		a.status(zx.ErrNotSupported)
	} else {
		a.emit(0x48, 0x01, 0xfe) // add rsi, rdi
		a.emit(0x48, 0x81, 0xe7) // and rdi, -line
		a.imm32(-line)
		loop := len(a.code)
		a.emit(0x48, 0x39, 0xf7) // cmp rdi, rsi
		done := a.jump(jae)
		a.emit(0x0f, 0xae, 0x3f) // clflush [rdi]
		a.emit(0x48, 0x81, 0xc7) // add rdi, line
		a.imm32(line)
		a.emit(0xeb, byte(loop-len(a.code)-2)) // jmp loop
		a.land(done)
		a.emit(0x0f, 0xae, 0xf0) // mfence
		a.status(zx.OK)
	}
	a.land(over)
	a.land(invalid)
	a.status(zx.ErrInvalidArgs)
}
