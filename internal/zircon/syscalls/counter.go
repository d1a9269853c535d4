package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var counterTable = []Entry{
	{Name: "zx_counter_create", Args: 2, Params: "options:x32 out:*h", Handler: func(c *Call) zx.Status {
		h, st := CounterCreate(c.Proc, c.U32(0))
		return c.OutHandle(c.U64(1), h, st)
	}},
	{Name: "zx_counter_add", Args: 2, Params: "handle:h value:i64", Handler: func(c *Call) zx.Status {
		return CounterAdd(c.Proc, c.Handle(0), c.I64(1))
	}},
	{Name: "zx_counter_read", Args: 2, Params: "handle:h value:*i64", Handler: func(c *Call) zx.Status {
		v, st := CounterRead(c.Proc, c.Handle(0))
		if st != zx.OK {
			return st
		}
		return c.WriteU64(c.U64(1), uint64(v))
	}},
	{Name: "zx_counter_write", Args: 2, Params: "handle:h value:i64", Handler: func(c *Call) zx.Status {
		return CounterWrite(c.Proc, c.Handle(0), c.I64(1))
	}},
}

// CounterCreate makes a counter of zero.
func CounterCreate(p *object.Process, options uint32) (zx.Handle, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	return add(p, object.NewCounter(p.Kernel()), object.CounterRights)
}

// CounterAdd adds n to a counter.
func CounterAdd(p *object.Process, h zx.Handle, n int64) zx.Status {
	c, st := get[*object.Counter](p, h, zx.RightsIO)
	if st != zx.OK {
		return st
	}
	return c.Add(n)
}

// CounterRead gives a counter's value.
func CounterRead(p *object.Process, h zx.Handle) (int64, zx.Status) {
	c, st := get[*object.Counter](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	return c.Value(), zx.OK
}

// CounterWrite sets a counter's value.
func CounterWrite(p *object.Process, h zx.Handle, v int64) zx.Status {
	c, st := get[*object.Counter](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	c.Set(v)
	return zx.OK
}
