package builder

// InitialStackPointer is the stack pointer that the first thread starts with on
// a stack of size bytes at base: as the C calling convention has it on entry to
// a function, 8 bytes less than a multiple of 16. The word there is zero, the
// return address of the outermost frame.
func InitialStackPointer(base, size uint64) uint64 { return (base+size)&^15 - 8 }
