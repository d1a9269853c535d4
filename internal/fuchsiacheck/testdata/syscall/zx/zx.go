// Package zx declares what of syscall/zx, a package of the Go toolchain for
// Fuchsia, this repository uses: names and types only. It is not that package
// and is never linked: package fuchsiacheck type-checks against it.
//
// The declarations follow the rules by which that toolchain's syscalls are
// generated (zircon/tools/zither, backend go_runtime): Sys_ and the name of the
// call; size_t is uint; void* is unsafe.Pointer; what is written or is a struct
// is passed by pointer.
package zx

import "unsafe"

type (
	Handle   uint32
	Status   int32
	Rights   uint32
	Signals  uint32
	Time     int64
	Duration int64
	Vaddr    uintptr
)

type WaitItem struct {
	Handle  Handle
	WaitFor Signals
	Pending Signals
}

type HandleInfo struct {
	Handle Handle
	Type   uint32
	Rights Rights
	Unused uint32
}

type HandleDisposition struct {
	Operation uint32
	Handle    Handle
	Type      uint32
	Rights    Rights
	Result    Status
}

type ChannelCallArgs struct {
	WriteBytes      unsafe.Pointer
	WriteHandles    *Handle
	ReadBytes       unsafe.Pointer
	ReadHandles     *Handle
	WriteNumBytes   uint32
	WriteNumHandles uint32
	ReadNumBytes    uint32
	ReadNumHandles  uint32
}

type PortPacket struct {
	Key    uint64
	Type   uint32
	Status int32
	Union  [32]byte
}

type ClockCreateArgsV1 struct {
	BackstopTime int64
}

type ClockUpdateArgsV1 struct {
	RateAdjust int32
	Padding1   [4]byte
	Value      int64
	ErrorBound uint64
}

// Error is a status as an error.
type Error struct {
	Status Status
	Text   string
}

func (e *Error) Error() string

func Sys_handle_close(handle Handle) Status
func Sys_handle_close_many(handles *Handle, num_handles uint) Status
func Sys_handle_duplicate(handle Handle, rights Rights, out *Handle) Status
func Sys_handle_replace(handle Handle, rights Rights, out *Handle) Status

func Sys_object_wait_one(handle Handle, signals Signals, deadline Time, observed *Signals) Status
func Sys_object_wait_many(items *WaitItem, num_items uint, deadline Time) Status
func Sys_object_wait_async(handle Handle, port Handle, key uint64, signals Signals, options uint32) Status
func Sys_object_signal(handle Handle, clear_mask uint32, set_mask uint32) Status
func Sys_object_signal_peer(handle Handle, clear_mask uint32, set_mask uint32) Status
func Sys_object_get_info(handle Handle, topic uint32, buffer unsafe.Pointer, buffer_size uint, actual *uint, avail *uint) Status
func Sys_object_get_property(handle Handle, property uint32, value unsafe.Pointer, value_size uint) Status
func Sys_object_set_property(handle Handle, property uint32, value unsafe.Pointer, value_size uint) Status
func Sys_object_get_child(handle Handle, koid uint64, rights Rights, out *Handle) Status

func Sys_channel_create(options uint32, out0 *Handle, out1 *Handle) Status
func Sys_channel_write(handle Handle, options uint32, bytes unsafe.Pointer, num_bytes uint32, handles *Handle, num_handles uint32) Status
func Sys_channel_write_etc(handle Handle, options uint32, bytes unsafe.Pointer, num_bytes uint32, handles *HandleDisposition, num_handles uint32) Status
func Sys_channel_read(handle Handle, options uint32, bytes unsafe.Pointer, handles *Handle, num_bytes uint32, num_handles uint32, actual_bytes *uint32, actual_handles *uint32) Status
func Sys_channel_read_etc(handle Handle, options uint32, bytes unsafe.Pointer, handles *HandleInfo, num_bytes uint32, num_handles uint32, actual_bytes *uint32, actual_handles *uint32) Status
func Sys_channel_call(handle Handle, options uint32, deadline Time, args *ChannelCallArgs, actual_bytes *uint32, actual_handles *uint32) Status

func Sys_socket_create(options uint32, out0 *Handle, out1 *Handle) Status
func Sys_socket_write(handle Handle, options uint32, buffer unsafe.Pointer, buffer_size uint, actual *uint) Status
func Sys_socket_read(handle Handle, options uint32, buffer unsafe.Pointer, buffer_size uint, actual *uint) Status
func Sys_socket_set_disposition(handle Handle, disposition uint32, disposition_peer uint32) Status

func Sys_event_create(options uint32, out *Handle) Status
func Sys_eventpair_create(options uint32, out0 *Handle, out1 *Handle) Status
func Sys_port_create(options uint32, out *Handle) Status
func Sys_port_queue(handle Handle, packet *PortPacket) Status
func Sys_port_wait(handle Handle, deadline Time, packet *PortPacket) Status
func Sys_port_cancel(handle Handle, source Handle, key uint64) Status
func Sys_timer_create(options uint32, clock_id uint32, out *Handle) Status
func Sys_timer_set(handle Handle, deadline Time, slack Duration) Status
func Sys_timer_cancel(handle Handle) Status

func Sys_vmo_create(size uint64, options uint32, out *Handle) Status
func Sys_vmo_read(handle Handle, buffer unsafe.Pointer, offset uint64, buffer_size uint) Status
func Sys_vmo_write(handle Handle, buffer unsafe.Pointer, offset uint64, buffer_size uint) Status
func Sys_vmo_get_size(handle Handle, size *uint64) Status
func Sys_vmo_set_size(handle Handle, size uint64) Status
func Sys_vmo_create_child(handle Handle, options uint32, offset uint64, size uint64, out *Handle) Status
func Sys_vmo_replace_as_executable(handle Handle, vmex Handle, out *Handle) Status
func Sys_vmo_op_range(handle Handle, op uint32, offset uint64, size uint64, buffer unsafe.Pointer, buffer_size uint) Status

func Sys_vmar_allocate(parent_vmar Handle, options uint32, offset uint, size uint, child_vmar *Handle, child_addr *Vaddr) Status
func Sys_vmar_map(handle Handle, options uint32, vmar_offset uint, vmo Handle, vmo_offset uint64, len uint, mapped_addr *Vaddr) Status
func Sys_vmar_unmap(handle Handle, addr Vaddr, len uint) Status
func Sys_vmar_protect(handle Handle, options uint32, addr Vaddr, len uint) Status
func Sys_vmar_destroy(handle Handle) Status

func Sys_job_create(parent_job Handle, options uint32, out *Handle) Status
func Sys_job_set_policy(handle Handle, options uint32, topic uint32, policy unsafe.Pointer, policy_size uint32) Status
func Sys_process_create(job Handle, name *byte, name_size uint, options uint32, proc_handle *Handle, vmar_handle *Handle) Status
func Sys_process_start(handle Handle, thread Handle, entry Vaddr, stack Vaddr, arg1 Handle, arg2 uintptr) Status
func Sys_process_read_memory(handle Handle, vaddr Vaddr, buffer unsafe.Pointer, buffer_size uint, actual *uint) Status
func Sys_process_write_memory(handle Handle, vaddr Vaddr, buffer unsafe.Pointer, buffer_size uint, actual *uint) Status
func Sys_thread_create(process Handle, name *byte, name_size uint, options uint32, out *Handle) Status
func Sys_thread_start(handle Handle, thread_entry Vaddr, stack Vaddr, arg1 uintptr, arg2 uintptr) Status
func Sys_task_kill(handle Handle) Status
func Sys_task_suspend_token(handle Handle, token *Handle) Status
func Sys_task_create_exception_channel(handle Handle, options uint32, out *Handle) Status

func Sys_debuglog_create(resource Handle, options uint32, out *Handle) Status
func Sys_debuglog_write(handle Handle, options uint32, buffer unsafe.Pointer, buffer_size uint) Status
func Sys_debuglog_read(handle Handle, options uint32, buffer unsafe.Pointer, buffer_size uint) Status
func Sys_clock_get_monotonic() Time
func Sys_clock_create(options uint64, args unsafe.Pointer, out *Handle) Status
func Sys_clock_read(handle Handle, now *Time) Status
func Sys_clock_update(handle Handle, options uint64, args unsafe.Pointer) Status
