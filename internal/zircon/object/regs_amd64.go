package object

import (
	"encoding/binary"
	"fmt"
)

// Regs are a thread's general registers, in the order of
// zx_thread_state_general_regs_t for x86-64.
type Regs struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, FSBase, GSBase            uint64
}

// RegsSize is the size of zx_thread_state_general_regs_t in bytes.
const RegsSize = 20 * 8

// PC is the address of the instruction.
func (r *Regs) PC() uint64 { return r.RIP }

// SP is the stack pointer.
func (r *Regs) SP() uint64 { return r.RSP }

// start sets the registers that a thread starts with.
func (r *Regs) start(s StartRegs) {
	*r = Regs{RIP: s.PC, RSP: s.SP, RDI: s.Arg1, RSI: s.Arg2}
}

// fields are the registers in the order of the structure.
func (r *Regs) fields() [RegsSize / 8]*uint64 {
	return [...]*uint64{
		&r.RAX, &r.RBX, &r.RCX, &r.RDX, &r.RSI, &r.RDI, &r.RBP, &r.RSP,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
		&r.RIP, &r.RFLAGS, &r.FSBase, &r.GSBase,
	}
}

// Encode writes zx_thread_state_general_regs_t to b, which has RegsSize bytes.
func (r *Regs) Encode(b []byte) {
	for i, f := range r.fields() {
		binary.LittleEndian.PutUint64(b[i*8:], *f)
	}
}

// rflagsUser are the bits of RFLAGS that a program may set: the arithmetic
// flags, the direction, trap and alignment check flags, and CPUID's.
const rflagsUser = 0x0025_0dd5

// Decode reads what Encode writes. Flags that are the system's stay as in r.
func (r *Regs) Decode(b []byte) {
	flags := r.RFLAGS
	for i, f := range r.fields() {
		*f = binary.LittleEndian.Uint64(b[i*8:])
	}
	r.RFLAGS = r.RFLAGS&rflagsUser | flags&^rflagsUser
}

// valid says whether the machine can go on with r.
func (r *Regs) valid() bool {
	return userAddress(r.RIP) && userAddress(r.FSBase) && userAddress(r.GSBase)
}

// dump is the registers as text.
func (r *Regs) dump() string {
	return fmt.Sprintf("rip %#x rsp %#x rflags %#x fs %#x gs %#x\n"+
		"rax %#x rbx %#x rcx %#x rdx %#x rsi %#x rdi %#x rbp %#x\n"+
		"r8 %#x r9 %#x r10 %#x r11 %#x r12 %#x r13 %#x r14 %#x r15 %#x",
		r.RIP, r.RSP, r.RFLAGS, r.FSBase, r.GSBase,
		r.RAX, r.RBX, r.RCX, r.RDX, r.RSI, r.RDI, r.RBP,
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15)
}

// cause is the name of the x86 exception where its kind does not say it.
func (f *Fault) cause() string {
	switch f.Vector {
	case 0:
		return "divide error"
	case 16:
		return "x87 floating-point exception"
	case 19:
		return "SIMD floating-point exception"
	}
	return ""
}

// access is what a page fault was about: bits 1 and 4 of the error code are a
// write and an instruction fetch.
func (f *Fault) access() string {
	switch {
	case f.Code&(1<<4) != 0:
		return "execute"
	case f.Code&(1<<1) != 0:
		return "write"
	default:
		return "read"
	}
}
