//go:build amd64

package platform

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// notif is struct seccomp_notif.
type notif struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// notifResp is struct seccomp_notif_resp.
type notifResp struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

const (
	ioctlNotifRecv     = 0xc0502100
	ioctlNotifSend     = 0xc0182101
	ioctlNotifSetFlags = 0x40082104

	notifSyncWakeUp = 1

	filterNewListener      = 1 << 3
	filterSpecAllow        = 1 << 2
	filterWaitKillableRecv = 1 << 5
)

// listener is the descriptor of a shell's notifications.
type listener int

// recv waits for a notification. ENOENT is either one that went stale or, where
// features.endTold, the end of all threads.
func (l listener) recv(n *notif) unix.Errno {
	*n = notif{}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifRecv, uintptr(unsafe.Pointer(n)))
	return e
}

// send answers a notification. ENOENT says that the thread is gone.
func (l listener) send(id uint64, val int64) unix.Errno {
	r := notifResp{id: id, val: val}
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifSend, uintptr(unsafe.Pointer(&r)))
	return e
}
