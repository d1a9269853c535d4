//go:build amd64

package platform

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
)

// LiveShells counts the shells that are not reaped, ready ones included, for
// tests that nothing leaks.
var LiveShells atomic.Int64

// command is a Linux call for the control thread. frame is where the thread of
// a clone starts from.
type command struct {
	nr    uint64
	args  [6]uint64
	frame uint64
}

// shell is a Linux process that runs a Zircon process, or waits to.
type shell struct {
	z        *zygote
	pid      int
	listener listener
	sock     int // our end of the socket that brings descriptors
	slot     int
	page     []byte // of commands
	pidfd    int    // where Linux has no other way to tell the shell's end; else -1

	// recvMu is held while a notification is received. The reader of a space
	// holds it most of the time; who waits for the control thread takes it when
	// the reader is busy.
	recvMu  sync.Mutex
	wake    chan struct{} // tells who waits that idle, or the holder of recvMu, has changed
	waiting atomic.Bool   // somebody waits on wake

	ctl    sync.Mutex    // one batch of commands at a time
	idle   atomic.Uint64 // id of the control thread's request, 0 while it works
	result atomic.Int64  // of the last command run; set before idle
	done   atomic.Uint64 // commands run; set before idle
	ran    atomic.Uint64 // number of the last batch run; set before idle
	batch  uint64        // guarded by ctl: number of the last batch given out

	isGone atomic.Bool // all threads have ended

	first notif // the request of a thread that was made ahead, to start

	mem    memory
	using  sync.RWMutex // read: the pid is used; write: it is given back
	reaped bool         // guarded by using
}

// newShell forks a shell and waits until its control thread asks for work.
func (z *zygote) newShell() (*shell, error) {
	pid, l, sock, slot, page, err := z.fork()
	if err != nil {
		return nil, err
	}
	LiveShells.Add(1)
	s := &shell{
		z: z, pid: pid, listener: l, sock: sock, slot: slot, page: page, pidfd: -1,
		wake: make(chan struct{}, 1),
	}
	if err := s.setUp(); err != nil {
		s.end()
		return nil, fmt.Errorf("new shell: %w", err)
	}
	return s, nil
}

func (s *shell) setUp() (err error) {
	if s.mem, err = openMemory(s.pid, s.z.processVM); err != nil {
		return err
	}
	if !s.z.endTold {
		if s.pidfd, err = unix.PidfdOpen(s.pid, 0); err != nil {
			s.pidfd = -1
			return fmt.Errorf("pidfd: %w", err)
		}
	}
	if s.z.syncWakeUp {
		// Where it fails calls are slower, nothing else.
		unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), ioctlNotifSetFlags, notifSyncWakeUp)
	}
	// The listener is there twice now, here and in the shell. A thread is made
	// ahead of its use: to answer it is all that a start takes.
	born := []command{
		{nr: unix.SYS_CLOSE, args: [6]uint64{shellListenerFD}},
		cloneThread(0),
	}
	if _, err = s.run(born, func(n notif) { s.first = n }); err != nil {
		return err
	}
	if s.first.id == 0 {
		if err := s.next(&s.first); err != nil {
			return err
		}
	}
	if s.first.nr != nrReady || !s.isStub(&s.first) {
		return fmt.Errorf("unexpected call %d", s.first.nr)
	}
	return nil
}

// cloneThread is the command that makes a thread in a slot.
func cloneThread(slot int) command {
	return command{nr: unix.SYS_CLONE, args: [6]uint64{threadFlags}, frame: frameAddr(slotAddr(slot))}
}

// slotAddr is where a thread's slot is.
func slotAddr(slot int) uint64 { return threadSlots + uint64(slot)*slotSize }

var errGone = fmt.Errorf("the process is gone: %w", zx.ErrBadState)

// errSpoilt says that the program has written to the stub's data. It must be killed.
var errSpoilt = fmt.Errorf("it wrote to the host's part of its memory: %w", zx.ErrBadState)

// receive gets the next notification that is not the control thread's, which it
// notes. ok is false when until became true instead. The caller holds recvMu.
func (s *shell) receive(n *notif, until func() bool) (ok bool, err error) {
	for {
		if until != nil && until() {
			return false, nil
		}
		if s.isGone.Load() {
			return false, errGone
		}
		if s.pidfd >= 0 && !s.wait() {
			s.isGone.Store(true)
			continue
		}
		switch e := s.listener.recv(n); e {
		case 0:
		case unix.ENOENT:
			if s.gone() {
				s.isGone.Store(true)
			}
			continue
		case unix.EINTR:
			continue
		default:
			return false, fmt.Errorf("seccomp listener: %w", e)
		}
		// The program cannot make this call in the control thread's place: it is
		// known by its thread's number.
		if n.nr == nrControl && n.pid == uint32(s.pid) && s.isStub(n) {
			s.result.Store(int64(n.args[0]))
			s.done.Store(n.args[1])
			s.ran.Store(n.args[2])
			s.idle.Store(n.id)
			s.wakeWaiter()
			continue
		}
		return true, nil
	}
}

// wait blocks until a notification can be received: false when the shell has
// ended. It is for shells with a pidfd.
func (s *shell) wait() bool {
	p := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}, {Fd: int32(s.pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, -1); err != unix.EINTR {
			return p[1].Revents == 0
		}
	}
}

// gone says whether all threads have ended.
func (s *shell) gone() bool {
	if s.pidfd >= 0 {
		return polls(s.pidfd)&unix.POLLIN != 0
	}
	return polls(int(s.listener))&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

func polls(fd int) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	unix.Poll(p, 0)
	return p[0].Revents
}

// isStub says whether a notification comes from the stub's code.
func (s *shell) isStub(n *notif) bool { return n.ip >= stubText && n.ip < stubData }

// run has the control thread run commands in order, up to the first failure,
// whose errno it returns with the number of those done. other gets the
// notifications of other threads that come meanwhile.
func (s *shell) run(cmds []command, other func(notif)) (done int, err error) {
	s.ctl.Lock()
	defer s.ctl.Unlock()
	id, err := s.waitIdle(other)
	if err != nil {
		return 0, err
	}
	return s.runLocked(id, cmds, other)
}

func (s *shell) runLocked(id uint64, cmds []command, other func(notif)) (done int, err error) {
	copy(unsafe.Slice((*command)(unsafe.Pointer(&s.page[0])), maxCommands), cmds)
	s.batch++
	le.PutUint64(s.page[batchOff:], s.batch)
	le.PutUint64(s.page[countOff:], uint64(len(cmds)))
	for {
		s.idle.CompareAndSwap(id, 0)
		if e := s.listener.send(id, int64(s.z.key)); e != 0 && (e != unix.ENOENT || s.gone()) {
			return 0, errGone
		}
		if id, err = s.waitIdle(other); err != nil {
			return 0, err
		}
		if s.ran.Load() == s.batch {
			break
		}
		// Without waitKillable: it was interrupted, perhaps just when it was
		// answered, and asks again.
	}
	if done := s.done.Load(); done < uint64(len(cmds)) {
		return int(done), unix.Errno(-s.result.Load())
	}
	return len(cmds), nil
}

// waitIdle waits until the control thread asks for work: the id of its request.
// The caller holds ctl.
func (s *shell) waitIdle(other func(notif)) (uint64, error) {
	var n notif
	idle := func() bool { return s.idle.Load() != 0 }
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	for {
		if id := s.idle.Load(); id != 0 {
			return id, nil
		}
		if !s.recvMu.TryLock() {
			<-s.wake
			continue
		}
		ok, err := s.receive(&n, idle)
		s.recvMu.Unlock()
		if err != nil {
			return 0, err
		}
		if ok && other != nil {
			other(n)
		}
	}
}

// next gets the next notification for the reader.
func (s *shell) next(n *notif) error {
	s.recvMu.Lock()
	_, err := s.receive(n, nil)
	s.recvMu.Unlock()
	s.wakeWaiter()
	return err
}

func (s *shell) wakeWaiter() {
	if s.waiting.Load() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// kill ends all threads. The shell must still be reaped; afterwards kill does
// nothing, because the pid may be another's.
func (s *shell) kill() {
	s.using.RLock()
	defer s.using.RUnlock()
	if !s.reaped {
		unix.Kill(s.pid, unix.SIGKILL)
	}
}

// reap waits for the end of a shell and releases what it used.
func (s *shell) reap() unix.WaitStatus {
	s.using.Lock()
	ws := wait4(s.pid)
	s.reaped = true
	s.using.Unlock()
	unix.Close(int(s.listener))
	unix.Close(s.sock)
	if s.pidfd >= 0 {
		unix.Close(s.pidfd)
	}
	s.mem.close()
	s.z.release(s.slot)
	LiveShells.Add(-1)
	return ws
}

// end is kill and reap.
func (s *shell) end() {
	s.kill()
	s.reap()
}

// readMemory fills p from addr. See memory.read.
func (s *shell) readMemory(p []byte, addr uint64) error {
	s.using.RLock()
	defer s.using.RUnlock()
	if s.reaped {
		return errGone
	}
	return s.mem.read(p, addr)
}

// writeMemory copies all of p to addr. See memory.write.
func (s *shell) writeMemory(p []byte, addr uint64) error {
	s.using.RLock()
	defer s.using.RUnlock()
	if s.reaped {
		return errGone
	}
	return s.mem.write(p, addr)
}

// Descriptors of a shell's control thread: its socket, and for a moment the
// listener. What a batch brings takes the lowest free numbers.
const (
	shellSocket     = 0
	shellListenerFD = 1
	firstBatchFD    = 1
)

// batch is commands with the descriptors that they map.
type batch struct {
	cmds []command
	fds  []int // ours
}

// fd gives the number that a descriptor of ours will have in the shell.
func (b *batch) fd(ours int) uint64 {
	i := slices.Index(b.fds, ours)
	if i < 0 {
		i = len(b.fds)
		b.fds = append(b.fds, ours)
	}
	return uint64(firstBatchFD + i)
}

// runBatch runs b with its descriptors in the shell for as long as it takes.
// errSpoilt asks the caller to end the shell.
func (s *shell) runBatch(b *batch, other func(notif)) error {
	if len(b.fds) == 0 {
		_, err := s.run(b.cmds, other)
		return err
	}
	s.ctl.Lock()
	defer s.ctl.Unlock()
	id, err := s.waitIdle(other)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(s.sock, []byte{0}, unix.UnixRights(b.fds...), nil, unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	cmds := make([]command, 0, maxCommands)
	cmds = append(cmds, command{nr: unix.SYS_RECVMSG, args: [6]uint64{shellSocket, stubData + dataRecv}})
	cmds = append(cmds, b.cmds...)
	var closing []command
	for _, fd := range b.fds {
		closing = append(closing, command{nr: unix.SYS_CLOSE, args: [6]uint64{b.fd(fd)}})
	}
	cmds = append(cmds, closing...)
	done, err := s.runLocked(id, cmds, other)
	switch {
	case err == nil || errors.Is(err, errGone):
	case done == 0:
		// The message was not received, for which the program must have spoilt
		// its header. The next batch would get these descriptors in place of its own.
		return errSpoilt
	case done < len(cmds)-len(closing):
		// A mapping failed: the descriptors must go all the same.
		id, e := s.waitIdle(other)
		if e != nil {
			return e
		}
		if _, e := s.runLocked(id, closing, other); e != nil {
			return e
		}
	}
	return err
}
