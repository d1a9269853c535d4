//go:build !amd64

package object

// Regs are a thread's general registers. This architecture runs no processes yet.
type Regs struct{}

// PC is the address of the instruction.
func (r *Regs) PC() uint64 { return 0 }

// SP is the stack pointer.
func (r *Regs) SP() uint64 { return 0 }
