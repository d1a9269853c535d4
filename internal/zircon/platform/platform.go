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
// are chosen to give it nothing it has not: memory of its own, threads of its
// own, its own end. No descriptor stays open in a shell.
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
