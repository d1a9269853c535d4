//go:build amd64

package platform

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// zygote is the process that shells are forked from: the stub, with nothing of
// Linux left in its memory but the vDSO, waiting for commands on a socket.
type zygote struct {
	features
	pid     int
	sock    int    // our end, SOCK_SEQPACKET
	cmdFile int    // memfd of command pages, one for each shell
	flags   uint64 // of the seccomp filter
	clock   uint64 // address of clock_gettime
	key     uint64 // of the filter; positive as an int64

	mu    sync.Mutex
	pages [][]byte // guarded by mu: mapped command pages by slot, nil once unmapped
	free  []int    // guarded by mu
	dead  bool     // guarded by mu: it was ended, or found dead, and is reaped
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
func startZygote(s stubCode, f features) (_ *zygote, err error) {
	var random [8]byte
	rand.Read(random[:]) // does not fail
	key := binary.LittleEndian.Uint64(random[:])>>1 | 1
	prog, err := filter(len(s.code), key)
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
	cmdFile, err := memfdCreate("launcherd-commands")
	if err != nil {
		unix.Close(pair[0])
		unix.Close(pair[1])
		return nil, fmt.Errorf("memfd: %w", err)
	}
	z := &zygote{features: f, sock: pair[0], cmdFile: cmdFile, key: key}
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
	unix.Close(pair[1]) // so that its end can be told from silence
	if err != nil {
		z.pid = 0
		z.close()
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: programs are started from memory files, which is forbidden here "+
				"(sysctl vm.memfd_noexec must be 0 or 1; a security module may forbid it too)", err)
		}
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
	z.clock = s.clock // by a system call, which the filter lets through
	if z.vdsoClock {
		if clock, err := z.moveVDSO(linux); err == nil {
			z.clock, linux = clock, nil
		}
	}
	if len(linux) > 0 {
		// Some may be moved and some not; neither may stay in reach.
		for _, m := range linux {
			_ = z.call("munmap", unix.SYS_MUNMAP, m.start, m.end-m.start)
		}
		_ = z.call("munmap", unix.SYS_MUNMAP, linuxVDSO, linuxVDSOMax)
	}
	// What this process was itself given without close-on-exec.
	if err := z.call("close_range", unix.SYS_CLOSE_RANGE, fdCommand+1, 1<<31-1); err != nil {
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
	if z.waitKillable {
		z.flags |= filterWaitKillableRecv
	}
	z.limit()
	return z.checkMemory(s)
}

// limit sets what Linux is to do with a process that misbehaves: no core file,
// nor (with a limit of exactly 1) a program that is given one; and when memory
// runs out, it goes before us. Of the threads that the user may have the last
// are ours: Go ends when it gets none.
func (z *zygote) limit() {
	var l unix.Rlimit
	if unix.Prlimit(z.pid, unix.RLIMIT_NPROC, nil, &l) == nil && l.Cur != unix.RLIM_INFINITY {
		l.Cur = spareOf(l.Cur)
		unix.Prlimit(z.pid, unix.RLIMIT_NPROC, &l, nil)
	}
	unix.Prlimit(z.pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}, nil)
	os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", z.pid), []byte("500"), 0)
}

// checkMemory makes sure that a process's memory can be read, by the zygote's,
// for which the same rules hold as for its children.
func (z *zygote) checkMemory(s stubCode) error {
	m, err := openMemory(z.pid, z.processVM)
	if err == nil {
		defer m.close()
		b := make([]byte, 16)
		if err = m.read(b, stubText); err == nil && !bytes.Equal(b, s.code[:len(b)]) {
			err = errors.New("it is not what it should be")
		}
	}
	switch {
	case err == nil:
		return nil
	case z.processVM:
		// A container's filter may forbid the call and not the file.
		z.processVM = false
		return z.checkMemory(s)
	}
	hint := "a container needs the capability SYS_PTRACE or a seccomp profile that allows process_vm_readv; " +
		"SELinux needs its boolean deny_ptrace off"
	if scope := yamaScope(); scope >= 2 {
		hint = fmt.Sprintf("sysctl kernel.yama.ptrace_scope is %d and must be 0 or 1", scope)
	}
	return fmt.Errorf("a program's memory cannot be read (%s): %w", hint, err)
}

// yamaScope is how far Yama restricts access to other processes: 0 for not.
func yamaScope() (scope int) {
	b, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	fmt.Sscan(string(b), &scope)
	return scope
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
	var b [zygoteCommand]byte
	le.PutUint64(b[:], nr)
	for i, a := range args {
		le.PutUint64(b[8+8*i:], a)
	}
	z.mu.Lock()
	v, err := z.askLocked(b[:])
	z.mu.Unlock()
	if err == nil && v < 0 && v > -4096 {
		err = unix.Errno(-v)
	}
	if err != nil {
		return fmt.Errorf("zygote: %s: %w", name, err)
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
// descriptors, and its command page. errDied says that the zygote is no more.
func (z *zygote) fork() (pid int, l listener, sock, slot int, page []byte, err error) {
	fail := func(err error) (int, listener, int, int, []byte, error) {
		return 0, -1, -1, 0, nil, fmt.Errorf("no shell could be made: %w", err)
	}
	// The shell's own, so that its end can be told from silence.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	pid, slot, page, err = z.clone(pair[1])
	unix.Close(pair[1])
	if err == nil || errors.Is(err, errDied) {
		var heard error
		if l, heard = shellListener(pair[0]); err == nil {
			err = heard
		} else if heard == nil {
			// The zygote died before it could tell the pid. The shell's first
			// request does.
			var n notif
			if l.recv(&n) == 0 {
				pid = int(n.pid)
			}
			unix.Close(int(l))
		}
	}
	if err != nil {
		unix.Close(pair[0])
		if pid != 0 {
			unix.Kill(pid, unix.SIGKILL)
			wait4(pid)
		}
		if page != nil {
			z.release(slot)
		}
		return fail(err)
	}
	return pid, l, pair[0], slot, page, nil
}

// clone has the zygote fork a shell with the socket theirs.
func (z *zygote) clone(theirs int) (pid, slot int, page []byte, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dead {
		return 0, 0, nil, errDied
	}
	slot, err = z.takeSlotLocked()
	if err != nil {
		return 0, 0, nil, err
	}
	page = z.pages[slot]
	clear(page)
	le.PutUint64(page[clockSlotOff:], z.clock)

	var b [zygoteCommand]byte
	le.PutUint64(b[0:], ^uint64(0))
	le.PutUint64(b[8:], uint64(slot*vm.PageSize))
	le.PutUint64(b[16:], z.flags)
	v, err := z.askLocked(b[:], theirs)
	if err == nil && v <= 0 {
		err = unix.Errno(-v)
	}
	if err != nil {
		if errors.Is(err, errDied) {
			z.closeLocked()
		}
		return 0, slot, page, err
	}
	return int(v), slot, page, nil
}

// askLocked sends the zygote a command, with descriptors, and gives the result.
func (z *zygote) askLocked(b []byte, fds ...int) (int64, error) {
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(z.sock, b, oob, nil, unix.MSG_NOSIGNAL); err != nil {
		if err == unix.EPIPE || err == unix.ECONNRESET {
			err = errDied
		}
		return 0, err
	}
	var r [zygoteResult]byte
	// A shell that was just forked holds the other end for a moment; then the
	// zygote's death is the end of the stream.
	if n, err := read(z.sock, r[:]); err != nil || n != len(r) {
		return 0, errDied
	}
	return int64(le.Uint64(r[:])), nil
}

// shellListener waits for a new shell to hand over its listener.
func shellListener(sock int) (listener, error) {
	var r [shellMessage]byte
	var oob [64]byte
	n, oobn, err := recvmsg(sock, r[:], oob[:])
	switch v := int64(le.Uint64(r[:])); {
	case err != nil:
		return -1, err
	case n != len(r):
		return -1, errDied
	case v == -int64(unix.EBUSY):
		return -1, fmt.Errorf("seccomp: another program listens to the system calls of this one, "+
			"such as a container's runtime, and Linux allows for one: %w", unix.EBUSY)
	case v < 0:
		return -1, fmt.Errorf("seccomp (a container's profile must allow it): %w", unix.Errno(-v))
	}
	fds := rights(oob[:oobn])
	if len(fds) != 1 {
		return -1, fmt.Errorf("its listener did not arrive: %w", unix.EMFILE)
	}
	return listener(fds[0]), nil
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
		z.unmapLocked(slot)
		return
	}
	z.free = append(z.free, slot)
}

func (z *zygote) unmapLocked(slot int) {
	unix.Munmap(z.pages[slot])
	z.pages[slot] = nil
}

// isDead says whether the zygote is no more.
func (z *zygote) isDead() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.dead
}

// close ends the zygote. Shells live on.
func (z *zygote) close() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.closeLocked()
}

func (z *zygote) closeLocked() {
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
	for _, slot := range z.free {
		z.unmapLocked(slot)
	}
	z.free = nil
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
