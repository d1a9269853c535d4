package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var eventTable = []Entry{
	{Name: "zx_event_create", Args: 2, Params: "options:x32 out:*h", Handler: func(c *Call) zx.Status {
		h, st := EventCreate(c.Proc, c.U32(0))
		return c.OutHandle(c.U64(1), h, st)
	}},
	{Name: "zx_eventpair_create", Args: 3, Params: "options:x32 out0:*h out1:*h", Handler: func(c *Call) zx.Status {
		h0, h1, st := EventpairCreate(c.Proc, c.U32(0))
		return c.OutHandles(c.U64(1), c.U64(2), h0, h1, st)
	}},
}

// EventCreate makes an event.
func EventCreate(p *object.Process, options uint32) (zx.Handle, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewEvent); st != zx.OK {
		return 0, st
	}
	return add(p, object.NewEvent(p.Kernel()), object.EventRights)
}

// EventpairCreate makes two linked events.
func EventpairCreate(p *object.Process, options uint32) (h0, h1 zx.Handle, st zx.Status) {
	if options != 0 {
		// The one call of its kind that says so, and not INVALID_ARGS.
		return 0, 0, zx.ErrNotSupported
	}
	if st := p.EnforcePolicy(object.PolicyNewEventpair); st != zx.OK {
		return 0, 0, st
	}
	a, b := object.NewEventpair(p.Kernel())
	return add2(p, a, b, object.EventpairRights)
}
