package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// exceptionChannelDebugger is ZX_EXCEPTION_CHANNEL_DEBUGGER.
const exceptionChannelDebugger = 1

var taskTable = []Entry{
	{Name: "zx_task_kill", Args: 1, Params: "handle:h", Handler: func(c *Call) zx.Status {
		return TaskKill(c.Proc, c.Handle(0))
	}},
	{Name: "zx_task_suspend", Args: 2, Params: "handle:h token:*h", Support: None, Handler: sysTaskSuspend},
	{Name: "zx_task_suspend_token", Args: 2, Params: "handle:h token:*h", Support: None, Handler: sysTaskSuspend},
	{Name: "zx_task_create_exception_channel", Args: 3, Params: "handle:h options:excchan out:*h", Handler: func(c *Call) zx.Status {
		h, st := TaskCreateExceptionChannel(c.Proc, c.Handle(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
}

// TaskKill ends a job or a process.
func TaskKill(p *object.Process, h zx.Handle) zx.Status {
	o, st := get[object.Object](p, h, zx.RightDestroy)
	if st != zx.OK {
		return st
	}
	switch t := o.(type) {
	case *object.Job:
		t.Kill(object.RetcodeSyscallKill)
	case *object.Process:
		t.Kill(object.RetcodeSyscallKill)
	default:
		return zx.ErrWrongType
	}
	return zx.OK
}

// TaskSuspend checks its arguments and is NOT_SUPPORTED: nothing on the host can
// stop a single thread between two instructions of its own.
func TaskSuspend(p *object.Process, h zx.Handle) (zx.Handle, zx.Status) {
	o, st := get[object.Object](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	switch o.(type) {
	case *object.Thread, *object.Process:
		return 0, zx.ErrNotSupported
	}
	return 0, zx.ErrWrongType
}

func sysTaskSuspend(c *Call) zx.Status {
	_, st := TaskSuspend(c.Proc, c.Handle(0))
	return st
}

// TaskCreateExceptionChannel makes the channel that a task's exceptions go to.
func TaskCreateExceptionChannel(p *object.Process, h zx.Handle, options uint32) (zx.Handle, zx.Status) {
	if options&^exceptionChannelDebugger != 0 {
		return 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewChannel); st != zx.OK {
		return 0, st
	}
	need := zx.RightInspect | zx.RightDuplicate | zx.RightTransfer | zx.RightManageThread
	o, hd, st := object.GetHandle[object.Object](p.Handles(), h, need)
	if st != zx.OK {
		return 0, st
	}
	debugger, enumerates := options&exceptionChannelDebugger != 0, hd.Rights()&zx.RightEnumerate != 0
	var c *object.Channel
	switch t := o.(type) {
	case *object.Thread:
		if debugger {
			return 0, zx.ErrInvalidArgs
		}
		c, st = t.ExceptionChannel(hd.Rights())
	case *object.Process:
		if !enumerates {
			return 0, zx.ErrAccessDenied
		}
		c, st = t.ExceptionChannel(debugger, hd.Rights())
	case *object.Job:
		if !enumerates {
			return 0, zx.ErrAccessDenied
		}
		c, st = t.ExceptionChannel(debugger, hd.Rights())
	default:
		return 0, zx.ErrWrongType
	}
	if st != zx.OK {
		return 0, st
	}
	return add(p, c, zx.RightTransfer|zx.RightWait|zx.RightRead)
}
