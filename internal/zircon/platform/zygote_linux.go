//go:build amd64

package platform

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// zygote is the process that shells are forked from: the stub, with nothing of
// Linux left in its memory but the vDSO, waiting for commands on a socket.
type zygote struct {
	pid     int
	sock    int // our end, SOCK_SEQPACKET
	cmdFile int // memfd of command pages, one for each shell
	flags   uint64

	mu    sync.Mutex
	pages [][]byte // guarded by mu: mapped command pages by slot
	free  []int    // guarded by mu
	clock uint64
	dead  bool // guarded by mu
}

// spawner runs functions on one thread that lives as long as the process:
// PR_SET_PDEATHSIG of what it starts is tied to the thread that forked.
var spawner = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

func onSpawner(f func()) {
	done := make(chan struct{})
	spawner() <- func() { f(); close(done) }
	<-done
}

// startZygote makes the zygote by exec of an image in a memfd.
func startZygote(s stubCode) (_ *zygote, err error) {
	prog, err := filter(len(s.code))
	if err != nil {
		return nil, fmt.Errorf("seccomp filter: %w", err)
	}
	image, err := memfdCreate("launcherd-shell")
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	exe := os.NewFile(uintptr(image), "launcherd-shell")
	defer exe.Close()
	if _, err := exe.Write(s.image(prog)); err != nil {
		return nil, fmt.Errorf("shell image: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1])
	cmdFile, err := memfdCreate("launcherd-commands")
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("memfd: %w", err)
	}
	z := &zygote{sock: pair[0], cmdFile: cmdFile}
	none := ^uintptr(0)
	onSpawner(func() {
		// By our own number: the child's descriptors move before it executes.
		path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), image)
		// Its own session: a terminal's signals are for us, not for programs.
		z.pid, err = syscall.ForkExec(path, []string{"launcherd-shell"}, &syscall.ProcAttr{
			Files: []uintptr{none, none, none, uintptr(pair[1]), uintptr(cmdFile)},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
		})
	})
	if err != nil {
		z.pid = 0
		z.close()
		return nil, fmt.Errorf("start of a shell: %w", err)
	}
	if err := z.setUp(s); err != nil {
		z.close()
		return nil, err
	}
	return z, nil
}

// setUp empties the zygote's memory and sets what all shells inherit.
func (z *zygote) setUp(s stubCode) error {
	maps, err := z.maps()
	if err != nil {
		return err
	}
	var linux []mapping // the vDSO and its data
	for _, m := range maps {
		switch {
		case m.name == "[vdso]", strings.HasPrefix(m.name, "[vvar"):
			linux = append(linux, m)
		case m.start >= stubText && m.start < stubData+dataSize, m.name == "[vsyscall]":
		default:
			if err := z.call("munmap", unix.SYS_MUNMAP, m.start, m.end-m.start); err != nil {
				return err
			}
		}
	}
	if z.clock, err = z.moveVDSO(linux); err != nil {
		z.clock = s.clock // by a system call, which the filter lets through
		for _, m := range linux {
			// Some are moved and some are not; neither may stay in reach.
			_ = z.call("munmap", unix.SYS_MUNMAP, m.start, m.end-m.start)
		}
		_ = z.call("munmap", unix.SYS_MUNMAP, linuxVDSO, linuxVDSOMax)
	}
	// What this process was itself given without close-on-exec.
	if err := z.call("close_range", unix.SYS_CLOSE_RANGE, fdCommand+1, 1<<31-1, 0); err != nil {
		return err
	}
	if err := z.call("prctl", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	for _, sig := range faultSignals {
		if err := z.call("rt_sigaction", unix.SYS_RT_SIGACTION, uint64(sig), stubData+dataSigaction, 0, 8); err != nil {
			return err
		}
	}
	if err := z.call("mmap", unix.SYS_MMAP, threadSlots, maxThreads*slotSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE, ^uint64(0), 0); err != nil {
		return err
	}
	z.flags = filterNewListener | filterSpecAllow
	if kernelAtLeast(5, 19) {
		// Without it non-fatal signals would interrupt a call; programs get none.
		z.flags |= filterWaitKillableRecv
	}
	return nil
}

// moveVDSO moves Linux's vDSO and the data before it, which its code finds by
// distance, to where no program maps anything. It gives the address of
// clock_gettime there.
func (z *zygote) moveVDSO(ms []mapping) (clock uint64, err error) {
	off, err := vdsoClockGettime()
	if err != nil {
		return 0, err
	}
	low, high := ^uint64(0), uint64(0)
	for _, m := range ms {
		low, high = min(low, m.start), max(high, m.end)
	}
	if len(ms) == 0 || high-low > linuxVDSOMax {
		return 0, errors.New("no vDSO")
	}
	for _, m := range ms {
		to := linuxVDSO + (m.start - low)
		if err := z.call("mremap", unix.SYS_MREMAP, m.start, m.end-m.start, m.end-m.start,
			unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, to); err != nil {
			return 0, err
		}
		if m.name == "[vdso]" {
			clock = to + off
		}
	}
	return clock, nil
}

var faultSignals = []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGTRAP}

type mapping struct {
	start, end uint64
	name       string
}

func (z *zygote) maps() ([]mapping, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", z.pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ms []mapping
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		var m mapping
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err != nil {
			return nil, fmt.Errorf("/proc/pid/maps: %w", err)
		}
		if len(fields) > 5 {
			m.name = fields[5]
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// call has the zygote make one Linux call.
func (z *zygote) call(name string, nr uint64, args ...uint64) error {
	var b [64]byte
	binary.LittleEndian.PutUint64(b[:], nr)
	for i, a := range args {
		binary.LittleEndian.PutUint64(b[8+8*i:], a)
	}
	if _, err := unix.Write(z.sock, b[:]); err != nil {
		return fmt.Errorf("zygote: %s: %w", name, err)
	}
	var r [8]byte
	if n, err := read(z.sock, r[:]); err != nil || n != len(r) {
		return fmt.Errorf("zygote: %s: %w", name, errors.Join(err, errDied))
	}
	if v := int64(binary.LittleEndian.Uint64(r[:])); v < 0 && v > -4096 {
		return fmt.Errorf("zygote: %s: %w", name, unix.Errno(-v))
	}
	return nil
}

var errDied = errors.New("the process has died")

func read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// fork makes a shell: its pid, its listener, the socket by which it gets
// descriptors, and its command page.
func (z *zygote) fork() (pid int, l listener, sock, slot int, page []byte, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dead {
		return 0, 0, 0, 0, nil, errDied
	}
	slot, err = z.takeSlotLocked()
	if err != nil {
		return 0, 0, 0, 0, nil, err
	}
	defer func() {
		if err != nil {
			z.free = append(z.free, slot)
		}
	}()
	page = z.pages[slot]
	clear(page)
	*(*uint64)(unsafe.Pointer(&page[clockSlotOff])) = z.clock

	var b [64]byte
	binary.LittleEndian.PutUint64(b[0:], ^uint64(0))
	binary.LittleEndian.PutUint64(b[8:], uint64(slot*vm.PageSize))
	binary.LittleEndian.PutUint64(b[16:], z.flags)
	if _, err := unix.Write(z.sock, b[:]); err != nil {
		return 0, 0, 0, 0, nil, fmt.Errorf("zygote: fork: %w", err)
	}
	// The zygote says the pid, or why it could not clone; the shell, with its
	// listener or why it has none, may be faster.
	l = -1
	var failed error
	for pid == 0 || (l < 0 && failed == nil) {
		var r [shellMessage]byte
		var oob [64]byte
		n, oobn, err := recvmsg(z.sock, r[:], oob[:])
		v := int64(binary.LittleEndian.Uint64(r[:]))
		switch {
		case err != nil || n == 0:
			failed = errors.Join(err, errDied)
		case n == zygoteMessage && v > 0:
			pid = int(v)
			continue
		case n == shellMessage && v >= 0:
			if fds := rights(oob[:oobn]); len(fds) == 2 {
				l, sock = listener(fds[0]), fds[1]
				continue
			}
			failed = errors.New("no listener came")
		default:
			failed = unix.Errno(-v)
		}
		if n != shellMessage {
			break // no shell will speak
		}
	}
	if failed != nil {
		if l >= 0 {
			unix.Close(int(l))
			unix.Close(sock)
		}
		if pid != 0 {
			unix.Kill(pid, unix.SIGKILL)
			wait4(pid)
		}
		return 0, 0, 0, 0, nil, fmt.Errorf("no shell could be made: %w", failed)
	}
	return pid, l, sock, slot, page, nil
}

func recvmsg(fd int, p, oob []byte) (n, oobn int, err error) {
	for {
		n, oobn, _, _, err = unix.Recvmsg(fd, p, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, oobn, err
		}
	}
}

func rights(oob []byte) []int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return nil
	}
	fds, _ := unix.ParseUnixRights(&msgs[0])
	return fds
}

// takeSlotLocked gives a command page that no shell uses.
func (z *zygote) takeSlotLocked() (int, error) {
	if n := len(z.free); n > 0 {
		s := z.free[n-1]
		z.free = z.free[:n-1]
		return s, nil
	}
	s := len(z.pages)
	if err := unix.Ftruncate(z.cmdFile, int64((s+1)*vm.PageSize)); err != nil {
		return 0, fmt.Errorf("command page: %w", err)
	}
	page, err := unix.Mmap(z.cmdFile, int64(s*vm.PageSize), vm.PageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, fmt.Errorf("command page: %w", err)
	}
	z.pages = append(z.pages, page)
	return s, nil
}

// release gives back the command page of a shell that has died.
func (z *zygote) release(slot int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dead {
		return
	}
	z.free = append(z.free, slot)
}

// close ends the zygote. Shells live on.
func (z *zygote) close() {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dead {
		return
	}
	z.dead = true
	if z.pid != 0 {
		unix.Kill(z.pid, unix.SIGKILL)
		wait4(z.pid)
	}
	unix.Close(z.sock)
	unix.Close(z.cmdFile)
}

// wait4 reaps a child of ours and says how it ended.
func wait4(pid int) (ws unix.WaitStatus) {
	for {
		_, err := unix.Wait4(pid, &ws, 0, nil)
		if err != unix.EINTR {
			return ws
		}
	}
}

// kernelAtLeast compares the running Linux's version.
func kernelAtLeast(major, minor int) bool {
	v := kernelVersion()
	return v[0] > major || v[0] == major && v[1] >= minor
}

var kernelVersion = sync.OnceValue(func() [2]int {
	var u unix.Utsname
	unix.Uname(&u)
	var v [2]int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &v[0], &v[1])
	return v
})
