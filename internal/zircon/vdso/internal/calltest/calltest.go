//go:build linux && amd64

// Package calltest calls machine code under test by the C convention of
// x86-64, on a stack of its own, and checks that the code keeps the registers
// that the convention says it keeps.
package calltest

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Stack is memory for called code to run on.
type Stack struct {
	mem []byte
}

// NewStack maps a stack of 64 KiB.
func NewStack() (*Stack, error) {
	mem, err := syscall.Mmap(-1, 0, 64<<10, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map a stack: %w", err)
	}
	return &Stack{mem}, nil
}

// Close unmaps the stack.
func (s *Stack) Close() error { return syscall.Munmap(s.mem) }

// Regs are the registers that a hook saw.
type Regs struct {
	RAX, RDI, RSI, RDX, R10, R8, R9, RSP uint64
}

// Frame is one call: what goes in, then what came out.
type Frame struct {
	Args   [10]uint64 // by the C convention: six in registers, the rest on the stack
	Answer uint64     // what the hook puts into rax

	RAX, RDX uint64 // the results
	RSP      uint64 // the stack pointer at the first instruction of the callee
	Hook     Regs   // what the hook saw, if it was called
	Broken   uint64 // not zero when a register changed that the callee keeps
}

// Call calls the code at fn. While it runs, rbx holds the address of the hook
// function: code under test may have been changed to "call rbx" where it would
// make a syscall, and meets there what is like one: the hook records registers
// in f, returns f.Answer, and overwrites rcx and r11.
func (s *Stack) Call(fn uintptr, f *Frame) {
	top := uintptr(unsafe.Pointer(unsafe.SliceData(s.mem))) + uintptr(len(s.mem))
	call(fn, top, f)
}

//go:noescape
func call(fn, stack uintptr, f *Frame)
