package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var exceptionTable = []Entry{
	{Name: "zx_exception_get_thread", Args: 2, Params: "handle:h out:*h", Handler: func(c *Call) zx.Status {
		h, st := ExceptionGetThread(c.Proc, c.Handle(0))
		return c.OutHandle(c.U64(1), h, st)
	}},
	{Name: "zx_exception_get_process", Args: 2, Params: "handle:h out:*h", Handler: func(c *Call) zx.Status {
		h, st := ExceptionGetProcess(c.Proc, c.Handle(0))
		return c.OutHandle(c.U64(1), h, st)
	}},
}

// ExceptionGetThread gives a handle to the thread in an exception.
func ExceptionGetThread(p *object.Process, h zx.Handle) (zx.Handle, zx.Status) {
	e, st := get[*object.Exception](p, h, 0)
	if st != zx.OK {
		return 0, st
	}
	t, r := e.Thread()
	return add(p, t, r)
}

// ExceptionGetProcess gives a handle to the process of the thread in an
// exception: ACCESS_DENIED for the handler of a single thread.
func ExceptionGetProcess(p *object.Process, h zx.Handle) (zx.Handle, zx.Status) {
	e, st := get[*object.Exception](p, h, 0)
	if st != zx.OK {
		return 0, st
	}
	x, r, st := e.Process()
	if st != zx.OK {
		return 0, st
	}
	return add(p, x, r)
}
