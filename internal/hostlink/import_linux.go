package hostlink

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

func refused(what string) error { return fmt.Errorf("%s: %w", what, zx.ErrNotSupported) }

// importFD makes a handle of a descriptor, as the package describes, and consumes
// it in every case. The caller owns the handle. NOT_SUPPORTED for a kind of
// descriptor that is no handle, ACCESS_DENIED for a file that cannot be read,
// NO_MEMORY for one that is too large to copy, CANCELED or BAD_STATE after Close.
//
// Sockets become non-blocking for all who have them.
func (b *Bridge) importFD(fd int, from sender) (zx.Object, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return zx.Object{}, fmt.Errorf("stat: %w: %w", zx.ErrBadHandle, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return b.importDirectory(fd, from)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_PATH != 0 {
		unix.Close(fd)
		return zx.Object{}, refused("a path without a file")
	}
	acc := flags & unix.O_ACCMODE
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		// Messages about a program call its code by its file's name.
		name, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
		if err != nil {
			name = fmt.Sprint("descriptor ", fd)
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		return importFile(f, acc)
	case unix.S_IFIFO, unix.S_IFCHR:
		return b.importStream(openAgain(fd, &st, acc), acc)
	case unix.S_IFSOCK:
		return b.importSocket(fd, from)
	}
	unix.Close(fd)
	return zx.Object{}, refused("neither file, directory, pipe, terminal nor socket")
}

// importDirectory makes a channel that speaks fuchsia.io.Directory of a
// directory, which it consumes. What is below is opened by this process: one
// that comes from another user, who may not open it, is a channel that was
// closed with ACCESS_DENIED.
func (b *Bridge) importDirectory(fd int, from sender) (zx.Object, error) {
	defer unix.Close(fd)
	if !from.trusted {
		return deadChannel(zx.ErrAccessDenied)
	}
	node, err := vfs.Host(fmt.Sprint("/proc/self/fd/", fd), vfs.Options{Executable: true, Writable: from.whole})
	if err != nil {
		return zx.Object{}, err
	}
	defer node.Close()
	c, err := b.fs.Connect(node)
	return zx.ObjectFromHandle(c.Take()), err
}

// deadChannel gives a channel whose other end was closed, with an epitaph.
func deadChannel(why zx.Status) (zx.Object, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Object{}, err
	}
	defer server.Close()
	if err := fidl.SendEpitaph(&server, fidl.V2, why); err != nil {
		client.Close()
		return zx.Object{}, err
	}
	return zx.ObjectFromHandle(client.Take()), nil
}

// importFile makes a VMO of a file, which it does not close.
func importFile(f *os.File, acc int) (zx.Object, error) {
	if acc == unix.O_WRONLY {
		return zx.Object{}, fmt.Errorf("a file that cannot be read: %w", zx.ErrAccessDenied)
	}
	var v zx.VMO
	var err error
	if acc == unix.O_RDONLY || writeSealed(f) {
		v, err = zx.VMOFromFile(f, true)
	} else {
		v, err = copyFile(f)
	}
	if err != nil {
		return zx.Object{}, err
	}
	return zx.ObjectFromHandle(v.Take()), nil
}

// writeSealed says whether f is a memfd that nobody can change.
func writeSealed(f *os.File) bool {
	const all = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && seals&all == all
}

func copyFile(f *os.File) (zx.VMO, error) {
	st, err := f.Stat()
	if err != nil {
		return zx.VMO{}, fmt.Errorf("stat: %w: %w", zx.ErrIO, err)
	}
	size := st.Size()
	if size > CopyLimit {
		return zx.VMO{}, fmt.Errorf("a writable file of %d bytes: %w", size, zx.ErrNoMemory)
	}
	v, err := zx.NewVMO(uint64(size), 0)
	if err != nil {
		return zx.VMO{}, err
	}
	err = copyChunks(size, func(p []byte, off int64) error {
		n, err := f.ReadAt(p, off)
		if err != nil && err != io.EOF { // shorter meanwhile: the rest is zero
			return fmt.Errorf("read: %w: %w", zx.ErrIO, err)
		}
		return v.Write(p[:n], uint64(off))
	})
	if err == nil {
		err = v.SetContentSize(uint64(size))
	}
	if err == nil {
		err = v.ReplaceAsExecutable(zx.HandleInvalid)
	}
	if err != nil {
		v.Close()
		return zx.VMO{}, err
	}
	return v, nil
}

// copyChunks calls f for each part of size bytes.
func copyChunks(size int64, f func(p []byte, off int64) error) error {
	buf := make([]byte, min(size, 256<<10))
	for off := int64(0); off < size; off += int64(len(buf)) {
		if err := f(buf[:min(int64(len(buf)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bridge) importSocket(fd int, from sender) (zx.Object, error) {
	if o, ok, err := b.redeem(fd); ok {
		unix.Close(fd)
		return o, err
	}
	if c, ok := b.reclaim(fd); ok {
		unix.Close(fd)
		return zx.ObjectFromHandle(c.Take()), nil
	}
	kind := sockopt(fd, unix.SO_TYPE)
	switch {
	case sockopt(fd, unix.SO_ACCEPTCONN) != 0:
	case kind == unix.SOCK_SEQPACKET && sockopt(fd, unix.SO_DOMAIN) == unix.AF_UNIX:
		return b.importChannel(fd, from)
	case kind == unix.SOCK_STREAM:
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(fd)
			return zx.Object{}, fmt.Errorf("set non-blocking: %w: %w", zx.ErrIO, err)
		}
		return b.importStream(fd, unix.O_RDWR)
	}
	unix.Close(fd)
	return zx.Object{}, refused("a socket that listens, or is neither SEQPACKET nor a stream")
}

// sockopt reads a socket option, -1 if there is none.
func sockopt(fd, opt int) int {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
	if err != nil {
		return -1
	}
	return v
}

// openAgain gives a pipe or terminal with a file description of our own, so that
// it can be non-blocking without those who share the other one noticing. It
// consumes fd, and gives it back where that cannot be done.
func openAgain(fd int, st *unix.Stat_t, acc int) int {
	const ptyFirst, ptyLast = 136, 143 // majors of pseudo-terminals; opening other devices can have effects
	if major := unix.Major(st.Rdev); st.Mode&unix.S_IFMT == unix.S_IFCHR && (major < ptyFirst || major > ptyLast) {
		return fd
	}
	again, err := unix.Open(fmt.Sprint("/proc/self/fd/", fd), acc|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return fd
	}
	unix.Close(fd)
	return again
}
