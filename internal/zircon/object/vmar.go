package object

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// VMAR is a range of a process's address space in which one can map. Closing
// its handles does not undo what it holds.
type VMAR struct {
	Core
	// Region is the range. It does not change.
	Region *vm.VMAR
}

// NewVMAR makes the object for a range.
func NewVMAR(k *Kernel, r *vm.VMAR) *VMAR {
	v := &VMAR{Region: r}
	v.init(k, zx.ObjTypeVMAR, 0)
	return v
}

// Rights are the rights of the first handle: ZX_DEFAULT_VMAR_RIGHTS, and those
// to map in the ways that the range allows.
func (v *VMAR) Rights() zx.Rights {
	r := zx.RightTransfer | zx.RightDuplicate | zx.RightInspect | zx.RightOpChildren
	can := v.Region.Can()
	if can&vm.CanMapRead != 0 {
		r |= zx.RightRead
	}
	if can&vm.CanMapWrite != 0 {
		r |= zx.RightWrite
	}
	if can&vm.CanMapExecute != 0 {
		r |= zx.RightExecute
	}
	return r
}
