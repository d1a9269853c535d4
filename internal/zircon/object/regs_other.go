//go:build !amd64

package object

// Regs are a thread's general registers. This architecture runs no processes yet.
type Regs struct{}

// RegsSize is the size of zx_thread_state_general_regs_t in bytes.
const RegsSize = 0

// PC is the address of the instruction.
func (r *Regs) PC() uint64 { return 0 }

// SP is the stack pointer.
func (r *Regs) SP() uint64 { return 0 }

// Encode writes zx_thread_state_general_regs_t to b, which has RegsSize bytes.
func (r *Regs) Encode(b []byte) {}

// Decode reads what Encode writes.
func (r *Regs) Decode(b []byte) {}

func (r *Regs) start(StartRegs) {}
func (r *Regs) valid() bool     { return true }
func (r *Regs) dump() string    { return "" }

func (f *Fault) cause() string  { return "" }
func (f *Fault) access() string { return "access" }
