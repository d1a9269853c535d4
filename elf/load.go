package elf

import (
	"fmt"

	"go.fuchsia.dev/launcherd/zx"
)

// LoadError says why segments cannot be loaded.
type LoadError struct {
	Reason string
	Err    error // of the system call that failed, or nil
}

func (e *LoadError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("loading ELF: %s: %v", e.Reason, e.Err)
	}
	return "loading ELF: " + e.Reason
}

// Status is that of the system call that failed, or NOT_FOUND.
func (e *LoadError) Status() zx.Status {
	if e.Err != nil {
		return zx.StatusOf(e.Err)
	}
	return zx.ErrNotFound
}

// Unwrap makes errors.Is find the Status.
func (e *LoadError) Unwrap() error { return e.Status() }

// LoadInfo is what a file wants of an address space: [Low, High), in whole
// pages, before relocation, and all that its segments may be used for.
type LoadInfo struct {
	Low, High uint64
	MaxFlags  SegmentFlags
}

// LoadInfo sums up the segments. Low equals High when there is nothing to load.
func (h *Headers) LoadInfo() LoadInfo {
	var info LoadInfo
	first := true
	for _, p := range h.Programs {
		if p.Type != PTLoad || p.Memsz == 0 {
			continue
		}
		if first {
			info.Low = pageStart(p.Vaddr)
			first = false
		}
		info.High = pageEnd(p.Vaddr + p.Memsz)
		info.MaxFlags |= p.Flags
	}
	return info
}

// Loaded is where a file was loaded.
type Loaded struct {
	VMAR  zx.VMAR // the region that holds it, and nothing else
	Base  uint64  // the region's address
	Bias  uint64  // address in memory less address in the file, modulo 2^64
	Entry uint64  // address of the entry point in memory
}

// Load maps the segments of the file in vmo, of which h are the headers, into a
// new region of root. A file of TypeDyn goes where the system chooses, one of
// TypeExec where it says. vmo needs the rights READ, MAP and GET_PROPERTY, and
// EXECUTE for code. Errors are *LoadError; nothing stays mapped after one.
func Load(vmo *zx.VMO, h *Headers, root *zx.VMAR) (*Loaded, error) {
	info := h.LoadInfo()
	if info.Low == info.High {
		return nil, &LoadError{Reason: "no segment to load"}
	}
	options := zx.VMCanMapSpecific
	if info.MaxFlags&(PFRead|PFExecute) != 0 {
		options |= zx.VMCanMapRead
	}
	if info.MaxFlags&PFWrite != 0 {
		options |= zx.VMCanMapWrite
	}
	if info.MaxFlags&PFExecute != 0 {
		options |= zx.VMCanMapExecute
	}
	var off uint64
	if h.File.Type == TypeExec {
		base, _, err := root.Bounds()
		if err != nil {
			return nil, &LoadError{"getting the bounds of the address space", err}
		}
		options |= zx.VMSpecific
		off = info.Low - base // far out of range if below base
	}
	vmar, base, err := root.Allocate(options, off, info.High-info.Low)
	if err != nil {
		return nil, &LoadError{"allocating a region", err}
	}
	l := &Loaded{VMAR: vmar, Base: base, Bias: base - info.Low}
	l.Entry = h.File.Entry + l.Bias
	if err := MapSegments(vmo, h, &l.VMAR, base, l.Bias); err != nil {
		l.VMAR.Destroy()
		l.VMAR.Close()
		return nil, err
	}
	return l, nil
}

// Mapper maps memory: a *zx.VMAR is one.
type Mapper interface {
	Map(options zx.VMOption, off uint64, vmo *zx.VMO, vmoOff, size uint64) (uint64, error)
}

// MapSegments maps the segments of the file in vmo through m, which is for a
// region at base, so that they are at their addresses plus bias. What is
// writable is mapped from a private copy. Errors are *LoadError; what was mapped
// before one stays.
func MapSegments(vmo *zx.VMO, h *Headers, m Mapper, base, bias uint64) error {
	name, err := vmo.Name()
	if err != nil {
		return &LoadError{"getting the file's name", err}
	}
	if name == "" {
		name = "<unknown ELF>"
	}
	size, err := fileSize(vmo)
	if err != nil {
		return &LoadError{"getting the file's size", err}
	}
	for i := range h.Programs {
		p := &h.Programs[i]
		if p.Type != PTLoad || p.Memsz == 0 {
			continue
		}
		if p.Filesz > 0 && p.Offset+p.Filesz > size {
			return &LoadError{Reason: fmt.Sprintf("segment %d ends at %#x, beyond the file's %#x bytes", i, p.Offset+p.Filesz, size)}
		}
		if err := mapSegment(vmo, name, p, m, bias-base); err != nil {
			return err
		}
	}
	return nil
}

// mapSegment maps one segment. relBias takes an address of the file to an offset
// of m's region.
func mapSegment(vmo *zx.VMO, name string, p *ProgramHeader, m Mapper, relBias uint64) error {
	options := zx.VMSpecific | zx.VMAllowFaults
	if p.Flags&(PFRead|PFExecute) != 0 { // no machine of ours has code that cannot be read
		options |= zx.VMPermRead
	}
	if p.Flags&PFWrite != 0 {
		options |= zx.VMPermWrite
	}
	if p.Flags&PFExecute != 0 {
		options |= zx.VMPermExecute
	}

	// The segment in whole pages: first those with bytes of the file, then
	// those with none.
	adjust := p.Vaddr % PageSize
	at := p.Vaddr - adjust + relBias
	memEnd := pageEnd(adjust + p.Memsz)
	var fileEnd uint64
	if p.Filesz > 0 {
		fileEnd = pageEnd(adjust + p.Filesz)
	}

	if fileEnd > 0 {
		src, srcOff := vmo, p.Offset-adjust
		tail := fileEnd - (adjust + p.Filesz) // of the last page, not of this segment
		zeroTail := tail > 0 && p.Memsz > p.Filesz
		if zeroTail || p.Flags&PFWrite != 0 {
			data, err := vmo.CreateChild(zx.VMOChildSnapshotAtLeastOnWrite, srcOff, fileEnd)
			if err != nil {
				return &LoadError{"making a private copy", err}
			}
			defer data.Close()
			if err := data.SetName("data:" + name); err != nil {
				return &LoadError{"naming a private copy", err}
			}
			if zeroTail {
				if err := data.Write(make([]byte, tail), fileEnd-tail); err != nil {
					return &LoadError{"clearing the end of a segment", err}
				}
			}
			src, srcOff = &data, 0
		}
		if _, err := m.Map(options, at, src, srcOff, fileEnd); err != nil {
			return &LoadError{"mapping a segment", err}
		}
	}

	if memEnd > fileEnd {
		bss, err := zx.NewVMO(memEnd-fileEnd, 0)
		if err != nil {
			return &LoadError{"making memory", err}
		}
		defer bss.Close()
		if err := bss.SetName("bss:" + name); err != nil {
			return &LoadError{"naming memory", err}
		}
		if _, err := m.Map(options, at+fileEnd, &bss, 0, memEnd-fileEnd); err != nil {
			return &LoadError{"mapping memory", err}
		}
	}
	return nil
}

// pageStart is the start of the page of a.
func pageStart(a uint64) uint64 { return a &^ (PageSize - 1) }

// pageEnd is a rounded up to pages; a is at most 2^64-PageSize.
func pageEnd(a uint64) uint64 { return pageStart(a + PageSize - 1) }
