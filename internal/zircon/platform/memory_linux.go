//go:build amd64

package platform

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// memory is the way to another process's memory.
type memory struct {
	pid int
	// file is /proc/PID/mem, or -1 to use process_vm_readv and _writev. Reads by
	// the file heed no protection, and writes none of private pages: a program can
	// have its own read-only copies of a file's pages changed, which is its own
	// affair.
	file int
}

func openMemory(pid int, processVM bool) (memory, error) {
	m := memory{pid: pid, file: -1}
	if processVM {
		return m, nil
	}
	var err error
	m.file, err = unix.Open(fmt.Sprintf("/proc/%d/mem", pid), unix.O_RDWR|unix.O_CLOEXEC, 0)
	return m, err
}

func (m *memory) close() {
	if m.file >= 0 {
		unix.Close(m.file)
	}
}

// read fills p from addr. Errors are a zx.Status: INVALID_ARGS for memory that
// is not there, BAD_STATE for a process that is gone, ACCESS_DENIED.
func (m *memory) read(p []byte, addr uint64) error {
	return m.transfer(unix.SYS_PROCESS_VM_READV, unix.SYS_PREAD64, p, addr)
}

// write copies all of p to addr, as read does.
func (m *memory) write(p []byte, addr uint64) error {
	return m.transfer(unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PWRITE64, p, addr)
}

func (m *memory) transfer(nrVM, nrFile uintptr, p []byte, addr uint64) error {
	if len(p) == 0 {
		return nil
	}
	var n uintptr
	var e unix.Errno
	local := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
	remote := [2]uint64{addr, uint64(len(p))}
	switch {
	case m.file >= 0:
		n, _, e = unix.Syscall6(nrFile, uintptr(m.file), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), uintptr(addr), 0, 0)
		if e == unix.EIO || e == unix.EINTR {
			e = unix.EFAULT
		}
	case len(p) <= vm.PageSize:
		n, _, e = unix.RawSyscall6(nrVM, uintptr(m.pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	default:
		n, _, e = unix.Syscall6(nrVM, uintptr(m.pid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	}
	switch {
	case e == unix.ESRCH:
		return errGone
	case e != 0 && e != unix.EFAULT:
		return fmt.Errorf("access to a program's memory: %w: %w", zx.ErrAccessDenied, e)
	case int(n) != len(p):
		return zx.ErrInvalidArgs
	}
	return nil
}
