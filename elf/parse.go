// Package elf reads the headers of ELF files out of VMOs and loads their
// segments into address spaces. It takes what Fuchsia runs: little-endian ELF64
// for this machine, type DYN or EXEC.
//
// Nothing of a file is believed: every offset, size and address is checked
// before it is used, no sum overflows, and no size decides how much memory is
// allocated here.
//
// The checks and the statuses are those of Fuchsia's process builder
// (src/lib/process_builder). A *ParseError or *LoadError has the status NOT_FOUND
// for a file that is wrong in itself, and that of the system call that failed
// otherwise.
package elf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"go.fuchsia.dev/launcherd/zx"
)

// PageSize is the size in bytes of a page of memory.
const PageSize = 4096

const (
	fileHeaderSize    = 64
	programHeaderSize = 56
)

// Type is the type of a file, ET_.
type Type uint16

// The types that Parse takes.
const (
	TypeExec Type = 2 // ET_EXEC: to be loaded at the addresses it says
	TypeDyn  Type = 3 // ET_DYN: to be loaded anywhere
)

// SegmentType is the type of a program header, PT_.
type SegmentType uint32

// The types that mean something here. Others are passed over.
const (
	PTLoad     SegmentType = 1
	PTDynamic  SegmentType = 2
	PTInterp   SegmentType = 3
	PTGNUStack SegmentType = 0x6474e551
)

// String is the type's name, such as "PT_LOAD".
func (t SegmentType) String() string {
	switch t {
	case PTLoad:
		return "PT_LOAD"
	case PTDynamic:
		return "PT_DYNAMIC"
	case PTInterp:
		return "PT_INTERP"
	case PTGNUStack:
		return "PT_GNU_STACK"
	}
	return fmt.Sprintf("PT_%#x", uint32(t))
}

// SegmentFlags say what a segment's memory may be used for, PF_.
type SegmentFlags uint32

// The flags.
const (
	PFExecute SegmentFlags = 1 << 0
	PFWrite   SegmentFlags = 1 << 1
	PFRead    SegmentFlags = 1 << 2
)

// FileHeader is what of an ELF64 file header is of use.
type FileHeader struct {
	Type    Type
	Machine uint16
	Entry   uint64 // address of the entry point, before relocation
	Phoff   uint64 // offset of the program headers in the file
	Phnum   uint16
}

// ProgramHeader is an ELF64 program header. Offset and Filesz are of the file,
// Vaddr and Memsz of memory, all in bytes.
type ProgramHeader struct {
	Type   SegmentType
	Flags  SegmentFlags
	Offset uint64
	Vaddr  uint64
	Paddr  uint64
	Filesz uint64
	Memsz  uint64
	Align  uint64
}

// Headers are the headers of a file, checked.
type Headers struct {
	File     FileHeader
	Programs []ProgramHeader
}

// Program gives the program header of a type that a file has at most once
// (PTDynamic, PTInterp, PTGNUStack); nil when there is none.
func (h *Headers) Program(t SegmentType) *ProgramHeader {
	for i := range h.Programs {
		if h.Programs[i].Type == t {
			return &h.Programs[i]
		}
	}
	return nil
}

// ParseError says why headers cannot be parsed.
type ParseError struct {
	Reason string
	Err    error // of the read that failed, or nil
}

func (e *ParseError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("ELF: %s: %v", e.Reason, e.Err)
	}
	return "ELF: " + e.Reason
}

// Status is that of the read that failed, or NOT_FOUND.
func (e *ParseError) Status() zx.Status {
	if e.Err != nil {
		return zx.StatusOf(e.Err)
	}
	return zx.ErrNotFound
}

// Unwrap makes errors.Is find the Status.
func (e *ParseError) Unwrap() error { return e.Status() }

func invalid(format string, args ...any) error {
	return &ParseError{Reason: fmt.Sprintf(format, args...)}
}

// Parse reads and checks the headers of the file in vmo. The errors are
// *ParseError.
func Parse(vmo *zx.VMO) (*Headers, error) {
	size, err := fileSize(vmo)
	if err != nil {
		return nil, &ParseError{"getting the file's size", err}
	}
	return parse(vmo.Read, size)
}

// ParseReaderAt is Parse for a file of size bytes that is not in a VMO.
func ParseReaderAt(r io.ReaderAt, size int64) (*Headers, error) {
	return parse(func(b []byte, off uint64) error {
		if off > math.MaxInt64 {
			return zx.ErrOutOfRange
		}
		n, err := r.ReadAt(b, int64(off))
		switch {
		case n == len(b):
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: %w", zx.ErrOutOfRange, err)
		}
		return fmt.Errorf("%w: %w", zx.ErrIO, err)
	}, uint64(max(size, 0)))
}

// fileSize is the number of bytes of the file in a VMO: its content size where
// that is known, and else its size, which is in whole pages.
func fileSize(vmo *zx.VMO) (uint64, error) {
	size, err := vmo.Size()
	if err != nil {
		return 0, err
	}
	if n, err := vmo.ContentSize(); err == nil && n > 0 && n < size {
		size = n
	}
	return size, nil
}

func parse(read func(b []byte, off uint64) error, size uint64) (*Headers, error) {
	var b [fileHeaderSize]byte
	if err := read(b[:], 0); err != nil {
		return nil, &ParseError{"reading the file header", err}
	}
	h := new(Headers)
	if err := h.File.decode(b[:]); err != nil {
		return nil, err
	}
	n := uint64(h.File.Phnum) * programHeaderSize // 3.7 MB at most
	if n == 0 {
		return h, nil
	}
	if h.File.Phoff > math.MaxUint64-n {
		return nil, invalid("program headers at %#x end beyond any file", h.File.Phoff)
	}
	if h.File.Phoff+n > size {
		return nil, invalid("program headers end at %#x, beyond the file's %#x bytes", h.File.Phoff+n, size)
	}
	p := make([]byte, n)
	if err := read(p, h.File.Phoff); err != nil {
		return nil, &ParseError{"reading the program headers", err}
	}
	h.Programs = make([]ProgramHeader, h.File.Phnum)
	for i := range h.Programs {
		h.Programs[i].decode(p[i*programHeaderSize:])
	}
	return h, checkPrograms(h.Programs)
}

// decode takes apart and checks the file header in b.
func (f *FileHeader) decode(b []byte) error {
	le := binary.LittleEndian
	switch {
	case string(b[:4]) != "\x7fELF":
		return invalid("not an ELF file (no magic number)")
	case b[4] != 2:
		return invalid("class %d is not 64-bit", b[4])
	case b[5] != 1:
		return invalid("data encoding %d is not little-endian", b[5])
	case b[6] != 1:
		return invalid("version %d is not 1", b[6])
	}
	*f = FileHeader{
		Type:    Type(le.Uint16(b[16:])),
		Machine: le.Uint16(b[18:]),
		Entry:   le.Uint64(b[24:]),
		Phoff:   le.Uint64(b[32:]),
		Phnum:   le.Uint16(b[56:]),
	}
	switch size := le.Uint16(b[54:]); {
	case size != programHeaderSize:
		return invalid("program headers of %d bytes, not %d", size, programHeaderSize)
	case f.Phnum == math.MaxUint16:
		return invalid("2^16 or more program headers")
	case f.Machine != machine:
		return invalid("machine %d is not this one (%d)", f.Machine, machine)
	case f.Type != TypeDyn && f.Type != TypeExec:
		return invalid("type %d is neither DYN nor EXEC", f.Type)
	}
	return nil
}

func (p *ProgramHeader) decode(b []byte) {
	le := binary.LittleEndian
	*p = ProgramHeader{
		Type:   SegmentType(le.Uint32(b[0:])),
		Flags:  SegmentFlags(le.Uint32(b[4:])) & (PFExecute | PFWrite | PFRead),
		Offset: le.Uint64(b[8:]),
		Vaddr:  le.Uint64(b[16:]),
		Paddr:  le.Uint64(b[24:]),
		Filesz: le.Uint64(b[32:]),
		Memsz:  le.Uint64(b[40:]),
		Align:  le.Uint64(b[48:]),
	}
}

// checkPrograms checks what Load and its callers rely on: sums of addresses and
// of offsets, rounded up to pages, do not overflow; segments ascend.
func checkPrograms(ps []ProgramHeader) error {
	const most = math.MaxUint64 - PageSize
	var high uint64
	seen := make(map[SegmentType]bool)
	for i := range ps {
		p := &ps[i]
		switch p.Type {
		case PTDynamic, PTInterp, PTGNUStack:
			if seen[p.Type] {
				return invalid("more than one %v", p.Type)
			}
			seen[p.Type] = true
			if p.Type == PTGNUStack && p.Flags&PFExecute != 0 {
				return invalid("an executable stack")
			}
		case PTLoad:
			switch {
			case p.Filesz > p.Memsz:
				return invalid("segment %d has more bytes in the file (%#x) than in memory (%#x)", i, p.Filesz, p.Memsz)
			case p.Vaddr > most-p.Memsz || p.Memsz > most:
				return invalid("segment %d ends beyond any address", i)
			case p.Offset > most-p.Filesz || p.Filesz > most:
				return invalid("segment %d ends beyond any file", i)
			case p.Vaddr < high:
				return invalid("segment %d at %#x overlaps, or comes before, the one before it", i, p.Vaddr)
			case p.Align%PageSize != 0 || p.Align&(p.Align-1) != 0:
				return invalid("segment %d is aligned to %#x, which is not a power of two of whole pages", i, p.Align)
			case p.Vaddr%max(p.Align, PageSize) != p.Offset%max(p.Align, PageSize):
				return invalid("segment %d has its address %#x and its offset %#x at different places in a page", i, p.Vaddr, p.Offset)
			}
			high = p.Vaddr + p.Memsz
		}
	}
	return nil
}
