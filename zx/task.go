package zx

// Return codes of tasks that did not end by themselves, from
// <zircon/syscalls/object.h>.
const (
	RetcodeSyscallKill         int64 = -1024
	RetcodeOOMKill             int64 = -1025
	RetcodePolicyKill          int64 = -1026
	RetcodeVDSOKill            int64 = -1027
	RetcodeExceptionKill       int64 = -1028
	RetcodeCriticalProcessKill int64 = -1029
)

// task is what jobs, processes and threads have in common.
type task struct{ Object }

// Kill ends the task and all within it (zx_task_kill). It does not wait.
func (t *task) Kill() error { return sysTaskKill(t.Handle()).Err() }

// Suspend stops the task until the token is closed (zx_task_suspend_token).
func (t *task) Suspend() (Object, error) {
	h, st := sysTaskSuspend(t.Handle())
	return Object{h}, st.Err()
}

// ExceptionDebugger has CreateExceptionChannel give the debugger's channel.
const ExceptionDebugger uint32 = 1

// CreateExceptionChannel gives a channel on which exceptions of the task
// arrive (zx_task_create_exception_channel).
func (t *task) CreateExceptionChannel(options uint32) (Channel, error) {
	h, st := sysTaskCreateExceptionChannel(t.Handle(), options)
	return ChannelFromHandle(h), st.Err()
}
