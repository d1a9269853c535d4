package vdso

import "encoding/binary"

// StackArgs is how many arguments a syscall has in registers. Of a function
// with more, the last register (r9 on x86-64) holds, in place of the sixth
// argument, the address of a block on the caller's stack with the rest.
//
// The block, in 8-byte words:
//
//	args[5]  return address  args[6]  args[7]  args[8]  args[9]
//
// It ends with the function's last argument.
const StackArgs = 6

// StackBlock returns the size in bytes of the block of a function with nargs
// arguments: 0 when it has none.
func StackBlock(nargs int) int {
	if nargs <= StackArgs {
		return 0
	}
	return 8 * (2 + nargs - StackArgs)
}

// UnpackStackArgs sets args[5:nargs] from the block, which is StackBlock(nargs)
// bytes. It does nothing when there is no block.
func UnpackStackArgs(args *[MaxArgs]uint64, block []byte, nargs int) {
	if nargs <= StackArgs {
		return
	}
	args[StackArgs-1] = binary.LittleEndian.Uint64(block)
	for i := StackArgs; i < nargs; i++ {
		args[i] = binary.LittleEndian.Uint64(block[8*(2+i-StackArgs):])
	}
}
