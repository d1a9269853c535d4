//go:build linux

package platform

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data.
const (
	scNr   = 0
	scArch = 4
	scIPLo = 8
	scIPHi = 12
	scArgs = 16
)

const (
	actAllow  = 0x7fff0000
	actNotify = 0x7fc00000
)

// threadFlags are the clone flags of a new thread.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_THREAD | unix.CLONE_SYSVSEM

// allowed are the Linux calls that the stub's code may make. A program that
// jumps into the stub can make them too, so each must be harmless in the hands
// of hostile code: it may change its own address space, add threads to itself,
// end itself, and close descriptors, of which it has none.
var allowed = []uint32{
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_CLOSE,
	unix.SYS_RT_SIGRETURN, unix.SYS_ARCH_PRCTL, unix.SYS_CLOCK_GETTIME,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	// Sent once, to hand the listener over. Received with each batch that maps
	// something, from a socket on which nothing else comes.
	unix.SYS_SENDMSG, unix.SYS_RECVMSG,
}

// filter is the seccomp program of every shell: what comes from the stub's text
// and is allowed goes to Linux, so does clock_gettime from Linux's own vDSO,
// and everything else, whatever its number or architecture, goes to the kernel.
// Programs' calls come first: three instructions.
func filter(textSize int) ([]bpf.RawInstruction, error) {
	n := len(allowed)
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: scIPHi, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: hostBase >> 32, SkipTrue: 1},
		bpf.RetConstant{Val: actNotify},
		// The host's part of the address space.
		bpf.LoadAbsolute{Off: scArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: actNotify},
		bpf.LoadAbsolute{Off: scIPHi, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: stubText >> 32, SkipFalse: 3},
		bpf.LoadAbsolute{Off: scIPLo, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: stubText & 0xffffffff, SkipFalse: 1},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: stubText&0xffffffff + uint32(textSize), SkipTrue: 3},
		// Not the stub: Linux's vDSO may read the clock.
		bpf.LoadAbsolute{Off: scNr, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_CLOCK_GETTIME, SkipTrue: uint8(n + 6)},
		bpf.RetConstant{Val: actNotify},
		// The stub.
		bpf.LoadAbsolute{Off: scNr, Size: 4},
	}
	for i, nr := range allowed {
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: nr, SkipTrue: uint8(n - i - 1 + 4)})
	}
	prog = append(prog,
		// A thread, and no other kind of clone.
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_CLONE, SkipFalse: 2},
		bpf.LoadAbsolute{Off: scArgs, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: threadFlags, SkipTrue: 1},
		bpf.RetConstant{Val: actNotify},
		bpf.RetConstant{Val: actAllow},
	)
	return bpf.Assemble(prog)
}
