package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// conditions are what the policy of a job says about calls that make something.
// The typed functions deny; what only a trapped call can do, to raise an
// exception in the calling thread, is done here.
var conditions = map[string]object.Condition{
	"zx_channel_create":                object.PolicyNewChannel,
	"zx_event_create":                  object.PolicyNewEvent,
	"zx_eventpair_create":              object.PolicyNewEventpair,
	"zx_fifo_create":                   object.PolicyNewFifo,
	"zx_port_create":                   object.PolicyNewPort,
	"zx_process_create":                object.PolicyNewProcess,
	"zx_socket_create":                 object.PolicyNewSocket,
	"zx_task_create_exception_channel": object.PolicyNewChannel,
	"zx_timer_create":                  object.PolicyNewTimer,
	"zx_vmo_create":                    object.PolicyNewVMO,
	"zx_vmo_replace_as_executable":     object.PolicyAmbientMarkVMOExec,
}

// limits are the policy exceptions of calls that say SHOULD_WAIT when a limit of
// the kernel's is reached.
var limits = map[string]uint32{
	"zx_channel_call":      object.ExceptionChannelFull,
	"zx_channel_call_etc":  object.ExceptionChannelFull,
	"zx_channel_write":     object.ExceptionChannelFull,
	"zx_channel_write_etc": object.ExceptionChannelFull,
	"zx_object_wait_async": object.ExceptionPortTooManyObservers,
	"zx_port_queue":        object.ExceptionPortTooManyPackets,
}

// limit raises the exception for a call that has reached a limit. True means
// that the call is answered later, or never.
func (c *Call) limit(st zx.Status) bool {
	if st != zx.ErrShouldWait {
		return false
	}
	code, found := limits[c.entry.Name]
	if found {
		go func() {
			c.Thread.RaiseLimit(code)
			c.answer(st)
		}()
	}
	return found
}

// checksHandle says whether the call asks whether something is a handle, so
// that policy about bad handles does not apply.
func (c *Call) checksHandle() bool {
	return c.entry.Name == "zx_object_get_info" && c.U32(1) == topicHandleValid
}

// policy sees to what the policy of the job, or a limit of the kernel's, wants
// done about a call with result st. True means that the call is answered later,
// or never.
func (c *Call) policy(st zx.Status) bool {
	if c.limit(st) {
		return true
	}
	if !c.Proc.PolicyRaises() {
		return false
	}
	condition, found := conditions[c.entry.Name]
	switch {
	case st == zx.ErrBadHandle && c.checksHandle():
		return false
	case st == zx.ErrBadHandle:
		condition = object.PolicyBadHandle
	case st == zx.ErrWrongType:
		condition = object.PolicyWrongObject
	case !found || st == zx.ErrInvalidArgs: // refused before policy came into it
		return false
	}
	switch c.Proc.PolicyAction(condition) {
	case object.ActionKill:
		c.Proc.EnforcePolicy(condition)
	case object.ActionAllowException, object.ActionDenyException:
		go func() {
			c.Thread.RaisePolicy(condition, 0)
			c.answer(st)
		}()
		return true
	}
	return false
}
