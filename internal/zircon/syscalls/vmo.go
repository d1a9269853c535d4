package syscalls

import (
	"encoding/binary"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Options of VMOs and their children, from <zircon/types.h>.
const (
	vmoResizable   = 1 << 1
	vmoDiscardable = 1 << 2
	vmoUnbounded   = 1 << 4

	vmoChildSnapshot         = 1 << 0
	vmoChildResizable        = 1 << 2
	vmoChildSlice            = 1 << 3
	vmoChildSnapshotOnWrite  = 1 << 4
	vmoChildNoWrite          = 1 << 5
	vmoChildReference        = 1 << 6
	vmoChildSnapshotModified = 1 << 7

	vmoChildSnapshots = vmoChildSnapshot | vmoChildSnapshotOnWrite | vmoChildSnapshotModified
)

// Operations of zx_vmo_op_range: ZX_VMO_OP_*.
const (
	vmoOpCommit               = 1
	vmoOpDecommit             = 2
	vmoOpLock                 = 3
	vmoOpUnlock               = 4
	vmoOpCacheSync            = 6
	vmoOpCacheInvalidate      = 7
	vmoOpCacheClean           = 8
	vmoOpCacheCleanInvalidate = 9
	vmoOpZero                 = 10
	vmoOpTryLock              = 11
	vmoOpDontNeed             = 12
	vmoOpAlwaysNeed           = 13
	vmoOpPrefetch             = 14

	vmoLockStateSize = 32 // zx_vmo_lock_state_t
)

// copyChunk is how much of a large buffer is copied at a time. What is smaller
// is copied in the goroutine that receives the calls; the rest on one of its
// own.
const copyChunk = 128 << 10

// opAtOnce is how much memory an operation on a range may cover to be done at
// once.
const opAtOnce = 1 << 20

var vmoTable = []Entry{
	{Name: "zx_vmo_create", Args: 3, Params: "size:u64 options:vmo out:*h", Handler: func(c *Call) zx.Status {
		h, st := VMOCreate(c.Proc, c.U64(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_vmo_read", Args: 4, Params: "handle:h buffer:*b[buffer_size] offset:x64 buffer_size:u64", Handler: sysVMORead},
	{Name: "zx_vmo_write", Args: 4, Params: "handle:h buffer:b[buffer_size] offset:x64 buffer_size:u64", Handler: sysVMOWrite},
	{Name: "zx_vmo_get_size", Args: 2, Params: "handle:h size:*u64", Handler: func(c *Call) zx.Status {
		n, st := VMOGetSize(c.Proc, c.Handle(0))
		if st != zx.OK {
			return st
		}
		return c.WriteU64(c.U64(1), n)
	}},
	{Name: "zx_vmo_set_size", Args: 2, Params: "handle:h size:u64", Handler: func(c *Call) zx.Status {
		return VMOSetSize(c.Proc, c.Handle(0), c.U64(1))
	}},
	{Name: "zx_vmo_get_stream_size", Args: 2, Params: "handle:h size:*u64", Handler: func(c *Call) zx.Status {
		n, st := VMOGetStreamSize(c.Proc, c.Handle(0))
		if st != zx.OK {
			return st
		}
		return c.WriteU64(c.U64(1), n)
	}},
	{Name: "zx_vmo_set_stream_size", Args: 2, Params: "handle:h size:u64", Handler: func(c *Call) zx.Status {
		return VMOSetStreamSize(c.Proc, c.Handle(0), c.U64(1))
	}},
	{Name: "zx_vmo_op_range", Args: 6, Params: "handle:h op:vmoop offset:x64 size:x64 buffer:p buffer_size:u64", Handler: sysVMOOpRange},
	{Name: "zx_vmo_create_child", Args: 5, Params: "handle:h options:vmochild offset:x64 size:x64 out:*h", Handler: func(c *Call) zx.Status {
		do := func() zx.Status {
			h, st := VMOCreateChild(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.U64(3))
			return c.OutHandle(c.U64(4), h, st)
		}
		if c.U64(3) <= copyChunk {
			return do()
		}
		return c.Block(do) // a snapshot is a copy
	}},
	{Name: "zx_vmo_replace_as_executable", Args: 3, Params: "handle:h vmex:h out:*h", Handler: func(c *Call) zx.Status {
		h, st := VMOReplaceAsExecutable(c.Proc, c.Handle(0), c.Handle(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_vmo_set_cache_policy", Args: 2, Params: "handle:h cache_policy:cache", Support: Partial, Handler: func(c *Call) zx.Status {
		return VMOSetCachePolicy(c.Proc, c.Handle(0), c.U32(1))
	}},
	{Name: "zx_vmo_transfer_data", Args: 6, Params: "dst_vmo:h options:x32 offset:x64 length:x64 src_vmo:h src_offset:x64", Handler: func(c *Call) zx.Status {
		return c.Block(func() zx.Status {
			return VMOTransferData(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.U64(3), c.Handle(4), c.U64(5))
		})
	}},
}

// VMOCreate makes a VMO of size bytes, rounded up to pages.
func VMOCreate(p *object.Process, size uint64, options uint32) (zx.Handle, zx.Status) {
	if st := p.EnforcePolicy(object.PolicyNewVMO); st != zx.OK {
		return 0, st
	}
	resizable, unbounded := options&vmoResizable != 0, options&vmoUnbounded != 0
	if options&^(vmoResizable|vmoDiscardable|vmoUnbounded) != 0 || resizable && unbounded {
		return 0, zx.ErrInvalidArgs
	}
	n, st := vm.RoundSize(size)
	switch {
	case unbounded:
		n = vm.MaxVMOSize
	case st != zx.OK:
		return 0, st
	}
	k := p.Kernel()
	mem := vm.NewVMO(k.Machine, n, size, resizable)
	mem.Discardable = options&vmoDiscardable != 0
	r := object.VMORights
	if resizable {
		r |= zx.RightResize
	}
	return add(p, object.NewVMO(k, mem), r)
}

// VMORead fills b from off.
func VMORead(p *object.Process, h zx.Handle, b []byte, off uint64) zx.Status {
	v, st := get[*object.VMO](p, h, zx.RightRead)
	if st != zx.OK {
		return st
	}
	return v.Mem.Read(b, off)
}

// VMOWrite stores b at off.
func VMOWrite(p *object.Process, h zx.Handle, b []byte, off uint64) zx.Status {
	v, st := get[*object.VMO](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	return v.Mem.Write(b, off)
}

var copyBuffers = sync.Pool{New: func() any { return new([copyChunk]byte) }}

// withBuffer calls f with n bytes, at most copyChunk, which f does not keep.
func (c *Call) withBuffer(n uint64, f func(b []byte) zx.Status) zx.Status {
	if n <= uint64(scratchSize-c.used) {
		return f(c.Buf(int(n)))
	}
	b := copyBuffers.Get().(*[copyChunk]byte)
	defer copyBuffers.Put(b)
	return f(b[:n])
}

// chunks calls f for n bytes in pieces of at most copyChunk: at once if they are
// few, else on a goroutine of its own.
func (c *Call) chunks(n uint64, f func(b []byte, at uint64) zx.Status) zx.Status {
	if n <= copyChunk {
		return c.withBuffer(n, func(b []byte) zx.Status { return f(b, 0) })
	}
	return c.Block(func() zx.Status {
		return c.withBuffer(copyChunk, func(b []byte) zx.Status {
			for at := uint64(0); at < n; at += copyChunk {
				if st := f(b[:min(n-at, copyChunk)], at); st != zx.OK {
					return st
				}
			}
			return zx.OK
		})
	})
}

func sysVMORead(c *Call) zx.Status {
	addr, off, n := c.U64(1), c.U64(2), c.U64(3)
	v, st := get[*object.VMO](c.Proc, c.Handle(0), zx.RightRead)
	if st != zx.OK {
		return st
	}
	if st := v.Mem.CheckRange(off, n); st != zx.OK {
		return st
	}
	return c.chunks(n, func(b []byte, at uint64) zx.Status {
		if st := v.Mem.Read(b, off+at); st != zx.OK {
			return st
		}
		return c.WriteBytes(addr+at, b)
	})
}

func sysVMOWrite(c *Call) zx.Status {
	addr, off, n := c.U64(1), c.U64(2), c.U64(3)
	v, st := get[*object.VMO](c.Proc, c.Handle(0), zx.RightWrite)
	if st != zx.OK {
		return st
	}
	if st := v.Mem.CheckRange(off, n); st != zx.OK {
		return st
	}
	return c.chunks(n, func(b []byte, at uint64) zx.Status {
		if st := c.Read(b, addr+at); st != zx.OK {
			return st
		}
		return v.Mem.Write(b, off+at)
	})
}

// VMOGetSize gives the size in bytes.
func VMOGetSize(p *object.Process, h zx.Handle) (uint64, zx.Status) {
	v, st := get[*object.VMO](p, h, 0)
	if st != zx.OK {
		return 0, st
	}
	return v.Mem.Size(), zx.OK
}

// VMOSetSize changes the size. The RESIZE right, which a resizable VMO's handle
// has had since its creation, is asked of resizable VMOs only: others are
// UNAVAILABLE.
func VMOSetSize(p *object.Process, h zx.Handle, size uint64) zx.Status {
	v, hd, st := object.GetHandle[*object.VMO](p.Handles(), h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	if v.Mem.Resizable() && hd.Rights()&zx.RightResize == 0 {
		return zx.ErrAccessDenied
	}
	return v.Mem.SetSize(size)
}

// VMOGetStreamSize gives the stream size in bytes.
func VMOGetStreamSize(p *object.Process, h zx.Handle) (uint64, zx.Status) {
	v, st := get[*object.VMO](p, h, 0)
	if st != zx.OK {
		return 0, st
	}
	return v.Mem.ContentSize(), zx.OK
}

// VMOSetStreamSize changes the stream size: OUT_OF_RANGE beyond the VMO.
func VMOSetStreamSize(p *object.Process, h zx.Handle, size uint64) zx.Status {
	v, st := get[*object.VMO](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	if size > v.Mem.Size() {
		return zx.ErrOutOfRange
	}
	return v.Mem.SetContentSize(size)
}

// VMOOpRange does op with a range. buf is what the op fills in, if it does.
func VMOOpRange(p *object.Process, h zx.Handle, op uint32, off, size uint64, buf []byte) zx.Status {
	v, hd, st := object.GetHandle[*object.VMO](p.Handles(), h, 0)
	if st != zx.OK {
		return st
	}
	var need zx.Rights
	switch op {
	case vmoOpCommit, vmoOpDecommit, vmoOpZero, vmoOpCacheInvalidate:
		need = zx.RightWrite
	case vmoOpCacheSync, vmoOpCacheClean, vmoOpCacheCleanInvalidate, vmoOpPrefetch:
		need = zx.RightRead
	case vmoOpLock, vmoOpTryLock, vmoOpUnlock:
		if hd.Rights()&zx.RightsIO == 0 {
			return zx.ErrAccessDenied
		}
	case vmoOpDontNeed, vmoOpAlwaysNeed:
	default:
		return zx.ErrInvalidArgs
	}
	if hd.Rights()&need != need {
		return zx.ErrAccessDenied
	}
	mem := v.Mem
	switch op {
	case vmoOpCommit:
		return mem.Commit(off, size)
	case vmoOpDecommit:
		return mem.Decommit(off, size)
	case vmoOpZero:
		return mem.Zero(off, size)
	case vmoOpLock:
		if st := mem.Lock(off, size); st != zx.OK {
			return st
		}
		if len(buf) < vmoLockStateSize {
			mem.Unlock(off, size)
			return zx.ErrInvalidArgs
		}
		clear(buf[:vmoLockStateSize]) // nothing was discarded
		binary.LittleEndian.PutUint64(buf[0:], off)
		binary.LittleEndian.PutUint64(buf[8:], size)
		return zx.OK
	case vmoOpTryLock:
		return mem.Lock(off, size)
	case vmoOpUnlock:
		return mem.Unlock(off, size)
	case vmoOpCacheSync, vmoOpCacheInvalidate, vmoOpCacheClean, vmoOpCacheCleanInvalidate:
		// Caches are coherent here.
		if size == 0 {
			return zx.ErrInvalidArgs
		}
	}
	return mem.CheckRange(off, size)
}

func sysVMOOpRange(c *Call) zx.Status {
	op, off, size, addr, n := c.U32(1), c.U64(2), c.U64(3), c.U64(4), c.U64(5)
	if op != vmoOpLock {
		do := func() zx.Status { return VMOOpRange(c.Proc, c.Handle(0), op, off, size, nil) }
		if size <= opAtOnce {
			return do()
		}
		return c.Block(do)
	}
	buf := c.Buf(int(min(n, vmoLockStateSize)))
	st := VMOOpRange(c.Proc, c.Handle(0), op, off, size, buf)
	if st != zx.OK {
		return st
	}
	if st = c.WriteBytes(addr, buf); st != zx.OK {
		VMOOpRange(c.Proc, c.Handle(0), vmoOpUnlock, off, size, nil)
	}
	return st
}

// VMOCreateChild makes a VMO from another: a snapshot, a slice or a reference.
func VMOCreateChild(p *object.Process, h zx.Handle, options uint32, off, size uint64) (zx.Handle, zx.Status) {
	n, st := vm.RoundSize(size)
	if st != zx.OK {
		return 0, st
	}
	noWrite, resizable := options&vmoChildNoWrite != 0, options&vmoChildResizable != 0
	if noWrite && resizable {
		return 0, zx.ErrInvalidArgs
	}
	v, hd, st := object.GetHandle[*object.VMO](p.Handles(), h, zx.RightDuplicate|zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	if v.Mem.Discardable {
		return 0, zx.ErrNotSupported
	}
	var mem *vm.VMO
	switch kind := options &^ (vmoChildNoWrite | vmoChildResizable); {
	case kind == vmoChildSlice && !resizable:
		mem, st = v.Mem.NewSlice(off, n, size)
	case kind == vmoChildReference:
		if off != 0 || size != 0 {
			return 0, zx.ErrInvalidArgs
		}
		if resizable && !v.Mem.Resizable() {
			return 0, zx.ErrNotSupported
		}
		mem, st = v.Mem.NewReference()
	case kind == vmoChildSnapshot, kind == vmoChildSnapshotOnWrite, kind == vmoChildSnapshotModified:
		mem, st = v.Mem.NewSnapshot(off, n, size, resizable)
	default:
		return 0, zx.ErrInvalidArgs
	}
	if st != zx.OK {
		return 0, st
	}
	child := object.NewVMO(p.Kernel(), mem)
	r := hd.Rights()&^zx.RightResize | zx.RightsProperty
	if resizable {
		r |= zx.RightResize
	}
	switch snapshot := options&vmoChildSnapshots != 0; {
	case noWrite:
		r &^= zx.RightWrite
		if options&vmoChildSnapshot != 0 {
			child.MarkImmutable()
		}
	case snapshot:
		r = r&^zx.RightExecute | zx.RightWrite
	}
	if hd.Rights()&zx.RightGetProperty != 0 {
		child.SetName(v.Name())
	}
	return add(p, child, r)
}

// VMOReplaceAsExecutable gives, in place of h, a handle that has the EXECUTE
// right too. h is gone in every case. The policy of the job must allow it: there
// is no resource here that would.
func VMOReplaceAsExecutable(p *object.Process, h, vmex zx.Handle) (zx.Handle, zx.Status) {
	var st zx.Status
	if vmex == zx.HandleInvalid {
		st = p.EnforcePolicy(object.PolicyAmbientMarkVMOExec)
	} else if st = zx.ErrWrongType; p.Handles().Lookup(vmex) == nil {
		st = zx.ErrBadHandle
	}
	hd := p.Handles().Remove(h)
	if hd == nil {
		return 0, zx.ErrBadHandle
	}
	if _, ok := hd.Object().(*object.VMO); !ok {
		st = zx.ErrBadHandle
	}
	if st != zx.OK {
		hd.Close()
		return 0, st
	}
	return addHandle(p, hd.Narrow(hd.Rights()|zx.RightExecute))
}

// VMOSetCachePolicy knows ordinary, cached memory alone.
func VMOSetCachePolicy(p *object.Process, h zx.Handle, policy uint32) zx.Status {
	const cached, mask = 0, 3
	if policy&^mask != 0 {
		return zx.ErrInvalidArgs
	}
	v, st := get[*object.VMO](p, h, zx.RightMap)
	switch {
	case st != zx.OK:
		return st
	case v.Mem.Mappings() > 0 || v.Mem.Children() > 0 || v.Mem.Parent() != nil:
		return zx.ErrBadState
	case policy != cached:
		return zx.ErrNotSupported
	}
	return zx.OK
}

// VMOTransferData moves the bytes of a range of pages from src to dst. The range
// in src is zero afterwards.
func VMOTransferData(p *object.Process, dst zx.Handle, options uint32, off, n uint64, src zx.Handle, srcOff uint64) zx.Status {
	if options != 0 || (off|n|srcOff)%vm.PageSize != 0 {
		return zx.ErrInvalidArgs
	}
	d, st := get[*object.VMO](p, dst, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	s, st := get[*object.VMO](p, src, zx.RightsIO)
	if st != zx.OK {
		return st
	}
	if st := d.Mem.CheckRange(off, n); st != zx.OK {
		return st
	}
	if st := s.Mem.CheckRange(srcOff, n); st != zx.OK {
		return st
	}
	if d == s && off == srcOff {
		return zx.OK
	}
	b := make([]byte, min(n, copyChunk))
	for at := uint64(0); at < n; at += copyChunk {
		b := b[:min(n-at, copyChunk)]
		if st := s.Mem.Read(b, srcOff+at); st != zx.OK {
			return st
		}
		if st := s.Mem.Zero(srcOff+at, uint64(len(b))); st != zx.OK {
			return st
		}
		if st := d.Mem.Write(b, off+at); st != zx.OK {
			return st
		}
	}
	return zx.OK
}
