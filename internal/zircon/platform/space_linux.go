//go:build amd64

package platform

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// space is a shell in use by a process: object.Space.
type space struct {
	p     *Platform
	shell *shell
	ev    object.SpaceEvents

	mu      sync.Mutex
	slots   []*thread          // guarded by mu: by thread slot, nil for free
	threads map[uint32]*thread // guarded by mu: by tid
	reading bool               // guarded by mu: the reader runs
	killed  bool               // guarded by mu: Kill was called
	crime   string             // guarded by mu: for which it was killed here
}

// thread is a native thread.
type thread struct {
	space  *space
	slot   int
	tid    uint32
	cookie any
	trap   *object.Trap // a thread has one system call at a time
	call   call         // where a call may come again
}

// ID implements object.Space: the Linux process id.
func (s *space) ID() int { return s.shell.pid }

// Apply implements vm.Space.
func (s *space) Apply(ops []vm.Op) error {
	for len(ops) > 0 {
		var b batch
		n := 0
		// Each op is one command, and a map may need one more to close its
		// descriptor. The first receives the descriptors.
		for n < len(ops) && 1+len(b.cmds)+len(b.fds)+2 <= maxCommands && len(b.fds) < maxBatchFDs {
			b.add(&ops[n])
			n++
		}
		err := s.shell.runBatch(&b, s.later)
		if err == errSpoilt {
			s.condemn("it wrote to the host's part of its memory")
		}
		if err != nil {
			return s.status("memory", err)
		}
		ops = ops[n:]
	}
	return nil
}

func (b *batch) add(op *vm.Op) {
	prot := uint64(0)
	if op.Prot&vm.ProtRead != 0 {
		prot |= unix.PROT_READ
	}
	if op.Prot&vm.ProtWrite != 0 {
		prot |= unix.PROT_WRITE
	}
	if op.Prot&vm.ProtExec != 0 {
		prot |= unix.PROT_EXEC
	}
	switch op.Kind {
	case vm.OpMap:
		p := op.Pages.(*filePages)
		flags := uint64(unix.MAP_FIXED | unix.MAP_SHARED)
		if p.immutable {
			flags = unix.MAP_FIXED | unix.MAP_PRIVATE
		}
		b.cmds = append(b.cmds, command{nr: unix.SYS_MMAP,
			args: [6]uint64{op.Addr, op.Len, prot, flags, b.fd(int(p.f.Fd())), op.Off}})
	case vm.OpUnmap:
		b.cmds = append(b.cmds, command{nr: unix.SYS_MUNMAP, args: [6]uint64{op.Addr, op.Len}})
	case vm.OpProtect:
		b.cmds = append(b.cmds, command{nr: unix.SYS_MPROTECT, args: [6]uint64{op.Addr, op.Len, prot}})
	}
}

// status maps a failure to the zx.Status of the interfaces.
func (s *space) status(what string, err error) error {
	if e, ok := err.(unix.Errno); ok {
		return fmt.Errorf("%s: %w: %w", what, zx.ErrNoMemory, e)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// StartThread implements object.Space.
func (s *space) StartThread(cookie any, r object.StartRegs) error {
	if err := s.p.threadRoom(); err != nil {
		return err
	}
	t := &thread{space: s, cookie: cookie}
	t.trap = object.NewTrap(0, t.reply)
	s.mu.Lock()
	t.slot = len(s.slots)
	for i, o := range s.slots {
		if o == nil {
			t.slot = i
			break
		}
	}
	if t.slot == maxThreads {
		s.mu.Unlock()
		return fmt.Errorf("too many threads: %w", zx.ErrNoResources)
	}
	if t.slot == len(s.slots) {
		s.slots = append(s.slots, t)
	} else {
		s.slots[t.slot] = t
	}
	first := !s.reading
	s.reading = true
	s.mu.Unlock()

	frame, at := startFrame(slotAddr(t.slot), r)
	err := s.shell.writeMemory(frame, at)
	switch {
	case err != nil:
	case first:
		// Its native thread waits already.
		s.ready(&s.shell.first)
	default:
		_, err = s.shell.run([]command{cloneThread(t.slot)}, s.later)
	}
	if first {
		go s.read()
	}
	if err != nil {
		s.freeSlot(t)
		return s.status("thread", err)
	}
	return nil
}

func (s *space) freeSlot(t *thread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[t.slot] == t {
		s.slots[t.slot] = nil
	}
	if s.threads[t.tid] == t {
		delete(s.threads, t.tid)
	}
}

// Kill implements object.Space.
func (s *space) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed {
		return
	}
	s.killed = true
	// Until it is reaped, which happens after the reader has seen the end, the
	// pid is the shell's.
	s.shell.kill()
	if !s.reading {
		s.reading = true
		go s.read()
	}
}

// condemn kills a shell whose program meddles with the host's part of it. It
// ends as one that was killed from outside.
func (s *space) condemn(crime string) {
	s.mu.Lock()
	if s.crime == "" {
		s.crime = crime
	}
	s.mu.Unlock()
	s.shell.kill()
}

// read receives the space's notifications until no thread is left.
func (s *space) read() {
	var n notif
	for {
		if s.shell.next(&n) != nil {
			break
		}
		woken := object.Wakeups.Load()
		s.handle(&n)
		if object.Wakeups.Load() != woken {
			runtime.Gosched()
		}
	}
	s.mu.Lock()
	killed, crime := s.killed, s.crime
	s.killed = true
	s.mu.Unlock()
	if killed {
		// No thread runs any more; nobody need wait for Linux to tidy up.
		s.ev.Gone(true, "")
		s.shell.reap()
		s.p.reaped(s)
		return
	}
	s.shell.kill() // a listener that failed must not leave it behind
	ws := s.shell.reap()
	switch {
	case crime != "":
	case ws.Signaled():
		crime = "the host ended it with " + unix.SignalName(ws.Signal())
	default:
		crime = fmt.Sprintf("its host process ended with status %d", ws.ExitStatus())
	}
	s.p.log.Warn("a process ended otherwise than by Zircon", zap.Int("host pid", s.shell.pid), zap.String("why", crime))
	s.ev.Gone(false, crime)
	s.p.reaped(s)
}

// call is a thread's notification where Linux makes an interrupted call once
// more (without features.waitKillable): it is handled once, and what comes again
// gets the answer. One case is left, an answer that arrives just when its call
// is interrupted, which Linux drops without a word: such a call is made twice.
type call struct {
	mu      sync.Mutex
	id      uint64 // guarded by mu: the latest notification
	open    bool   // guarded by mu: it is being handled
	unheard bool   // guarded by mu: the answer found nobody
	value   int64  // guarded by mu: the answer
}

// again says whether a notification is one that was handled already, and does
// what is left to do.
func (t *thread) again(n *notif) bool {
	c := &t.call
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = n.id
	if !c.open && !c.unheard {
		c.open = true
		return false
	}
	if c.unheard {
		c.unheard = t.space.shell.listener.send(n.id, c.value) == unix.ENOENT
	}
	return true
}

// answer ends a thread's call. The thread may be gone.
func (t *thread) answer(id uint64, v int64) {
	l := t.space.shell.listener
	if t.space.shell.z.waitKillable {
		l.send(id, v)
		return
	}
	c := &t.call
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open, c.value = false, v
	c.unheard = l.send(c.id, v) == unix.ENOENT
}

// later handles a notification that came to someone who waits for the control
// thread, while the reader itself may be what waits.
func (s *space) later(n notif) {
	if n.nr == nrReady && s.shell.isStub(&n) {
		s.ready(&n)
		return
	}
	object.Wakeups.Add(1)
	go s.handle(&n)
	runtime.Gosched() // before this goroutine blocks in the host again
}

// handle passes a notification on. It does not block.
func (s *space) handle(n *notif) {
	stub := s.shell.isStub(n)
	if stub && n.nr == nrReady {
		s.ready(n)
		return
	}
	t := s.thread(n.pid)
	switch {
	case stub && n.nr == nrExiting:
		if t != nil {
			s.freeSlot(t)
			s.ev.ThreadGone(t.cookie)
		}
		s.shell.listener.send(n.id, 0)
		return
	case t == nil:
		s.condemn("a thread that was not started here made a call")
		return
	case !s.shell.z.waitKillable && t.again(n):
		return
	case stub && n.nr == nrFault:
		s.fault(t, n)
		return
	}
	t.trap.Set(n.id, uint64(uint32(n.nr)), n.ip, n.args)
	if n.arch != auditArch {
		// 32-bit entry: no number of it is ours.
		t.trap.Number = ^uint64(0)
	}
	s.ev.Syscall(t.cookie, t.trap)
}

func (s *space) thread(tid uint32) *thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.threads[tid]
}

// ready learns a new thread's tid from its first notification, and lets it start.
func (s *space) ready(n *notif) {
	s.mu.Lock()
	t := s.threads[n.pid] // it may say so again
	for _, c := range s.slots {
		if t == nil && c != nil && c.tid == 0 && frameAddr(slotAddr(c.slot)) == n.args[0] {
			t = c
		}
	}
	if t == nil || frameAddr(slotAddr(t.slot)) != n.args[0] {
		s.mu.Unlock()
		s.condemn("a thread claimed to be another that is about to start")
		return
	}
	t.tid = n.pid
	s.threads[n.pid] = t
	s.mu.Unlock()
	s.shell.listener.send(n.id, 0)
}

// reply answers a thread's system call.
func (t *thread) reply(id, v uint64) { t.answer(id, int64(v)) }

// ReadMemory implements vm.Space.
func (s *space) ReadMemory(p []byte, addr uint64) error {
	if !inUser(addr, len(p)) {
		return zx.ErrInvalidArgs
	}
	return s.shell.readMemory(p, addr)
}

// WriteMemory implements vm.Space.
func (s *space) WriteMemory(p []byte, addr uint64) error {
	if !inUser(addr, len(p)) {
		return zx.ErrInvalidArgs
	}
	return s.shell.writeMemory(p, addr)
}

func inUser(addr uint64, n int) bool {
	return addr >= vm.UserBase && addr <= vm.UserTop && uint64(n) <= vm.UserTop-addr
}

// fault tells the kernel of an exception. The thread waits on its slot's stack,
// where Linux has put the frame. No other address is followed: writes may reach
// what the program itself cannot write (see memory).
func (s *space) fault(t *thread, n *notif) {
	siginfo := make([]byte, siginfoSize)
	uc := make([]byte, ucontextSize)
	id, infoAddr, ucAddr := n.id, n.args[1], n.args[2]
	if !t.inSlot(infoAddr, siginfoSize) || !t.inSlot(ucAddr, ucontextSize) ||
		s.shell.readMemory(siginfo, infoAddr) != nil || s.shell.readMemory(uc, ucAddr) != nil {
		s.condemn("the frame of a fault cannot be read")
		return
	}
	f := object.NewFault(func(f *object.Fault) {
		putRegs(uc, &f.Regs)
		if s.shell.writeMemory(uc, ucAddr) != nil {
			s.condemn("the frame of a fault cannot be written")
			return
		}
		t.answer(id, 0)
	})
	decodeFault(f, siginfo, uc)
	s.ev.Fault(t.cookie, f)
}

// inSlot says whether n bytes at addr are in the thread's slot.
func (t *thread) inSlot(addr, n uint64) bool {
	at := slotAddr(t.slot)
	return addr >= at && addr <= at+slotSize-n
}

var le = binary.LittleEndian
