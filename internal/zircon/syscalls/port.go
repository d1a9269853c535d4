package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// portBindToInterrupt (ZX_PORT_BIND_TO_INTERRUPT) is accepted: there are no
// interrupts that could be bound.
const portBindToInterrupt = 1 << 0

var portTable = []Entry{
	{Name: "zx_port_create", Args: 2, Params: "options:portopt out:*h", Handler: func(c *Call) zx.Status {
		h, st := PortCreate(c.Proc, c.U32(0))
		return c.OutHandle(c.U64(1), h, st)
	}},
	{Name: "zx_port_queue", Args: 2, Params: "handle:h packet:packet", Handler: func(c *Call) zx.Status {
		b, st := c.ReadBytes(c.U64(1), object.PortPacketSize)
		if st != zx.OK {
			return st
		}
		return PortQueue(c.Proc, c.Handle(0), object.DecodePortPacket(b))
	}},
	{Name: "zx_port_wait", Args: 3, Params: "handle:h deadline:t packet:*packet", Handler: sysPortWait},
	{Name: "zx_port_cancel", Args: 3, Params: "handle:h source:h key:x64", Handler: func(c *Call) zx.Status {
		return PortCancel(c.Proc, c.Handle(0), c.Handle(1), c.U64(2))
	}},
	{Name: "zx_port_cancel_key", Args: 3, Params: "handle:h options:x32 key:x64", Handler: func(c *Call) zx.Status {
		return PortCancelKey(c.Proc, c.Handle(0), c.U32(1), c.U64(2))
	}},
}

// PortCreate makes a port.
func PortCreate(p *object.Process, options uint32) (zx.Handle, zx.Status) {
	if options&^portBindToInterrupt != 0 {
		return 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewPort); st != zx.OK {
		return 0, st
	}
	return add(p, object.NewPort(p.Kernel()), object.PortRights)
}

// PortQueue queues a packet of the user's.
func PortQueue(p *object.Process, h zx.Handle, pkt object.PortPacket) zx.Status {
	port, st := get[*object.Port](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return port.Queue(pkt)
}

// PortWait takes the oldest packet, waiting for one until deadline.
func PortWait(p *object.Process, done <-chan struct{}, h zx.Handle, deadline int64) (object.PortPacket, zx.Status) {
	port, st := get[*object.Port](p, h, zx.RightRead)
	if st != zx.OK {
		return object.PortPacket{}, st
	}
	return port.Wait(done, deadline)
}

func sysPortWait(c *Call) zx.Status {
	port, st := get[*object.Port](c.Proc, c.Handle(0), zx.RightRead)
	if st != zx.OK {
		return st
	}
	if pkt, ok := port.TryWait(); ok {
		return c.writePacket(c.U64(2), &pkt)
	}
	return c.BlockAs(object.ThreadStateBlockedPort, func() zx.Status {
		pkt, st := port.Wait(c.Done(), c.I64(1))
		if st != zx.OK {
			return st
		}
		return c.writePacket(c.U64(2), &pkt)
	})
}

// writePacket copies pkt out to addr, which may be 0.
func (c *Call) writePacket(addr uint64, pkt *object.PortPacket) zx.Status {
	if addr == 0 {
		return zx.OK
	}
	b := c.Buf(object.PortPacketSize)
	pkt.Encode(b)
	return c.WriteBytes(addr, b)
}

// PortCancel ends the asynchronous waits on port h made through source with key.
func PortCancel(p *object.Process, h, source zx.Handle, key uint64) zx.Status {
	port, st := get[*object.Port](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	src := p.Handles().Lookup(source)
	switch {
	case src == nil:
		return zx.ErrBadHandle
	case src.Rights()&zx.RightWait == 0:
		return zx.ErrAccessDenied
	}
	return port.Cancel(src, key)
}

// PortCancelKey ends all asynchronous waits on port h with key.
func PortCancelKey(p *object.Process, h zx.Handle, options uint32, key uint64) zx.Status {
	if options != 0 {
		return zx.ErrInvalidArgs
	}
	port, st := get[*object.Port](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return port.CancelKey(key)
}
