package hostlink

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// export makes a descriptor of a handle, as the package describes, and consumes it
// in every case. trusted is of who gets the descriptor, as in sender. The caller
// closes the descriptor. ACCESS_DENIED for a VMO that cannot be read, NO_MEMORY for
// one that is too large to copy, NOT_SUPPORTED for a datagram socket, NO_RESOURCES
// when there are no more descriptors, CANCELED after Close.
func (b *Bridge) export(o zx.Object, trusted bool) (int, error) {
	bi, err := o.BasicInfo()
	if err != nil {
		o.Close()
		return -1, err
	}
	switch bi.Type {
	case zx.ObjTypeVMO:
		v := zx.VMOFromHandle(o.Take())
		defer v.Close()
		return exportVMO(&v)
	case zx.ObjTypeChannel:
		return b.exportChannel(zx.ChannelFromHandle(o.Take()), trusted)
	case zx.ObjTypeSocket:
		return b.exportSocket(zx.SocketFromHandle(o.Take()))
	}
	return b.exportToken(zx.ObjectFromHandle(o.Take()), bi.Type)
}

// exportVMO makes a memfd with a copy of v, which nobody can change.
func exportVMO(v *zx.VMO) (int, error) {
	size, err := v.ContentSize()
	if err != nil {
		if size, err = v.Size(); err != nil {
			return -1, err
		}
	}
	if size > CopyLimit {
		return -1, fmt.Errorf("a VMO of %d bytes: %w", size, zx.ErrNoMemory)
	}
	name, _ := v.Name() // only to be told from others in /proc
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("memfd: %w: %w", zx.ErrNoResources, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	err = copyChunks(int64(size), func(p []byte, off int64) error {
		if err := v.Read(p, uint64(off)); err != nil {
			return err
		}
		if _, err := f.WriteAt(p, off); err != nil {
			return fmt.Errorf("memfd: %w: %w", zx.ErrNoMemory, err)
		}
		return nil
	})
	if err != nil {
		return -1, err
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return -1, fmt.Errorf("memfd: %w: %w", zx.ErrIO, err)
	}
	// Read-only, so that it comes back as the file itself.
	fd, err = unix.Open(fmt.Sprint("/proc/self/fd/", f.Fd()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("memfd: %w: %w", zx.ErrNoResources, err)
	}
	return fd, nil
}
