package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// maxIovecs bounds the buffers of a vectored read or write.
const maxIovecs = 1 << 16

// Streams are read and written by launched processes alone, so that part of these
// calls has no typed form.
var streamTable = []Entry{
	{Name: "zx_stream_create", Args: 4, Params: "options:stream vmo:h seek:u64 out_stream:*h", Handler: func(c *Call) zx.Status {
		h, st := StreamCreate(c.Proc, c.U32(0), c.Handle(1), c.U64(2))
		return c.OutHandle(c.U64(3), h, st)
	}},
	{Name: "zx_stream_readv", Args: 5, Params: "handle:h options:x32 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(zx.RightRead, 0, 2, func(s *object.Stream, v object.Vector) (uint64, zx.Status) {
			return s.Read(v)
		})
	}},
	{Name: "zx_stream_readv_at", Args: 6, Params: "handle:h options:x32 offset:u64 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(zx.RightRead, 0, 3, func(s *object.Stream, v object.Vector) (uint64, zx.Status) {
			return s.ReadAt(v, c.U64(2))
		})
	}},
	{Name: "zx_stream_writev", Args: 5, Params: "handle:h options:append vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(zx.RightWrite, object.StreamAppend, 2, func(s *object.Stream, v object.Vector) (uint64, zx.Status) {
			return s.Write(v, c.U32(1)&object.StreamAppend != 0)
		})
	}},
	{Name: "zx_stream_writev_at", Args: 6, Params: "handle:h options:append offset:u64 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(zx.RightWrite, 0, 3, func(s *object.Stream, v object.Vector) (uint64, zx.Status) {
			return s.WriteAt(v, c.U64(2))
		})
	}},
	{Name: "zx_stream_seek", Args: 4, Params: "handle:h whence:whence offset:i64 out_seek:*u64", Handler: func(c *Call) zx.Status {
		n, st := StreamSeek(c.Proc, c.Handle(0), c.U32(1), c.I64(2))
		if st != zx.OK {
			return st
		}
		return c.OptU64(c.U64(3), n)
	}},
}

// StreamCreate makes a stream on a VMO.
func StreamCreate(p *object.Process, options uint32, vmo zx.Handle, seek uint64) (zx.Handle, zx.Status) {
	if options&^(object.StreamModeRead|object.StreamModeWrite|object.StreamModeAppend) != 0 {
		return 0, zx.ErrInvalidArgs
	}
	var need zx.Rights
	if options&object.StreamModeRead != 0 {
		need |= zx.RightRead
	}
	if options&object.StreamModeWrite != 0 {
		need |= zx.RightWrite
	}
	v, hd, st := object.GetHandle[*object.VMO](p.Handles(), vmo, need)
	if st != zx.OK {
		return 0, st
	}
	s, st := object.NewStream(p.Kernel(), v, options, seek, hd.Rights()&zx.RightResize != 0)
	if st != zx.OK {
		return 0, st
	}
	return add(p, s, object.StreamRights|need)
}

// StreamSeek moves the seek offset and gives it.
func StreamSeek(p *object.Process, h zx.Handle, origin uint32, off int64) (uint64, zx.Status) {
	s, hd, st := object.GetHandle[*object.Stream](p.Handles(), h, 0)
	switch {
	case st != zx.OK:
		return 0, st
	case hd.Rights()&zx.RightsIO == 0:
		return 0, zx.ErrAccessDenied
	}
	return s.Seek(origin, off)
}

// iovec is a zx_iovec_t.
type iovec struct{ addr, n uint64 }

// transfer is a call that moves bytes between the buffers of a vector and the
// stream that argument 0 names and that has rights. Argument 1 is options, of
// which known are known; argument i and the next are the vector; the one after
// is where their number goes.
func (c *Call) transfer(rights zx.Rights, known uint32, i int, f func(*object.Stream, object.Vector) (uint64, zx.Status)) zx.Status {
	vector, count, actual := c.U64(i), c.U64(i+1), c.U64(i+2)
	if c.U32(1)&^known != 0 || vector == 0 {
		return zx.ErrInvalidArgs
	}
	s, st := get[*object.Stream](c.Proc, c.Handle(0), rights)
	if st != zx.OK {
		return st
	}
	if count > maxIovecs {
		return zx.ErrOutOfRange
	}
	raw, st := c.ReadBytes(vector, count*iovecSize)
	if st != zx.OK {
		return st
	}
	vs := make([]iovec, count)
	var total uint64
	for i := range vs {
		v := iovec{binary.LittleEndian.Uint64(raw[i*iovecSize:]), binary.LittleEndian.Uint64(raw[i*iovecSize+8:])}
		if v.n > 0 && !inUser(v.addr, v.n) {
			return zx.ErrInvalidArgs
		}
		vs[i] = v
		total += v.n // cannot overflow: each is within the address space
	}
	do := func() zx.Status {
		return c.withBuffer(min(max(total, 1), copyChunk), func(b []byte) zx.Status {
			n, st := f(s, object.Vector{N: total, Buf: b, Copy: c.iovecs(vs, rights == zx.RightRead)})
			if st != zx.OK {
				return st
			}
			return c.OptU64(actual, n)
		})
	}
	if total <= copyChunk {
		return do()
	}
	return c.Block(do)
}

// iovecs copies pieces, one after the other, to the buffers of vs or from them.
func (c *Call) iovecs(vs []iovec, out bool) func([]byte) zx.Status {
	return func(piece []byte) (st zx.Status) {
		for len(piece) > 0 {
			for vs[0].n == 0 {
				vs = vs[1:]
			}
			v := &vs[0]
			n := min(v.n, uint64(len(piece)))
			if out {
				st = c.WriteBytes(v.addr, piece[:n])
			} else {
				st = c.Read(piece[:n], v.addr)
			}
			if st != zx.OK {
				return st
			}
			piece, v.addr, v.n = piece[n:], v.addr+n, v.n-n
		}
		return zx.OK
	}
}
