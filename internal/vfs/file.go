package vfs

import (
	"math/bits"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// file gives the file that the connection is to: BAD_HANDLE for a reference or
// without the rights.
func (c *conn) file(r io.Operations) (file, error) {
	f, ok := c.node.(file)
	if !ok || c.ref || c.rights&r != r {
		return nil, zx.ErrBadHandle
	}
	return f, nil
}

func (c *conn) readAt(count, off uint64) ([]byte, error) {
	f, err := c.file(io.OperationsReadBytes)
	if err != nil {
		return nil, err
	}
	if count > io.MaxTransferSize {
		return nil, zx.ErrOutOfRange
	}
	b := make([]byte, count)
	n, err := f.readAt(b, off)
	return b[:n], err
}

func (c *conn) read(count uint64) ([]byte, error) {
	b, err := c.readAt(count, c.offset)
	c.offset += uint64(len(b))
	return b, err
}

func (c *conn) writeAt(b []byte, off uint64) (uint64, error) {
	f, err := c.file(io.OperationsWriteBytes)
	if err != nil {
		return 0, err
	}
	n, err := f.writeAt(b, off)
	return uint64(n), err
}

func (c *conn) write(b []byte) (uint64, error) {
	if !c.append {
		n, err := c.writeAt(b, c.offset)
		c.offset += n
		return n, err
	}
	f, err := c.file(io.OperationsWriteBytes)
	if err != nil {
		return 0, err
	}
	n, err := f.append(b)
	if err != nil {
		return 0, err
	}
	if end, err := f.size(); err == nil {
		c.offset = end
	}
	return uint64(n), nil
}

// seek moves where the next read or write begins: INVALID_ARGS for a place
// before the start or beyond 64 bits.
func (c *conn) seek(origin io.SeekOrigin, off int64) (uint64, error) {
	f, err := c.file(0)
	if err != nil {
		return 0, err
	}
	var from uint64
	switch origin {
	case io.SeekOriginCurrent:
		from = c.offset
	case io.SeekOriginEnd:
		if from, err = f.size(); err != nil {
			return 0, err
		}
	}
	to, carry := bits.Add64(from, uint64(off), 0)
	if (carry == 1) != (off < 0) {
		return 0, zx.ErrInvalidArgs
	}
	c.offset = to
	return to, nil
}

func (c *conn) truncate(n uint64) error {
	f, err := c.file(io.OperationsWriteBytes)
	if err != nil {
		return err
	}
	return f.truncate(n)
}

// memory gives the file as a VMO and its size in bytes. ACCESS_DENIED without
// the rights that correspond to flags.
func (c *conn) memory(flags io.VmoFlags) (zx.VMO, uint64, error) {
	f, err := c.file(0)
	if err != nil {
		return zx.VMO{}, 0, err
	}
	const both = io.VmoFlagsPrivateClone | io.VmoFlagsSharedBuffer
	if !flags.IsKnown() || flags&both == both {
		return zx.VMO{}, 0, zx.ErrInvalidArgs
	}
	var need io.Operations
	if flags&io.VmoFlagsRead != 0 {
		need |= io.OperationsReadBytes
	}
	if flags&io.VmoFlagsWrite != 0 {
		need |= io.OperationsWriteBytes
	}
	if flags&io.VmoFlagsExecute != 0 {
		need |= io.OperationsReadBytes | io.OperationsExecute
	}
	if c.rights&need != need {
		return zx.VMO{}, 0, zx.ErrAccessDenied
	}
	v, err := f.memory(flags)
	if err != nil {
		return zx.VMO{}, 0, err
	}
	size, err := v.ContentSize()
	if err != nil {
		v.Close()
		return zx.VMO{}, 0, err
	}
	return v, size, nil
}
