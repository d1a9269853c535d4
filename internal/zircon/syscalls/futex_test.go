package syscalls

import (
	"math/rand/v2"
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// futexes are calls of a program's threads about its futexes.
type futexes struct{ *program }

func (f futexes) handle(t *object.Thread) uint64 {
	return uint64(f.proc.Handles().Add(object.NewHandle(t, object.ThreadRights)))
}

// wait lets t wait at addr for a change of 0, and returns when it waits.
func (f futexes) wait(t *object.Thread, addr uint64, owner uint64) <-chan zx.Status {
	f.Helper()
	r := f.start(t, "zx_futex_wait", addr, 0, owner, object.TimeInfinite)
	f.eventually("the thread waits", func() bool { s, _ := t.State(); return s == object.ThreadStateBlockedFutex || len(r) > 0 },
		func() any { return len(r) })
	return r
}

func (f futexes) owner(addr uint64) zx.Koid {
	f.Helper()
	out := f.mem + 4096
	f.ok("get_owner", f.call("zx_futex_get_owner", addr, out))
	return zx.Koid(f.get64(out))
}

// woken counts the threads that were let go on.
func woken(rs ...<-chan zx.Status) int {
	n := 0
	for _, r := range rs {
		n += len(r)
	}
	return n
}

func TestFutexWaitWake(t *testing.T) {
	f := futexes{newProgram(t)}
	addr := f.mem
	a, b, c := f.newThread(), f.newThread(), f.newThread()
	ra, rb, rc := f.wait(a, addr, 0), f.wait(b, addr, 0), f.wait(c, addr, 0)
	f.ok("wake of another address", f.call("zx_futex_wake", addr+4, 10))
	f.ok("wake of none", f.call("zx_futex_wake", addr, 0))
	if n := woken(ra, rb, rc); n != 0 {
		t.Fatalf("%d threads were woken", n)
	}
	f.ok("wake", f.call("zx_futex_wake", addr, 2))
	f.ok("a", f.await(ra)) // the first to come
	f.ok("b", f.await(rb))
	f.ok("wake", f.call("zx_futex_wake", addr, ^uint64(0)))
	f.ok("c", f.await(rc))
	f.ok("wake of nobody", f.call("zx_futex_wake", addr, 1))
}

func TestFutexErrors(t *testing.T) {
	f := futexes{newProgram(t)}
	addr := f.mem
	newborn := f.proc.NewThread("not started")
	born := f.handle(newborn)
	ev, _ := EventCreate(f.proc, 0)
	self := f.handle(f.thread)
	const past = 0
	for _, tt := range []struct {
		name                           string
		addr, current, owner, deadline uint64
		want                           zx.Status
	}{
		{"timeout", addr, 0, 0, past, zx.ErrTimedOut},
		{"another value", addr, 1, 0, past, zx.ErrBadState},
		{"another value counts more than a bad owner", addr, 1, 1, past, zx.ErrBadState},
		{"unaligned", addr + 2, 0, 0, past, zx.ErrInvalidArgs},
		{"nowhere", 0, 0, 0, past, zx.ErrInvalidArgs},
		{"nowhere mapped", 0x400000, 0, 0, past, zx.ErrInvalidArgs},
		{"kernel's", 1 << 63, 0, 0, past, zx.ErrInvalidArgs},
		{"owner is no handle", addr, 0, 1, past, zx.ErrBadHandle},
		{"owner is no thread", addr, 0, uint64(ev), past, zx.ErrWrongType},
		{"owner has not started", addr, 0, born, past, zx.ErrInvalidArgs},
		{"owner is the caller", addr, 0, self, past, zx.ErrInvalidArgs},
	} {
		f.is(tt.name, f.call("zx_futex_wait", tt.addr, tt.current, tt.owner, tt.deadline), tt.want)
	}
	f.is("wake unaligned", f.call("zx_futex_wake", addr+1, 1), zx.ErrInvalidArgs)
	f.is("wake of no address", f.call("zx_futex_wake", 0, 1), zx.ErrInvalidArgs)
	f.is("wake of no address", f.call("zx_futex_wake_single_owner", 0), zx.ErrInvalidArgs)
	f.is("requeue to itself", f.call("zx_futex_requeue", addr, 0, 0, addr, 0, 0), zx.ErrInvalidArgs)
	f.is("requeue unaligned", f.call("zx_futex_requeue", addr, 0, 0, addr+6, 0, 0), zx.ErrInvalidArgs)
	f.is("requeue of another value", f.call("zx_futex_requeue", addr, 0, 5, addr+4, 0, 0), zx.ErrBadState)
}

func TestFutexOwner(t *testing.T) {
	f := futexes{newProgram(t)}
	addr := f.mem
	a, b := f.newThread(), f.newThread()
	main := f.handle(f.thread)
	ra := f.wait(a, addr, main)
	if k := f.owner(addr); k != f.thread.Koid() {
		t.Errorf("the owner is %d, want %d", k, f.thread.Koid())
	}
	f.is("a waiter as owner", f.await(f.start(b, "zx_futex_wait", addr, 0, f.handle(a), 0)), zx.ErrInvalidArgs)
	rb := f.wait(b, addr, main)
	f.ok("wake_single_owner", f.call("zx_futex_wake_single_owner", addr))
	f.ok("a", f.await(ra))
	if k := f.owner(addr); k != a.Koid() {
		t.Errorf("the owner is %d, want the thread that was woken, %d", k, a.Koid())
	}
	f.ok("wake of none", f.call("zx_futex_wake", addr, 0))
	if k := f.owner(addr); k != zx.KoidInvalid {
		t.Errorf("the owner is %d after a wake", k)
	}
	f.ok("wake", f.call("zx_futex_wake", addr, 1))
	f.ok("b", f.await(rb))
}

func TestFutexRequeue(t *testing.T) {
	f := futexes{newProgram(t)}
	from, to := f.mem, f.mem+64
	var rs []<-chan zx.Status
	for range 4 {
		rs = append(rs, f.wait(f.newThread(), from, 0))
	}
	f.ok("requeue", f.call("zx_futex_requeue", from, 1, 0, to, 2, f.handle(f.thread)))
	f.ok("first", f.await(rs[0]))
	if k := f.owner(to); k != f.thread.Koid() {
		t.Errorf("the owner is %d", k)
	}
	f.ok("wake", f.call("zx_futex_wake", from, 10))
	f.ok("fourth, who stayed", f.await(rs[3]))
	if n := woken(rs[1:3]...); n != 0 {
		t.Fatalf("%d who were moved are woken", n)
	}
	f.ok("wake", f.call("zx_futex_wake", to, 10))
	f.ok("second", f.await(rs[1]))
	f.ok("third", f.await(rs[2]))

	a, b := f.newThread(), f.newThread()
	ra, rb := f.wait(a, from, 0), f.wait(b, from, 0)
	f.is("a waiter as owner", f.call("zx_futex_requeue", from, 1, 0, to, 1, f.handle(b)), zx.ErrInvalidArgs)
	f.ok("requeue_single_owner", f.call("zx_futex_requeue_single_owner", from, 0, to, 1, 0))
	f.ok("a", f.await(ra))
	f.ok("wake", f.call("zx_futex_wake", to, 1))
	f.ok("b", f.await(rb))
}

// A waiter that was moved can still be timed out, at its new address.
func TestFutexTimeoutAfterRequeue(t *testing.T) {
	f := futexes{newProgram(t)}
	from, to := f.mem, f.mem+64
	r := f.start(f.newThread(), "zx_futex_wait", from, 0, 0, uint64(f.k.Monotonic()+20e6))
	f.ok("requeue", f.call("zx_futex_requeue", from, 0, 0, to, 1, 0))
	f.is("wait", f.await(r), zx.ErrTimedOut)
}

func TestFutexWakeHandleCloseThreadExit(t *testing.T) {
	f := futexes{newProgram(t)}
	addr := f.mem
	dying, joiner := f.newThread(), f.newThread()
	h := f.handle(dying)
	r := f.wait(joiner, addr, 0)
	f.ok("exit", f.await(f.start(dying, "zx_futex_wake_handle_close_thread_exit", addr, 1, 9, h)))
	f.ok("joiner", f.await(r))
	if v := f.get32(addr); v != 9 {
		t.Errorf("the futex is %d, want 9", v)
	}
	if f.proc.Handles().Lookup(zx.Handle(h)) != nil {
		t.Error("the handle is left")
	}
}

// A mutex made of futexes, in the way of libc's, excludes; with moves between
// two addresses and timeouts among it, nobody is forgotten.
func TestFutexMutex(t *testing.T) {
	f := futexes{newProgram(t)}
	const threads, rounds = 6, 400
	lock, other := f.mem, f.mem+64
	k, proc := f.k, f.proc.Koid()
	var mem sync.Mutex // makes an access to the program's memory one instruction
	cas := func(old, new uint32) (was uint32) {
		mem.Lock()
		defer mem.Unlock()
		if was = f.get32(lock); was == old {
			f.put32(lock, new)
		}
		return was
	}
	load := func() (uint32, zx.Status) {
		mem.Lock()
		defer mem.Unlock()
		return f.get32(lock), zx.OK
	}
	swap := func(v uint32) (was uint32) {
		mem.Lock()
		defer mem.Unlock()
		was = f.get32(lock)
		f.put32(lock, v)
		return was
	}
	inside, count := 0, 0
	var all sync.WaitGroup
	for i := range threads {
		th := f.newThread()
		all.Add(1)
		go func() {
			defer all.Done()
			rnd := rand.New(rand.NewPCG(uint64(i), 0))
			for range rounds {
				// 0 free, 1 taken, 2 taken and waited for
				if cas(0, 1) != 0 {
					for swap(2) != 0 {
						deadline := int64(object.TimeInfinite)
						if rnd.IntN(4) == 0 {
							deadline = k.Monotonic() + rnd.Int64N(100_000)
						}
						if w, st := k.FutexEnqueue(proc, th.Koid(), lock, load, 2, object.FutexOwner{}); st == zx.OK {
							k.FutexWait(w, nil, deadline)
						}
					}
				}
				if inside++; inside != 1 {
					t.Error("two are inside")
				}
				count++
				inside--
				if swap(0) == 2 {
					if rnd.IntN(8) == 0 { // take the long way round
						any := func() (uint32, zx.Status) { return 0, zx.OK }
						k.FutexRequeue(proc, lock, 0, false, any, 0, other, 3, object.FutexOwner{})
						k.FutexWake(proc, other, 3, false)
					}
					k.FutexWake(proc, lock, 1, false)
				}
			}
		}()
	}
	all.Wait()
	if count != threads*rounds {
		t.Errorf("%d times inside, want %d", count, threads*rounds)
	}
}
