package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Options, from <zircon/types.h>.
const (
	socketDatagram      = 1 << 0
	socketPeek          = 1 << 3
	socketShutdownWrite = 1 << 0
	socketShutdownRead  = 1 << 1
)

var socketTable = []Entry{
	{Name: "zx_socket_create", Args: 3, Params: "options:sock out0:*h out1:*h", Handler: func(c *Call) zx.Status {
		h0, h1, st := SocketCreate(c.Proc, c.U32(0))
		return c.OutHandles(c.U64(1), c.U64(2), h0, h1, st)
	}},
	{Name: "zx_socket_write", Args: 5, Params: "handle:h options:x32 buffer:b[buffer_size] buffer_size:u64 actual:*u64", Handler: sysSocketWrite},
	{Name: "zx_socket_read", Args: 5, Params: "handle:h options:sockread buffer:*b[*actual] buffer_size:u64 actual:*u64", Handler: sysSocketRead},
	{Name: "zx_socket_shutdown", Args: 2, Params: "handle:h options:sockshut", Handler: func(c *Call) zx.Status {
		return SocketShutdown(c.Proc, c.Handle(0), c.U32(1))
	}},
	{Name: "zx_socket_set_disposition", Args: 3, Params: "handle:h disposition:sockdisp disposition_peer:sockdisp", Handler: func(c *Call) zx.Status {
		return SocketSetDisposition(c.Proc, c.Handle(0), c.U32(1), c.U32(2))
	}},
}

// SocketCreate makes a stream or, with option 1, a datagram socket.
func SocketCreate(p *object.Process, options uint32) (h0, h1 zx.Handle, st zx.Status) {
	if options&^socketDatagram != 0 {
		return 0, 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewSocket); st != zx.OK {
		return 0, 0, st
	}
	a, b := object.NewSocket(p.Kernel(), options == socketDatagram)
	return add2(p, a, b, object.SocketRights)
}

// SocketWrite writes b and gives how many bytes of it were taken.
func SocketWrite(p *object.Process, h zx.Handle, options uint32, b []byte) (int, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	return s.Write(b)
}

func sysSocketWrite(c *Call) zx.Status {
	if c.U32(1) != 0 {
		return zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](c.Proc, c.Handle(0), zx.RightWrite)
	if st != zx.OK {
		return st
	}
	n := c.U64(3)
	if s.Datagram() {
		// One byte too many tells Write that it is too long.
		n = min(n, object.SocketCapacity+1)
	} else {
		// Copy no more than is of use, but something, so that a bad pointer is told.
		n = min(n, uint64(max(s.Room(), 1)))
	}
	b, st := c.ReadBytes(c.U64(2), n)
	if st != zx.OK {
		return st
	}
	m, st := s.Write(b)
	if st != zx.OK {
		return st
	}
	return c.OptU64(c.U64(4), uint64(m))
}

// SocketRead reads into b and gives the number of bytes.
func SocketRead(p *object.Process, h zx.Handle, options uint32, b []byte) (int, zx.Status) {
	if options&^socketPeek != 0 {
		return 0, zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	return s.Read(b, options == socketPeek)
}

func sysSocketRead(c *Call) zx.Status {
	options, addr, size := c.U32(1), c.U64(2), c.U64(3)
	if options&^socketPeek != 0 || addr == 0 && size > 0 {
		return zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](c.Proc, c.Handle(0), zx.RightRead)
	if st != zx.OK {
		return st
	}
	b, st := s.ReadTo(size, c.Buf, options == socketPeek)
	if st != zx.OK {
		return st
	}
	if st := c.WriteBytes(addr, b); st != zx.OK {
		return st
	}
	return c.OptU64(c.U64(4), uint64(len(b)))
}

// SocketShutdown is how writes at either end were disabled before
// SocketSetDisposition: option 1 for this end's, 2 for the other's.
func SocketShutdown(p *object.Process, h zx.Handle, options uint32) zx.Status {
	if options&^(socketShutdownRead|socketShutdownWrite) != 0 {
		return zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	var self, peer object.Disposition
	if options&socketShutdownWrite != 0 {
		self = object.WriteDisabled
	}
	if options&socketShutdownRead != 0 {
		peer = object.WriteDisabled
	}
	return s.SetDisposition(self, peer)
}

// SocketSetDisposition enables (2) or disables (1) writes at either end; 0
// leaves them.
func SocketSetDisposition(p *object.Process, h zx.Handle, self, peer uint32) zx.Status {
	if self > uint32(object.WriteEnabled) || peer > uint32(object.WriteEnabled) {
		return zx.ErrInvalidArgs
	}
	s, st := get[*object.Socket](p, h, zx.RightManageSocket)
	if st != zx.OK {
		return st
	}
	return s.SetDisposition(object.Disposition(self), object.Disposition(peer))
}
