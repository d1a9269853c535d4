package vdso_test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
)

// inPlace are the functions that every image has.
var inPlace = []string{
	"zx_cache_flush",
	"zx_clock_get_boot",
	"zx_clock_get_monotonic",
	"zx_deadline_after",
	"zx_exception_get_string",
	"zx_status_get_string",
	"zx_system_get_dcache_line_size",
	"zx_system_get_features",
	"zx_system_get_num_cpus",
	"zx_system_get_page_size",
	"zx_system_get_physmem",
	"zx_system_get_version",
	"zx_system_get_version_string",
	"zx_ticks_get",
	"zx_ticks_get_boot",
	"zx_ticks_per_second",
}

// config is a configuration with a syscall of every number of arguments and of
// every kind, and n more.
func config(n int) vdso.Config {
	cfg := vdso.Config{
		Entries: []vdso.Entry{
			{Name: "zx_exit", Number: 0x900, Args: 1, NoReturn: true},
			{Name: "zx_wake_exit", Number: 0x901, Args: 6, NoReturn: true},
			{Name: "zx_unmap_exit", Number: 0x902, Args: 4, NoReturn: true, ReturnsOnError: true},
		},
		ThreadExit:   0x7fff_0000_1000,
		ClockGettime: 0x7fff_0000_2000,
		NumCPUs:      3,
		PhysMem:      5 << 30,
		Version:      "test-1.2",
		DCacheLine:   64,
		PageSize:     4096,
		Features:     vdso.Features{HWBreakpoints: 4, HWWatchpoints: 5, AddressTagging: 6, VM: 7},
	}
	for i := range vdso.MaxArgs + 1 {
		cfg.Entries = append(cfg.Entries, vdso.Entry{Name: fmt.Sprintf("zx_args_%d", i), Number: 0x800 + uint32(i), Args: i})
	}
	for i := range n {
		cfg.Entries = append(cfg.Entries, vdso.Entry{Name: fmt.Sprintf("zx_more_%d", i), Number: 0x1000 + uint32(i), Args: i % 11})
	}
	return cfg
}

func build(t testing.TB, cfg vdso.Config) *vdso.Image {
	t.Helper()
	im, err := vdso.Build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func names(cfg vdso.Config) []string {
	all := slices.Clone(inPlace)
	for _, e := range cfg.Entries {
		all = append(all, e.Name)
	}
	return all
}

// What a loader reads: types, segments, and the dynamic section.
func TestSegments(t *testing.T) {
	for _, pageSize := range []uint32{4096, 65536} {
		cfg := config(200)
		cfg.PageSize = pageSize
		im := build(t, cfg)
		f, err := elf.NewFile(bytes.NewReader(im.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
			t.Errorf("header: %+v", f.FileHeader)
		}
		var load []elf.ProgHeader
		types := map[elf.ProgType]int{}
		for _, p := range f.Progs {
			types[p.Type]++
			if p.Off != p.Vaddr || p.Filesz != p.Memsz {
				t.Errorf("%v is not in memory what it is in the file: %+v", p.Type, p.ProgHeader)
			}
			if p.Type == elf.PT_LOAD {
				load = append(load, p.ProgHeader)
			}
			if p.Flags&elf.PF_W != 0 && p.Type != elf.PT_GNU_STACK {
				t.Errorf("%v is writable", p.Type)
			}
			if p.Flags&elf.PF_X != 0 && p.Type != elf.PT_LOAD {
				t.Errorf("%v is executable", p.Type)
			}
		}
		for _, typ := range []elf.ProgType{elf.PT_DYNAMIC, elf.PT_NOTE, elf.PT_GNU_STACK, elf.PT_GNU_EH_FRAME} {
			if types[typ] != 1 {
				t.Errorf("%d program headers %v, want 1", types[typ], typ)
			}
		}
		page := uint64(pageSize)
		size := uint64(len(im.Bytes))
		if len(load) != 2 || size%page != 0 {
			t.Fatalf("%d bytes, segments %+v", size, load)
		}
		ro, text := load[0], load[1]
		if ro.Flags != elf.PF_R || ro.Off != 0 || ro.Align != page {
			t.Errorf("first segment: %+v", ro)
		}
		if text.Flags != elf.PF_R|elf.PF_X || text.Align != page || text.Off%page != 0 || text.Filesz%page != 0 {
			t.Errorf("second segment: %+v", text)
		}
		if text.Off != (ro.Filesz+page-1)/page*page || text.Off+text.Filesz != size {
			t.Errorf("two mappings do not cover %d bytes: %+v", size, load)
		}
		if text.Off != im.TextOffset || text.Filesz != im.TextSize {
			t.Errorf("text at %#x+%#x, Image says %#x+%#x", text.Off, text.Filesz, im.TextOffset, im.TextSize)
		}
		if so, err := f.DynString(elf.DT_SONAME); err != nil || len(so) != 1 || so[0] != "libzircon.so" {
			t.Errorf("SONAME %q, %v", so, err)
		}
		for _, tag := range []elf.DynTag{elf.DT_NEEDED, elf.DT_REL, elf.DT_RELA, elf.DT_JMPREL, elf.DT_TEXTREL, elf.DT_VERSYM} {
			if v, err := f.DynValue(tag); err != nil || len(v) != 0 {
				t.Errorf("%v is %v, %v; want none", tag, v, err)
			}
		}
	}
}

// Section headers, for tools, agree with what loaders go by.
func TestSections(t *testing.T) {
	im := build(t, config(0))
	f, err := elf.NewFile(bytes.NewReader(im.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	for tag, name := range map[elf.DynTag]string{
		elf.DT_HASH:     ".hash",
		elf.DT_GNU_HASH: ".gnu.hash",
		elf.DT_SYMTAB:   ".dynsym",
		elf.DT_STRTAB:   ".dynstr",
	} {
		v, err := f.DynValue(tag)
		s := f.Section(name)
		if err != nil || len(v) != 1 || s == nil || s.Addr != v[0] || s.Offset != v[0] {
			t.Errorf("%v is %#x, %v; section %s is %+v", tag, v, err, name, s)
		}
	}
	end := uint64(0)
	for _, s := range f.Sections[1:] {
		if s.Offset < end || s.Offset%s.Addralign != 0 {
			t.Errorf("%s at %#x, aligned to %d, overlaps or is not aligned", s.Name, s.Offset, s.Addralign)
		}
		end = s.Offset + s.FileSize
		if s.Flags&elf.SHF_ALLOC != 0 && s.Addr != s.Offset {
			t.Errorf("%s at offset %#x and address %#x", s.Name, s.Offset, s.Addr)
		}
	}
	if end > uint64(len(im.Bytes)) {
		t.Errorf("sections end at %#x, the file at %#x", end, len(im.Bytes))
	}
}

func TestSymbols(t *testing.T) {
	for _, more := range []int{0, 1, 7, 200, 1000} {
		t.Run(fmt.Sprint(more), func(t *testing.T) {
			cfg := config(more)
			im := build(t, cfg)
			f, err := elf.NewFile(bytes.NewReader(im.Bytes))
			if err != nil {
				t.Fatal(err)
			}
			syms, err := f.DynamicSymbols()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]elf.Symbol{}
			for _, s := range syms {
				got[s.Name] = s
			}
			want := names(cfg)
			if len(got) != 2*len(want) || len(syms) != len(got) {
				t.Errorf("%d symbols of %d names, want two for each of %d functions", len(syms), len(got), len(want))
			}
			o, err := open(im.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			text := f.Section(".text")
			starts := map[uint64]bool{}
			for _, name := range want {
				for _, alias := range []struct {
					name string
					bind elf.SymBind
				}{{name, elf.STB_WEAK}, {"_" + name, elf.STB_GLOBAL}} {
					s := got[alias.name]
					w := symbol{s.Value, s.Size, alias.bind, elf.STT_FUNC}
					if g, ok := o.gnuLookup(alias.name); !ok || g != w {
						t.Errorf("%s by DT_GNU_HASH: %+v, %v; want %+v", alias.name, g, ok, w)
					}
					if g, ok := o.sysvLookup(alias.name); !ok || g != w {
						t.Errorf("%s by DT_HASH: %+v, %v; want %+v", alias.name, g, ok, w)
					}
				}
				s := got[name]
				if u := got["_"+name]; s.Value != u.Value || s.Size != u.Size {
					t.Errorf("%s at %#x+%d, _%[1]s at %#x+%d", name, s.Value, s.Size, u.Value, u.Size)
				}
				if s.Size == 0 || s.Value%16 != 0 || s.Value < text.Addr || s.Value+s.Size > text.Addr+text.Size {
					t.Errorf("%s at %#x+%d, text at %#x+%d", name, s.Value, s.Size, text.Addr, text.Size)
				}
				if f.Sections[s.Section] != text {
					t.Errorf("%s is in section %s", name, f.Sections[s.Section].Name)
				}
				if starts[s.Value] {
					t.Errorf("%s shares its address", name)
				}
				starts[s.Value] = true
			}
			if n := o.gnuChained(); n != len(syms) {
				t.Errorf("the buckets of DT_GNU_HASH hold %d symbols, want %d", n, len(syms))
			}
			for _, absent := range []string{"", "_", "zx_", "__zx_args_0", "zx_args_", "zx_args_00", "x_args_0", "zx_none", "malloc"} {
				if s, ok := o.gnuLookup(absent); ok {
					t.Errorf("%q by DT_GNU_HASH: %+v", absent, s)
				}
				if s, ok := o.sysvLookup(absent); ok {
					t.Errorf("%q by DT_HASH: %+v", absent, s)
				}
			}
		})
	}
}

// Exactly the addresses after the syscall instructions of entries are known,
// each with the number of its entry.
func TestSyscallAt(t *testing.T) {
	cfg := config(200)
	im := build(t, cfg)
	o, err := open(im.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64]uint32{}
	for _, e := range cfg.Entries {
		s, _ := o.lookup(e.Name)
		code := im.Bytes[s.value:][:s.size]
		load := append([]byte{0xb8}, le.AppendUint32(nil, e.Number)...) // mov eax, number
		at := bytes.Index(code, append(load, 0x0f, 0x05))               // syscall
		if at < 0 {
			t.Fatalf("%s makes no syscall %#x: % x", e.Name, e.Number, code)
		}
		want[s.value+uint64(at)+7] = e.Number
	}
	for off := range uint64(len(im.Bytes)) + 64 {
		n, ok := im.SyscallAt(off)
		w, wok := want[off]
		if n != w || ok != wok {
			t.Errorf("SyscallAt(%#x) = %#x, %v; want %#x, %v", off, n, ok, w, wok)
		}
	}
	for _, off := range []uint64{1 << 32, 1<<32 + im.TextOffset, 1 << 63, ^uint64(0)} {
		if n, ok := im.SyscallAt(off); ok {
			t.Errorf("SyscallAt(%#x) = %#x", off, n)
		}
	}
}

// What is not code traps.
func TestFill(t *testing.T) {
	im := build(t, config(0))
	f, err := elf.NewFile(bytes.NewReader(im.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	code := make([]bool, len(im.Bytes))
	for _, s := range syms {
		for i := range s.Size {
			code[s.Value+i] = true
		}
	}
	for i := im.TextOffset; i < uint64(len(im.Bytes)); i++ {
		if !code[i] && im.Bytes[i] != 0xcc {
			t.Fatalf("byte %#x, outside any function, is %#x", i, im.Bytes[i])
		}
	}
}

// The build id depends on all the rest, and on nothing else.
func TestBuildID(t *testing.T) {
	id := func(cfg vdso.Config) []byte {
		im := build(t, cfg)
		f, err := elf.NewFile(bytes.NewReader(im.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		s := f.Section(".note.gnu.build-id")
		note, err := s.Data()
		if err != nil || len(note) != 36 || string(note[:16]) != "\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00" {
			t.Fatalf("note % x, %v", note, err)
		}
		rest := slices.Clone(im.Bytes)
		clear(rest[s.Offset+16:][:20])
		if sum := sha256.Sum256(rest); !bytes.Equal(note[16:], sum[:20]) {
			t.Errorf("build id %x, digest %x", note[16:], sum)
		}
		return note[16:]
	}
	a, b := id(config(1)), id(config(1))
	if !bytes.Equal(a, b) {
		t.Errorf("one configuration, two build ids: %x, %x", a, b)
	}
	cfg := config(1)
	cfg.PhysMem++
	if bytes.Equal(a, id(cfg)) {
		t.Errorf("two configurations, one build id: %x", a)
	}
}

// The unwind index has every function, in order, and each has its rules.
func TestUnwindIndex(t *testing.T) {
	cfg := config(20)
	im := build(t, cfg)
	u := openUnwind(t, im)
	if len(u.starts) != len(names(cfg)) {
		t.Errorf("%d functions in the index, want %d", len(u.starts), len(names(cfg)))
	}
	if !slices.IsSorted(u.starts) {
		t.Errorf("not sorted: %#x", u.starts)
	}
	o, err := open(im.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(cfg) {
		s, _ := o.lookup(name)
		// At the first and the last instruction, a return, the stack holds no more
		// than the return address. Calls in between are unwound in other tests.
		last := s.value + s.size - 1
		for _, pc := range []uint64{s.value, last} {
			if n := u.frameSize(t, pc); n != 8 {
				t.Errorf("%s+%#x: a frame of %d bytes, want 8", name, pc-s.value, n)
			}
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	entry := func(e vdso.Entry) func(*vdso.Config) {
		return func(cfg *vdso.Config) { cfg.Entries = append(cfg.Entries, e) }
	}
	for name, change := range map[string]func(*vdso.Config){
		"twice":              entry(vdso.Entry{Name: "zx_args_0"}),
		"answered in place":  entry(vdso.Entry{Name: "zx_ticks_get"}),
		"no prefix":          entry(vdso.Entry{Name: "args"}),
		"own prefix":         entry(vdso.Entry{Name: "_zx_args"}),
		"NUL":                entry(vdso.Entry{Name: "zx_a\x00b"}),
		"negative arguments": entry(vdso.Entry{Name: "zx_a", Args: -1}),
		"11 arguments":       entry(vdso.Entry{Name: "zx_a", Args: 11}),
		"7 and no return":    entry(vdso.Entry{Name: "zx_a", Args: 7, NoReturn: true}),
		"error of a normal":  entry(vdso.Entry{Name: "zx_a", ReturnsOnError: true}),
		"no page size":       func(cfg *vdso.Config) { cfg.PageSize = 0 },
		"odd page size":      func(cfg *vdso.Config) { cfg.PageSize = 4097 },
		"small page size":    func(cfg *vdso.Config) { cfg.PageSize = 2048 },
		"odd cache line":     func(cfg *vdso.Config) { cfg.DCacheLine = 48 },
		"huge cache line":    func(cfg *vdso.Config) { cfg.DCacheLine = 1 << 31 },
		"long version":       func(cfg *vdso.Config) { cfg.Version = strings.Repeat("v", 64) },
		"NUL in the version": func(cfg *vdso.Config) { cfg.Version = "1\x002" },
	} {
		cfg := config(0)
		change(&cfg)
		if im, err := vdso.Build(cfg); im != nil || !errors.Is(err, zx.ErrInvalidArgs) {
			t.Errorf("%s: image %v, error %v; want %v", name, im != nil, err, zx.ErrInvalidArgs)
		}
	}
}

func TestUnpackStackArgs(t *testing.T) {
	for nargs := range vdso.MaxArgs + 1 {
		// args[5], return address, args[6] and on
		words := []uint64{105, 0xdead, 106, 107, 108, 109}
		var block []byte
		for _, w := range words[:vdso.StackBlock(nargs)/8] {
			block = le.AppendUint64(block, w)
		}
		args := [vdso.MaxArgs]uint64{100, 101, 102, 103, 104, 0xb10c}
		want := args
		if nargs > vdso.StackArgs {
			for i := 5; i < nargs; i++ {
				want[i] = 100 + uint64(i)
			}
		}
		if vdso.UnpackStackArgs(&args, block, nargs); args != want {
			t.Errorf("%d arguments: %d, want %d", nargs, args, want)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	cfg := config(200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := vdso.Build(cfg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSyscallAt(b *testing.B) {
	im := build(b, config(200))
	o, err := open(im.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	s, _ := o.lookup("zx_args_0")
	for b.Loop() {
		if _, ok := im.SyscallAt(s.value + 7); !ok {
			b.Fatal("no syscall")
		}
	}
}
