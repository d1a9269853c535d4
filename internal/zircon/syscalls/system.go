package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// systemEventMax is the last of the ZX_SYSTEM_EVENT_ values.
const systemEventMax = 5

// systemEventRights are ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS.
const systemEventRights = zx.RightWait | zx.RightDuplicate | zx.RightTransfer

var systemTable = []Entry{
	{Name: "zx_nanosleep", Args: 1, Params: "deadline:t", Handler: func(c *Call) zx.Status {
		if c.I64(0) <= c.Proc.Kernel().Monotonic() {
			return Nanosleep(c.Proc, c.Done(), c.I64(0))
		}
		return c.BlockAs(object.ThreadStateBlockedSleeping, func() zx.Status {
			return Nanosleep(c.Proc, c.Done(), c.I64(0))
		})
	}},
	{Name: "zx_system_get_event", Args: 3, Params: "root_job:h kind:sysevent event:*h", Handler: func(c *Call) zx.Status {
		h, st := SystemGetEvent(c.Proc, c.Handle(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}, Support: Partial},
	{Name: "zx_system_barrier", Args: 1, Params: "options:x32", Handler: func(c *Call) zx.Status {
		if c.U32(0) > 1 {
			return zx.ErrInvalidArgs
		}
		return zx.OK // a trap is a barrier
	}},
	{Name: "zx_syscall_test_0", Args: 0, Params: "=u32", Handler: sumTest(0)},
	{Name: "zx_syscall_test_1", Args: 1, Params: "a:i32 =u32", Handler: sumTest(1)},
	{Name: "zx_syscall_test_2", Args: 2, Params: "a:i32 b:i32 =u32", Handler: sumTest(2)},
	{Name: "zx_syscall_test_3", Args: 3, Params: "a:i32 b:i32 c:i32 =u32", Handler: sumTest(3)},
	{Name: "zx_syscall_test_4", Args: 4, Params: "a:i32 b:i32 c:i32 d:i32 =u32", Handler: sumTest(4)},
	{Name: "zx_syscall_test_5", Args: 5, Params: "a:i32 b:i32 c:i32 d:i32 e:i32 =u32", Handler: sumTest(5)},
	{Name: "zx_syscall_test_6", Args: 6, Params: "a:i32 b:i32 c:i32 d:i32 e:i32 f:i32 =u32", Handler: sumTest(6)},
	{Name: "zx_syscall_test_7", Args: 7, Params: "a:i32 b:i32 c:i32 d:i32 e:i32 f:i32 g:i32 =u32", Handler: sumTest(7)},
	{Name: "zx_syscall_test_8", Args: 8, Params: "a:i32 b:i32 c:i32 d:i32 e:i32 f:i32 g:i32 h:i32 =u32", Handler: sumTest(8)},
	{Name: "zx_syscall_test_handle_create", Args: 2, Params: "return_value:i32 out:*h", Handler: func(c *Call) zx.Status {
		if st := zx.Status(c.U32(0)); st != zx.OK {
			c.finish(st) // which may be the number of blocked
			return blocked
		}
		h, st := EventCreate(c.Proc, 0)
		return c.OutHandle(c.U64(1), h, st)
	}},
	{Name: "zx_syscall_test_wrapper", Args: 3, Params: "a:i32 b:i32 c:i32", Handler: testWrapper},
}

// sumTest is the calls that Zircon has to test how arguments are passed: the sum
// of n numbers.
func sumTest(n int) Handler {
	return func(c *Call) zx.Status {
		sum := uint32(0)
		for i := range n {
			sum += c.U32(i)
		}
		c.finish(zx.Status(sum)) // which may be the number of blocked
		return blocked
	}
}

// testWrapper adds three numbers that are not negative, to at most 50.
func testWrapper(c *Call) zx.Status {
	sum := int64(0)
	for i := range 3 {
		v := int32(c.U32(i))
		if v < 0 {
			return zx.ErrInvalidArgs
		}
		sum += int64(v)
	}
	if sum > 50 {
		return zx.ErrOutOfRange
	}
	return zx.Status(sum)
}

// SystemGetEvent gives an event that tells of a lack of memory. The host does
// not say when it lacks memory, so the event is never signaled. Only the root
// job may ask.
func SystemGetEvent(p *object.Process, job zx.Handle, kind uint32) (zx.Handle, zx.Status) {
	j, st := get[*object.Job](p, job, zx.RightManageProcess)
	switch {
	case st != zx.OK:
		return 0, st
	case j != p.Kernel().Root:
		return 0, zx.ErrAccessDenied
	case kind < 1 || kind > systemEventMax:
		return 0, zx.ErrInvalidArgs
	}
	return add(p, object.NewEvent(p.Kernel()), systemEventRights)
}
