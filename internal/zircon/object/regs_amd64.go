package object

// Regs are a thread's general registers, in the order of
// zx_thread_state_general_regs_t for x86-64.
type Regs struct {
	RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP uint64
	R8, R9, R10, R11, R12, R13, R14, R15   uint64
	RIP, RFLAGS, FSBase, GSBase            uint64
}

// PC is the address of the instruction.
func (r *Regs) PC() uint64 { return r.RIP }

// SP is the stack pointer.
func (r *Regs) SP() uint64 { return r.RSP }
