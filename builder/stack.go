package builder

import (
	"fmt"
	"math"
	"slices"

	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

const (
	// defaultStackSize is ZIRCON_DEFAULT_STACK_SIZE: of a static program whose
	// PT_GNU_STACK does not say.
	defaultStackSize = 256 << 10
	// linkerStackSize is PTHREAD_STACK_MIN of Fuchsia's libc: what the dynamic
	// linker and libc's start need besides the bootstrap message.
	linkerStackSize = 3072
)

// InitialLinkerStackSize is the size in bytes, whole pages, of the stack for a
// dynamic linker: it reads the bootstrap message onto it, so it is as large as
// the message, with extra handles more than c has, and a fixed amount. Errors
// are those of processargs.Size.
func InitialLinkerStackSize(c *MessageContents, extra int) (uint64, error) {
	with := *c
	with.Handles = append(slices.Clip(c.Handles), make([]StartupHandle, extra)...)
	n, err := processargs.Size(&with)
	if err != nil {
		return 0, fail("sizing the bootstrap message", err)
	}
	return pageEnd(uint64(n + 4*len(with.Handles) + linkerStackSize)), nil
}

// stackSize decides the size of the initial thread's stack, in whole pages, and
// names it.
func (b *ProcessBuilder) stackSize(h *elf.Headers, dynamic bool) (size uint64, name string, err error) {
	if dynamic {
		// The stack's own handle is yet to come.
		if size, err = InitialLinkerStackSize(&b.msg, 1); err != nil {
			return 0, "", err
		}
		name = fmt.Sprintf("stack: msg of %#x", size)
	} else {
		size, name = defaultStackSize, "default"
		if p := h.Program(elf.PTGNUStack); p != nil && p.Memsz > 0 {
			size, name = pageEnd(p.Memsz), "explicit"
		}
		name = fmt.Sprintf("stack: %s %#x", name, size)
	}
	return max(size, pageEnd(b.minStackSize)), name, nil
}

// makeStack maps a stack and adds its VMO to the message. The process relies on
// all of the VMO being mapped, and its end being where the stack pointer is.
func (b *ProcessBuilder) makeStack(size uint64, name string) (base uint64, vmo zx.VMO, err error) {
	vmo, err = zx.NewVMO(size, 0)
	if err != nil {
		return 0, vmo, fail("creating the stack", err)
	}
	defer func() {
		if err != nil {
			vmo.Close()
		}
	}()
	if err := vmo.SetName(name); err != nil {
		return 0, vmo, fail("naming the stack", err)
	}
	base, err = b.rootVMAR.Map(zx.VMPermRead|zx.VMPermWrite, 0, &vmo, 0, size)
	if err != nil {
		return 0, vmo, fail("mapping the stack", err)
	}
	return base, vmo, addDuplicate(&b.msg, &vmo.Object, processargs.StackVMO)
}

// pageEnd rounds n up to whole pages; what cannot be rounded gives the last
// page boundary there is, which is more than any system call grants.
func pageEnd(n uint64) uint64 {
	const mask = elf.PageSize - 1
	return (min(n, math.MaxUint64-mask) + mask) &^ mask
}
