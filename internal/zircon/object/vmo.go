package object

import (
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// VMORights are the rights of a new VMO's handle: ZX_DEFAULT_VMO_RIGHTS. A
// resizable one has RightResize too.
const VMORights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightMap | zx.RightSignal

// VMO is memory: pages that can be read, written and mapped. ZX_VMO_ZERO_CHILDREN
// is up while no VMO made from it is alive.
//
// Its memory stays when the last handle is closed, for as long as it is mapped
// or has children.
type VMO struct {
	Core
	named
	// Mem is the memory. It does not change.
	Mem *vm.VMO

	parent    zx.Koid // of the VMO this one was made from; 0 for none
	immutable bool
	released  atomic.Bool
}

// NewVMO makes the object for mem, whose hold it takes over: the last handle's
// closing releases it.
func NewVMO(k *Kernel, mem *vm.VMO) *VMO {
	v := &VMO{Mem: mem}
	v.init(k, zx.ObjTypeVMO, zx.VMOZeroChildren)
	if p := mem.Parent(); p != nil {
		v.parent = OwnerOf(p).koid
	}
	mem.Owner = v
	mem.OnChildren(func(some bool) {
		if some {
			v.updateSignals(zx.VMOZeroChildren, 0)
		} else {
			v.updateSignals(0, zx.VMOZeroChildren)
		}
	})
	return v
}

func (v *VMO) onZeroHandles() {
	if !v.released.Swap(true) {
		v.Mem.Release()
	}
}

// OwnerOf gives the object of memory that is mapped somewhere.
func OwnerOf(mem *vm.VMO) *VMO { return mem.Owner.(*VMO) }

// MarkImmutable says that nobody ever gets to write to v: a snapshot made with
// ZX_VMO_CHILD_NO_WRITE.
func (v *VMO) MarkImmutable() { v.immutable = true }

// Flags of zx_info_vmo_t, from <zircon/syscalls/object.h>.
const (
	VMOTypePaged   = 1 << 0
	VMOResizable   = 1 << 1
	VMOIsCOWClone  = 1 << 2
	VMOViaHandle   = 1 << 3
	VMOViaMapping  = 1 << 4
	VMODiscardable = 1 << 7
	VMOImmutable   = 1 << 8
)

// VMOInfo is what zx_info_vmo_t tells of a VMO.
type VMOInfo struct {
	Koid, ParentKoid   zx.Koid
	Name               string
	Size, Committed    uint64
	Children, Mappings int
	Shares             int // an estimate of the processes that map it
	Flags              uint32
	Rights             zx.Rights // via a handle
}

// Info describes v as it is seen via a handle with rights or, via VMOViaMapping,
// a mapping.
func (v *VMO) Info(via uint32, rights zx.Rights) VMOInfo {
	n := v.Mem.Mappings()
	i := VMOInfo{
		Koid: v.koid, ParentKoid: v.parent, Name: v.Name(),
		Size: v.Mem.Size(), Committed: v.Mem.Committed(),
		Children: v.Mem.Children(), Mappings: n, Shares: n,
		Flags: VMOTypePaged | via, Rights: rights,
	}
	if v.Mem.Resizable() {
		i.Flags |= VMOResizable
	}
	if v.Mem.Discardable {
		i.Flags |= VMODiscardable
	}
	if v.Mem.Kind() == vm.Snapshot {
		i.Flags |= VMOIsCOWClone
	}
	if v.immutable && via&VMOViaHandle != 0 {
		i.Flags |= VMOImmutable
	}
	return i
}
