//go:build fuchsia

package zx

// The system calls of the real system, by way of the package that Fuchsia's Go
// toolchain has for them. sys_hosted.go has the same functions over the kernel
// that is hosted elsewhere. Package fuchsiacheck type-checks this file.

import (
	"sync"
	sys "syscall/zx"
	"time"
	"unsafe"
)

// VDSO gives a second handle to the vDSO that this process was started with.
func VDSO() (VMO, error) {
	v := startupVDSO()
	return v.Duplicate(RightSameRights)
}

// startupVDSO is the vDSO of the bootstrap message (PA_VMO_VDSO).
var startupVDSO = sync.OnceValue(func() *VMO {
	v := VMOFromHandle(TakeStartupHandle(0x11))
	return &v
})

var defaultJob = sync.OnceValue(func() *Job {
	j := JobFromHandle(jobDefault())
	return &j
})

func handlePtr(hs []Handle) *sys.Handle {
	return (*sys.Handle)(unsafe.Pointer(unsafe.SliceData(hs)))
}

func bytesPtr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func sysHandleClose(h Handle) Status { return Status(sys.Sys_handle_close(sys.Handle(h))) }

func sysHandleCloseMany(hs []Handle) Status {
	return Status(sys.Sys_handle_close_many(handlePtr(hs), uint(len(hs))))
}

func sysHandleDuplicate(h Handle, r Rights) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_handle_duplicate(sys.Handle(h), sys.Rights(r), &out)
	return Handle(out), Status(st)
}

func sysHandleReplace(h Handle, r Rights) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_handle_replace(sys.Handle(h), sys.Rights(r), &out)
	return Handle(out), Status(st)
}

// canceler is an event that is signaled when done closes, so that a wait in the
// kernel can end with it.
type canceler struct {
	event Event
	stop  chan struct{}
	ended chan struct{}
}

func newCanceler(done <-chan struct{}) (*canceler, Status) {
	h, st := sysEventCreate(0)
	if st != OK {
		return nil, st
	}
	c := &canceler{EventFromHandle(h), make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(c.ended)
		select {
		case <-done:
			sysObjectSignal(c.event.Handle(), 0, EventSignaled)
		case <-c.stop:
		}
	}()
	return c, OK
}

func (c *canceler) close() {
	close(c.stop)
	<-c.ended
	c.event.Close()
}

func sysObjectWaitOne(done <-chan struct{}, h Handle, s Signals, deadline Time) (Signals, Status) {
	if done == nil || deadline == InfinitePast {
		var seen sys.Signals
		st := sys.Sys_object_wait_one(sys.Handle(h), sys.Signals(s), sys.Time(deadline), &seen)
		return Signals(seen), Status(st)
	}
	items := [1]WaitItem{{Handle: h, WaitFor: s}}
	st := sysObjectWaitMany(done, items[:], deadline)
	return items[0].Pending, st
}

func sysObjectWaitMany(done <-chan struct{}, items []WaitItem, deadline Time) Status {
	ws := make([]sys.WaitItem, len(items), len(items)+1)
	for i, it := range items {
		ws[i] = sys.WaitItem{Handle: sys.Handle(it.Handle), WaitFor: sys.Signals(it.WaitFor)}
	}
	if done != nil {
		c, st := newCanceler(done)
		if st != OK {
			return st
		}
		defer c.close()
		ws = append(ws, sys.WaitItem{Handle: sys.Handle(c.event.Handle()), WaitFor: sys.Signals(EventSignaled)})
	}
	st := Status(sys.Sys_object_wait_many(unsafe.SliceData(ws), uint(len(ws)), sys.Time(deadline)))
	ready := false
	for i := range items {
		items[i].Pending = Signals(ws[i].Pending)
		ready = ready || items[i].Pending&items[i].WaitFor != 0
	}
	if st == OK && !ready && len(items) > 0 {
		return ErrCanceled // the last one ended the wait
	}
	return st
}

func sysObjectWaitAsync(h, port Handle, key uint64, s Signals, options uint32) Status {
	return Status(sys.Sys_object_wait_async(sys.Handle(h), sys.Handle(port), key, sys.Signals(s), options))
}

func sysObjectSignal(h Handle, clear, set Signals) Status {
	return Status(sys.Sys_object_signal(sys.Handle(h), uint32(clear), uint32(set)))
}

func sysObjectSignalPeer(h Handle, clear, set Signals) Status {
	return Status(sys.Sys_object_signal_peer(sys.Handle(h), uint32(clear), uint32(set)))
}

func sysObjectGetInfo(h Handle, topic uint32, b []byte) (actual, avail uint64, st Status) {
	var ac, av uint
	st = Status(sys.Sys_object_get_info(sys.Handle(h), topic, bytesPtr(b), uint(len(b)), &ac, &av))
	return uint64(ac), uint64(av), st
}

func sysObjectGetProperty(h Handle, prop uint32, b []byte) Status {
	return Status(sys.Sys_object_get_property(sys.Handle(h), prop, bytesPtr(b), uint(len(b))))
}

func sysObjectSetProperty(h Handle, prop uint32, b []byte) Status {
	return Status(sys.Sys_object_set_property(sys.Handle(h), prop, bytesPtr(b), uint(len(b))))
}

func sysObjectGetChild(h Handle, k Koid, r Rights) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_object_get_child(sys.Handle(h), uint64(k), sys.Rights(r), &out)
	return Handle(out), Status(st)
}

func sysChannelCreate(options uint32) (Handle, Handle, Status) {
	var h0, h1 sys.Handle
	st := sys.Sys_channel_create(options, &h0, &h1)
	return Handle(h0), Handle(h1), Status(st)
}

func sysChannelWrite(h Handle, options uint32, b []byte, hs []Handle) Status {
	return Status(sys.Sys_channel_write(sys.Handle(h), options, bytesPtr(b), uint32(len(b)), handlePtr(hs), uint32(len(hs))))
}

func sysChannelWriteEtc(h Handle, options uint32, b []byte, hs []HandleDisposition) Status {
	ds := make([]sys.HandleDisposition, len(hs))
	for i, d := range hs {
		ds[i] = sys.HandleDisposition{Operation: uint32(d.Op), Handle: sys.Handle(d.Handle), Type: uint32(d.Type), Rights: sys.Rights(d.Rights)}
	}
	st := sys.Sys_channel_write_etc(sys.Handle(h), options, bytesPtr(b), uint32(len(b)), unsafe.SliceData(ds), uint32(len(ds)))
	for i := range hs {
		hs[i].Result = Status(ds[i].Result)
	}
	return Status(st)
}

func sysChannelRead(h Handle, options uint32, b []byte, hs []Handle) (nb, nh uint32, st Status) {
	st = Status(sys.Sys_channel_read(sys.Handle(h), options, bytesPtr(b), handlePtr(hs), uint32(len(b)), uint32(len(hs)), &nb, &nh))
	return nb, nh, st
}

func sysChannelReadEtc(h Handle, options uint32, b []byte, hs []HandleInfo) (nb, nh uint32, st Status) {
	is := make([]sys.HandleInfo, len(hs))
	st = Status(sys.Sys_channel_read_etc(sys.Handle(h), options, bytesPtr(b), unsafe.SliceData(is), uint32(len(b)), uint32(len(is)), &nb, &nh))
	if st == OK {
		for i, in := range is[:nh] {
			hs[i] = HandleInfo{Handle: Handle(in.Handle), Type: ObjType(in.Type), Rights: Rights(in.Rights)}
		}
	}
	return nb, nh, st
}

func sysChannelCall(done <-chan struct{}, h Handle, options uint32, deadline Time, wb []byte, wh []Handle, rb []byte, rh []Handle) (nb, nh uint32, st Status) {
	select {
	case <-done:
		CloseAll(wh...)
		return 0, 0, ErrCanceled
	default: // from here on nothing but the deadline ends a call
	}
	args := sys.ChannelCallArgs{
		WriteBytes: bytesPtr(wb), WriteHandles: handlePtr(wh), ReadBytes: bytesPtr(rb), ReadHandles: handlePtr(rh),
		WriteNumBytes: uint32(len(wb)), WriteNumHandles: uint32(len(wh)), ReadNumBytes: uint32(len(rb)), ReadNumHandles: uint32(len(rh)),
	}
	st = Status(sys.Sys_channel_call(sys.Handle(h), options, sys.Time(deadline), &args, &nb, &nh))
	return nb, nh, st
}

func sysSocketCreate(options uint32) (Handle, Handle, Status) {
	var h0, h1 sys.Handle
	st := sys.Sys_socket_create(options, &h0, &h1)
	return Handle(h0), Handle(h1), Status(st)
}

func sysSocketWrite(h Handle, options uint32, b []byte) (int, Status) {
	var n uint
	st := sys.Sys_socket_write(sys.Handle(h), options, bytesPtr(b), uint(len(b)), &n)
	return int(n), Status(st)
}

func sysSocketRead(h Handle, options uint32, b []byte) (int, Status) {
	var n uint
	st := sys.Sys_socket_read(sys.Handle(h), options, bytesPtr(b), uint(len(b)), &n)
	return int(n), Status(st)
}

func sysSocketSetDisposition(h Handle, self, peer uint32) Status {
	return Status(sys.Sys_socket_set_disposition(sys.Handle(h), self, peer))
}

func sysEventCreate(options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_event_create(options, &out)
	return Handle(out), Status(st)
}

func sysEventpairCreate(options uint32) (Handle, Handle, Status) {
	var h0, h1 sys.Handle
	st := sys.Sys_eventpair_create(options, &h0, &h1)
	return Handle(h0), Handle(h1), Status(st)
}

func sysPortCreate(options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_port_create(options, &out)
	return Handle(out), Status(st)
}

func sysPortQueue(h Handle, p Packet) Status {
	return Status(sys.Sys_port_queue(sys.Handle(h), (*sys.PortPacket)(unsafe.Pointer(&p))))
}

const portSlice = 20 * time.Millisecond

func sysPortWait(done <-chan struct{}, h Handle, deadline Time) (Packet, Status) {
	var p Packet
	for {
		// A port cannot be waited for together with anything else, so a wait
		// that done may end is made in slices.
		until := deadline
		if done != nil {
			until = min(deadline, After(portSlice))
		}
		st := Status(sys.Sys_port_wait(sys.Handle(h), sys.Time(until), (*sys.PortPacket)(unsafe.Pointer(&p))))
		if st != ErrTimedOut || until == deadline {
			return p, st
		}
		select {
		case <-done:
			return p, ErrCanceled
		default:
		}
	}
}

func sysPortCancel(h, source Handle, key uint64) Status {
	return Status(sys.Sys_port_cancel(sys.Handle(h), sys.Handle(source), key))
}

func sysTimerCreate(options, clock uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_timer_create(options, clock, &out)
	return Handle(out), Status(st)
}

func sysTimerSet(h Handle, deadline Time, slack int64) Status {
	return Status(sys.Sys_timer_set(sys.Handle(h), sys.Time(deadline), sys.Duration(slack)))
}

func sysTimerCancel(h Handle) Status { return Status(sys.Sys_timer_cancel(sys.Handle(h))) }

func sysVMOCreate(size uint64, options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_vmo_create(size, options, &out)
	return Handle(out), Status(st)
}

func sysVMORead(h Handle, b []byte, off uint64) Status {
	return Status(sys.Sys_vmo_read(sys.Handle(h), bytesPtr(b), off, uint(len(b))))
}

func sysVMOWrite(h Handle, b []byte, off uint64) Status {
	return Status(sys.Sys_vmo_write(sys.Handle(h), bytesPtr(b), off, uint(len(b))))
}

func sysVMOGetSize(h Handle) (uint64, Status) {
	var n uint64
	st := sys.Sys_vmo_get_size(sys.Handle(h), &n)
	return n, Status(st)
}

func sysVMOSetSize(h Handle, size uint64) Status {
	return Status(sys.Sys_vmo_set_size(sys.Handle(h), size))
}

func sysVMOCreateChild(h Handle, options uint32, off, size uint64) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_vmo_create_child(sys.Handle(h), options, off, size, &out)
	return Handle(out), Status(st)
}

func sysVMOReplaceAsExecutable(h, resource Handle) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_vmo_replace_as_executable(sys.Handle(h), sys.Handle(resource), &out)
	return Handle(out), Status(st)
}

func sysVMOOpRange(h Handle, op uint32, off, size uint64) Status {
	return Status(sys.Sys_vmo_op_range(sys.Handle(h), op, off, size, nil, 0))
}

func sysVMARAllocate(h Handle, options VMOption, off, size uint64) (Handle, uint64, Status) {
	var out sys.Handle
	var addr sys.Vaddr
	st := sys.Sys_vmar_allocate(sys.Handle(h), options, uint(off), uint(size), &out, &addr)
	return Handle(out), uint64(addr), Status(st)
}

func sysVMARMap(h Handle, options VMOption, off uint64, vmo Handle, vmoOff, size uint64) (uint64, Status) {
	var addr sys.Vaddr
	st := sys.Sys_vmar_map(sys.Handle(h), options, uint(off), sys.Handle(vmo), vmoOff, uint(size), &addr)
	return uint64(addr), Status(st)
}

func sysVMARUnmap(h Handle, addr, size uint64) Status {
	return Status(sys.Sys_vmar_unmap(sys.Handle(h), sys.Vaddr(addr), uint(size)))
}

func sysVMARProtect(h Handle, options VMOption, addr, size uint64) Status {
	return Status(sys.Sys_vmar_protect(sys.Handle(h), options, sys.Vaddr(addr), uint(size)))
}

func sysVMARDestroy(h Handle) Status { return Status(sys.Sys_vmar_destroy(sys.Handle(h))) }

func sysJobCreate(parent Handle, options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_job_create(sys.Handle(parent), options, &out)
	return Handle(out), Status(st)
}

func sysJobSetPolicy(h Handle, options, topic uint32, policy []byte, count uint32) Status {
	return Status(sys.Sys_job_set_policy(sys.Handle(h), options, topic, bytesPtr(policy), count))
}

func sysProcessCreate(job Handle, name string, options uint32) (proc, vmar Handle, st Status) {
	var p, v sys.Handle
	st = Status(sys.Sys_process_create(sys.Handle(job), unsafe.StringData(name), uint(len(name)), options, &p, &v))
	return Handle(p), Handle(v), st
}

func sysProcessStart(proc, thread Handle, entry, sp uint64, arg1 Handle, arg2 uint64) Status {
	return Status(sys.Sys_process_start(sys.Handle(proc), sys.Handle(thread), sys.Vaddr(entry), sys.Vaddr(sp), sys.Handle(arg1), uintptr(arg2)))
}

func sysProcessReadMemory(h Handle, addr uint64, b []byte) (int, Status) {
	var n uint
	st := sys.Sys_process_read_memory(sys.Handle(h), sys.Vaddr(addr), bytesPtr(b), uint(len(b)), &n)
	return int(n), Status(st)
}

func sysProcessWriteMemory(h Handle, addr uint64, b []byte) (int, Status) {
	var n uint
	st := sys.Sys_process_write_memory(sys.Handle(h), sys.Vaddr(addr), bytesPtr(b), uint(len(b)), &n)
	return int(n), Status(st)
}

func sysThreadCreate(proc Handle, name string, options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_thread_create(sys.Handle(proc), unsafe.StringData(name), uint(len(name)), options, &out)
	return Handle(out), Status(st)
}

func sysThreadStart(h Handle, entry, sp, arg1, arg2 uint64) Status {
	return Status(sys.Sys_thread_start(sys.Handle(h), sys.Vaddr(entry), sys.Vaddr(sp), uintptr(arg1), uintptr(arg2)))
}

func sysTaskKill(h Handle) Status { return Status(sys.Sys_task_kill(sys.Handle(h))) }

func sysTaskSuspend(h Handle) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_task_suspend_token(sys.Handle(h), &out)
	return Handle(out), Status(st)
}

func sysTaskCreateExceptionChannel(h Handle, options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_task_create_exception_channel(sys.Handle(h), options, &out)
	return Handle(out), Status(st)
}

func sysDebuglogCreate(resource Handle, options uint32) (Handle, Status) {
	var out sys.Handle
	st := sys.Sys_debuglog_create(sys.Handle(resource), options, &out)
	return Handle(out), Status(st)
}

func sysDebuglogWrite(h Handle, options uint32, b []byte) Status {
	return Status(sys.Sys_debuglog_write(sys.Handle(h), options, bytesPtr(b), uint(len(b))))
}

func sysDebuglogRead(h Handle, options uint32, b []byte) (int, Status) {
	st := sys.Sys_debuglog_read(sys.Handle(h), options, bytesPtr(b), uint(len(b)))
	if st > 0 { // the number of bytes
		return int(st), OK
	}
	return 0, Status(st)
}

func sysClockMonotonic() Time { return Time(sys.Sys_clock_get_monotonic()) }

// clockArgsV1 says that a clock's arguments are the first version of their
// structure (ZX_CLOCK_ARGS_VERSION(1)).
const clockArgsV1 = 1 << 58

func sysClockCreate(options uint64, backstop Time) (Handle, Status) {
	var out sys.Handle
	args := sys.ClockCreateArgsV1{BackstopTime: int64(backstop)}
	st := sys.Sys_clock_create(options|clockArgsV1, unsafe.Pointer(&args), &out)
	return Handle(out), Status(st)
}

func sysClockRead(h Handle) (Time, Status) {
	var t sys.Time
	st := sys.Sys_clock_read(sys.Handle(h), &t)
	return Time(t), Status(st)
}

func sysClockSet(h Handle, t Time) Status {
	const valueValid = 1 << 0 // ZX_CLOCK_UPDATE_OPTION_VALUE_VALID
	args := sys.ClockUpdateArgsV1{Value: int64(t)}
	return Status(sys.Sys_clock_update(sys.Handle(h), valueValid|clockArgsV1, unsafe.Pointer(&args)))
}
