//go:build linux

package platform

import (
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// auditArch is what a native system call's notification says.
const auditArch = 0xc000003e // AUDIT_ARCH_X86_64

// struct ucontext of x86-64 Linux: flags, link, stack_t, then sigcontext, then
// the signal mask. Offsets in bytes.
const (
	ucontextSize = 304
	ucFlags      = 0
	ucStackSP    = 16
	ucStackSize  = 32
	ucRegs       = 40 // r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags
	ucSegments   = ucRegs + 18*8
	ucErr        = ucRegs + 19*8
	ucTrapno     = ucRegs + 20*8
	ucMask       = 296

	siginfoSize = 128
	siAddr      = 16

	// UC_SIGCONTEXT_SS: the stack segment in the frame is valid.
	ucSigcontextSS = 0x2
	// cs and ss of 64-bit programs.
	userCS, userSS = 0x33, 0x2b
	// The interrupt flag and the bit that is always one.
	initialFlags = 0x202
)

// frameAddr is where a slot's start frame is.
func frameAddr(slot uint64) uint64 { return slot + slotSize - 512 }

// startFrame gives the ucontext that rt_sigreturn starts a thread from: r, all
// else zero, no signal masked, fresh floating point, and the slot as the stack
// for signals.
func startFrame(slot uint64, r object.StartRegs) ([]byte, uint64) {
	b := make([]byte, ucontextSize)
	le.PutUint64(b[ucFlags:], ucSigcontextSS)
	le.PutUint64(b[ucStackSP:], slot)
	le.PutUint64(b[ucStackSize:], slotSize)
	putRegs(b, &object.Regs{RDI: r.Arg1, RSI: r.Arg2, RSP: r.SP, RIP: r.PC, RFLAGS: initialFlags})
	le.PutUint64(b[ucSegments:], userCS|userSS<<48)
	return b, frameAddr(slot)
}

// regOrder lists the registers in sigcontext's order.
func regOrder(r *object.Regs) [18]*uint64 {
	return [18]*uint64{&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
		&r.RDI, &r.RSI, &r.RBP, &r.RBX, &r.RDX, &r.RAX, &r.RCX, &r.RSP, &r.RIP, &r.RFLAGS}
}

func putRegs(uc []byte, r *object.Regs) {
	for i, p := range regOrder(r) {
		le.PutUint64(uc[ucRegs+8*i:], *p)
	}
}

func getRegs(uc []byte, r *object.Regs) {
	for i, p := range regOrder(r) {
		*p = le.Uint64(uc[ucRegs+8*i:])
	}
}

// Hardware exceptions of x86 that have a kind of their own.
const (
	trapDebug      = 1
	trapBreakpoint = 3
	trapInvalidOp  = 6
	trapPage       = 14
	trapAlignment  = 17
)

func decodeFault(f *object.Fault, siginfo, uc []byte) {
	getRegs(uc, &f.Regs)
	f.Code = le.Uint64(uc[ucErr:])
	f.Addr = le.Uint64(siginfo[siAddr:])
	f.Vector = le.Uint64(uc[ucTrapno:])
	switch f.Vector {
	case trapDebug:
		f.Kind = object.FaultHWBreakpoint
	case trapBreakpoint:
		f.Kind = object.FaultSWBreakpoint
	case trapInvalidOp:
		f.Kind = object.FaultUndefined
	case trapPage:
		f.Kind = object.FaultPage
	case trapAlignment:
		f.Kind = object.FaultUnalignedAccess
	default:
		f.Kind = object.FaultGeneral
		f.Addr = 0
	}
}
