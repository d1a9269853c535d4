package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

var vmarTable = []Entry{
	{Name: "zx_vmar_allocate", Args: 6, Params: "parent_vmar:h options:vm offset:x64 size:x64 child_vmar:*h child_addr:*p", Handler: func(c *Call) zx.Status {
		h, addr, st := VMARAllocate(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.U64(3))
		if st != zx.OK {
			return st
		}
		if st = c.WriteU64(c.U64(5), addr); st == zx.OK {
			if st = c.WriteU32(c.U64(4), uint32(h)); st == zx.OK {
				return zx.OK
			}
		}
		VMARDestroy(c.Proc, h)
		HandleClose(c.Proc, h)
		return st
	}},
	{Name: "zx_vmar_destroy", Args: 1, Params: "handle:h", Handler: func(c *Call) zx.Status {
		return VMARDestroy(c.Proc, c.Handle(0))
	}},
	{Name: "zx_vmar_map", Args: 7, Params: "handle:h options:vm vmar_offset:x64 vmo:h vmo_offset:x64 len:x64 mapped_addr:*p", Handler: func(c *Call) zx.Status {
		addr, st := VMARMap(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.Handle(3), c.U64(4), c.U64(5))
		if st != zx.OK {
			return st
		}
		if st = c.WriteU64(c.U64(6), addr); st != zx.OK {
			VMARUnmap(c.Proc, c.Handle(0), addr, c.U64(5))
		}
		return st
	}},
	{Name: "zx_vmar_unmap", Args: 3, Params: "handle:h addr:p len:x64", Handler: func(c *Call) zx.Status {
		return VMARUnmap(c.Proc, c.Handle(0), c.U64(1), c.U64(2))
	}},
	{Name: "zx_vmar_protect", Args: 4, Params: "handle:h options:vm addr:p len:x64", Handler: func(c *Call) zx.Status {
		return VMARProtect(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.U64(3))
	}},
	{Name: "zx_vmar_op_range", Args: 6, Params: "handle:h op:vmarop address:p size:x64 buffer:p buffer_size:u64", Handler: func(c *Call) zx.Status {
		if c.U64(4) != 0 || c.U64(5) != 0 {
			return zx.ErrInvalidArgs
		}
		do := func() zx.Status { return VMAROpRange(c.Proc, c.Handle(0), c.U32(1), c.U64(2), c.U64(3)) }
		if c.U64(3) <= opAtOnce {
			return do()
		}
		return c.Block(do)
	}},
	{Name: "zx_vmar_unmap_handle_close_thread_exit", Args: 4, Params: "vmar_handle:h addr:p size:x64 close_handle:h", NoReturn: true, ReturnsOnError: true, Handler: func(c *Call) zx.Status {
		if st := VMARUnmap(c.Proc, c.Handle(0), c.U64(1), c.U64(2)); st != zx.OK {
			return st
		}
		HandleClose(c.Proc, c.Handle(3))
		return c.exitThread()
	}},
	{Name: "zx_vmar_map_iob", Args: 8, Params: "handle:h options:vm vmar_offset:x64 ep:h region_index:u32 region_offset:x64 region_length:x64 mapped_addr:*p"},
	{Name: "zx_vmar_map_clock", Args: 6, Params: "handle:h options:vm vmar_offset:x64 clock_handle:h len:x64 mapped_addr:*p"},
}

// permissions are the rights that go with what vm options ask for: with shift 0
// those of ZX_VM_PERM_*, with canMapShift those of ZX_VM_CAN_MAP_*.
func permissions(o vm.Option, shift int) zx.Rights {
	var r zx.Rights
	if o&(vm.PermRead<<shift) != 0 {
		r |= zx.RightRead
	}
	if o&(vm.PermWrite<<shift) != 0 {
		r |= zx.RightWrite
	}
	if o&(vm.PermExecute<<shift) != 0 {
		r |= zx.RightExecute
	}
	return r
}

// canMapShift is from a ZX_VM_PERM_ bit to the ZX_VM_CAN_MAP_ bit of that name.
const canMapShift = 7

// protOf is the protection that handles with rights r may give.
func protOf(r zx.Rights) vm.Prot {
	var p vm.Prot
	if r&zx.RightRead != 0 {
		p |= vm.ProtRead
	}
	if r&zx.RightWrite != 0 {
		p |= vm.ProtWrite
	}
	if r&zx.RightExecute != 0 {
		p |= vm.ProtExec
	}
	return p
}

// VMARAllocate makes a child VMAR and gives its address.
func VMARAllocate(p *object.Process, h zx.Handle, options uint32, off, size uint64) (child zx.Handle, addr uint64, st zx.Status) {
	o := vm.Option(options)
	v, st := get[*object.VMAR](p, h, permissions(o, canMapShift))
	if st != zx.OK {
		return 0, 0, st
	}
	r, st := v.Region.Allocate(o, off, size)
	if st != zx.OK {
		return 0, 0, st
	}
	n := object.NewVMAR(p.Kernel(), r)
	if child, st = add(p, n, n.Rights()); st != zx.OK {
		r.Destroy()
		return 0, 0, st
	}
	return child, r.Base(), zx.OK
}

// VMARDestroy unmaps all that is in a VMAR, which is of no use afterwards.
func VMARDestroy(p *object.Process, h zx.Handle) zx.Status {
	v, st := get[*object.VMAR](p, h, zx.RightOpChildren)
	if st != zx.OK {
		return st
	}
	return v.Region.Destroy()
}

// VMARMap maps n bytes of a VMO and gives the address.
func VMARMap(p *object.Process, h zx.Handle, options uint32, off uint64, vmo zx.Handle, vmoOff, n uint64) (uint64, zx.Status) {
	v, vh, st := object.GetHandle[*object.VMAR](p.Handles(), h, 0)
	if st != zx.OK {
		return 0, st
	}
	m, mh, st := object.GetHandle[*object.VMO](p.Handles(), vmo, 0)
	if st != zx.OK {
		return 0, st
	}
	o := vm.Option(options)
	prot, st := o.Prot()
	switch may := protOf(vh.Rights() & mh.Rights()); {
	case mh.Rights()&zx.RightMap == 0:
		return 0, zx.ErrAccessDenied
	case st != zx.OK:
		return 0, st
	case o&(vm.CanMapRead|vm.CanMapWrite|vm.CanMapExecute) != 0:
		return 0, zx.ErrInvalidArgs
	case prot&^may != 0:
		return 0, zx.ErrAccessDenied
	default:
		return v.Region.Map(o, off, m.Mem, vmoOff, n, may)
	}
}

// VMARUnmap removes what is mapped in a range.
func VMARUnmap(p *object.Process, h zx.Handle, addr, n uint64) zx.Status {
	v, vh, st := object.GetHandle[*object.VMAR](p.Handles(), h, 0)
	if st != zx.OK {
		return st
	}
	return v.Region.Unmap(addr, n, vh.Rights()&zx.RightOpChildren != 0)
}

// VMARProtect changes the protection of a range.
func VMARProtect(p *object.Process, h zx.Handle, options uint32, addr, n uint64) zx.Status {
	o := vm.Option(options)
	if o&vm.PermReadIfNoXOM != 0 {
		o |= vm.PermRead // pages that can be executed and not read do not exist here
	}
	v, vh, st := object.GetHandle[*object.VMAR](p.Handles(), h, permissions(o, 0))
	if st != zx.OK {
		return st
	}
	return v.Region.Protect(o, addr, n, vh.Rights()&zx.RightOpChildren != 0)
}

// VMAROpRange does op with the VMOs that are mapped in a range.
func VMAROpRange(p *object.Process, h zx.Handle, op uint32, addr, n uint64) zx.Status {
	var need zx.Rights
	switch vm.RangeOp(op) {
	case vm.RangeCommit, vm.RangeDecommit, vm.RangeZero:
		need = zx.RightWrite
	case vm.RangePrefetch:
		need = zx.RightRead
	}
	v, vh, st := object.GetHandle[*object.VMAR](p.Handles(), h, need)
	if st != zx.OK {
		return st
	}
	return v.Region.OpRange(vm.RangeOp(op), addr, n, vh.Rights()&zx.RightOpChildren != 0)
}
