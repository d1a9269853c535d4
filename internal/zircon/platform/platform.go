// Package platform runs Zircon processes on Linux. It is the only part of the
// hosted kernel that knows Linux, and it knows no handle and no right: it
// offers memory, native address spaces, threads and their traps as the
// interfaces object.Machine and object.Space.
//
// # Mechanism
//
// A process runs in a shell: a Linux process whose address space holds nothing
// of Linux but a stub of a few pages and Linux's own vDSO, all above
// vm.UserTop. A seccomp filter sends every system call made outside the stub
// to a listener (seccomp user notification), which the kernel in this Go
// process reads. A call from the stub's code is let through if it is on a short
// list.
//
//	zygote   one tiny static process made by exec, kept for forking
//	  │ clone
//	shell    filter installed, listener handed over, control thread waiting
//	  │ commands: mmap, munmap, mprotect, clone …
//	threads  Zircon threads, running the program's code natively
//
// The shell's first thread is its control thread. It asks for work with a
// reserved system call number and so waits in a notification; the answer tells
// how many commands to run from the command page, which the kernel shares with
// the shell and which the shell can only read. Results come back in the
// arguments of the next request.
//
// A program could jump into the stub and use the system calls on its list. They
// are chosen to give it nothing it has not: its thread's registers, the clock,
// its own end. What changes memory, makes threads or takes descriptors needs a
// key that the control thread alone has, and no descriptor is open in any other.
// Two system calls pass every filter since Linux 6.14, uretprobe and uprobe;
// they do nothing where no probe was set.
//
// # What a program can do to others
//
// At worst it ends itself: who writes to the stub's data, claims to be another
// thread, or takes no part in the stub's protocol is killed, and its
// SpaceEvents.Gone says for what. A program that ends a thread by Linux's own
// exit keeps a Zircon thread that never ends, until the process is killed. Of
// what Linux has in limited number a program gets a zx.Status when it is used
// up, and the last is kept for this process (limits_linux.go).
//
// # Which Linux
//
// From version to version:
//
//	6.11  all of the below is there
//	6.6   the end of the last thread does not wake who receives: a pidfd tells
//	      of it, and each system call takes a poll more
//	5.19  no synchronous wake-up: a system call takes about ten times as long
//	5.9   a process that is stopped or frozen and continued makes the calls
//	      again that its threads wait in. Each is handled once all the same, but
//	      one that is answered at that very moment is made twice
//
// Older ones do not tell when a shell's listener has nobody left to listen to,
// and lack close_range. Where the host forbids process_vm_readv, memory is
// reached by /proc/PID/mem, which heeds the protection of memory less; where the
// vDSO cannot be moved, programs ask the time by a system call. What is forbidden
// and cannot be done without is told by [Platform.Check], and logged, with what
// helps. The tests run with each of these taken away.
//
// # Life and death
//
// A shell dies by SIGKILL. It also dies when the kernel's process does, in two
// ways that do not depend on each other: PR_SET_PDEATHSIG, tied to a thread of
// ours that lives as long as the process; and the control thread's request,
// which fails with ENOSYS when the listener is gone, on which it ends the group.
//
// # Locks
//
//	shell.ctl → shell.recvMu
//
// Neither is held while the kernel above is called.
package platform

import (
	"go.uber.org/zap"
)

// Config says how the platform is to run.
type Config struct {
	// Pool is the number of shells kept ready, so that a launch need not wait
	// for one. Zero makes each when it is asked for.
	Pool int
	// Log gets what is worth telling; nil for nothing.
	Log *zap.Logger

	// features are those of Linux that may be used; nil for all that are there.
	// Tests take some away.
	features *features
}
