//go:build amd64

package platform

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
)

// Programs may take all that Linux gives, and get a status for what it refuses.
// Of what this process cannot do without they are refused the last: of
// descriptors, of threads (Go ends when it gets none), and of memory, for which
// Linux ends processes rather than refuse.

// spareOf is what programs may have of what there are n of.
func spareOf(n uint64) uint64 { return n - min(n/4, 64) }

// spare closes a descriptor that is one of the last, which are not for memory:
// programs that take all there is must not keep this one from its other work.
func spare(fd int) error {
	if uint64(fd) < memoryFDs() {
		return nil
	}
	unix.Close(fd)
	return unix.EMFILE
}

// memoryFDs is the number from which on descriptors are not for memory.
var memoryFDs = sync.OnceValue(func() uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1 << 31
	}
	return spareOf(l.Cur)
})

// room says whether the host has memory for n bytes that are taken at once. It
// asks for what is large alone, beside which the question costs nothing.
func room(n uint64) error {
	const large = 4 << 20
	if n < large {
		return nil
	}
	if free := freeMemory(); n > free {
		return fmt.Errorf("%d bytes of memory, of which the host has %d: %w", n, free, zx.ErrNoMemory)
	}
	return nil
}

// freeMemory is what the host could give, and this process's cgroup allows.
func freeMemory() uint64 {
	free := uint64(unlimited)
	if kib := number("/proc/meminfo", "MemAvailable:", unlimited); kib != unlimited {
		free = kib << 10
	}
	memory := ownCgroup() + "/memory."
	if most := number(memory+"max", "", unlimited); most != unlimited {
		// Files that are cached count as used and are given up on demand.
		used := number(memory+"current", "", 0)
		cache := number(memory+"stat", "active_file ", 0) + number(memory+"stat", "inactive_file ", 0)
		free = min(free, most-min(most, used-min(used, cache)))
	}
	return free
}

// threadRoom says whether a process or a thread more leaves this process what it
// needs, of those that its cgroup allows; the limit of a user is the shells' own
// (zygote.limit). It looks now and then.
func (p *Platform) threadRoom() error {
	if p.tasks.Add(1)%8 != 1 {
		return nil
	}
	pids := p.cgroup + "/pids."
	most := number(pids+"max", "", unlimited)
	if used := number(pids+"current", "", 0); most != unlimited && used >= spareOf(most) {
		return fmt.Errorf("%d threads, of which this program's cgroup may have %d: %w", used, most, zx.ErrNoResources)
	}
	return nil
}

// ownCgroup is the directory of this process's cgroup (version 2).
var ownCgroup = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	_, path, _ := strings.Cut("\n"+string(b), "\n0::")
	path, _, _ = strings.Cut(path, "\n")
	return "/sys/fs/cgroup" + strings.TrimSuffix(path, "/")
})

const unlimited = 1<<64 - 1

// number gives the one that follows label at the start of a line of a file, and
// none where there is no such: what limits nothing says "max".
func number(file, label string, none uint64) (n uint64) {
	b, err := os.ReadFile(file)
	_, after, found := strings.Cut("\n"+string(b), "\n"+label)
	if _, bad := fmt.Sscan(after, &n); err != nil || !found || bad != nil {
		return none
	}
	return n
}
