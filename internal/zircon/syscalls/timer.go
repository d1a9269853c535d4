package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Clocks, and the greatest of a timer's options, from <zircon/types.h>.
const (
	clockMonotonic = 0
	clockBoot      = 1 // ZX_CLOCK_BOOT today; of 2020's it was UTC, which no timer could use
	timerSlackLate = 2
)

var timerTable = []Entry{
	{Name: "zx_timer_create", Args: 3, Params: "options:slack clock_id:clock out:*h", Handler: func(c *Call) zx.Status {
		h, st := TimerCreate(c.Proc, c.U32(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_timer_set", Args: 3, Params: "handle:h deadline:t slack:d", Handler: func(c *Call) zx.Status {
		return TimerSet(c.Proc, c.Handle(0), c.I64(1), c.I64(2))
	}},
	{Name: "zx_timer_cancel", Args: 1, Params: "handle:h", Handler: func(c *Call) zx.Status {
		return TimerCancel(c.Proc, c.Handle(0))
	}},
}

// TimerCreate makes a timer by the monotonic or the boot clock.
func TimerCreate(p *object.Process, options, clock uint32) (zx.Handle, zx.Status) {
	if options > timerSlackLate || clock != clockMonotonic && clock != clockBoot {
		return 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewTimer); st != zx.OK {
		return 0, st
	}
	return add(p, object.NewTimer(p.Kernel(), options, clock == clockBoot), object.TimerRights)
}

// TimerSet lets the timer fire at deadline.
func TimerSet(p *object.Process, h zx.Handle, deadline, slack int64) zx.Status {
	if slack < 0 {
		return zx.ErrOutOfRange
	}
	t, st := get[*object.Timer](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	t.Set(deadline, slack)
	return zx.OK
}

// TimerCancel unsets the timer.
func TimerCancel(p *object.Process, h zx.Handle) zx.Status {
	t, st := get[*object.Timer](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	t.Cancel()
	return zx.OK
}
