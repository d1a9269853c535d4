// Package vdso builds the vDSO: the ELF shared object libzircon.so that every
// process is given and through which alone it reaches the kernel.
//
// [Build] writes the whole file, headers, tables and machine code, from a
// table of syscalls and the constants of the host. Nothing in the image is
// relative to a process, so one image serves all of them.
//
// # Layout
//
// File offsets equal virtual addresses. The file is two mappings long:
//
//	read-only      ELF header, program headers, build id, DT_HASH, DT_GNU_HASH,
//	               dynamic symbols and strings, dynamic section, constants and
//	               strings, unwind tables, section headers
//	read-execute   machine code, from Image.TextOffset, filled up with traps
//
// There is no writable segment and there are no relocations: a dynamic linker
// finds symbols by either hash table and needs to write nothing. Each function
// has two names, as on Zircon: _zx_NAME, and the weak alias zx_NAME that a
// program may define for itself.
//
// # Functions
//
// An [Entry] loads its syscall number and traps. Functions that need no kernel
// are in every image: clocks and ticks (which are nanoseconds here), deadlines,
// the names of statuses and exceptions, and the constants of the system. They
// are those that Zircon's own vDSO answers in place; their documentation is
// that of the syscalls of the same names in Fuchsia's reference.
//
// # Where syscalls may come from
//
// [Image.SyscallAt] tells the kernel which number may arrive from which
// return address. A syscall from any other place, or with another number, was
// not made by the vDSO.
package vdso

import (
	"fmt"
	"math/bits"
	"strings"

	"go.fuchsia.dev/fidl-go/zx"
)

// MaxArgs is the number of arguments of the longest syscall.
const MaxArgs = 10

// maxVersion is the longest version string: zx_system_get_version fills a
// buffer of versionSize bytes, the NUL included.
const (
	versionSize = 64
	maxVersion  = versionSize - 1
)

// Entry is a function of the vDSO that enters the kernel.
type Entry struct {
	Name   string // its C name, such as "zx_channel_create"
	Number uint32 // what the kernel is asked by
	// Args is the number of C arguments, 0 to MaxArgs. Each has 64 bits where the
	// kernel finds it; of a narrower one, such as a handle, only the low bits
	// mean anything. What the kernel finds beyond Args means nothing.
	Args int
	// NoReturn: once the kernel has answered, the code jumps to
	// Config.ThreadExit and does not touch the stack, which may be gone.
	// Such a function has at most StackArgs arguments.
	NoReturn bool
	// ReturnsOnError, with NoReturn: an answer other than ZX_OK is returned to
	// the caller after all, as zx_vmar_unmap_handle_close_thread_exit does.
	ReturnsOnError bool
	// SetsRegister marks zx_object_set_property: when the kernel has answered
	// ZX_OK to ZX_PROP_REGISTER_FS or ZX_PROP_REGISTER_GS, the calling thread
	// sets the register's base by Config.LinuxCall.
	SetsRegister bool
}

// Features are the answers of zx_system_get_features, by kind, in the order of
// <zircon/features.h>.
type Features struct {
	CPU            uint32 // bit 0 clear: this kind is not supported
	HWBreakpoints  uint32
	HWWatchpoints  uint32
	AddressTagging uint32
	VM             uint32
}

// Config says what is in an image.
type Config struct {
	// Entries are the functions that enter the kernel, in any order. No two
	// may have one name, nor the name of a function answered in place.
	Entries []Entry
	// ThreadExit is the address, in the process, of code that ends the calling
	// thread. It is jumped to, with an arbitrary stack pointer.
	ThreadExit uint64
	// LinuxCall is the address, in the process, of code that makes the Linux
	// system call whose number and arguments are in its registers, and returns.
	LinuxCall uint64
	// ClockGettime is the address, in the process, of a pointer to a C function
	// int(int clock, struct timespec *out) that reads Linux clocks. The pointer
	// is set before the first instruction of the process runs.
	ClockGettime uint64

	NumCPUs    uint32
	PhysMem    uint64 // bytes
	Version    string // at most 63 bytes, no NUL
	DCacheLine uint32 // bytes, a power of two; 0 when cache flushing is not supported
	PageSize   uint32 // bytes, a power of two, of the image's segments too
	Features   Features
}

// Image is a finished vDSO.
type Image struct {
	// Bytes is the file, a whole number of pages.
	Bytes []byte
	// TextOffset and TextSize give the executable segment, in whole pages; it is
	// the end of the file. What comes before is mapped read-only.
	TextOffset, TextSize uint64

	// traps has an element for each functionAlign bytes of text. A function
	// starts at such a boundary and has at most one syscall in it.
	traps []trap
}

// trap is a syscall instruction, by the image offset of what follows it. The
// zero value is none.
type trap struct {
	next   uint32
	number uint32
}

// SyscallAt returns the number of the syscall whose instruction ends at image
// offset off: the instruction pointer that the kernel sees, less the address of
// the image.
func (im *Image) SyscallAt(off uint64) (number uint32, ok bool) {
	i := (off - im.TextOffset) / functionAlign
	if off < im.TextOffset || i >= uint64(len(im.traps)) || uint64(im.traps[i].next) != off {
		return 0, false
	}
	return im.traps[i].number, true
}

// Build writes an image. The error wraps zx.ErrInvalidArgs when the
// configuration makes no sense, and zx.ErrNotSupported on an architecture
// whose code it cannot write.
func Build(cfg Config) (*Image, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("vdso: %w", err)
	}
	p := newProgram(&cfg)
	if err := assemble(&cfg, p); err != nil {
		return nil, fmt.Errorf("vdso: %w", err)
	}
	seen := make(map[string]bool, len(p.funcs))
	for _, f := range p.funcs {
		if seen[f.name] {
			return nil, fmt.Errorf("vdso: two functions are named %s: %w", f.name, zx.ErrInvalidArgs)
		}
		seen[f.name] = true
	}
	return link(p, uint64(cfg.PageSize)), nil
}

func (cfg *Config) check() error {
	if cfg.PageSize < 4096 || bits.OnesCount32(cfg.PageSize) != 1 {
		return fmt.Errorf("page size %d: %w", cfg.PageSize, zx.ErrInvalidArgs)
	}
	if bits.OnesCount32(cfg.DCacheLine) > 1 || cfg.DCacheLine > cfg.PageSize {
		return fmt.Errorf("data cache line of %d bytes: %w", cfg.DCacheLine, zx.ErrInvalidArgs)
	}
	if len(cfg.Version) > maxVersion || strings.IndexByte(cfg.Version, 0) >= 0 {
		return fmt.Errorf("version %q: %w", cfg.Version, zx.ErrInvalidArgs)
	}
	for i := range cfg.Entries {
		e := &cfg.Entries[i]
		switch {
		case !strings.HasPrefix(e.Name, "zx_") || strings.IndexByte(e.Name, 0) >= 0:
			return fmt.Errorf("entry %q is no zx_ name: %w", e.Name, zx.ErrInvalidArgs)
		case e.Args < 0 || e.Args > MaxArgs:
			return fmt.Errorf("%s has %d arguments: %w", e.Name, e.Args, zx.ErrInvalidArgs)
		case e.NoReturn && e.Args > StackArgs:
			return fmt.Errorf("%s does not return and has %d arguments: %w", e.Name, e.Args, zx.ErrInvalidArgs)
		case e.ReturnsOnError && !e.NoReturn:
			return fmt.Errorf("%s returns on error, and always: %w", e.Name, zx.ErrInvalidArgs)
		}
	}
	return nil
}
