package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Kinds of thread state, from <zircon/syscalls/debug.h>.
const (
	threadStateGeneral    = 0
	threadStateFP         = 1
	threadStateVector     = 2
	threadStateDebug      = 4
	threadStateSingleStep = 5
)

var threadTable = []Entry{
	{Name: "zx_thread_create", Args: 5, Params: "process:h name:b[name_size] name_size:u64 options:x32 out:*h", Handler: func(c *Call) zx.Status {
		name, st := c.ReadName(c.U64(1), c.U64(2))
		if st != zx.OK {
			return st
		}
		h, st := ThreadCreate(c.Proc, c.Handle(0), name, c.U32(3))
		return c.OutHandle(c.U64(4), h, st)
	}},
	{Name: "zx_thread_start", Args: 5, Params: "handle:h thread_entry:p stack:p arg1:x64 arg2:x64", Handler: func(c *Call) zx.Status {
		return c.Block(func() zx.Status {
			return ThreadStart(c.Proc, c.Handle(0), c.U64(1), c.U64(2), c.U64(3), c.U64(4))
		})
	}},
	{Name: "zx_thread_exit", NoReturn: true, Handler: (*Call).exitThread},
	{Name: "zx_thread_read_state", Args: 4, Params: "handle:h kind:state buffer:p buffer_size:u64", Support: Partial, Handler: func(c *Call) zx.Status {
		b := c.Buf(int(min(c.U64(3), object.RegsSize)))
		if st := ThreadReadState(c.Proc, c.Handle(0), c.U32(1), b); st != zx.OK {
			return st
		}
		return c.WriteBytes(c.U64(2), b)
	}},
	{Name: "zx_thread_write_state", Args: 4, Params: "handle:h kind:state buffer:p buffer_size:u64", Support: Partial, Handler: func(c *Call) zx.Status {
		b, st := c.ReadBytes(c.U64(2), min(c.U64(3), object.RegsSize))
		if st != zx.OK {
			return st
		}
		return ThreadWriteState(c.Proc, c.Handle(0), c.U32(1), b)
	}},
	{Name: "zx_thread_legacy_yield", Args: 1, Params: "options:x32", Handler: func(c *Call) zx.Status {
		if c.U32(0) != 0 {
			return zx.ErrInvalidArgs
		}
		return zx.OK // to come here and to go back was the yield
	}},
	{Name: "zx_thread_raise_exception", Args: 3, Params: "options:x32 type:x32 context:p"},
}

// exitThread ends the calling thread. The answer lets the vDSO end it natively;
// for the last thread of a process there is none, because the process ends.
func (c *Call) exitThread() zx.Status {
	if c.Thread.DebuggerAttached() {
		return c.Block(func() zx.Status {
			c.Thread.Exiting()
			c.Proc.ExitThread(c.Thread)
			return zx.OK
		})
	}
	c.Proc.ExitThread(c.Thread)
	return zx.OK
}

// ThreadCreate makes a thread of a process.
func ThreadCreate(p *object.Process, proc zx.Handle, name string, options uint32) (zx.Handle, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	x, st := get[*object.Process](p, proc, zx.RightManageThread)
	if st != zx.OK {
		return 0, st
	}
	return add(p, x.NewThread(name), object.ThreadRights)
}

// ThreadStart starts a thread of a process that runs.
func ThreadStart(p *object.Process, h zx.Handle, entry, sp, arg1, arg2 uint64) zx.Status {
	t, st := get[*object.Thread](p, h, zx.RightManageThread)
	if st != zx.OK {
		return st
	}
	return t.Process().StartThread(t, object.StartRegs{PC: entry, SP: sp, Arg1: arg1, Arg2: arg2})
}

// checkStateKind gives the status for kinds of state other than the general
// registers: they are not within reach.
func checkStateKind(t *object.Thread, kind uint32, size int) zx.Status {
	switch kind {
	case threadStateGeneral:
		if size < object.RegsSize {
			return zx.ErrBufferTooSmall
		}
		return zx.OK
	case threadStateFP, threadStateVector, threadStateDebug, threadStateSingleStep:
		if _, st := t.Regs(); st != zx.OK {
			return st
		}
		return zx.ErrNotSupported
	}
	return zx.ErrInvalidArgs
}

// ThreadReadState gives the state of a thread in an exception: in b, the
// structure of that kind, as C has it.
func ThreadReadState(p *object.Process, h zx.Handle, kind uint32, b []byte) zx.Status {
	t, st := get[*object.Thread](p, h, zx.RightRead)
	if st != zx.OK {
		return st
	}
	if st := checkStateKind(t, kind, len(b)); st != zx.OK {
		return st
	}
	r, st := t.Regs()
	if st == zx.OK {
		r.Encode(b)
	}
	return st
}

// ThreadWriteState changes what ThreadReadState gives.
func ThreadWriteState(p *object.Process, h zx.Handle, kind uint32, b []byte) zx.Status {
	t, st := get[*object.Thread](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	if st := checkStateKind(t, kind, len(b)); st != zx.OK {
		return st
	}
	r, st := t.Regs()
	if st != zx.OK {
		return st
	}
	r.Decode(b)
	return t.SetRegs(r)
}
