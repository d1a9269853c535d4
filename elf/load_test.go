package elf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.fuchsia.dev/launcherd/zx"
)

// newVMO makes a VMO that holds b and may be mapped as code.
func newVMO(t testing.TB, name string, b []byte) zx.VMO {
	t.Helper()
	v, err := zx.NewVMO(uint64(len(b)), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	if len(b) > 0 {
		if err := v.Write(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.SetContentSize(uint64(len(b))); err != nil {
		t.Fatal(err)
	}
	if err := v.SetName(name); err != nil {
		t.Fatal(err)
	}
	if err := v.ReplaceAsExecutable(zx.HandleInvalid); err != nil {
		t.Fatal(err)
	}
	return v
}

// newProcess makes a process to load into.
func newProcess(t testing.TB) (*zx.Process, *zx.VMAR) {
	t.Helper()
	p, root, err := zx.DefaultJob().CreateProcess("elf-test", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close(); p.Close() })
	return &p, &root
}

// mapping is what a recorder was asked to map.
type mapping struct {
	options   zx.VMOption
	off, size uint64
	name      string // of the VMO
	same      bool   // it is the file's own VMO
	vmoOff    uint64
}

func (m mapping) String() string {
	perm := ""
	for i, c := range "rwx" {
		if m.options&(1<<i) != 0 {
			perm += string(c)
		}
	}
	return fmt.Sprintf("%s %#x+%#x of %s at %#x", perm, m.off, m.size, m.name, m.vmoOff)
}

// recorder is a Mapper that writes down what it is asked, and maps nothing.
type recorder struct {
	t    *testing.T
	file zx.Koid
	maps []mapping
	data [][]byte // of each mapping
}

func (r *recorder) Map(options zx.VMOption, off uint64, vmo *zx.VMO, vmoOff, size uint64) (uint64, error) {
	name, err := vmo.Name()
	if err != nil {
		r.t.Fatal(err)
	}
	koid, err := vmo.Koid()
	if err != nil {
		r.t.Fatal(err)
	}
	b := make([]byte, size)
	if err := vmo.Read(b, vmoOff); err != nil {
		r.t.Fatal(err)
	}
	if options&zx.VMSpecific == 0 {
		r.t.Errorf("mapping at %#x does not ask for its place", off)
	}
	r.maps = append(r.maps, mapping{options: options, off: off, size: size, name: name, same: koid == r.file, vmoOff: vmoOff})
	r.data = append(r.data, b)
	return off, nil
}

// How segments become mappings: what is only read comes from the file itself,
// what is written from a private copy, what is not in the file from new memory.
func TestMapSegments(t *testing.T) {
	const low = 0x10000
	for _, tt := range []struct {
		name string
		p    ProgramHeader
		want []string // a * marks the file's own VMO
		zero int      // where in the first mapping zeroes begin, if they do
	}{
		{
			name: "whole pages to read",
			p:    ProgramHeader{Flags: PFRead, Vaddr: low, Filesz: 0x2000, Memsz: 0x2000},
			want: []string{"*r 0x0+0x2000 of prog at 0x0"},
		},
		{
			name: "code that starts and ends within pages",
			p:    ProgramHeader{Flags: PFExecute, Offset: 0x1100, Vaddr: low + 0x100, Filesz: 0x20, Memsz: 0x20},
			want: []string{"*rx 0x0+0x1000 of prog at 0x1000"},
		},
		{
			name: "data",
			p:    ProgramHeader{Flags: PFRead | PFWrite, Offset: 0x1100, Vaddr: low + 0x2100, Filesz: 0x1000, Memsz: 0x1000},
			want: []string{"rw 0x2000+0x2000 of data:prog at 0x0"},
		},
		{
			name: "data and bss in one page",
			p:    ProgramHeader{Flags: PFRead | PFWrite, Offset: 0x1100, Vaddr: low + 0x100, Filesz: 0x20, Memsz: 0x300},
			want: []string{"rw 0x0+0x1000 of data:prog at 0x0"},
			zero: 0x120,
		},
		{
			name: "data and bss in several pages",
			p:    ProgramHeader{Flags: PFRead | PFWrite, Offset: 0x1100, Vaddr: low + 0x100, Filesz: 0x20, Memsz: 0x3000},
			want: []string{"rw 0x0+0x1000 of data:prog at 0x0", "rw 0x1000+0x3000 of bss:prog at 0x0"},
			zero: 0x120,
		},
		{
			name: "data to the end of a page, and bss",
			p:    ProgramHeader{Flags: PFRead | PFWrite, Offset: 0x1000, Vaddr: low, Filesz: 0x1000, Memsz: 0x1001},
			want: []string{"rw 0x0+0x1000 of data:prog at 0x0", "rw 0x1000+0x1000 of bss:prog at 0x0"},
		},
		{
			name: "read-only, with zeroes at its end",
			p:    ProgramHeader{Flags: PFRead, Offset: 0x1000, Vaddr: low, Filesz: 0x10, Memsz: 0x20},
			want: []string{"r 0x0+0x1000 of data:prog at 0x0"},
			zero: 0x10,
		},
		{
			name: "bss alone, beyond the end of the file",
			p:    ProgramHeader{Flags: PFRead | PFWrite, Offset: 0x9010, Vaddr: low + 0x10, Memsz: 0x1000},
			want: []string{"rw 0x0+0x2000 of bss:prog at 0x0"},
			zero: 0x1, // of a mapping of zeroes
		},
		{
			name: "nothing",
			p:    ProgramHeader{Flags: PFRead, Vaddr: low},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Type = PTLoad
			b := file(0x4000, header(1), tt.p)
			v := newVMO(t, "prog", b)
			h, err := Parse(&v)
			if err != nil {
				t.Fatal(err)
			}
			koid, err := v.Koid()
			if err != nil {
				t.Fatal(err)
			}
			r := &recorder{t: t, file: koid}
			const base = 0x7000_0000
			if err := MapSegments(&v, h, r, base, base-low); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range r.maps {
				s := m.String()
				if m.same {
					s = "*" + s
				}
				got = append(got, s)
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Fatalf("mappings\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if len(r.data) == 0 {
				return
			}
			first := r.data[0]
			if tt.zero > 0 && len(bytes.Trim(first[tt.zero:], "\x00")) > 0 {
				t.Errorf("from %#x on the first mapping is not zero", tt.zero)
			}
			at := int(tt.p.Vaddr % PageSize)
			if tt.p.Filesz > 0 && !bytes.Equal(first[at:at+int(tt.p.Filesz)], b[tt.p.Offset:tt.p.Offset+tt.p.Filesz]) {
				t.Error("the first mapping does not hold the segment")
			}
			for _, b := range r.data[1:] {
				if len(bytes.Trim(b, "\x00")) > 0 {
					t.Error("bss is not zero")
				}
			}
		})
	}
}

// The file is unchanged by what is written to the process.
func TestLoad(t *testing.T) {
	ps := []ProgramHeader{
		{Type: PTLoad, Flags: PFRead, Vaddr: 0x5000, Filesz: 0x800, Memsz: 0x800, Align: 0x1000},
		{Type: PTLoad, Flags: PFRead | PFExecute, Offset: 0x800, Vaddr: 0x6800, Filesz: 0x10, Memsz: 0x10, Align: 0x1000},
		{Type: PTLoad, Flags: PFRead | PFWrite, Offset: 0x1810, Vaddr: 0x8810, Filesz: 0x10, Memsz: 0x2000, Align: 0x1000},
	}
	f := header(len(ps))
	f.Entry = 0x6800
	b := file(0x2000, f, ps...)
	v := newVMO(t, "prog", b)
	h, err := Parse(&v)
	if err != nil {
		t.Fatal(err)
	}
	p, root := newProcess(t)
	l, err := Load(&v, h, root)
	if err != nil {
		t.Fatal(err)
	}
	defer l.VMAR.Close()
	base, size, err := l.VMAR.Bounds()
	if err != nil {
		t.Fatal(err)
	}
	if base != l.Base || size != 0x6000 {
		t.Errorf("region %#x+%#x, want %#x+0x6000", base, size, l.Base)
	}
	if l.Bias != l.Base-0x5000 || l.Entry != l.Base+0x1800 {
		t.Errorf("bias %#x and entry %#x do not fit the base %#x", l.Bias, l.Entry, l.Base)
	}
	for _, seg := range ps {
		got := make([]byte, seg.Filesz)
		if _, err := p.ReadMemory(got, seg.Vaddr+l.Bias); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, b[seg.Offset:seg.Offset+seg.Filesz]) {
			t.Errorf("segment at %#x holds % x", seg.Vaddr, got)
		}
	}
	if _, err := p.WriteMemory([]byte("written"), 0x8810+l.Bias); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(b))
	if err := v.Read(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b) {
		t.Error("the file changed")
	}
}

func TestLoadExecutableAtItsAddress(t *testing.T) {
	f := header(1)
	f.Type, f.Entry = TypeExec, 0x1234_5010
	v := newVMO(t, "prog", file(0x1000, f, ProgramHeader{Type: PTLoad, Flags: PFRead | PFExecute, Vaddr: 0x1234_5000, Filesz: 0x1000, Memsz: 0x1000}))
	h, err := Parse(&v)
	if err != nil {
		t.Fatal(err)
	}
	_, root := newProcess(t)
	l, err := Load(&v, h, root)
	if err != nil {
		t.Fatal(err)
	}
	defer l.VMAR.Close()
	if l.Base != 0x1234_5000 || l.Bias != 0 || l.Entry != 0x1234_5010 {
		t.Errorf("loaded at %#x, bias %#x, entry %#x", l.Base, l.Bias, l.Entry)
	}
}

func TestLoadRefuses(t *testing.T) {
	load := func(p ProgramHeader) []byte {
		p.Type = PTLoad
		return file(0x2000, header(1), p)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want []zx.Status
	}{
		{"nothing to load", file(0x2000, header(0)), []zx.Status{zx.ErrNotFound}},
		{"empty segment", load(ProgramHeader{Flags: PFRead}), []zx.Status{zx.ErrNotFound}},
		{"segment beyond the end of the file", load(ProgramHeader{Flags: PFRead, Offset: 0x1000, Filesz: 0x1001, Memsz: 0x1001}), []zx.Status{zx.ErrNotFound}},
		{"larger than any address space", load(ProgramHeader{Flags: PFRead | PFWrite, Memsz: 1 << 62}), []zx.Status{zx.ErrInvalidArgs, zx.ErrNoResources, zx.ErrOutOfRange}},
		{"two segments in a page", file(0x2000, header(2),
			ProgramHeader{Type: PTLoad, Flags: PFRead, Filesz: 0x10, Memsz: 0x10},
			ProgramHeader{Type: PTLoad, Flags: PFRead, Offset: 0x10, Vaddr: 0x10, Filesz: 0x10, Memsz: 0x10}), []zx.Status{zx.ErrAlreadyExists}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVMO(t, "prog", tt.b)
			h, err := Parse(&v)
			if err != nil {
				t.Fatal(err)
			}
			p, root := newProcess(t)
			before, err := p.Stats()
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(&v, h, root)
			var e *LoadError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *LoadError", err)
			}
			ok := false
			for _, st := range tt.want {
				ok = ok || errors.Is(err, st)
			}
			if !ok {
				t.Errorf("error %v, want one of %v", err, tt.want)
			}
			after, err := p.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if before.Mapped != after.Mapped {
				t.Errorf("%d bytes stayed mapped", after.Mapped-before.Mapped)
			}
		})
	}
}

// Code cannot be loaded from a VMO that lacks the right to execute.
func TestLoadNeedsExecute(t *testing.T) {
	v := newVMO(t, "prog", file(0x1000, header(1), ProgramHeader{Type: PTLoad, Flags: PFRead | PFExecute, Filesz: 0x1000, Memsz: 0x1000}))
	plain, err := v.Duplicate(zx.RightRead | zx.RightMap | zx.RightGetProperty)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	h, err := Parse(&plain)
	if err != nil {
		t.Fatal(err)
	}
	_, root := newProcess(t)
	if _, err := Load(&plain, h, root); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("error %v, want %v", err, zx.ErrAccessDenied)
	}
}

// No file makes Load panic or leave anything behind.
func FuzzLoad(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := newVMO(t, "fuzz", b)
		h, err := Parse(&v)
		if err != nil {
			return
		}
		p, root := newProcess(t)
		l, err := Load(&v, h, root)
		if err != nil {
			var e *LoadError
			if !errors.As(err, &e) {
				t.Fatalf("%v is no *LoadError", err)
			}
			return
		}
		if err := l.VMAR.Destroy(); err != nil {
			t.Fatal(err)
		}
		l.VMAR.Close()
		if s, err := p.Stats(); err != nil || s.Mapped != 0 {
			t.Errorf("%d bytes stayed mapped (%v)", s.Mapped, err)
		}
	})
}
