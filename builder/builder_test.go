package builder_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/elf"
	loader "go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts a process before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	Example()
	os.Exit(m.Run())
}

// program gives the executable at a path of the repository.
func program(t testing.TB, path string) zx.VMO {
	t.Helper()
	f, err := os.Open("../" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := zx.VMOFromFile(f, true)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func vdso(t testing.TB) zx.VMO {
	t.Helper()
	v, err := zx.VDSO()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// bytesVMO gives an executable VMO with content.
func bytesVMO(t testing.TB, b []byte) zx.VMO {
	t.Helper()
	v, err := zx.NewVMO(uint64(len(b)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 {
		if err := v.Write(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.SetContentSize(uint64(len(b))); err != nil {
		t.Fatal(err)
	}
	if err := v.ReplaceAsExecutable(zx.HandleInvalid); err != nil {
		t.Fatal(err)
	}
	return v
}

func newBuilder(t *testing.T, executable zx.VMO) *builder.ProcessBuilder {
	t.Helper()
	b, err := builder.New("test", zx.DefaultJob(), 0, executable, vdso(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func newChannel(t *testing.T) (zx.Channel, *zx.Channel) {
	t.Helper()
	given, kept, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	return given, &kept
}

// noLeaks checks, once all other cleanups have run, that the test left this
// process with the handles it had.
func noLeaks(t *testing.T) {
	t.Helper()
	zx.DefaultJob() // has a handle
	before := zircon.Self().Handles().Len()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if after := zircon.Self().Handles().Len(); after != before {
			t.Errorf("%d handles, %d before", after, before)
		}
	})
}

// run starts what b builds and gives its output and return code.
func run(t *testing.T, b *builder.ProcessBuilder) (string, int64) {
	t.Helper()
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := b.AddHandles(builder.StartupHandle{Handle: theirs.Take(), Info: processargs.NewHandleInfo(processargs.FileDescriptor, 1)}); err != nil {
		t.Fatal(err)
	}
	built, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := built.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := io.ReadAll(&ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	info, err := p.Info()
	if err != nil {
		t.Fatal(err)
	}
	return string(out), info.ReturnCode
}

func TestRunStatic(t *testing.T) {
	noLeaks(t)
	b := newBuilder(t, program(t, "examples/hello"))
	if err := b.AddArguments("hello", "one"); err != nil {
		t.Fatal(err)
	}
	if err := b.AddArguments("", "--return=-5"); err != nil {
		t.Fatal(err)
	}
	if err := b.AddEnvironmentVariables("A=1"); err != nil {
		t.Fatal(err)
	}
	if err := b.AddEnvironmentVariables("B=2"); err != nil {
		t.Fatal(err)
	}
	out, code := run(t, b)
	const want = "arg[0]=hello\narg[1]=one\narg[2]=\narg[3]=--return=-5\nenv: A=1\nenv: B=2\n"
	if out != want || code != -5 {
		t.Errorf("output %q and code %d, want %q and -5", out, code, want)
	}
}

func TestRunDynamic(t *testing.T) {
	noLeaks(t)
	s, err := loader.New([]string{"../testdata"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t, program(t, "testdata/dyn"))
	if err := b.AddHandles(builder.StartupHandle{Handle: l.Take(), Info: processargs.NewHandleInfo(processargs.LdsvcLoader, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddArguments("dyn", "--return=3"); err != nil {
		t.Fatal(err)
	}
	out, code := run(t, b)
	if code != 3 || strings.Contains(out, "FAIL") || !strings.Contains(out, "arg[1]=--return=3\n") {
		t.Errorf("code %d and output\n%s", code, out)
	}
}

// TestBuilt looks at a process that is built and not started.
func TestBuilt(t *testing.T) {
	noLeaks(t)
	b := newBuilder(t, program(t, "examples/hello"))
	built, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer built.Close()
	info, err := built.Process.Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Started {
		t.Error("the process was started")
	}
	if name, err := built.Process.Name(); name != "test" || err != nil {
		t.Errorf("the process's name is %q, %v", name, err)
	}
	if name, err := built.Thread.Name(); name != "initial-thread" || err != nil {
		t.Errorf("the thread's name is %q, %v", name, err)
	}
	if name, err := built.StackVMO.Name(); name != "stack: default 0x40000" || err != nil {
		t.Errorf("the stack's name is %q, %v", name, err)
	}
	size, err := built.StackVMO.Size()
	if err != nil {
		t.Fatal(err)
	}
	if size != 256<<10 {
		t.Errorf("a stack of %#x bytes, want the default of 256 KiB", size)
	}
	if want := builder.InitialStackPointer(built.StackBase, size); built.StackPointer != want {
		t.Errorf("stack pointer %#x, want %#x", built.StackPointer, want)
	}
	if h := built.ELFHeaders; h == nil || built.Entry != built.ELFBase+h.File.Entry-h.LoadInfo().Low {
		t.Errorf("entry %#x of an ELF at %#x", built.Entry, built.ELFBase)
	}
	if base, err := built.Process.VDSOBase(); err != nil || base != built.VDSOBase || base == 0 {
		t.Errorf("vDSO at %#x, the process says %#x, %v", built.VDSOBase, base, err)
	}
	magic := make([]byte, 4)
	for _, addr := range []uint64{built.ELFBase, built.VDSOBase} {
		if _, err := built.Process.ReadMemory(magic, addr); err != nil || string(magic) != "\x7fELF" {
			t.Errorf("at %#x: %q, %v", addr, magic, err)
		}
	}
}

// receive takes the next bootstrap message.
func receive(t *testing.T, ch *zx.Channel) *processargs.MessageContents {
	t.Helper()
	b := make([]byte, zx.ChannelMaxMsgBytes)
	hs := make([]zx.Handle, zx.ChannelMaxMsgHandles)
	nb, nh, err := ch.Read(b, hs)
	if err != nil {
		t.Fatal(err)
	}
	c, err := processargs.Parse(b[:nb], hs[:nh])
	if err != nil {
		zx.CloseAll(hs[:nh]...)
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func infos(c *processargs.MessageContents) (s []string) {
	for _, h := range c.Handles {
		s = append(s, h.Info.String())
	}
	return s
}

// The main message has everything, in the order of Fuchsia's builder.
func TestMessage(t *testing.T) {
	noLeaks(t)
	b := newBuilder(t, program(t, "examples/hello"))
	svc, _ := newChannel(t)
	pkg, _ := newChannel(t)
	user, _ := newChannel(t)
	if err := b.AddNamespaceEntries(builder.NamespaceEntry{Path: "/svc", Directory: svc}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddHandles(builder.StartupHandle{Handle: user.Take(), Info: processargs.NewHandleInfo(processargs.User0, 9)}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddNamespaceEntries(builder.NamespaceEntry{Path: "/pkg", Directory: pkg}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddArguments("a"); err != nil {
		t.Fatal(err)
	}
	built, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer built.Close()
	c := receive(t, &built.Bootstrap)
	want := []string{"ProcessSelf", "ThreadSelf", "RootVMAR", "NamespaceDirectory", "User0(9)", "NamespaceDirectory(1)", "LoadedVMAR", "VDSOVMO", "StackVMO"}
	if got := infos(c); !reflect.DeepEqual(got, want) {
		t.Errorf("handles %v, want %v", got, want)
	}
	if want := []string{"/svc", "/pkg"}; !reflect.DeepEqual(c.NamespacePaths, want) {
		t.Errorf("paths %v, want %v", c.NamespacePaths, want)
	}
	if want := []string{"a"}; !reflect.DeepEqual(c.Args, want) {
		t.Errorf("arguments %v, want %v", c.Args, want)
	}
	if _, _, err := built.Bootstrap.Read(nil, nil); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("after the message: %v, want %v", err, zx.ErrPeerClosed)
	}
}

// A dynamic program's bootstrap channel holds the linker's message first.
func TestLinkerMessage(t *testing.T) {
	noLeaks(t)
	s, err := loader.New([]string{"../testdata"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t, program(t, "testdata/dyn"))
	if err := b.SetLoaderService(l); err != nil {
		t.Fatal(err)
	}
	if err := b.AddArguments("dyn", "two"); err != nil {
		t.Fatal(err)
	}
	if err := b.AddEnvironmentVariables("LD_DEBUG=1", "A=b", "LD_TRACE=2", "LD_DEBUGGER=3"); err != nil {
		t.Fatal(err)
	}
	built, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer built.Close()

	c := receive(t, &built.Bootstrap)
	if want := []string{"LdsvcLoader", "ExecutableVMO", "LoadedVMAR", "ProcessSelf", "RootVMAR"}; !reflect.DeepEqual(infos(c), want) {
		t.Errorf("linker's handles %v, want %v", infos(c), want)
	}
	if want := []string{"dyn"}; !reflect.DeepEqual(c.Args, want) {
		t.Errorf("linker's arguments %v, want %v", c.Args, want)
	}
	if want := []string{"LD_DEBUG=1", "LD_TRACE=2"}; !reflect.DeepEqual(c.Environ, want) {
		t.Errorf("linker's environment %v, want %v", c.Environ, want)
	}
	c = receive(t, &built.Bootstrap)
	if want := []string{"ProcessSelf", "ThreadSelf", "RootVMAR", "VDSOVMO", "StackVMO"}; !reflect.DeepEqual(infos(c), want) {
		t.Errorf("program's handles %v, want %v", infos(c), want)
	}
	if len(c.Args) != 2 || len(c.Environ) != 4 {
		t.Errorf("program's arguments %v and environment %v", c.Args, c.Environ)
	}

	// The stack is just large enough; the lower half of the address space was
	// kept free and is free again.
	size, err := built.StackVMO.Size()
	if err != nil {
		t.Fatal(err)
	}
	if size != elf.PageSize {
		t.Errorf("a stack of %#x bytes, want a page", size)
	}
	base, all, err := built.RootVMAR.Bounds()
	if err != nil {
		t.Fatal(err)
	}
	half := (base + all) / 2
	for what, addr := range map[string]uint64{"linker": built.ELFBase, "vDSO": built.VDSOBase, "stack": built.StackBase} {
		if addr < half {
			t.Errorf("the %s is at %#x, in the lower half", what, addr)
		}
	}
	v, _, err := built.RootVMAR.Allocate(zx.VMSpecific, 0, half-base)
	if err != nil {
		t.Errorf("the lower half is not free: %v", err)
	}
	v.Close()
}

// elfFile writes a small static ELF with a PT_LOAD of its own bytes and further
// program headers.
func elfFile(extra ...elf.ProgramHeader) []byte {
	h := binary.LittleEndian
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	h.PutUint16(b[16:], 3)
	h.PutUint16(b[18:], 62)
	h.PutUint64(b[32:], 64)
	h.PutUint16(b[54:], 56)
	h.PutUint16(b[56:], uint16(1+len(extra)))
	for _, p := range append([]elf.ProgramHeader{{Type: elf.PTLoad, Flags: elf.PFRead, Filesz: 0x800, Memsz: 0x800, Align: 0x1000}}, extra...) {
		b = h.AppendUint32(b, uint32(p.Type))
		b = h.AppendUint32(b, uint32(p.Flags))
		for _, v := range []uint64{p.Offset, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align} {
			b = h.AppendUint64(b, v)
		}
	}
	return append(b, make([]byte, 0x800-len(b))...)
}

// interp gives an ELF that asks for a dynamic linker by the bytes of name.
func interp(name string) []byte {
	b := elfFile(elf.ProgramHeader{Type: elf.PTInterp, Offset: 0x400, Filesz: uint64(len(name))})
	copy(b[0x400:], name)
	return b
}

func TestStackSize(t *testing.T) {
	for _, tt := range []struct {
		name   string
		memsz  uint64 // of PT_GNU_STACK
		min    uint64
		want   uint64
		called string
	}{
		{"default", 0, 0, 0x40000, "stack: default 0x40000"},
		{"explicit, rounded up", 0x1001, 0, 0x2000, "stack: explicit 0x2000"},
		{"at least the minimum", 0x1000, 0x5001, 0x6000, "stack: explicit 0x1000"},
		{"more than the minimum", 0x9000, 0x5000, 0x9000, "stack: explicit 0x9000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			b := newBuilder(t, bytesVMO(t, elfFile(elf.ProgramHeader{Type: elf.PTGNUStack, Memsz: tt.memsz})))
			b.SetMinStackSize(tt.min)
			built, err := b.Build(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer built.Close()
			size, err := built.StackVMO.Size()
			if err != nil {
				t.Fatal(err)
			}
			name, err := built.StackVMO.Name()
			if err != nil {
				t.Fatal(err)
			}
			if size != tt.want || name != tt.called {
				t.Errorf("%#x bytes, %q, want %#x, %q", size, name, tt.want, tt.called)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name       string
		process    string
		job        func(t *testing.T) *zx.Job
		options    uint32
		executable func(t *testing.T) zx.VMO
		want       zx.Status
	}{
		{name: "no job", job: func(*testing.T) *zx.Job { return new(zx.Job) }, want: zx.ErrBadHandle},
		{name: "no executable", executable: func(*testing.T) zx.VMO { return zx.VMO{} }, want: zx.ErrBadHandle},
		{name: "NUL in the name", process: "a\x00b", want: zx.ErrInvalidArgs},
		{name: "unknown options", options: 1 << 31, want: zx.ErrInvalidArgs},
		{name: "job without the right", want: zx.ErrAccessDenied, job: func(t *testing.T) *zx.Job {
			j, err := zx.DefaultJob().Duplicate(zx.RightEnumerate)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { j.Close() })
			return &j
		}},
		{name: "job that was killed", want: zx.ErrBadState, job: func(t *testing.T) *zx.Job {
			j, err := zx.DefaultJob().CreateJob()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { j.Close() })
			if err := j.Kill(); err != nil {
				t.Fatal(err)
			}
			return &j
		}},
		{name: "job that is no job", want: zx.ErrWrongType, job: func(t *testing.T) *zx.Job {
			e, err := zx.NewEvent()
			if err != nil {
				t.Fatal(err)
			}
			j := zx.JobFromHandle(e.Take())
			t.Cleanup(func() { j.Close() })
			return &j
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			job, executable := zx.DefaultJob(), func(t *testing.T) zx.VMO { return program(t, "examples/hello") }
			if tt.job != nil {
				job = tt.job(t)
			}
			if tt.executable != nil {
				executable = tt.executable
			}
			_, err := builder.New(tt.process, job, tt.options, executable(t), vdso(t))
			checkError(t, err, tt.want)
		})
	}
}

// checkError checks that err is the layer's error and has a status.
func checkError(t *testing.T, err error, want zx.Status) {
	t.Helper()
	var e *builder.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a *builder.Error", err)
	}
	if e.Status() != want || !errors.Is(err, want) {
		t.Errorf("error %v with status %v, want %v", err, e.Status(), want)
	}
}

func TestAddRefuses(t *testing.T) {
	handle := func(t *testing.T) zx.Handle {
		e, err := zx.NewEvent()
		if err != nil {
			t.Fatal(err)
		}
		return e.Take()
	}
	type test struct {
		name string
		add  func(t *testing.T, b *builder.ProcessBuilder) error
		want zx.Status
	}
	tests := []test{
		{"NUL in an argument", func(_ *testing.T, b *builder.ProcessBuilder) error { return b.AddArguments("ok", "a\x00") }, zx.ErrInvalidArgs},
		{"NUL in a variable", func(_ *testing.T, b *builder.ProcessBuilder) error { return b.AddEnvironmentVariables("\x00") }, zx.ErrInvalidArgs},
		{"no loader service", func(_ *testing.T, b *builder.ProcessBuilder) error { return b.SetLoaderService(zx.Channel{}) }, zx.ErrBadHandle},
		{"invalid handle after a good one", func(t *testing.T, b *builder.ProcessBuilder) error {
			return b.AddHandles(
				builder.StartupHandle{Handle: handle(t), Info: processargs.NewHandleInfo(processargs.User0, 0)},
				builder.StartupHandle{Info: processargs.NewHandleInfo(processargs.User1, 0)})
		}, zx.ErrBadHandle},
		{"invalid directory", func(t *testing.T, b *builder.ProcessBuilder) error {
			return b.AddNamespaceEntries(
				builder.NamespaceEntry{Path: "/a", Directory: zx.ChannelFromHandle(handle(t))},
				builder.NamespaceEntry{Path: "/b"})
		}, zx.ErrBadHandle},
		{"NUL in a path", func(t *testing.T, b *builder.ProcessBuilder) error {
			return b.AddNamespaceEntries(builder.NamespaceEntry{Path: "/\x00", Directory: zx.ChannelFromHandle(handle(t))})
		}, zx.ErrInvalidArgs},
		{"too many entries", func(_ *testing.T, b *builder.ProcessBuilder) error {
			return b.AddNamespaceEntries(make([]builder.NamespaceEntry, math.MaxUint16+1)...)
		}, zx.ErrInvalidArgs},
	}
	for _, ht := range []processargs.HandleType{
		processargs.ProcessSelf, processargs.ThreadSelf, processargs.RootVMAR, processargs.LoadedVMAR,
		processargs.StackVMO, processargs.ExecutableVMO, processargs.NamespaceDirectory,
	} {
		tests = append(tests, test{ht.String(), func(t *testing.T, b *builder.ProcessBuilder) error {
			return b.AddHandles(
				builder.StartupHandle{Handle: handle(t), Info: processargs.NewHandleInfo(processargs.User0, 0)},
				builder.StartupHandle{Handle: handle(t), Info: processargs.NewHandleInfo(ht, 0)})
		}, zx.ErrInvalidArgs})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			b := newBuilder(t, program(t, "examples/hello"))
			checkError(t, tt.add(t, b), tt.want)
			// Nothing of it was added.
			built, err := b.Build(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer built.Close()
			c := receive(t, &built.Bootstrap)
			if len(c.Args)+len(c.Environ)+len(c.NamespacePaths) != 0 || len(c.Handles) != 6 {
				t.Errorf("the message has %+v", c)
			}
		})
	}
}

// A vDSO with the argument 0 replaces the system's; others are passed on.
func TestVDSOHandles(t *testing.T) {
	noLeaks(t)
	b := newBuilder(t, program(t, "examples/hello"))
	first, second := vdso(t), vdso(t)
	if err := first.Replace(zx.RightsBasic | zx.RightRead | zx.RightExecute | zx.RightMap | zx.RightGetProperty); err != nil {
		t.Fatal(err)
	}
	if err := b.AddHandles(
		builder.StartupHandle{Handle: first.Take(), Info: processargs.NewHandleInfo(processargs.VDSOVMO, 0)},
		builder.StartupHandle{Handle: second.Take(), Info: processargs.NewHandleInfo(processargs.VDSOVMO, 1)}); err != nil {
		t.Fatal(err)
	}
	built, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer built.Close()
	got := infos(receive(t, &built.Bootstrap))
	want := []string{"ProcessSelf", "ThreadSelf", "RootVMAR", "VDSOVMO(1)", "LoadedVMAR", "VDSOVMO", "StackVMO"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("handles %v, want %v", got, want)
	}
}

func TestBuildRefuses(t *testing.T) {
	args := func(ss ...string) func(*testing.T, *builder.ProcessBuilder) {
		return func(t *testing.T, b *builder.ProcessBuilder) {
			if err := b.AddArguments(ss...); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name       string
		executable []byte
		add        func(*testing.T, *builder.ProcessBuilder)
		want       zx.Status
	}{
		{"empty file", nil, nil, zx.ErrOutOfRange},
		{"no ELF", []byte("#!/bin/sh\n" + strings.Repeat(" ", 100)), nil, zx.ErrNotFound},
		{"32-bit ELF", append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 100)...), nil, zx.ErrNotFound},
		{"segment beyond the file", elfFile(elf.ProgramHeader{Type: elf.PTLoad, Offset: 0x8000, Vaddr: 0x8000, Filesz: 1, Memsz: 1}), nil, zx.ErrNotFound},
		{"too many bytes of arguments", elfFile(), args(strings.Repeat("x", zx.ChannelMaxMsgBytes)), zx.ErrInvalidArgs},
		{"too many handles", elfFile(), func(t *testing.T, b *builder.ProcessBuilder) {
			for i := range zx.ChannelMaxMsgHandles - 5 {
				e, err := zx.NewEvent()
				if err != nil {
					t.Fatal(err)
				}
				if err := b.AddHandles(builder.StartupHandle{Handle: e.Take(), Info: processargs.NewHandleInfo(processargs.User0, uint16(i))}); err != nil {
					t.Fatal(err)
				}
			}
		}, zx.ErrInvalidArgs},
		{"no loader", interp("ld.so.1\x00"), nil, zx.ErrInvalidArgs},
		{"vDSO that is none", elfFile(), func(t *testing.T, b *builder.ProcessBuilder) { b.SetVDSO(bytesVMO(t, []byte("vDSO"))) }, zx.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			b := newBuilder(t, bytesVMO(t, tt.executable))
			if tt.add != nil {
				tt.add(t, b)
			}
			_, err := b.Build(t.Context())
			checkError(t, err, tt.want)
		})
	}
}

// A program that ends too early is refused wherever it ends: all but the section
// headers, which nobody needs to run it.
func TestTruncated(t *testing.T) {
	noLeaks(t)
	all, err := os.ReadFile("../examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	h, err := elf.ParseReaderAt(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		t.Fatal(err)
	}
	var needed uint64
	for _, p := range h.Programs {
		if p.Type == elf.PTLoad {
			needed = max(needed, p.Offset+p.Filesz)
		}
	}
	if needed == 0 || needed >= uint64(len(all)) {
		t.Fatalf("%d bytes of %d are needed", needed, len(all))
	}
	for n := range len(all) {
		executable := bytesVMO(t, all[:n])
		b, err := builder.New("test", zx.DefaultJob(), 0, executable, vdso(t))
		if err != nil {
			t.Fatal(err)
		}
		built, err := b.Build(t.Context())
		if err == nil {
			built.Close()
		}
		want := zx.ErrNotFound
		switch {
		case n == 0: // a VMO without pages cannot be read
			want = zx.ErrOutOfRange
		case uint64(n) >= needed:
			want = zx.OK
		}
		if st := zx.StatusOf(err); st != want {
			t.Errorf("the first %d bytes: %v, want %v", n, err, want)
		}
	}
}

// Whatever is wrong with a file, building a process of it fails or works: it
// does not panic, and leaves nothing.
func FuzzBuild(f *testing.F) {
	for _, name := range []string{"../examples/hello", "../testdata/ld.so.1"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(elfFile())
	f.Add(interp("ld.so.1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := zircon.Self().Handles().Len()
		pb, err := builder.New("fuzz", zx.DefaultJob(), 0, bytesVMO(t, b), vdso(t))
		if err != nil {
			t.Fatal(err)
		}
		built, err := pb.Build(t.Context())
		if err == nil {
			built.Close()
		} else if e := new(builder.Error); !errors.As(err, &e) || e.Status() == zx.OK {
			t.Errorf("error %v, want a *builder.Error", err)
		}
		if after := zircon.Self().Handles().Len(); after != before {
			t.Errorf("%d handles, %d before", after, before)
		}
	})
}

// A stack that is too large for any address space is the system's to refuse.
func TestHugeStack(t *testing.T) {
	for _, size := range []uint64{1 << 47, 1 << 63, math.MaxUint64} {
		t.Run(fmt.Sprintf("%#x", size), func(t *testing.T) {
			noLeaks(t)
			b := newBuilder(t, bytesVMO(t, elfFile(elf.ProgramHeader{Type: elf.PTGNUStack, Memsz: size})))
			built, err := b.Build(t.Context())
			if err == nil {
				built.Close()
			}
			var e *builder.Error
			if !errors.As(err, &e) || e.Status() == zx.OK {
				t.Errorf("error %v, want one of the system", err)
			}
		})
	}
}

// fakeLoader answers LoadObject with what its function gives.
type fakeLoader struct {
	ldsvc.LoaderServer
	load func(ctx context.Context, name string) (*ldsvc.LoaderLoadObjectResponse, error)
}

func (l fakeLoader) LoadObject(ctx context.Context, req *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	return l.load(ctx, req.ObjectName)
}

func TestLoaderRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	status := func(st zx.Status) func(context.Context, string) (*ldsvc.LoaderLoadObjectResponse, error) {
		return func(context.Context, string) (*ldsvc.LoaderLoadObjectResponse, error) {
			return &ldsvc.LoaderLoadObjectResponse{Rv: st}, nil
		}
	}
	for _, tt := range []struct {
		name   string
		interp string
		ctx    context.Context
		load   func(context.Context, string) (*ldsvc.LoaderLoadObjectResponse, error) // nil: never served
		want   zx.Status
	}{
		{name: "name does not end", interp: "ld.so.1", load: status(zx.OK), want: zx.ErrInvalidArgs},
		{name: "empty PT_INTERP", interp: "", load: status(zx.OK), want: zx.ErrInvalidArgs},
		{name: "name too long", interp: strings.Repeat("x", 1025) + "\x00", load: status(zx.OK), want: zx.ErrInvalidArgs},
		{name: "not UTF-8", interp: "\xff\x00", load: status(zx.OK), want: zx.ErrInvalidArgs},
		{name: "not there", interp: "ld.so.1\x00", load: status(zx.ErrNotFound), want: zx.ErrNotFound},
		{name: "its own status", interp: "ld.so.1\x00", load: status(zx.ErrIODataIntegrity), want: zx.ErrIODataIntegrity},
		{name: "OK without a VMO", interp: "ld.so.1\x00", load: status(zx.OK), want: zx.ErrInternal},
		{name: "closes", interp: "ld.so.1\x00", load: func(context.Context, string) (*ldsvc.LoaderLoadObjectResponse, error) {
			return nil, zx.ErrInternal
		}, want: zx.ErrNotFound},
		{name: "no ELF", interp: "ld.so.1\x00", load: func(context.Context, string) (*ldsvc.LoaderLoadObjectResponse, error) {
			v, err := zx.NewVMO(4096, 0)
			return &ldsvc.LoaderLoadObjectResponse{Object: v.Take()}, err
		}, want: zx.ErrNotFound},
		{name: "context ended", interp: "ld.so.1\x00", ctx: ended, want: zx.ErrCanceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			b := newBuilder(t, bytesVMO(t, interp(tt.interp)))
			client, server := newChannel(t)
			if err := b.SetLoaderService(client); err != nil {
				t.Fatal(err)
			}
			if tt.load != nil {
				served := make(chan struct{})
				t.Cleanup(func() { b.Close(); <-served })
				go func() {
					defer close(served)
					_ = ldsvc.ServeLoader(context.Background(), server, fakeLoader{load: tt.load}) // ends with the builder
				}()
			}
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			_, err := b.Build(ctx)
			checkError(t, err, tt.want)
		})
	}
}

func TestInitialStackPointer(t *testing.T) {
	sp := builder.InitialStackPointer(0x10000, 0x3000)
	if sp != 0x13000-8 {
		t.Errorf("InitialStackPointer = %#x, want the end less 8", sp)
	}
}

func TestInitialLinkerStackSize(t *testing.T) {
	for _, tt := range []struct {
		bytes, extra int
		want         uint64
	}{
		{0, 0, 0x1000},
		{1024 - 36 - 1, 0, 0x1000},     // as much as fits
		{1024 - 36, 0, 0x2000},         // one byte more
		{1024 - 36 - 1 - 8, 1, 0x1000}, // a handle takes four bytes of info and four of its own
		{1024 - 36 - 1 - 8 + 1, 1, 0x2000},
	} {
		c := &builder.MessageContents{}
		if tt.bytes > 0 {
			c.Args = []string{strings.Repeat("x", tt.bytes)}
		}
		got, err := builder.InitialLinkerStackSize(c, tt.extra)
		if err != nil || got != tt.want {
			t.Errorf("%d bytes and %d handles: %#x, %v, want %#x", tt.bytes, tt.extra, got, err, tt.want)
		}
		if len(c.Handles) != 0 {
			t.Error("the contents changed")
		}
	}
	if _, err := builder.InitialLinkerStackSize(&builder.MessageContents{}, 65); !errors.Is(err, zx.ErrInvalidArgs) {
		t.Errorf("65 handles: %v, want %v", err, zx.ErrInvalidArgs)
	}
}
