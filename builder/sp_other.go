//go:build !amd64

package builder

// InitialStackPointer is the stack pointer that the first thread starts with on
// a stack of size bytes at base: its end, a multiple of 16, as the calling
// conventions of arm64 and riscv64 have it.
func InitialStackPointer(base, size uint64) uint64 { return (base + size) &^ 15 }
