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
	cmd      *[maxCommands]command
	poll     bool // a receive cannot be woken by the end of the shell

	// recvMu is held while a notification is received. The reader of a space
	// holds it most of the time; who waits for the control thread takes it when
	// the reader is busy.
	recvMu  sync.Mutex
	wake    chan struct{} // tells who waits that idle, or the holder of recvMu, has changed
	waiting atomic.Bool   // somebody waits on wake

	ctl    sync.Mutex    // one batch of commands at a time
	idle   atomic.Uint64 // id of the control thread's request, 0 while it works
	result int64         // of the last command run; set before idle
	done   uint64        // commands run; set before idle

	isGone atomic.Bool // all threads have ended

	first notif // the request of a thread that was made ahead, to start

	memory sync.RWMutex // read: the pid is used for a transfer; write: it is given back
	reaped bool         // guarded by memory
}

// newShell forks a shell and waits until its control thread asks for work.
func (z *zygote) newShell() (*shell, error) {
	pid, l, sock, slot, page, err := z.fork()
	if err != nil {
		return nil, err
	}
	LiveShells.Add(1)
	s := &shell{
		z: z, pid: pid, listener: l, sock: sock, slot: slot,
		cmd:  (*[maxCommands]command)(unsafe.Pointer(&page[0])),
		poll: !kernelAtLeast(6, 11),
		wake: make(chan struct{}, 1),
	}
	if kernelAtLeast(6, 6) {
		// Where it is missing calls are slower, nothing else.
		unix.Syscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifSetFlags, notifSyncWakeUp)
	}
	// What it was born with, and then the lowest free numbers: our end of the
	// socket and the listener. Its own end, shellSocket, stays.
	var born []command
	for _, fd := range []uint64{fdSocket, fdCommand, 0, 2} {
		born = append(born, command{nr: unix.SYS_CLOSE, args: [6]uint64{fd}})
	}
	// A thread is made ahead of its use: to answer it is all that a start takes.
	born = append(born, cloneThread(0))
	_, err = s.run(born, func(n notif) { s.first = n })
	if err == nil && s.first.id == 0 {
		err = s.next(&s.first)
	}
	if err == nil && (s.first.nr != nrReady || !s.isStub(&s.first)) {
		err = errors.New("unexpected call")
	}
	if err != nil {
		s.kill()
		s.reap()
		return nil, fmt.Errorf("new shell: %w", err)
	}
	return s, nil
}

// cloneThread is the command that makes a thread in a slot.
func cloneThread(slot int) command {
	return command{nr: unix.SYS_CLONE, args: [6]uint64{threadFlags}, frame: frameAddr(slotAddr(slot))}
}

// slotAddr is where a thread's slot is.
func slotAddr(slot int) uint64 { return threadSlots + uint64(slot)*slotSize }

var errGone = fmt.Errorf("the process is gone: %w", zx.ErrBadState)

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
		if s.poll && s.listener.wait() {
			s.isGone.Store(true)
			continue
		}
		switch e := s.listener.recv(n); e {
		case 0:
		case unix.ENOENT:
			if s.listener.gone() {
				s.isGone.Store(true)
			}
			continue
		case unix.EINTR:
			continue
		default:
			return false, fmt.Errorf("seccomp listener: %w", e)
		}
		if n.nr == nrControl && s.isStub(n) && n.pid == uint32(s.pid) && s.idle.Load() == 0 {
			s.result, s.done = int64(n.args[0]), n.args[1]
			s.idle.Store(n.id)
			s.wakeWaiter()
			continue
		}
		return true, nil
	}
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
	copy(s.cmd[:], cmds)
	s.idle.Store(0)
	if e := s.listener.send(id, int64(len(cmds))); e != 0 {
		return 0, errGone
	}
	if _, err := s.waitIdle(other); err != nil {
		return 0, err
	}
	if s.done < uint64(len(cmds)) {
		return int(s.done), unix.Errno(-s.result)
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

// kill ends all threads. The shell must still be reaped.
func (s *shell) kill() { unix.Kill(s.pid, unix.SIGKILL) }

// reap waits for the end of a shell and releases what it used.
func (s *shell) reap() unix.WaitStatus {
	s.memory.Lock()
	ws := wait4(s.pid)
	s.reaped = true
	s.memory.Unlock()
	unix.Close(int(s.listener))
	unix.Close(s.sock)
	s.z.release(s.slot)
	LiveShells.Add(-1)
	return ws
}

// shellSocket is a shell's only descriptor: the second of a pair made when it
// had none from 0 to 2. What a batch brings takes the free numbers from the
// lowest on.
const shellSocket = 1

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
	if i >= shellSocket {
		i++
	}
	return uint64(i)
}

// runBatch runs b with its descriptors in the shell for as long as it takes.
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
	if err != nil && !errors.Is(err, errGone) && done < len(cmds)-len(closing) {
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
