package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// maxMemoryCopy bounds what zx_process_read_memory and _write_memory are asked.
const maxMemoryCopy = 64 << 20

// processShared is ZX_PROCESS_SHARED: an address space in two halves, of which
// one is shared between processes.
const processShared = 1

var processTable = []Entry{
	{Name: "zx_process_exit", Args: 1, Params: "retcode:i64", NoReturn: true, Handler: func(c *Call) zx.Status {
		c.Proc.ExitBy(c.Thread, c.I64(0))
		return zx.OK
	}},
	{Name: "zx_process_create", Args: 6, Params: "job:h name:b[name_size] name_size:u64 options:procopt proc_handle:*h vmar_handle:*h", Handler: func(c *Call) zx.Status {
		name, st := c.ReadName(c.U64(1), c.U64(2))
		if st != zx.OK {
			return st
		}
		proc, vmar, st := ProcessCreate(c.Proc, c.Handle(0), name, c.U32(3))
		return c.OutHandles(c.U64(4), c.U64(5), proc, vmar, st)
	}},
	{Name: "zx_process_start", Args: 6, Params: "handle:h thread:h entry:p stack:p arg1:h arg2:x64", Handler: func(c *Call) zx.Status {
		return c.Block(func() zx.Status {
			return ProcessStart(c.Proc, c.Handle(0), c.Handle(1), c.U64(2), c.U64(3), c.Handle(4), c.U64(5))
		})
	}},
	{Name: "zx_process_read_memory", Args: 5, Params: "handle:h vaddr:p buffer:*b[*actual] buffer_size:u64 actual:*u64", Handler: sysProcessReadMemory},
	{Name: "zx_process_write_memory", Args: 5, Params: "handle:h vaddr:p buffer:b[buffer_size] buffer_size:u64 actual:*u64", Handler: sysProcessWriteMemory},
}

// ProcessCreate makes a process in a job, and gives it and its root VMAR.
func ProcessCreate(p *object.Process, job zx.Handle, name string, options uint32) (proc, vmar zx.Handle, st zx.Status) {
	if options&^processShared != 0 {
		return 0, 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewProcess); st != zx.OK {
		return 0, 0, st
	}
	j, st := get[*object.Job](p, job, zx.RightManageProcess)
	if st != zx.OK {
		return 0, 0, st
	}
	if options&processShared != 0 {
		return 0, 0, zx.ErrNotSupported
	}
	n, root, st := j.NewProcess(name)
	if st != zx.OK {
		return 0, 0, st
	}
	hs := []*object.Handle{object.NewHandle(n, object.ProcessRights), object.NewHandle(root, root.Rights())}
	var values [2]zx.Handle
	if !p.Handles().AddAll(hs, values[:]) {
		return 0, 0, zx.ErrNoResources
	}
	return values[0], values[1], zx.OK
}

// ProcessStart starts a process with its first thread. arg1 moves into the
// process, or is closed on failure; it may be zx.HandleInvalid.
func ProcessStart(p *object.Process, proc, thread zx.Handle, entry, sp uint64, arg1 zx.Handle, arg2 uint64) zx.Status {
	x, st := get[*object.Process](p, proc, zx.RightWrite)
	if st != zx.OK {
		HandleClose(p, arg1)
		return st
	}
	t, st := get[*object.Thread](p, thread, zx.RightWrite)
	if st != zx.OK {
		HandleClose(p, arg1)
		return st
	}
	var arg *object.Handle
	if arg1 != zx.HandleInvalid {
		if arg = p.Handles().Remove(arg1); arg == nil {
			return zx.ErrBadHandle
		}
	}
	if t.Process() != x || arg != nil && arg.Rights()&zx.RightTransfer == 0 {
		arg.Close()
		return zx.ErrAccessDenied
	}
	return x.Start(t, entry, sp, arg, arg2)
}

// ProcessReadMemory copies from the memory of a process, as far as one mapping
// goes, and gives the number of bytes.
func ProcessReadMemory(p *object.Process, h zx.Handle, addr uint64, b []byte) (int, zx.Status) {
	if len(b) == 0 || len(b) > maxMemoryCopy {
		return 0, zx.ErrInvalidArgs
	}
	x, st := get[*object.Process](p, h, zx.RightsIO)
	if st != zx.OK {
		return 0, st
	}
	return x.Aspace().ReadMemory(b, addr)
}

// ProcessWriteMemory copies to the memory of a process, as far as one mapping
// goes, and gives the number of bytes. The mapping need not be writable.
func ProcessWriteMemory(p *object.Process, h zx.Handle, addr uint64, b []byte) (int, zx.Status) {
	if len(b) == 0 || len(b) > maxMemoryCopy {
		return 0, zx.ErrInvalidArgs
	}
	x, st := get[*object.Process](p, h, zx.RightWrite)
	if st != zx.OK {
		return 0, st
	}
	return x.Aspace().WriteMemory(b, addr)
}

// memoryArgs checks the arguments of a copy and gives how many bytes the mapping
// at addr leaves for it; copying says what is wrong when there is none.
func (c *Call) memoryArgs(rights zx.Rights) (x *object.Process, n uint64, st zx.Status) {
	n = c.U64(3)
	if c.U64(2) == 0 || n == 0 || n > maxMemoryCopy {
		return nil, 0, zx.ErrInvalidArgs
	}
	if x, st = get[*object.Process](c.Proc, c.Handle(0), rights); st != zx.OK {
		return nil, 0, st
	}
	if _, _, left := x.Aspace().Find(c.U64(1)); left > 0 {
		n = min(n, left)
	} else {
		n = 1
	}
	return x, n, zx.OK
}

// copyMemory calls f for pieces of the n bytes until it does less than it is
// asked, and copies the number of bytes out.
func (c *Call) copyMemory(n uint64, f func(b []byte, at uint64) (int, zx.Status)) zx.Status {
	return c.Block(func() zx.Status {
		done := uint64(0)
		st := c.withBuffer(min(n, copyChunk), func(b []byte) zx.Status {
			for done < n {
				m, st := f(b[:min(n-done, copyChunk)], done)
				done += uint64(m)
				if st != zx.OK {
					return st
				}
				if m < copyChunk {
					break
				}
			}
			return zx.OK
		})
		if st != zx.OK && done == 0 {
			return st
		}
		return c.WriteU64(c.U64(4), done)
	})
}

func sysProcessReadMemory(c *Call) zx.Status {
	x, n, st := c.memoryArgs(zx.RightsIO)
	if st != zx.OK {
		return st
	}
	return c.copyMemory(n, func(b []byte, at uint64) (int, zx.Status) {
		m, st := x.Aspace().ReadMemory(b, c.U64(1)+at)
		if st != zx.OK {
			return 0, st
		}
		return m, c.WriteBytes(c.U64(2)+at, b[:m])
	})
}

func sysProcessWriteMemory(c *Call) zx.Status {
	x, n, st := c.memoryArgs(zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return c.copyMemory(n, func(b []byte, at uint64) (int, zx.Status) {
		if st := c.Read(b, c.U64(2)+at); st != zx.OK {
			return 0, st
		}
		return x.Aspace().WriteMemory(b, c.U64(1)+at)
	})
}
