//go:build !fuchsia

package zx

// The system calls, as plain calls into the hosted kernel. sys_fuchsia.go has
// the same functions over the real system.

import (
	"os"
	"sync"

	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/syscalls"
)

// VMOFromFile makes a VMO over a file of the host, which is mapped as it is: no
// copy is made, and it must not change while in use. The VMO cannot be written;
// with executable its code can be run. f may be closed afterwards.
// The error is a Status, and says what the host said. Only where the kernel is hosted.
func VMOFromFile(f *os.File, executable bool) (VMO, error) {
	h, err := zircon.VMOFromFile(zircon.Self(), f, executable)
	return VMOFromHandle(h), err
}

// VDSO gives the system vDSO, which every process needs to make system calls.
func VDSO() (VMO, error) {
	h, st := zircon.VDSO(zircon.Self())
	return VMOFromHandle(h), st.Err()
}

var defaultJob = sync.OnceValue(func() *Job {
	j := JobFromHandle(zircon.DefaultJob())
	return &j
})

func sysHandleClose(h Handle) Status        { return syscalls.HandleClose(zircon.Self(), h) }
func sysHandleCloseMany(hs []Handle) Status { return syscalls.HandleCloseMany(zircon.Self(), hs) }

func sysHandleDuplicate(h Handle, r Rights) (Handle, Status) {
	return syscalls.HandleDuplicate(zircon.Self(), h, r)
}

func sysHandleReplace(h Handle, r Rights) (Handle, Status) {
	return syscalls.HandleReplace(zircon.Self(), h, r)
}

func sysObjectWaitOne(done <-chan struct{}, h Handle, s Signals, deadline Time) (Signals, Status) {
	return syscalls.ObjectWaitOne(zircon.Self(), done, h, s, int64(deadline))
}

func sysObjectWaitMany(done <-chan struct{}, items []WaitItem, deadline Time) Status {
	ws := make([]syscalls.WaitItem, len(items))
	for i, it := range items {
		ws[i] = syscalls.WaitItem{Handle: it.Handle, WaitFor: it.WaitFor}
	}
	st := syscalls.ObjectWaitMany(zircon.Self(), done, ws, int64(deadline))
	for i := range items {
		items[i].Pending = ws[i].Pending
	}
	return st
}

func sysObjectWaitAsync(h, port Handle, key uint64, s Signals, options uint32) Status {
	return syscalls.ObjectWaitAsync(zircon.Self(), h, port, key, s, options)
}

func sysObjectSignal(h Handle, clear, set Signals) Status {
	return syscalls.ObjectSignal(zircon.Self(), h, clear, set)
}

func sysObjectSignalPeer(h Handle, clear, set Signals) Status {
	return syscalls.ObjectSignalPeer(zircon.Self(), h, clear, set)
}

func sysObjectGetInfo(h Handle, topic uint32, b []byte) (actual, avail uint64, st Status) {
	return syscalls.ObjectGetInfo(zircon.Self(), h, topic, b)
}

func sysObjectGetProperty(h Handle, prop uint32, b []byte) Status {
	return syscalls.ObjectGetProperty(zircon.Self(), h, prop, b)
}

func sysObjectSetProperty(h Handle, prop uint32, b []byte) Status {
	return syscalls.ObjectSetProperty(zircon.Self(), h, prop, b)
}

func sysObjectGetChild(h Handle, k Koid, r Rights) (Handle, Status) {
	return syscalls.ObjectGetChild(zircon.Self(), h, k, r)
}

func sysChannelCreate(options uint32) (Handle, Handle, Status) {
	return syscalls.ChannelCreate(zircon.Self(), options)
}

func sysChannelWrite(h Handle, options uint32, b []byte, hs []Handle) Status {
	return syscalls.ChannelWrite(zircon.Self(), h, options, b, hs)
}

func sysChannelWriteEtc(h Handle, options uint32, b []byte, hs []HandleDisposition) Status {
	return syscalls.ChannelWriteEtc(zircon.Self(), h, options, b, hs)
}

func sysChannelRead(h Handle, options uint32, b []byte, hs []Handle) (nb, nh uint32, st Status) {
	return syscalls.ChannelRead(zircon.Self(), h, options, b, hs)
}

func sysChannelReadEtc(h Handle, options uint32, b []byte, hs []HandleInfo) (nb, nh uint32, st Status) {
	return syscalls.ChannelReadEtc(zircon.Self(), h, options, b, hs)
}

func sysChannelCall(done <-chan struct{}, h Handle, options uint32, deadline Time, wb []byte, wh []Handle, rb []byte, rh []Handle) (nb, nh uint32, st Status) {
	return syscalls.ChannelCall(zircon.Self(), done, h, options, int64(deadline), wb, wh, rb, rh)
}

func sysSocketCreate(options uint32) (Handle, Handle, Status) {
	return syscalls.SocketCreate(zircon.Self(), options)
}

func sysSocketWrite(h Handle, options uint32, b []byte) (int, Status) {
	return syscalls.SocketWrite(zircon.Self(), h, options, b)
}

func sysSocketRead(h Handle, options uint32, b []byte) (int, Status) {
	return syscalls.SocketRead(zircon.Self(), h, options, b)
}

func sysSocketSetDisposition(h Handle, self, peer uint32) Status {
	return syscalls.SocketSetDisposition(zircon.Self(), h, self, peer)
}

func sysEventCreate(options uint32) (Handle, Status) {
	return syscalls.EventCreate(zircon.Self(), options)
}

func sysEventpairCreate(options uint32) (Handle, Handle, Status) {
	return syscalls.EventpairCreate(zircon.Self(), options)
}

func sysPortCreate(options uint32) (Handle, Status) {
	return syscalls.PortCreate(zircon.Self(), options)
}

func sysPortQueue(h Handle, p Packet) Status {
	return syscalls.PortQueue(zircon.Self(), h, object.PortPacket(p))
}

func sysPortWait(done <-chan struct{}, h Handle, deadline Time) (Packet, Status) {
	p, st := syscalls.PortWait(zircon.Self(), done, h, int64(deadline))
	return Packet(p), st
}

func sysPortCancel(h, source Handle, key uint64) Status {
	return syscalls.PortCancel(zircon.Self(), h, source, key)
}

func sysTimerCreate(options, clock uint32) (Handle, Status) {
	return syscalls.TimerCreate(zircon.Self(), options, clock)
}

func sysTimerSet(h Handle, deadline Time, slack int64) Status {
	return syscalls.TimerSet(zircon.Self(), h, int64(deadline), slack)
}

func sysTimerCancel(h Handle) Status { return syscalls.TimerCancel(zircon.Self(), h) }

func sysVMOCreate(size uint64, options uint32) (Handle, Status) {
	return syscalls.VMOCreate(zircon.Self(), size, options)
}

func sysVMORead(h Handle, b []byte, off uint64) Status {
	return syscalls.VMORead(zircon.Self(), h, b, off)
}

func sysVMOWrite(h Handle, b []byte, off uint64) Status {
	return syscalls.VMOWrite(zircon.Self(), h, b, off)
}

func sysVMOGetSize(h Handle) (uint64, Status) { return syscalls.VMOGetSize(zircon.Self(), h) }

func sysVMOSetSize(h Handle, size uint64) Status {
	return syscalls.VMOSetSize(zircon.Self(), h, size)
}

func sysVMOCreateChild(h Handle, options uint32, off, size uint64) (Handle, Status) {
	return syscalls.VMOCreateChild(zircon.Self(), h, options, off, size)
}

func sysVMOReplaceAsExecutable(h, resource Handle) (Handle, Status) {
	return syscalls.VMOReplaceAsExecutable(zircon.Self(), h, resource)
}

func sysVMOOpRange(h Handle, op uint32, off, size uint64) Status {
	return syscalls.VMOOpRange(zircon.Self(), h, op, off, size, nil)
}

func sysVMARAllocate(h Handle, options VMOption, off, size uint64) (Handle, uint64, Status) {
	return syscalls.VMARAllocate(zircon.Self(), h, options, off, size)
}

func sysVMARMap(h Handle, options VMOption, off uint64, vmo Handle, vmoOff, size uint64) (uint64, Status) {
	return syscalls.VMARMap(zircon.Self(), h, options, off, vmo, vmoOff, size)
}

func sysVMARUnmap(h Handle, addr, size uint64) Status {
	return syscalls.VMARUnmap(zircon.Self(), h, addr, size)
}

func sysVMARProtect(h Handle, options VMOption, addr, size uint64) Status {
	return syscalls.VMARProtect(zircon.Self(), h, options, addr, size)
}

func sysVMARDestroy(h Handle) Status { return syscalls.VMARDestroy(zircon.Self(), h) }

func sysJobCreate(parent Handle, options uint32) (Handle, Status) {
	return syscalls.JobCreate(zircon.Self(), parent, options)
}

func sysJobSetPolicy(h Handle, options, topic uint32, policy []byte, count uint32) Status {
	return syscalls.JobSetPolicy(zircon.Self(), h, options, topic, policy, count)
}

func sysProcessCreate(job Handle, name string, options uint32) (proc, vmar Handle, st Status) {
	return syscalls.ProcessCreate(zircon.Self(), job, name, options)
}

func sysProcessStart(proc, thread Handle, entry, sp uint64, arg1 Handle, arg2 uint64) Status {
	return syscalls.ProcessStart(zircon.Self(), proc, thread, entry, sp, arg1, arg2)
}

func sysProcessReadMemory(h Handle, addr uint64, b []byte) (int, Status) {
	return syscalls.ProcessReadMemory(zircon.Self(), h, addr, b)
}

func sysProcessWriteMemory(h Handle, addr uint64, b []byte) (int, Status) {
	return syscalls.ProcessWriteMemory(zircon.Self(), h, addr, b)
}

func sysThreadCreate(proc Handle, name string, options uint32) (Handle, Status) {
	return syscalls.ThreadCreate(zircon.Self(), proc, name, options)
}

func sysThreadStart(h Handle, entry, sp, arg1, arg2 uint64) Status {
	return syscalls.ThreadStart(zircon.Self(), h, entry, sp, arg1, arg2)
}

func sysTaskKill(h Handle) Status { return syscalls.TaskKill(zircon.Self(), h) }

func sysTaskSuspend(h Handle) (Handle, Status) { return syscalls.TaskSuspend(zircon.Self(), h) }

func sysTaskCreateExceptionChannel(h Handle, options uint32) (Handle, Status) {
	return syscalls.TaskCreateExceptionChannel(zircon.Self(), h, options)
}

func sysDebuglogCreate(resource Handle, options uint32) (Handle, Status) {
	return syscalls.DebuglogCreate(zircon.Self(), resource, options)
}

func sysDebuglogWrite(h Handle, options uint32, b []byte) Status {
	return syscalls.DebuglogWrite(zircon.Self(), h, options, b)
}

func sysDebuglogRead(h Handle, options uint32, b []byte) (int, Status) {
	return syscalls.DebuglogRead(zircon.Self(), h, options, b)
}

func sysClockMonotonic() Time { return Time(syscalls.ClockMonotonic(zircon.Self())) }

func sysClockCreate(options uint64, backstop Time) (Handle, Status) {
	return syscalls.ClockCreate(zircon.Self(), options, int64(backstop))
}

func sysClockRead(h Handle) (Time, Status) {
	t, st := syscalls.ClockRead(zircon.Self(), h)
	return Time(t), st
}

func sysClockSet(h Handle, t Time) Status {
	return syscalls.ClockUpdate(zircon.Self(), h, object.ClockUpdate{Options: object.ClockUpdateValue, Value: int64(t)})
}
