//go:build linux && amd64

package platform

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// kernel is the least kernel: it answers calls by function and notes what happens.
type kernel struct {
	syscall func(cookie any, t *object.Trap)
	fault   func(cookie any, f *object.Fault)
	exited  chan any
	gone    chan string
}

func (k *kernel) Syscall(c any, t *object.Trap) { k.syscall(c, t) }
func (k *kernel) Fault(c any, f *object.Fault)  { k.fault(c, f) }
func (k *kernel) ThreadGone(c any)              { k.exited <- c }
func (k *kernel) Gone(killed bool, why string)  { k.gone <- why }

func newKernel() *kernel {
	return &kernel{exited: make(chan any, 16), gone: make(chan string, 1)}
}

// restricted are the features that newPlatform's platforms have; nil for all.
var restricted *features

func newPlatform(t testing.TB) *Platform {
	t.Helper()
	// The spawner and Go's poller live as long as the process; start them before
	// counting.
	onSpawner(func() {})
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	ignore := goleak.IgnoreCurrent()
	shells, pages := LiveShells.Load(), LivePages.Load()
	fds := countFDs(t)
	p, err := New(Config{Log: zaptest.NewLogger(t), features: restricted})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if n := LiveShells.Load(); n != shells {
			t.Errorf("%d shells left", n-shells)
		}
		if n := LivePages.Load(); n != pages {
			t.Errorf("%d pages left", n-pages)
		}
		if n := countFDs(t); n != fds {
			t.Errorf("%d descriptors, %d before", n, fds)
		}
		goleak.VerifyNone(t, ignore)
	})
	return p
}

func countFDs(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

const (
	codeAt  = 0x40_0000
	stackAt = 0x50_0000
)

// start runs machine code in a new space, with a stack of a page.
func start(t testing.TB, p *Platform, k *kernel, code []byte) object.Space {
	t.Helper()
	s, err := p.NewSpace(k)
	if err != nil {
		t.Fatal(err)
	}
	text, stack := pagesOf(t, p, code), pagesOf(t, p, nil)
	err = s.Apply([]vm.Op{
		{Kind: vm.OpMap, Addr: codeAt, Len: vm.PageSize, Prot: vm.ProtRead | vm.ProtExec, Pages: text},
		{Kind: vm.OpMap, Addr: stackAt, Len: vm.PageSize, Prot: vm.ProtRead | vm.ProtWrite, Pages: stack},
	})
	if err != nil {
		t.Fatal(err)
	}
	text.Close()
	stack.Close()
	if err := s.StartThread("first", object.StartRegs{PC: codeAt, SP: stackAt + vm.PageSize - 8, Arg1: 11, Arg2: 22}); err != nil {
		t.Fatal(err)
	}
	return s
}

func pagesOf(t testing.TB, p *Platform, b []byte) vm.Pages {
	t.Helper()
	pages, err := p.NewPages(vm.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := pages.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return pages
}

// end kills the space and waits until it is gone.
func end(t testing.TB, s object.Space, k *kernel) {
	s.Kill()
	if why := <-k.gone; why != "" {
		t.Errorf("ended otherwise: %s", why)
	}
}

// asm joins machine code.
func asm(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func movEAX(v uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0xb8}, v) }

var syscallOp, hang = []byte{0x0f, 0x05}, []byte{0xeb, 0xfe}

func TestSyscallReachesTheKernel(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	traps := make(chan *object.Trap)
	k.syscall = func(c any, tr *object.Trap) {
		got := object.Trap{Number: tr.Number, PC: tr.PC, Args: tr.Args}
		tr.Reply(7)
		traps <- &got
	}
	// getpid, then the answer as the argument of a second call.
	code := asm(movEAX(unix.SYS_GETPID), syscallOp, []byte{0x48, 0x89, 0xc7}, movEAX(0x1234), syscallOp, hang)
	s := start(t, p, k, code)
	first := <-traps
	if first.Number != unix.SYS_GETPID || first.Args[0] != 11 || first.Args[1] != 22 || first.PC != codeAt+7 {
		t.Errorf("first call: %+v", first)
	}
	for i, a := range first.Args[2:] {
		if a != 0 {
			t.Errorf("register of argument %d is %#x at the start, want 0", i+2, a)
		}
	}
	if second := <-traps; second.Number != 0x1234 || second.Args[0] != 7 {
		t.Errorf("second call: %+v", second)
	}
	end(t, s, k)
}

// No way into Linux gets there: not a number that the stub may use, not the
// 32-bit entry, not x32.
func TestNoCallReachesLinux(t *testing.T) {
	for _, tc := range []struct {
		name string
		code []byte
	}{
		{"exit_group", asm(movEAX(unix.SYS_EXIT_GROUP), syscallOp)},
		{"munmap", asm(movEAX(unix.SYS_MUNMAP), syscallOp)},
		{"x32 getpid", asm(movEAX(0x40000000|unix.SYS_GETPID), syscallOp)},
		{"int 0x80", asm(movEAX(1), []byte{0xcd, 0x80})},
		{"number -1", asm(movEAX(0xffffffff), syscallOp)},
		{"a number of the stub", asm(movEAX(nrControl), syscallOp)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlatform(t)
			k := newKernel()
			got := make(chan uint64, 1)
			k.syscall = func(_ any, tr *object.Trap) { got <- tr.Number }
			s := start(t, p, k, asm(tc.code, hang))
			select {
			case <-got:
			case why := <-k.gone:
				t.Fatalf("the process ended: %s", why)
			}
			end(t, s, k)
		})
	}
}

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		code []byte
		kind object.FaultKind
		addr uint64
	}{
		{"read of address 0x10", []byte{0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0}, object.FaultPage, 0x10},
		{"ud2", []byte{0x0f, 0x0b}, object.FaultUndefined, codeAt},
		{"int3", []byte{0xcc}, object.FaultSWBreakpoint, 0},
		{"division by zero", []byte{0x31, 0xc9, 0xf7, 0xf1}, object.FaultGeneral, 0},
		{"hlt", []byte{0xf4}, object.FaultGeneral, 0},
		{"no stack", []byte{0x31, 0xe4, 0x50}, object.FaultPage, ^uint64(7)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlatform(t)
			k := newKernel()
			faults := make(chan *object.Fault, 1)
			k.fault = func(_ any, f *object.Fault) { faults <- f }
			calls := make(chan uint64, 1)
			k.syscall = func(_ any, tr *object.Trap) { calls <- tr.Number }
			code := asm(tc.code, hang)
			s := start(t, p, k, code)
			f := <-faults
			if f.Kind != tc.kind {
				t.Errorf("kind %d, want %d", f.Kind, tc.kind)
			}
			if f.Kind == object.FaultPage && f.Addr != tc.addr {
				t.Errorf("address %#x, want %#x", f.Addr, tc.addr)
			}
			// It goes on where the kernel says.
			var b [16]byte
			copy(b[:], asm(movEAX(99), syscallOp, hang))
			pages := pagesOf(t, p, b[:])
			if err := s.Apply([]vm.Op{{Kind: vm.OpMap, Addr: 0x60_0000, Len: vm.PageSize, Prot: vm.ProtRead | vm.ProtExec, Pages: pages}}); err != nil {
				t.Fatal(err)
			}
			pages.Close()
			f.Regs.RIP = 0x60_0000
			f.Resume()
			if n := <-calls; n != 99 {
				t.Errorf("call %d after the fault, want 99", n)
			}
			end(t, s, k)
		})
	}
}

func TestThreads(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	var mu sync.Mutex
	cookies := map[any]bool{}
	seen := make(chan bool, 100)
	k.syscall = func(c any, tr *object.Trap) {
		mu.Lock()
		cookies[c] = true
		mu.Unlock()
		tr.Reply(0)
		seen <- true
	}
	// One call, then the end of the thread by the stub.
	exit := binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, p.Entries().ThreadExit)
	s := start(t, p, k, asm(movEAX(5), syscallOp, exit, []byte{0xff, 0xe0}))
	const n = 20
	for i := range n {
		if err := s.StartThread(i, object.StartRegs{PC: codeAt, SP: stackAt + 64}); err != nil {
			t.Fatal(err)
		}
	}
	for range n + 1 {
		<-seen
		<-k.exited
	}
	if len(cookies) != n+1 {
		t.Errorf("%d threads made calls, want %d", len(cookies), n+1)
	}
	end(t, s, k)
}

// The last threads that a cgroup may have are not for programs.
func TestThreadsOfCgroup(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	k.syscall = func(any, *object.Trap) {} // they wait
	s := start(t, p, k, asm(movEAX(1), syscallOp))
	p.cgroup = t.TempDir()
	const most = 400
	for used := 0; ; used++ {
		for file, n := range map[string]int{"max": most, "current": used} {
			if err := os.WriteFile(p.cgroup+"/pids."+file, fmt.Append(nil, n, "\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := s.StartThread(used, object.StartRegs{PC: codeAt})
		if err == nil && used < most {
			continue
		}
		if !errors.Is(err, zx.ErrNoResources) || used < most-64 || used > most-16 {
			t.Errorf("with %d of %d threads in use: %v", used, most, err)
		}
		break
	}
	end(t, s, k)
}

func TestMemory(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	k.syscall = func(any, *object.Trap) {}
	s := start(t, p, k, asm(movEAX(1), syscallOp))
	defer end(t, s, k)
	if err := s.WriteMemory([]byte("hello"), stackAt); err != nil {
		t.Fatal(err)
	}
	var b [5]byte
	if err := s.ReadMemory(b[:], stackAt); err != nil || string(b[:]) != "hello" {
		t.Errorf("read back %q, %v", b, err)
	}
	for _, tc := range []struct {
		name string
		err  error
	}{
		{"write to read-only memory", s.WriteMemory(b[:], codeAt)},
		{"read of nothing", s.ReadMemory(b[:], 0x1000_0000)},
		{"read over the end of a mapping", s.ReadMemory(b[:], stackAt+vm.PageSize-2)},
		{"read of the stub", s.ReadMemory(b[:], stubText)},
		{"write to the stub's data", s.WriteMemory(b[:], stubData)},
		{"read below the user's base", s.ReadMemory(b[:], 0x1000)},
	} {
		if !errors.Is(tc.err, zx.ErrInvalidArgs) {
			t.Errorf("%s: %v, want INVALID_ARGS", tc.name, tc.err)
		}
	}
	// Two mappings of the same pages are the same memory, until one is gone.
	pages := pagesOf(t, p, []byte("shared"))
	defer pages.Close()
	rw := vm.ProtRead | vm.ProtWrite
	var ops []vm.Op
	for i := range uint64(200) {
		ops = append(ops, vm.Op{Kind: vm.OpMap, Addr: 0x70_0000 + 2*i*vm.PageSize, Len: vm.PageSize, Prot: rw, Pages: pages})
	}
	if err := s.Apply(ops); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteMemory([]byte("S"), 0x70_0000); err != nil {
		t.Fatal(err)
	}
	last := ops[len(ops)-1].Addr
	var c [6]byte
	if err := s.ReadMemory(c[:], last); err != nil || string(c[:]) != "Shared" {
		t.Errorf("second mapping: %q, %v", c, err)
	}
	if err := s.Apply([]vm.Op{{Kind: vm.OpUnmap, Addr: last, Len: vm.PageSize}}); err != nil {
		t.Fatal(err)
	}
	if err := s.ReadMemory(c[:], last); !errors.Is(err, zx.ErrInvalidArgs) {
		t.Errorf("read of what is unmapped: %v", err)
	}
	if fds, err := os.ReadDir(procDir(s) + "/fd"); err != nil || len(fds) != 1 {
		t.Errorf("the shell has descriptors %v, %v; want its socket alone", fds, err)
	}
}

func procDir(s object.Space) string {
	return fmt.Sprint("/proc/", s.ID())
}

func TestOnlyTheStubIsMapped(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	s, err := p.NewSpace(k)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile(procDir(s) + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(strings.TrimSpace(string(maps)), "\n") {
		if !strings.HasPrefix(l, "7f") && !strings.Contains(l, "[vsyscall]") || strings.Contains(l, "[stack]") {
			t.Errorf("mapped in a new shell: %s", l)
		}
	}
	end(t, s, k)
}

// The clock of programs is the kernel's, whichever way it is read.
func TestClock(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	traps := make(chan int64, 1)
	k.syscall = func(any, *object.Trap) { traps <- p.Monotonic() }
	// clock_gettime(CLOCK_MONOTONIC, stackAt) by way of the slot.
	before := p.Monotonic()
	slot := binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, ClockSlot)
	s := start(t, p, k, asm(
		[]byte{0xbf, unix.CLOCK_MONOTONIC, 0, 0, 0}, binary.LittleEndian.AppendUint32([]byte{0xbe}, stackAt),
		slot, []byte{0xff, 0x10}, movEAX(1), syscallOp, hang))
	after := <-traps
	var b [16]byte
	if err := s.ReadMemory(b[:], stackAt); err != nil {
		t.Fatal(err)
	}
	got := int64(le.Uint64(b[:]))*1e9 + int64(le.Uint64(b[8:]))
	// The kernel's may lag by what passed between two looks at the clock.
	if got < before || got > after+int64(time.Second) {
		t.Errorf("the program's clock says %d, between the kernel's %d and %d", got, before, after)
	}
	end(t, s, k)
}

// A process that somebody stops and continues goes on, and so does its memory.
func TestStopAndContinue(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	traps := make(chan *object.Trap, 100)
	k.syscall = func(_ any, tr *object.Trap) { traps <- tr }
	s := start(t, p, k, asm(movEAX(5), syscallOp, movEAX(6), syscallOp, hang))
	tr := <-traps
	pages := pagesOf(t, p, []byte("mapped"))
	defer pages.Close()
	for i := range uint64(50) {
		unix.Kill(s.ID(), unix.SIGSTOP)
		unix.Kill(s.ID(), unix.SIGCONT)
		at := 0x70_0000 + i*vm.PageSize
		if err := s.Apply([]vm.Op{{Kind: vm.OpMap, Addr: at, Len: vm.PageSize, Prot: vm.ProtRead, Pages: pages}}); err != nil {
			t.Fatal(err)
		}
		var b [6]byte
		if err := s.ReadMemory(b[:], at); err != nil || string(b[:]) != "mapped" {
			t.Fatalf("page %d: %q, %v", i, b, err)
		}
	}
	// Without waitKillable Linux makes the call again each time.
	if len(traps) > 0 {
		t.Errorf("the call came %d times more", len(traps))
	}
	tr.Reply(0)
	if tr = <-traps; tr.Number != 6 {
		t.Errorf("then it made call %d", tr.Number)
	}
	end(t, s, k)
}

// What older Linux lacks is done without.
func TestFallbacks(t *testing.T) {
	all, err := hostFeatures()
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(f *features)) features {
		f := all
		change(&f)
		return f
	}
	of := func(major, minor int) features {
		f, err := featuresOf("", major, minor)
		if err != nil {
			t.Fatal(err)
		}
		f.waitKillable = f.waitKillable && all.waitKillable
		f.syncWakeUp = f.syncWakeUp && all.syncWakeUp
		f.endTold = f.endTold && all.endTold
		return f
	}
	oldest := of(5, 9)
	oldest.vdsoClock, oldest.processVM = false, false
	tests := []struct {
		name string
		run  func(*testing.T)
	}{
		{"syscall", TestSyscallReachesTheKernel}, {"no call", TestNoCallReachesLinux}, {"faults", TestFaults},
		{"threads", TestThreads}, {"memory", TestMemory}, {"only the stub", TestOnlyTheStubIsMapped},
		{"clock", TestClock}, {"stop", TestStopAndContinue}, {"death", TestDeathFromOutside}, {"many", TestManyAtOnce},
		{"zygote's death", TestDeathOfTheZygote},
	}
	for _, tc := range []struct {
		name string
		features
	}{
		{"Linux 6.6", of(6, 6)},
		{"Linux 5.19", of(5, 19)},
		{"Linux 5.9", of(5, 9)},
		{"no clock in the vDSO", with(func(f *features) { f.vdsoClock = false })},
		{"no process_vm_readv", with(func(f *features) { f.processVM = false })},
		{"nothing at all", oldest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			restricted = &tc.features
			defer func() { restricted = nil }()
			for _, test := range tests {
				t.Run(test.name, test.run)
			}
		})
	}
	if _, err := featuresOf("5.8.1-test", 5, 8); !errors.Is(err, zx.ErrNotSupported) || !strings.Contains(err.Error(), "5.8.1-test") {
		t.Errorf("Linux 5.8: %v", err)
	}
}

// Many processes make calls, map memory, start threads and are killed in all
// ways at once.
func TestManyAtOnce(t *testing.T) {
	p := newPlatform(t)
	var all sync.WaitGroup
	for i := range 24 {
		all.Add(1)
		go func() {
			defer all.Done()
			k := newKernel()
			calls := make(chan bool, 1)
			k.syscall = func(_ any, tr *object.Trap) {
				select {
				case calls <- true:
				default:
				}
				tr.Reply(0)
			}
			s, err := p.NewSpace(k)
			if err != nil {
				t.Error(err)
				return
			}
			text, err := p.NewPages(vm.PageSize)
			if err != nil {
				t.Error(err)
				return
			}
			defer text.Close()
			err = text.WriteAt(asm(movEAX(1), syscallOp, []byte{0xeb, 0xf7}), 0)
			op := vm.Op{Kind: vm.OpMap, Addr: codeAt, Len: vm.PageSize, Prot: vm.ProtRead | vm.ProtExec, Pages: text}
			if err := errors.Join(err, s.Apply([]vm.Op{op}), s.StartThread(0, object.StartRegs{PC: codeAt})); err != nil {
				t.Error(err)
			}
			<-calls
			if i%3 == 0 {
				unix.Kill(s.ID(), unix.SIGKILL) // not reaped before Gone, which is read below
			} else {
				time.AfterFunc(time.Duration(i)*100*time.Microsecond, s.Kill)
			}
			for n := 1; ; n++ {
				op.Addr = codeAt + uint64(n)*vm.PageSize
				if s.Apply([]vm.Op{op}) != nil || n < 20 && s.StartThread(n, object.StartRegs{PC: codeAt}) != nil {
					break
				}
			}
			if why := <-k.gone; (why != "") != (i%3 == 0) {
				t.Errorf("process %d ended with %q", i, why)
			}
		}()
	}
	all.Wait()
}

// Processes outlive the process that they were forked from, and there is a new
// one for the next.
func TestDeathOfTheZygote(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	traps := make(chan *object.Trap)
	k.syscall = func(_ any, tr *object.Trap) { traps <- tr }
	code := asm(movEAX(1), syscallOp, []byte{0xeb, 0xf7})
	s := start(t, p, k, code)
	tr := <-traps
	for range 3 {
		z, err := p.zygote()
		if err != nil {
			t.Fatal(err)
		}
		unix.Kill(z.pid, unix.SIGKILL)
		k2 := newKernel()
		k2.syscall = k.syscall
		end(t, start(t, p, k2, hang), k2)
		tr.Reply(0)
		tr = <-traps
	}
	end(t, s, k)
}

func TestDeathFromOutside(t *testing.T) {
	p := newPlatform(t)
	k := newKernel()
	k.syscall = func(any, *object.Trap) { t.Error("call") }
	s := start(t, p, k, hang)
	unix.Kill(s.ID(), unix.SIGTERM)
	if why := <-k.gone; !strings.Contains(why, "SIGTERM") {
		t.Errorf("why: %q, want it to name SIGTERM", why)
	}
	if err := s.ReadMemory(make([]byte, 1), stackAt); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("memory of a process that is gone: %v, want BAD_STATE", err)
	}
	s.Kill()
}

func BenchmarkNullSyscall(b *testing.B) {
	p := newPlatform(b)
	k := newKernel()
	done := make(chan bool)
	n := 0
	k.syscall = func(_ any, tr *object.Trap) {
		if n++; n > b.N {
			close(done)
			return
		}
		tr.Reply(0)
	}
	b.ResetTimer()
	s := start(b, p, k, asm(movEAX(1), syscallOp, []byte{0xeb, 0xf7}))
	<-done
	b.StopTimer()
	end(b, s, k)
}

func BenchmarkShell(b *testing.B) {
	p := newPlatform(b)
	for range b.N {
		k := newKernel()
		s, err := p.NewSpace(k)
		if err != nil {
			b.Fatal(err)
		}
		end(b, s, k)
	}
}
