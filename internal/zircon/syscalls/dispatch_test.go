package syscalls

import (
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
)

func TestArgumentsArrive(t *testing.T) {
	p := newProgram(t)
	for n := range 9 {
		args := []uint64{1, 10, 100, 1000, 10000, 100000, 1000000, 10000000}[:n]
		want := zx.Status(0)
		for _, a := range args {
			want += zx.Status(a)
		}
		if st := p.call("zx_syscall_test_"+string(rune('0'+n)), args...); st != want {
			t.Errorf("the sum of %d arguments is %d, want %d", n, st, want)
		}
	}
	// Any number is a result.
	p.is("a large sum", p.call("zx_syscall_test_1", 1<<31-1), 1<<31-1)
	p.is("a large status", p.call("zx_syscall_test_handle_create", 1<<31-1, p.mem), 1<<31-1)
}

// A thread whose stack pointer is nowhere has no seventh argument.
func TestStackThatCannotBeRead(t *testing.T) {
	p := newProgram(t)
	i := number("zx_syscall_test_8")
	for _, stack := range []uint64{0, 0x1000, p.mem + programMem - 8, 1 << 62, ^uint64(0)} {
		result := make(chan zx.Status, 1)
		trap := object.NewTrap(1, func(_, v uint64) { result <- zx.Status(v) })
		trap.Number, trap.PC = uint64(firstNumber+i), p.vdso+codeOff+uint64(i)+1
		trap.Args[5] = stack
		Dispatch(p.proc, p.thread, trap)
		p.is("the call", p.await(result), zx.ErrInvalidArgs)
	}
}

// A call that the vDSO did not make, or not in this place, ends the process.
func TestCallsFromElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name       string
		number, at int // at is the place in the code; -1 outside
	}{
		{"number of another call", 1, 0},
		{"unknown number", len(Table), len(Table)},
		{"Linux's getpid", 39 - firstNumber, 0},
		{"program's own code", 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgram(t)
			var said string
			p.k.Sink = func(r object.LogRecord) { said += string(r.Message) }
			trap := object.NewTrap(1, func(uint64, uint64) { t.Error("the call was answered") })
			trap.Number, trap.PC = uint64(firstNumber+tt.number), p.vdso+codeOff+uint64(tt.at)+1
			if tt.at < 0 {
				trap.PC = p.mem
			}
			Dispatch(p.proc, p.thread, trap)
			p.eventually("the process has ended", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
				func() any { return p.proc.Info() })
			if r := p.proc.Info().Retcode; r != object.RetcodeExceptionKill {
				t.Errorf("return code %d, want %d", r, object.RetcodeExceptionKill)
			}
			if !strings.Contains(p.proc.KillReason(), "system call") {
				t.Errorf("killed for %q", p.proc.KillReason())
			}
		})
	}
}

func TestUnsupported(t *testing.T) {
	p := newProgram(t)
	var said []string
	p.k.Sink = func(r object.LogRecord) { said = append(said, string(r.Message)) }
	p.is("zx_guest_create", p.call("zx_guest_create", 0, 0, 0, 0), zx.ErrNotSupported)
	if want := "zx_guest_create is not supported"; !slices.Contains(said, want) {
		t.Errorf("the log says %q, not %q", said, want)
	}
	for _, e := range unsupportedTable {
		if st := p.call(e.Name, make([]uint64, e.Args)...); st != zx.ErrNotSupported {
			t.Errorf("%s gives %v", e.Name, st)
		}
	}
}

func TestTable(t *testing.T) {
	seen := make(map[string]bool)
	for i, e := range Table {
		if seen[e.Name] {
			t.Errorf("%s is there twice", e.Name)
		}
		seen[e.Name] = true
		if !strings.HasPrefix(e.Name, "zx_") || e.Args < 0 || e.Args > 8 {
			t.Errorf("entry %q with %d arguments", e.Name, e.Args)
		}
		if e.Number != firstNumber+uint32(i) || lookup(uint64(e.Number)) != &Table[i] {
			t.Errorf("%s has number %#x", e.Name, e.Number)
		}
		if e.Handler == nil {
			t.Errorf("%s has no handler", e.Name)
		}
	}
	for _, n := range []uint64{0, firstNumber - 1, firstNumber + uint64(len(Table)), 1 << 63, ^uint64(0)} {
		if lookup(n) != nil {
			t.Errorf("number %#x is a call", n)
		}
	}
}

// The image that programs get makes each call, from a place of its own.
func TestVDSO(t *testing.T) {
	im, err := vdso.Build(vdso.Config{Entries: VDSO(), PageSize: 4096, NumCPUs: 1})
	if errors.Is(err, zx.ErrNotSupported) {
		t.Skip(err) // another architecture
	}
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[uint32]int)
	for off := range uint64(len(im.Bytes)) {
		if n, ok := im.SyscallAt(off); ok {
			places[n]++
		}
	}
	for _, e := range Table {
		if places[e.Number] != 1 {
			t.Errorf("%s is called from %d places", e.Name, places[e.Number])
		}
	}
}

func TestSystem(t *testing.T) {
	p := newProgram(t)
	root := p.a.Handles().Add(object.NewHandle(p.k.Root, object.JobRights))
	_, st := SystemGetEvent(p.a, root, 1)
	p.ok("get_event", st)
	_, st = SystemGetEvent(p.a, root, 9)
	p.is("get_event of no kind", st, zx.ErrInvalidArgs)
	job, _ := JobCreate(p.a, root, 0)
	_, st = SystemGetEvent(p.a, job, 1)
	p.is("get_event by another job", st, zx.ErrAccessDenied)
	p.is("test_handle_create", p.call("zx_syscall_test_handle_create", uint64(1<<32-60), p.mem), zx.ErrStop)
	p.ok("test_handle_create", p.call("zx_syscall_test_handle_create", 0, p.mem))
	for _, tt := range []struct {
		a, b, c uint64
		want    zx.Status
	}{{1, 2, 3, 6}, {20, 20, 11, zx.ErrOutOfRange}, {1 << 31, 0, 0, zx.ErrInvalidArgs}} {
		p.is("test_wrapper", p.call("zx_syscall_test_wrapper", tt.a, tt.b, tt.c), tt.want)
	}
	p.ok("barrier", p.call("zx_system_barrier", 0))
}

// inPlace are the functions that the vDSO answers without the kernel.
var inPlace = []string{
	"zx_cache_flush", "zx_clock_get_monotonic", "zx_deadline_after", "zx_exception_get_string",
	"zx_status_get_string", "zx_system_get_dcache_line_size", "zx_system_get_features",
	"zx_system_get_num_cpus", "zx_system_get_physmem", "zx_system_get_version",
	"zx_system_get_version_string", "zx_ticks_get", "zx_ticks_per_second",
}

// Every function of a real SDK's libzircon.so is here or answered in place, and
// with the number of arguments that its header gives.
func TestTableCoversSDK(t *testing.T) {
	sdk := os.Getenv("FUCHSIA_SDK")
	if sdk == "" {
		t.Skip("FUCHSIA_SDK is not set")
	}
	sysroot := filepath.Join(sdk, "arch/x64/sysroot")
	f, err := elf.Open(filepath.Join(sysroot, "lib/libzircon.so"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(filepath.Join(sysroot, "include/zircon/syscalls/internal/cdecls.inc"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if !strings.HasPrefix(s.Name, "zx_") || slices.Contains(inPlace, s.Name) {
			continue
		}
		i := slices.IndexFunc(Table, func(e Entry) bool { return e.Name == s.Name })
		if i < 0 {
			t.Errorf("%s is missing", s.Name)
			continue
		}
		_, decl, ok := strings.Cut(string(header), "DECL("+strings.TrimPrefix(s.Name, "zx_")+",")
		if !ok {
			continue // declared for tests only
		}
		// name, type, attributes, count
		if fields := strings.SplitN(decl, ",", 4); strings.TrimSpace(fields[2]) != string(rune('0'+Table[i].Args)) {
			t.Errorf("%s has %d arguments, the SDK says %s", s.Name, Table[i].Args, fields[2])
		}
	}
}

// A call that waits when its process is killed is not answered, and lets go of
// what it holds.
func TestKilledWhileWaiting(t *testing.T) {
	p := newProgram(t)
	h, _ := EventCreate(p.proc, 0)
	var results []<-chan zx.Status
	results = append(results,
		p.start(p.thread, "zx_object_wait_one", uint64(h), uint64(zx.EventSignaled), object.TimeInfinite, 0),
		p.start(p.newThread(), "zx_nanosleep", object.TimeInfinite),
		p.start(p.newThread(), "zx_futex_wait", p.mem, 0, 0, object.TimeInfinite))
	p.proc.Kill(object.RetcodeSyscallKill)
	p.eventually("the process has ended", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
		func() any { return p.proc.Info() })
	for i, r := range results {
		select {
		case st := <-r:
			t.Errorf("call %d was answered: %v", i, st)
		default:
		}
	}
	if n := p.proc.Handles().Len(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}
