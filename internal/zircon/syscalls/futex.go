package syscalls

import (
	"encoding/binary"
	"runtime"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Futexes are words of a launched process's memory, so these calls have no
// typed form.
var futexTable = []Entry{
	{Name: "zx_futex_wait", Args: 4, Params: "value_ptr:p current_value:x32 new_futex_owner:h deadline:t", Handler: sysFutexWait},
	{Name: "zx_futex_wake", Args: 2, Params: "value_ptr:p wake_count:u32", Handler: func(c *Call) zx.Status {
		return c.futexWake(c.U64(0), c.U32(1), false)
	}},
	{Name: "zx_futex_wake_single_owner", Args: 1, Params: "value_ptr:p", Handler: func(c *Call) zx.Status {
		return c.futexWake(c.U64(0), 1, true)
	}},
	{Name: "zx_futex_requeue", Args: 6, Params: "value_ptr:p wake_count:u32 current_value:x32 requeue_ptr:p requeue_count:u32 new_requeue_owner:h", Handler: func(c *Call) zx.Status {
		return c.futexRequeue(c.U64(0), c.U32(1), false, c.U32(2), c.U64(3), c.U32(4), c.Handle(5))
	}},
	{Name: "zx_futex_requeue_single_owner", Args: 5, Params: "value_ptr:p current_value:x32 requeue_ptr:p requeue_count:u32 new_requeue_owner:h", Handler: func(c *Call) zx.Status {
		return c.futexRequeue(c.U64(0), 1, true, c.U32(1), c.U64(2), c.U32(3), c.Handle(4))
	}},
	{Name: "zx_futex_get_owner", Args: 2, Params: "value_ptr:p koid:*u64", Handler: func(c *Call) zx.Status {
		if !isFutex(c.U64(0)) {
			return zx.ErrInvalidArgs
		}
		return c.WriteU64(c.U64(1), uint64(c.Proc.Kernel().FutexOwnerOf(c.Proc.Koid(), c.U64(0))))
	}},
	{Name: "zx_futex_wake_handle_close_thread_exit", Args: 4, Params: "value_ptr:p wake_count:u32 new_value:i32 close_handle:h", NoReturn: true, Handler: sysFutexWakeExit},
}

// isFutex says whether a futex may be at addr.
func isFutex(addr uint64) bool { return addr%4 == 0 && inUser(addr, 4) }

// loader gives what reads the futex at addr.
func (c *Call) loader(addr uint64) func() (uint32, zx.Status) {
	return func() (uint32, zx.Status) { return c.ReadU32(addr) }
}

// owner is the thread that h names as a futex's owner.
func (c *Call) owner(h zx.Handle) object.FutexOwner {
	if h == zx.HandleInvalid {
		return object.FutexOwner{}
	}
	return object.FutexOwner{Lookup: func() (zx.Koid, zx.Status) {
		t, st := get[*object.Thread](c.Proc, h, 0)
		if st != zx.OK {
			return 0, st
		}
		if t.Process() != c.Proc {
			return 0, zx.ErrInvalidArgs
		}
		switch s, _ := t.State(); s {
		case object.ThreadStateNew:
			return 0, zx.ErrInvalidArgs
		case object.ThreadStateDying, object.ThreadStateDead:
			return zx.KoidInvalid, zx.OK
		}
		return t.Koid(), zx.OK
	}}
}

func sysFutexWait(c *Call) zx.Status {
	addr, current, owner, deadline := c.U64(0), c.U32(1), c.Handle(2), c.I64(3)
	if !isFutex(addr) {
		return zx.ErrInvalidArgs
	}
	k := c.Proc.Kernel()
	w, st := k.FutexEnqueue(c.Proc.Koid(), c.Thread.Koid(), addr, c.loader(addr), current, c.owner(owner))
	if st != zx.OK {
		return st
	}
	return c.BlockAs(object.ThreadStateBlockedFutex, func() zx.Status { return k.FutexWait(w, c.Done(), deadline) })
}

func (c *Call) futexWake(addr uint64, n uint32, ownWoken bool) zx.Status {
	if addr == 0 || addr%4 != 0 {
		return zx.ErrInvalidArgs
	}
	c.Proc.Kernel().FutexWake(c.Proc.Koid(), addr, n, ownWoken)
	return zx.OK
}

func (c *Call) futexRequeue(addr uint64, n uint32, ownWoken bool, current uint32, to uint64, move uint32, owner zx.Handle) zx.Status {
	if !isFutex(addr) || !isFutex(to) {
		return zx.ErrInvalidArgs
	}
	return c.Proc.Kernel().FutexRequeue(c.Proc.Koid(), addr, n, ownWoken, c.loader(addr), current, to, move, c.owner(owner))
}

// sysFutexWakeExit is the end of a thread that is joined by a futex: whoever
// waits for it may reuse the thread's stack from the moment of the store.
func sysFutexWakeExit(c *Call) zx.Status {
	addr, n, value, h := c.U64(0), c.U32(1), c.U32(2), c.Handle(3)
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], value)
	if !isFutex(addr) || c.WriteBytes(addr, b[:]) != zx.OK {
		c.Proc.Fail("a thread that ends cannot write its futex at %#x", addr)
		return zx.ErrInvalidArgs
	}
	c.futexWake(addr, n, false)
	if HandleClose(c.Proc, h) != zx.OK {
		c.Proc.Fail("a thread that ends closes handle %#x, which is none", h)
		return zx.ErrBadHandle
	}
	return c.exitThread()
}

// Nanosleep waits until deadline.
func Nanosleep(p *object.Process, done <-chan struct{}, deadline int64) zx.Status {
	k := p.Kernel()
	if deadline <= k.Monotonic() {
		runtime.Gosched() // a sleep of nothing is how programs yield
		return zx.OK
	}
	return object.Sleep(k, done, deadline)
}
