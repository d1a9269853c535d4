package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// maxIovecs bounds the buffers of a vectored read or write.
const maxIovecs = 1024

var streamTable = []Entry{
	{Name: "zx_stream_create", Args: 4, Params: "options:stream vmo:h seek:u64 out_stream:*h", Handler: func(c *Call) zx.Status {
		h, st := StreamCreate(c.Proc, c.U32(0), c.Handle(1), c.U64(2))
		return c.OutHandle(c.U64(3), h, st)
	}},
	{Name: "zx_stream_readv", Args: 5, Params: "handle:h options:x32 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		if c.U32(1) != 0 {
			return zx.ErrInvalidArgs
		}
		return c.transfer(c.U64(2), c.U64(3), c.U64(4), true, func(b []byte, _ uint64) (uint64, zx.Status) {
			return StreamReadv(c.Proc, c.Handle(0), 0, [][]byte{b})
		})
	}},
	{Name: "zx_stream_readv_at", Args: 6, Params: "handle:h options:x32 offset:u64 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		if c.U32(1) != 0 {
			return zx.ErrInvalidArgs
		}
		return c.transfer(c.U64(3), c.U64(4), c.U64(5), true, func(b []byte, at uint64) (uint64, zx.Status) {
			off := c.U64(2) + at
			if off < at {
				return 0, zx.OK // beyond every end
			}
			return StreamReadvAt(c.Proc, c.Handle(0), 0, off, [][]byte{b})
		})
	}},
	{Name: "zx_stream_writev", Args: 5, Params: "handle:h options:append vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(c.U64(2), c.U64(3), c.U64(4), false, func(b []byte, _ uint64) (uint64, zx.Status) {
			return StreamWritev(c.Proc, c.Handle(0), c.U32(1), [][]byte{b})
		})
	}},
	{Name: "zx_stream_writev_at", Args: 6, Params: "handle:h options:append offset:u64 vector:iovec[num_vector] num_vector:u64 actual:*u64", Handler: func(c *Call) zx.Status {
		return c.transfer(c.U64(3), c.U64(4), c.U64(5), false, func(b []byte, at uint64) (uint64, zx.Status) {
			off := c.U64(2) + at
			if off < at {
				return 0, zx.ErrFileBig
			}
			return StreamWritevAt(c.Proc, c.Handle(0), c.U32(1), off, [][]byte{b})
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
	s := object.NewStream(p.Kernel(), v, options, seek, hd.Rights()&zx.RightResize != 0)
	return add(p, s, object.StreamRights|need)
}

// StreamReadv fills bufs at the seek offset and gives the number of bytes.
func StreamReadv(p *object.Process, h zx.Handle, options uint32, bufs [][]byte) (uint64, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Stream](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	return s.Read(bufs)
}

// StreamReadvAt is StreamReadv at another offset.
func StreamReadvAt(p *object.Process, h zx.Handle, options uint32, off uint64, bufs [][]byte) (uint64, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Stream](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	return s.ReadAt(bufs, off)
}

// StreamWritev stores bufs at the seek offset and gives the number of bytes.
func StreamWritev(p *object.Process, h zx.Handle, options uint32, bufs [][]byte) (uint64, zx.Status) {
	if options&^object.StreamAppend != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Stream](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	return s.Write(bufs, options&object.StreamAppend != 0)
}

// StreamWritevAt is StreamWritev at another offset.
func StreamWritevAt(p *object.Process, h zx.Handle, options uint32, off uint64, bufs [][]byte) (uint64, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Stream](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	return s.WriteAt(bufs, off)
}

// StreamSeek moves the seek offset and gives it.
func StreamSeek(p *object.Process, h zx.Handle, origin uint32, off int64) (uint64, zx.Status) {
	s, st := get[*object.Stream](p, h, 0)
	if st != zx.OK {
		return 0, st
	}
	if _, hd, st := object.GetHandle[*object.Stream](p.Handles(), h, 0); st != zx.OK {
		return 0, st
	} else if hd.Rights()&zx.RightsIO == 0 {
		return 0, zx.ErrAccessDenied
	}
	return s.Seek(origin, off)
}

// iovec is a zx_iovec_t.
type iovec struct{ addr, n uint64 }

// transfer moves bytes between the buffers of a vector of count zx_iovec_t at
// vector and f, a piece at a time, until f does less than it is asked, and
// copies their number out to actual. f's at is the number of bytes before.
func (c *Call) transfer(vector, count, actual uint64, in bool, f func(b []byte, at uint64) (uint64, zx.Status)) zx.Status {
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
		var done uint64
		st := c.withBuffer(min(max(total, 1), copyChunk), func(b []byte) zx.Status {
			return c.transferEach(vs, b, in, &done, f)
		})
		if st != zx.OK && done == 0 {
			return st
		}
		return c.OptU64(actual, done)
	}
	if total <= copyChunk {
		return do()
	}
	return c.Block(do)
}

func (c *Call) transferEach(vs []iovec, buf []byte, in bool, done *uint64, f func(b []byte, at uint64) (uint64, zx.Status)) zx.Status {
	if len(vs) == 0 {
		_, st := f(nil, 0) // for its checks
		return st
	}
	for _, v := range vs {
		for first := true; v.n > 0 || first && *done == 0; first = false {
			b := buf[:min(v.n, uint64(len(buf)))]
			if !in {
				if st := c.Read(b, v.addr); st != zx.OK {
					return st
				}
			}
			n, st := f(b, *done)
			if st != zx.OK {
				return st
			}
			if in {
				if st := c.WriteBytes(v.addr, b[:n]); st != zx.OK {
					return st
				}
			}
			*done += n
			if n < uint64(len(b)) {
				return zx.OK
			}
			v.addr += n
			v.n -= n
		}
	}
	return zx.OK
}
