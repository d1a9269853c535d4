package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// The version of an argument structure is in the top bits of a clock's options.
const (
	clockVersionShift = 58
	clockOptionsMask  = 1<<clockVersionShift - 1
)

// Clocks of zx_clock_get as of 2020.
const (
	oldClockUTC    = 1
	oldClockThread = 2
)

var clockTable = []Entry{
	{Name: "zx_clock_get", Args: 2, Params: "clock_id:oldclock out:*i64", Handler: func(c *Call) zx.Status {
		t, st := ClockGet(c.Proc, c.U32(0))
		if st != zx.OK {
			return st
		}
		return c.WriteU64(c.U64(1), uint64(t))
	}, Support: Partial},
	{Name: "zx_clock_create", Args: 3, Params: "options:clockopt args:p out:*h", Handler: sysClockCreate},
	{Name: "zx_clock_read", Args: 2, Params: "handle:h now:*i64", Handler: func(c *Call) zx.Status {
		t, st := ClockRead(c.Proc, c.Handle(0))
		if st != zx.OK {
			return st
		}
		return c.WriteU64(c.U64(1), uint64(t))
	}},
	{Name: "zx_clock_get_details", Args: 3, Params: "handle:h options:clockopt details:p", Handler: func(c *Call) zx.Status {
		d, st := ClockGetDetails(c.Proc, c.Handle(0), c.U64(1))
		if st != zx.OK {
			return st
		}
		return c.WriteBytes(c.U64(2), d[:])
	}},
	{Name: "zx_clock_update", Args: 3, Params: "handle:h options:clockupdate args:p", Handler: sysClockUpdate},
}

// ClockGet reads a clock of the system: monotonic (0) or UTC (1). A thread's own
// running time (2) is the host's business: NOT_SUPPORTED.
func ClockGet(p *object.Process, id uint32) (int64, zx.Status) {
	k := p.Kernel()
	switch id {
	case clockMonotonic:
		return k.Monotonic(), zx.OK
	case oldClockUTC:
		return k.Machine.UTC(), zx.OK
	case oldClockThread:
		return 0, zx.ErrNotSupported
	}
	return 0, zx.ErrInvalidArgs
}

// ClockCreate makes a clock with object.ClockOpt… options, that is never before
// backstop.
func ClockCreate(p *object.Process, options uint64, backstop int64) (zx.Handle, zx.Status) {
	c, st := object.NewClock(p.Kernel(), options, backstop)
	if st != zx.OK {
		return 0, st
	}
	return add(p, c, object.ClockRights)
}

func sysClockCreate(c *Call) zx.Status {
	options := c.U64(0)
	backstop := int64(0)
	switch options >> clockVersionShift {
	case 0:
	case 1: // zx_clock_create_args_v1_t
		b, st := c.ReadBytes(c.U64(1), 8)
		if st != zx.OK {
			return st
		}
		backstop = int64(binary.LittleEndian.Uint64(b))
	default:
		return zx.ErrInvalidArgs
	}
	h, st := ClockCreate(c.Proc, options&clockOptionsMask, backstop)
	return c.OutHandle(c.U64(2), h, st)
}

// ClockRead gives a clock's time.
func ClockRead(p *object.Process, h zx.Handle) (int64, zx.Status) {
	c, st := get[*object.ClockObject](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	return c.Read(), zx.OK
}

// ClockGetDetails gives zx_clock_details_v1_t, which options must ask for.
func ClockGetDetails(p *object.Process, h zx.Handle, options uint64) ([object.ClockDetailsSize]byte, zx.Status) {
	if options != 1<<clockVersionShift {
		return [object.ClockDetailsSize]byte{}, zx.ErrInvalidArgs
	}
	c, st := get[*object.ClockObject](p, h, zx.RightRead)
	if st != zx.OK {
		return [object.ClockDetailsSize]byte{}, st
	}
	return c.Details(), zx.OK
}

// ClockUpdate changes a clock.
func ClockUpdate(p *object.Process, h zx.Handle, u object.ClockUpdate) zx.Status {
	c, st := get[*object.ClockObject](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return c.Update(u)
}

func sysClockUpdate(c *Call) zx.Status {
	const all = object.ClockUpdateValue | object.ClockUpdateRate | object.ClockUpdateErrorBound
	options := c.U64(1)
	u := object.ClockUpdate{Options: options & clockOptionsMask}
	switch options >> clockVersionShift {
	case 1: // zx_clock_update_args_v1_t
		b, st := c.ReadBytes(c.U64(2), 24)
		if st != zx.OK || u.Options&^all != 0 {
			return zx.ErrInvalidArgs
		}
		u.Rate = int32(binary.LittleEndian.Uint32(b))
		u.Value = int64(binary.LittleEndian.Uint64(b[8:]))
		u.ErrorBound = binary.LittleEndian.Uint64(b[16:])
	case 2: // zx_clock_update_args_v2_t
		b, st := c.ReadBytes(c.U64(2), 32)
		if st != zx.OK || u.Options&^(all|object.ClockUpdateReference) != 0 {
			return zx.ErrInvalidArgs
		}
		u.Rate = int32(binary.LittleEndian.Uint32(b))
		u.Value = int64(binary.LittleEndian.Uint64(b[8:]))
		u.Reference = int64(binary.LittleEndian.Uint64(b[16:]))
		u.ErrorBound = binary.LittleEndian.Uint64(b[24:])
	default:
		return zx.ErrInvalidArgs
	}
	return ClockUpdate(c.Proc, c.Handle(0), u)
}

// ClockMonotonic is the time that launched processes read from the vDSO.
func ClockMonotonic(p *object.Process) int64 { return p.Kernel().Monotonic() }
