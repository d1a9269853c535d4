//go:build amd64

package platform

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
)

// features are what the platform uses of Linux where it is there.
type features struct {
	// waitKillable is SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, of Linux 5.19.
	// Without it a process that somebody stops and continues makes the system
	// calls again that its threads wait in.
	waitKillable bool
	// syncWakeUp is SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, of Linux 6.6. Without it
	// a call takes about ten times as long.
	syncWakeUp bool
	// endTold says that the end of its last thread wakes who receives from a
	// listener, as since Linux 6.11. Without it the end is learned from a pidfd,
	// and each receive takes a poll.
	endTold bool
	// vdsoClock says that Linux's vDSO can be moved and tells the time. Without
	// it that takes a system call.
	vdsoClock bool
	// processVM is process_vm_readv and _writev. Some containers forbid them;
	// then it is /proc/PID/mem.
	processVM bool
}

// hostFeatures are those of the running Linux.
var hostFeatures = sync.OnceValues(func() (features, error) {
	var u unix.Utsname
	unix.Uname(&u) // cannot fail
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	return featuresOf(release, major, minor)
})

// featuresOf are those of a version of Linux. It must be 5.9: the first that
// tells that a listener has nobody left to listen to, and that has close_range.
func featuresOf(release string, major, minor int) (features, error) {
	since := func(x, y int) bool { return major > x || major == x && minor >= y }
	if !since(5, 9) {
		return features{}, fmt.Errorf("it takes Linux 5.9 or later to run Fuchsia programs; this is %s: %w",
			release, zx.ErrNotSupported)
	}
	return features{
		waitKillable: since(5, 19),
		syncWakeUp:   since(6, 6),
		endTold:      since(6, 11),
		vdsoClock:    true,
		processVM:    true,
	}, nil
}
