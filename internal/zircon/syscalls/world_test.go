package syscalls

import (
	"encoding/binary"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/object/objecttest"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// world is a kernel with two processes that call the typed functions. When the
// test ends, they close what they have, and nothing may be left.
type world struct {
	testing.TB
	k    *object.Kernel
	m    *objecttest.Machine
	a, b *object.Process
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, m: objecttest.NewMachine()}
	w.k = object.NewKernel(w.m)
	w.a, w.b = w.k.HostProcess("a"), w.k.HostProcess("b")
	t.Cleanup(func() {
		w.a.Close()
		w.b.Close()
		w.eventually("no object is left", func() bool { return len(w.k.LiveObjects()) == 0 },
			func() any { return w.k.LiveObjects() })
		w.eventually("no memory is left", func() bool { return w.m.Live() == 0 },
			func() any { return w.m.Live() })
	})
	return w
}

// eventually waits for something that other goroutines are about to do.
func (w *world) eventually(what string, ok func() bool, state func() any) {
	w.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			w.Fatalf("not so after 10 s: %s; is: %v", what, state())
		}
	}
}

func (w *world) ok(what string, st zx.Status) {
	w.Helper()
	w.is(what, st, zx.OK)
}

func (w *world) is(what string, got, want zx.Status) {
	w.Helper()
	if got != want {
		w.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func (w *world) channel() (zx.Handle, zx.Handle) {
	w.Helper()
	h0, h1, st := ChannelCreate(w.a, 0)
	w.ok("ChannelCreate", st)
	return h0, h1
}

func (w *world) event() zx.Handle {
	w.Helper()
	h, st := EventCreate(w.a, 0)
	w.ok("EventCreate", st)
	return h
}

// dup gives a duplicate of a's h without some rights.
func (w *world) without(h zx.Handle, r zx.Rights) zx.Handle {
	w.Helper()
	o := w.a.Handles().Lookup(h)
	if o == nil {
		w.Fatal("a handle that is none")
	}
	return w.a.Handles().Add(object.NewHandle(o.Object(), o.Rights()&^r))
}

// give moves a's h to b, as a message would.
func (w *world) give(h zx.Handle) zx.Handle {
	w.Helper()
	return w.b.Handles().Add(w.a.Handles().Remove(h))
}

func (w *world) signals(h zx.Handle) zx.Signals {
	w.Helper()
	s, st := ObjectWaitOne(w.a, nil, h, 0, 0)
	w.is("polling", st, zx.ErrTimedOut)
	return s
}

func (w *world) wantSignals(h zx.Handle, want zx.Signals) {
	w.Helper()
	if s := w.signals(h); s != want {
		w.Fatalf("signals %#x, want %#x", s, want)
	}
}

func (w *world) valid(h zx.Handle) bool { return w.a.Handles().Lookup(h) != nil }

// later gives a deadline that a test that works does not see.
func (w *world) later() int64 { return w.k.Monotonic() + int64(time.Minute) }

// soon gives a deadline that a test waits for.
func (w *world) soon() int64 { return w.k.Monotonic() + int64(5*time.Millisecond) }

// program is a process that runs, with a page of memory, and whose system calls
// the test makes.
type program struct {
	*world
	proc   *object.Process
	thread *object.Thread
	mem    uint64 // an address with programMem bytes that can be read and written
	vdso   uint64
	self   zx.Handle // world.a's handle of it
}

const (
	programMem = 64 << 10
	codeOff    = vm.PageSize
)

// newProgram starts a process. The instructions of its vDSO are a byte long:
// the call with number firstNumber+i ends at byte i+1 of the code.
func newProgram(t testing.TB) *program {
	w := newWorld(t)
	p := &program{world: w}
	size := uint64(2 * vm.PageSize)
	pages, err := w.m.NewPages(size)
	if err != nil {
		t.Fatal(err)
	}
	w.k.VDSO = object.NewVMO(w.k, vm.NewVMOFromPages(w.m, pages))
	w.k.VDSOCode.Off, w.k.VDSOCode.Size = codeOff, vm.PageSize
	w.k.SyscallAt = func(off uint64) (uint32, bool) {
		i := off - codeOff - 1
		return firstNumber + uint32(i), i < uint64(len(Table))
	}
	w.k.OnSyscall = Dispatch
	vdso := w.a.Handles().Add(object.NewHandle(w.k.VDSO, object.VMORights|zx.RightExecute))

	job := w.a.Handles().Add(object.NewHandle(w.k.Root, object.JobRights))
	proc, vmar, st := ProcessCreate(w.a, job, "program", 0)
	w.ok("ProcessCreate", st)
	const perm = uint32(vm.PermRead | vm.PermExecute)
	var addr uint64
	if p.vdso, st = VMARMap(w.a, vmar, uint32(vm.PermRead), 0, vdso, 0, codeOff); st == zx.OK {
		addr, st = VMARMap(w.a, vmar, perm|uint32(vm.Specific), p.vdso+codeOff-vm.UserBase, vdso, codeOff, size-codeOff)
	}
	w.ok("mapping the vDSO", st)
	if addr != p.vdso+codeOff {
		t.Fatalf("code at %#x, image at %#x", addr, p.vdso)
	}
	vmo, st := VMOCreate(w.a, programMem, 0)
	w.ok("VMOCreate", st)
	p.mem, st = VMARMap(w.a, vmar, uint32(vm.PermRead|vm.PermWrite), 0, vmo, 0, programMem)
	w.ok("VMARMap", st)
	th, st := ThreadCreate(w.a, proc, "initial", 0)
	w.ok("ThreadCreate", st)
	w.ok("ProcessStart", ProcessStart(w.a, proc, th, p.vdso+codeOff, p.mem+programMem, 0, 0))

	p.proc, _ = get[*object.Process](w.a, proc, 0)
	p.thread, _ = get[*object.Thread](w.a, th, 0)
	p.self = proc
	HandleCloseMany(w.a, []zx.Handle{vdso, job, vmar, vmo, th})
	t.Cleanup(func() {
		p.proc.Kill(0)
		w.eventually("the program is gone", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
			func() any { return p.proc.Info() })
	})
	return p
}

// number gives a call's place in the table.
func number(name string) int {
	for i := range Table {
		if Table[i].Name == name {
			return i
		}
	}
	panic("no call is named " + name)
}

// start makes a system call by a thread, and gives the channel its result comes
// from.
func (p *program) start(t *object.Thread, name string, args ...uint64) <-chan zx.Status {
	p.Helper()
	i := number(name)
	if len(args) != Table[i].Args {
		p.Fatalf("%s has %d arguments, not %d", name, Table[i].Args, len(args))
	}
	result := make(chan zx.Status, 1)
	trap := object.NewTrap(1, func(_, v uint64) { result <- zx.Status(v) })
	trap.Number = uint64(firstNumber + i)
	trap.PC = p.vdso + codeOff + uint64(i) + 1
	copy(trap.Args[:], args)
	if len(args) > 6 {
		// What the vDSO leaves on the stack: argument 6, the return address, 7, …
		stack := p.mem + programMem - 64
		p.put(stack, args[5])
		for k, v := range args[6:] {
			p.put(stack+uint64(16+8*k), v)
		}
		trap.Args[5] = stack
	}
	p.k.OnSyscall(p.proc, t, trap)
	return result
}

// call makes a system call and gives its result.
func (p *program) call(name string, args ...uint64) zx.Status {
	p.Helper()
	return p.await(p.start(p.thread, name, args...))
}

func (p *program) await(result <-chan zx.Status) zx.Status {
	p.Helper()
	select {
	case st := <-result:
		return st
	case <-time.After(10 * time.Second):
		p.Fatal("no answer after 10 s")
		return 0
	}
}

// put writes a 64-bit number to the program's memory, put32 a 32-bit one.
func (p *program) put(addr, v uint64) {
	p.Helper()
	p.write(addr, binary.LittleEndian.AppendUint64(nil, v))
}

func (p *program) put32(addr uint64, v ...uint32) {
	p.Helper()
	var b []byte
	for _, v := range v {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	p.write(addr, b)
}

func (p *program) write(addr uint64, b []byte) {
	p.Helper()
	if err := p.proc.Space().WriteMemory(b, addr); err != nil {
		p.Fatal(err)
	}
}

func (p *program) read(addr uint64, n int) []byte {
	p.Helper()
	b := make([]byte, n)
	if err := p.proc.Space().ReadMemory(b, addr); err != nil {
		p.Fatal(err)
	}
	return b
}

func (p *program) get32(addr uint64) uint32 {
	p.Helper()
	return binary.LittleEndian.Uint32(p.read(addr, 4))
}

func (p *program) get64(addr uint64) uint64 {
	p.Helper()
	return binary.LittleEndian.Uint64(p.read(addr, 8))
}

// newThread starts another thread of the program.
func (p *program) newThread() *object.Thread {
	p.Helper()
	t := p.proc.NewThread("more")
	p.ok("StartThread", p.proc.StartThread(t, object.StartRegs{PC: p.vdso + codeOff}))
	return t
}
