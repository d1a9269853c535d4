package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var fifoTable = []Entry{
	{Name: "zx_fifo_create", Args: 5, Params: "elem_count:u64 elem_size:u64 options:x32 out0:*h out1:*h", Handler: func(c *Call) zx.Status {
		h0, h1, st := FifoCreate(c.Proc, c.U64(0), c.U64(1), c.U32(2))
		return c.OutHandles(c.U64(3), c.U64(4), h0, h1, st)
	}},
	{Name: "zx_fifo_read", Args: 5, Params: "handle:h elem_size:u64 data:p data_size:u64 actual_count:*u64", Handler: sysFifoRead},
	{Name: "zx_fifo_write", Args: 5, Params: "handle:h elem_size:u64 data:p count:u64 actual_count:*u64", Handler: sysFifoWrite},
}

// FifoCreate makes a fifo of count elements of size bytes each.
func FifoCreate(p *object.Process, count, size uint64, options uint32) (h0, h1 zx.Handle, st zx.Status) {
	if options != 0 {
		return 0, 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewFifo); st != zx.OK {
		return 0, 0, st
	}
	a, b, st := object.NewFifo(p.Kernel(), count, size)
	if st != zx.OK {
		return 0, 0, st
	}
	return add2(p, a, b, object.FifoRights)
}

// FifoRead reads elements of size bytes into b and gives their number.
func FifoRead(p *object.Process, h zx.Handle, size uint64, b []byte) (int, zx.Status) {
	f, st := get[*object.Fifo](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	if size != uint64(f.ElemSize()) {
		return 0, zx.ErrOutOfRange
	}
	return f.Read(b)
}

// FifoWrite writes b, which is elements of size bytes, and gives the number of
// those taken.
func FifoWrite(p *object.Process, h zx.Handle, size uint64, b []byte) (int, zx.Status) {
	f, st := get[*object.Fifo](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	if size != uint64(f.ElemSize()) {
		return 0, zx.ErrOutOfRange
	}
	return f.Write(b)
}

// fifoBytes is how many bytes count elements of size have, as far as a fifo can
// hold them.
func fifoBytes(size, count uint64) uint64 {
	if size == 0 || size > object.FifoMaxSize {
		return 0
	}
	return size * min(count, object.FifoMaxSize/size)
}

func sysFifoRead(c *Call) zx.Status {
	size := c.U64(1)
	b := c.Buf(int(fifoBytes(size, c.U64(3))))
	n, st := FifoRead(c.Proc, c.Handle(0), size, b)
	if st != zx.OK {
		return st
	}
	if st := c.WriteBytes(c.U64(2), b[:n*int(size)]); st != zx.OK {
		return st
	}
	return c.OptU64(c.U64(4), uint64(n))
}

func sysFifoWrite(c *Call) zx.Status {
	size := c.U64(1)
	b, st := c.ReadBytes(c.U64(2), fifoBytes(size, c.U64(3)))
	if st != zx.OK {
		return st
	}
	n, st := FifoWrite(c.Proc, c.Handle(0), size, b)
	if st != zx.OK {
		return st
	}
	return c.OptU64(c.U64(4), uint64(n))
}
