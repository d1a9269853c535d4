package elf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"go.fuchsia.dev/launcherd/zx"
)

// file writes an ELF file: the headers, and content behind them up to size.
func file(size int, f FileHeader, ps ...ProgramHeader) []byte {
	b := make([]byte, fileHeaderSize)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], uint16(f.Type))
	le.PutUint16(b[18:], f.Machine)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], f.Entry)
	le.PutUint64(b[32:], f.Phoff)
	le.PutUint16(b[52:], fileHeaderSize)
	le.PutUint16(b[54:], programHeaderSize)
	le.PutUint16(b[56:], f.Phnum)
	for _, p := range ps {
		b = le.AppendUint32(b, uint32(p.Type))
		b = le.AppendUint32(b, uint32(p.Flags))
		for _, v := range []uint64{p.Offset, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align} {
			b = le.AppendUint64(b, v)
		}
	}
	for len(b) < size {
		b = append(b, byte(len(b)>>8)|1) // no zero, and other bytes on each page
	}
	return b
}

// header is the file header of a good file with n program headers.
func header(n int) FileHeader {
	return FileHeader{Type: TypeDyn, Machine: machine, Entry: 0x1234, Phoff: fileHeaderSize, Phnum: uint16(n)}
}

func parseBytes(b []byte) (*Headers, error) {
	return ParseReaderAt(bytes.NewReader(b), int64(len(b)))
}

func TestParse(t *testing.T) {
	ps := []ProgramHeader{
		{Type: 6, Vaddr: 1, Filesz: 2, Memsz: 1}, // PT_PHDR: not looked at
		{Type: PTInterp, Offset: 0x200, Filesz: 8},
		{Type: PTLoad, Flags: PFRead, Filesz: 0x800, Memsz: 0x800, Align: 0x1000},
		{Type: PTLoad, Flags: PFRead | PFExecute, Offset: 0x800, Vaddr: 0x1800, Filesz: 0x10, Memsz: 0x10, Align: 0x1000},
		{Type: PTGNUStack, Flags: PFRead | PFWrite, Memsz: 0x8000},
	}
	h, err := parseBytes(file(0x1000, header(len(ps)), ps...))
	if err != nil {
		t.Fatal(err)
	}
	if h.File != header(len(ps)) {
		t.Errorf("file header %+v, want %+v", h.File, header(len(ps)))
	}
	for i, p := range h.Programs {
		if p != ps[i] {
			t.Errorf("program header %d is %+v, want %+v", i, p, ps[i])
		}
	}
	if p := h.Program(PTGNUStack); p == nil || p.Memsz != 0x8000 {
		t.Errorf("Program(PT_GNU_STACK) = %+v", p)
	}
	if p := h.Program(PTDynamic); p != nil {
		t.Errorf("Program(PT_DYNAMIC) = %+v, want none", p)
	}
	want := LoadInfo{Low: 0, High: 0x2000, MaxFlags: PFRead | PFExecute}
	if got := h.LoadInfo(); got != want {
		t.Errorf("LoadInfo() = %+v, want %+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	type headers struct {
		f  FileHeader
		ps []ProgramHeader
	}
	load := func(p ProgramHeader) headers {
		p.Type = PTLoad
		return headers{header(1), []ProgramHeader{p}}
	}
	both := func(ps ...ProgramHeader) headers { return headers{header(len(ps)), ps} }
	change := func(f func(*FileHeader)) headers {
		h := header(0)
		f(&h)
		return headers{f: h}
	}
	const top = ^uint64(0)
	for _, tt := range []struct {
		name string
		h    headers
		raw  func([]byte) // changes the bytes
		want string       // in the error
	}{
		{"no magic", headers{f: header(0)}, func(b []byte) { b[0] = '#' }, "not an ELF file"},
		{"32 bits", headers{f: header(0)}, func(b []byte) { b[4] = 1 }, "not 64-bit"},
		{"big-endian", headers{f: header(0)}, func(b []byte) { b[5] = 2 }, "little-endian"},
		{"version", headers{f: header(0)}, func(b []byte) { b[6] = 0 }, "version"},
		{"program header size", headers{f: header(0)}, func(b []byte) { b[54] = 32 }, "program headers of 32 bytes"},
		{"too many program headers", change(func(h *FileHeader) { h.Phnum = 0xffff }), nil, "2^16"},
		{"another machine", change(func(h *FileHeader) { h.Machine = 3 }), nil, "machine 3"},
		{"relocatable", change(func(h *FileHeader) { h.Type = 1 }), nil, "type 1"},
		{"core", change(func(h *FileHeader) { h.Type = 4 }), nil, "type 4"},
		{"program headers beyond the end", change(func(h *FileHeader) { h.Phoff, h.Phnum = 0x1000, 1 }), nil, "beyond the file"},
		{"program headers that wrap", change(func(h *FileHeader) { h.Phoff, h.Phnum = top-8, 1 }), nil, "beyond any file"},
		{"more in the file than in memory", load(ProgramHeader{Filesz: 2, Memsz: 1}), nil, "more bytes in the file"},
		{"address wraps", load(ProgramHeader{Vaddr: top &^ 0xfff, Memsz: 0x2000}), nil, "beyond any address"},
		{"size wraps by rounding", load(ProgramHeader{Memsz: top}), nil, "beyond any address"},
		{"offset wraps", load(ProgramHeader{Offset: top &^ 0xfff, Filesz: 0x2000, Memsz: 0x2000}), nil, "beyond any file"},
		{"overlap", both(ProgramHeader{Type: PTLoad, Memsz: 0x1001}, ProgramHeader{Type: PTLoad, Offset: 0x1000, Vaddr: 0x1000, Memsz: 1}), nil, "overlaps"},
		{"descending", both(ProgramHeader{Type: PTLoad, Vaddr: 0x2000, Memsz: 1}, ProgramHeader{Type: PTLoad, Memsz: 1}), nil, "overlaps"},
		{"alignment less than a page", load(ProgramHeader{Memsz: 1, Align: 8}), nil, "aligned"},
		{"alignment no power of two", load(ProgramHeader{Memsz: 1, Align: 0x3000}), nil, "aligned"},
		{"address and offset", load(ProgramHeader{Memsz: 1, Offset: 1, Align: 0x1000}), nil, "different places"},
		{"address and offset, no alignment", load(ProgramHeader{Memsz: 1, Offset: 1}), nil, "different places"},
		{"address and offset, large alignment", load(ProgramHeader{Memsz: 1, Vaddr: 0x1000, Align: 0x4000}), nil, "different places"},
		{"two interpreters", both(ProgramHeader{Type: PTInterp}, ProgramHeader{Type: PTInterp}), nil, "more than one PT_INTERP"},
		{"two stacks", both(ProgramHeader{Type: PTGNUStack}, ProgramHeader{Type: PTGNUStack}), nil, "more than one PT_GNU_STACK"},
		{"executable stack", both(ProgramHeader{Type: PTGNUStack, Flags: PFExecute}), nil, "executable stack"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := file(0, tt.h.f, tt.h.ps...)
			if tt.raw != nil {
				tt.raw(b)
			}
			_, err := parseBytes(b)
			var e *ParseError
			if !errors.As(err, &e) || !errors.Is(err, zx.ErrNotFound) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a *ParseError with %q that is %v", err, tt.want, zx.ErrNotFound)
			}
		})
	}
}

// A file that ends too early is refused wherever it ends, if not by what it
// lacks then by the system call that reads it.
func TestParseTruncated(t *testing.T) {
	b := file(0, header(2), ProgramHeader{Type: PTLoad, Memsz: 1, Align: 0x1000}, ProgramHeader{Type: PTGNUStack})
	if _, err := parseBytes(b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		want := zx.ErrNotFound
		if n < fileHeaderSize {
			want = zx.ErrOutOfRange
		}
		if h, err := parseBytes(b[:n]); !errors.Is(err, want) {
			t.Errorf("first %d bytes: %+v, %v, want %v", n, h, err, want)
		}
	}
}

// seeds are files to fuzz from: made here, and of the examples.
func seeds(f *testing.F) {
	f.Add(file(0x3000, header(3),
		ProgramHeader{Type: PTLoad, Flags: PFRead, Filesz: 0x500, Memsz: 0x500, Align: 0x1000},
		ProgramHeader{Type: PTLoad, Flags: PFRead | PFWrite, Offset: 0x1100, Vaddr: 0x2100, Filesz: 0x20, Memsz: 0x5000, Align: 0x1000},
		ProgramHeader{Type: PTGNUStack, Flags: PFRead | PFWrite}))
	for _, name := range []string{"../examples/hello"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// Whatever Parse takes keeps the promises that Load relies on.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseBytes(b)
		if err != nil {
			var e *ParseError
			if !errors.As(err, &e) {
				t.Fatalf("%v is no *ParseError", err)
			}
			return
		}
		info := h.LoadInfo()
		if info.Low > info.High || info.Low%PageSize != 0 || info.High%PageSize != 0 {
			t.Errorf("LoadInfo() = %+v", info)
		}
		for _, p := range h.Programs {
			if p.Type == PTLoad && p.Memsz > 0 && (p.Vaddr < info.Low || p.Vaddr+p.Memsz > info.High || p.Filesz > p.Memsz) {
				t.Errorf("segment %+v is not within %+v", p, info)
			}
		}
	})
}
