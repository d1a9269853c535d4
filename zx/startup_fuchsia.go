//go:build fuchsia

package zx

// What the C library keeps of the bootstrap message. Every Go program for
// Fuchsia is linked to it, and it has the message before any Go code runs.

// #include <zircon/process.h>
import "C"

// TakeStartupHandle takes a handle of the bootstrap message by its number, which
// is processargs.HandleInfo: HandleInvalid when none came or it was taken. The
// caller owns it. On Fuchsia only.
func TakeStartupHandle(info uint32) Handle {
	return Handle(C.zx_take_startup_handle(C.uint32_t(info)))
}

// jobDefault is the handle that the C library holds.
func jobDefault() Handle { return Handle(C.zx_job_default()) }
