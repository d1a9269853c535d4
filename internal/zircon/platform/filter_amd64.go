//go:build linux

package platform

import (
	"fmt"

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

// threadFlags are the clone flags of a new thread. Without CLONE_FILES it gets
// descriptors of its own, which the stub makes none.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM

// The Linux calls that the stub's code may make. A program that jumps into the
// stub reaches its instructions too, so there are two kinds.
//
// free are harmless in the hands of hostile code: a thread's registers, its own
// end, the clock. What takes descriptors finds none, since only the control
// thread has any.
//
// keyed are those of the control thread. They need the key in their sixth
// argument, which none of them has a use for.
//
// mmap has six arguments and cannot be keyed; it maps descriptors and nothing
// else. arch_prctl sets the thread's fs and gs.
var (
	free = []uint32{
		unix.SYS_RT_SIGRETURN, unix.SYS_CLOCK_GETTIME, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		unix.SYS_SENDMSG, // once, before there is a key, to hand the listener over
	}
	keyed = []uint32{unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_CLOSE, unix.SYS_RECVMSG}
)

// Kinds of arch_prctl.
const archSetGS, archSetFS = 0x1001, 0x1002

// filter is the seccomp program of every shell: what comes from the stub's text
// and is allowed goes to Linux, so does clock_gettime from Linux's own vDSO,
// and everything else, whatever its number or architecture, goes to the kernel.
// Programs' calls come first: three instructions.
func filter(textSize int, key uint64) ([]bpf.RawInstruction, error) {
	var b filterBuilder
	b.load(scIPHi)
	b.when(bpf.JumpGreaterOrEqual, hostBase>>32, "host")
	b.ret(actNotify)

	b.label("host")
	b.load(scArch)
	b.when(bpf.JumpNotEqual, auditArch, "refuse")
	b.load(scIPHi)
	b.when(bpf.JumpNotEqual, stubText>>32, "elsewhere")
	b.load(scIPLo)
	b.when(bpf.JumpLessThan, stubText&0xffffffff, "elsewhere")
	b.when(bpf.JumpGreaterThan, stubText&0xffffffff+uint32(textSize), "elsewhere")
	b.load(scNr)
	for _, nr := range free {
		b.when(bpf.JumpEqual, nr, "allow")
	}
	for _, nr := range keyed {
		b.when(bpf.JumpEqual, nr, "key")
	}
	b.when(bpf.JumpEqual, unix.SYS_MMAP, "mmap")
	b.when(bpf.JumpEqual, unix.SYS_CLONE, "clone")
	b.when(bpf.JumpNotEqual, unix.SYS_ARCH_PRCTL, "refuse")
	b.load(scArgs)
	b.when(bpf.JumpEqual, archSetFS, "allow")
	b.when(bpf.JumpEqual, archSetGS, "allow")
	b.ret(actNotify)

	b.label("mmap")
	b.load(scArgs + 3*8)
	b.when(bpf.JumpEqual, unix.MAP_FIXED|unix.MAP_SHARED, "allow")
	b.when(bpf.JumpEqual, unix.MAP_FIXED|unix.MAP_PRIVATE, "allow")
	b.ret(actNotify)

	b.label("clone") // a thread, and no other kind
	b.load(scArgs)
	b.when(bpf.JumpNotEqual, threadFlags, "refuse")
	b.label("key")
	b.load(scArgs + 5*8)
	b.when(bpf.JumpNotEqual, uint32(key), "refuse")
	b.load(scArgs + 5*8 + 4)
	b.when(bpf.JumpEqual, uint32(key>>32), "allow")
	b.ret(actNotify)

	b.label("elsewhere") // Linux's vDSO may read the clock
	b.load(scNr)
	b.when(bpf.JumpEqual, unix.SYS_CLOCK_GETTIME, "allow")
	b.label("refuse")
	b.ret(actNotify)
	b.label("allow")
	b.ret(actAllow)
	return b.assemble()
}

// filterBuilder writes a BPF program whose jumps go forward to labels.
type filterBuilder struct {
	prog   []bpf.Instruction
	labels map[string]int
	jumps  map[int]string // by instruction
}

func (b *filterBuilder) load(off uint32) {
	b.prog = append(b.prog, bpf.LoadAbsolute{Off: off, Size: 4})
}

func (b *filterBuilder) ret(v uint32) { b.prog = append(b.prog, bpf.RetConstant{Val: v}) }

// when jumps to a label if what was loaded compares so to v.
func (b *filterBuilder) when(c bpf.JumpTest, v uint32, to string) {
	if b.jumps == nil {
		b.jumps = make(map[int]string)
	}
	b.jumps[len(b.prog)] = to
	b.prog = append(b.prog, bpf.JumpIf{Cond: c, Val: v})
}

func (b *filterBuilder) label(name string) {
	if b.labels == nil {
		b.labels = make(map[string]int)
	}
	b.labels[name] = len(b.prog)
}

func (b *filterBuilder) assemble() ([]bpf.RawInstruction, error) {
	for i, to := range b.jumps {
		j := b.prog[i].(bpf.JumpIf)
		j.SkipTrue = uint8(b.labels[to] - i - 1)
		b.prog[i] = j
	}
	if len(b.prog) > maxFilter {
		return nil, fmt.Errorf("%d instructions", len(b.prog))
	}
	return bpf.Assemble(b.prog)
}
