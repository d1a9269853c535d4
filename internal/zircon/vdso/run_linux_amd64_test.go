package vdso_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso/internal/calltest"
)

// mapped is an image mapped into the test's own process, to be called.
type mapped struct {
	*object
	t     testing.TB
	stack *calltest.Stack
}

func mapMem(t testing.TB, size int) []byte {
	t.Helper()
	mem, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	return mem
}

func protect(t testing.TB, mem []byte, prot int) {
	t.Helper()
	if err := syscall.Mprotect(mem, prot); err != nil {
		t.Fatal(err)
	}
}

func address(mem []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) }

// load maps an image with the two protections that it asks for.
func load(t testing.TB, im *vdso.Image) *mapped {
	t.Helper()
	mem := mapMem(t, len(im.Bytes))
	copy(mem, im.Bytes)
	protect(t, mem[:im.TextOffset], syscall.PROT_READ)
	protect(t, mem[im.TextOffset:], syscall.PROT_READ|syscall.PROT_EXEC)
	o, err := open(mem)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := calltest.NewStack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	return &mapped{o, t, stack}
}

// call calls a function and checks that it kept the caller's registers.
func (m *mapped) call(name string, f *calltest.Frame) {
	m.t.Helper()
	s, ok := m.lookup(name)
	if !ok {
		m.t.Fatalf("no %s", name)
	}
	m.stack.Call(uintptr(address(m.mem)+s.value), f)
	if f.Broken != 0 {
		m.t.Errorf("%s changes registers of its caller", name)
	}
}

// result calls a function and returns rax.
func (m *mapped) result(name string, args ...uint64) uint64 {
	m.t.Helper()
	var f calltest.Frame
	copy(f.Args[:], args)
	m.call(name, &f)
	return f.RAX
}

// cString reads a C string, which must be in the image.
func (m *mapped) cString(addr uint64) string {
	m.t.Helper()
	off := addr - address(m.mem)
	if off >= uint64(len(m.mem)) {
		m.t.Fatalf("%#x is not in the image", addr)
	}
	s := m.mem[off:]
	for i, c := range s {
		if c == 0 {
			return string(s[:i])
		}
	}
	m.t.Fatal("no NUL")
	return ""
}

// codePage maps code and returns its address.
func codePage(t testing.TB, code []byte) uint64 {
	t.Helper()
	mem := mapMem(t, 4096)
	copy(mem, code)
	protect(t, mem, syscall.PROT_READ|syscall.PROT_EXEC)
	return address(mem)
}

// fakeClock makes a clock_gettime that gives the time sec.nsec, and a word
// slot that holds its address. It records its rsp and its first argument.
func fakeClock(t testing.TB) (slot uint64, time, seen []byte) {
	t.Helper()
	data := mapMem(t, 4096)
	time, seen = data[0:16], data[16:32]
	code := []byte{0x49, 0xbb} // mov r11, data
	code = binary.LittleEndian.AppendUint64(code, address(data))
	code = append(code,
		0x49, 0x89, 0x63, 0x10, // mov [r11+16], rsp
		0x49, 0x89, 0x7b, 0x18, // mov [r11+24], rdi
		0x41, 0x0f, 0x10, 0x03, // movups xmm0, [r11]
		0x0f, 0x29, 0x06, // movaps [rsi], xmm0: faults unless aligned to 16
		// What a callee may overwrite.
		0x48, 0x83, 0xc9, 0xff, // or rcx, -1
		0x48, 0x83, 0xca, 0xff, // or rdx, -1
		0x48, 0x83, 0xcf, 0xff, // or rdi, -1
		0x48, 0x83, 0xce, 0xff, // or rsi, -1
		0x4d, 0x31, 0xc0, // xor r8, r8
		0x4d, 0x31, 0xc9, // xor r9, r9
		0x4d, 0x31, 0xd2, // xor r10, r10
		0x31, 0xc0, // xor eax, eax
		0xc3, // ret
	)
	fn := codePage(t, code)
	le.PutUint64(data[64:], fn)
	return address(data[64:]), time, seen
}

func setTime(time []byte, sec, nsec int64) {
	le.PutUint64(time, uint64(sec))
	le.PutUint64(time[8:], uint64(nsec))
}

func TestClocks(t *testing.T) {
	slot, time, seen := fakeClock(t)
	cfg := config(0)
	cfg.ClockGettime = slot
	im := build(t, cfg)
	m, u := load(t, im), openUnwind(t, im)
	for name, clock := range map[string]uint64{
		"zx_clock_get_monotonic": 1, // CLOCK_MONOTONIC
		"zx_clock_get_boot":      7, // CLOCK_BOOTTIME
		"zx_ticks_get":           1,
		"zx_ticks_get_boot":      7,
	} {
		for _, now := range []struct{ sec, nsec, want int64 }{
			{0, 0, 0},
			{0, 999_999_999, 999_999_999},
			{1, 1, 1_000_000_001},
			{9_223_372_036, 854_775_807, math.MaxInt64},
		} {
			setTime(time, now.sec, now.nsec)
			var f calltest.Frame
			m.call(name, &f)
			if int64(f.RAX) != now.want {
				t.Errorf("%s at %d s %d ns: %d, want %d", name, now.sec, now.nsec, int64(f.RAX), now.want)
			}
			if got := le.Uint64(seen[8:]); got != clock {
				t.Errorf("%s reads Linux clock %d, want %d", name, got, clock)
			}
			// Its stack pointer, by the convention, was 8 off alignment; and
			// from it the unwind tables lead to the caller.
			rsp := le.Uint64(seen)
			if rsp%16 != 8 {
				t.Errorf("%s calls with rsp = %#x on entry", name, rsp)
			}
			s, _ := m.lookup(name)
			pc := le.Uint64(stackWord(rsp)) - address(m.mem)
			if pc <= s.value || pc >= s.value+s.size {
				t.Fatalf("%s: the return address is at %#x, not in it", name, pc)
			}
			if got := rsp + 8 + u.frameSize(t, pc); got != f.RSP+8 {
				t.Errorf("%s: unwinding leads to %#x, want %#x", name, got, f.RSP+8)
			}
		}
	}
	if got := m.result("zx_ticks_per_second"); got != 1e9 {
		t.Errorf("zx_ticks_per_second: %d", got)
	}
}

// stackWord is the 8 bytes at an address of a calltest stack.
func stackWord(addr uint64) []byte { return stackBytes(addr, 8) }

func stackBytes(addr uint64, n int) []byte {
	p := uintptr(addr)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n)
}

func TestDeadlineAfter(t *testing.T) {
	slot, time, _ := fakeClock(t)
	cfg := config(0)
	cfg.ClockGettime = slot
	m := load(t, build(t, cfg))
	const now = 5_000_000_003
	for _, c := range []struct {
		sec, nsec, after, want int64
	}{
		{5, 3, 0, now},
		{5, 3, 7, now + 7},
		{5, 3, -7, now - 7},
		{5, 3, -2 * now, -now},
		{5, 3, math.MaxInt64 - now, math.MaxInt64},
		{5, 3, math.MaxInt64 - now + 1, math.MaxInt64},
		{5, 3, math.MaxInt64, math.MaxInt64}, // ZX_TIME_INFINITE stays what it is
		{5, 3, math.MinInt64, math.MinInt64 + now},
		{0, 0, math.MaxInt64, math.MaxInt64},
		{0, 0, math.MinInt64, math.MinInt64},
		{-1, 0, math.MinInt64, math.MinInt64},
		{-1, 0, math.MinInt64 + 1e9, math.MinInt64},
		{-1, 0, math.MinInt64 + 1e9 - 1, math.MinInt64},
	} {
		setTime(time, c.sec, c.nsec)
		if got := int64(m.result("zx_deadline_after", uint64(c.after))); got != c.want {
			t.Errorf("at %d s %d ns, %d after is %d, want %d", c.sec, c.nsec, c.after, got, c.want)
		}
	}
}

// With Linux's own clock_gettime behind it, the clock is that of the host.
func TestHostClock(t *testing.T) {
	slot := mapMem(t, 4096)
	le.PutUint64(slot, hostClockGettime(t))
	cfg := config(0)
	cfg.ClockGettime = address(slot)
	m := load(t, build(t, cfg))
	for name, clock := range map[string]uintptr{"zx_clock_get_monotonic": 1, "zx_clock_get_boot": 7} {
		linux := func() uint64 {
			var ts syscall.Timespec
			if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
				t.Fatal(errno)
			}
			return uint64(ts.Nano())
		}
		for range 100 {
			before := linux()
			got := m.result(name)
			if after := linux(); got < before || got > after {
				t.Fatalf("%s: %d, not in [%d, %d]", name, got, before, after)
			}
		}
	}
}

// hostClockGettime finds clock_gettime in the vDSO that Linux gave the test.
func hostClockGettime(t *testing.T) uint64 {
	t.Helper()
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		t.Skipf("no auxiliary vector: %v", err)
	}
	const sysinfoEhdr = 33 // AT_SYSINFO_EHDR
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if le.Uint64(auxv) != sysinfoEhdr {
			continue
		}
		base := le.Uint64(auxv[8:])
		o, err := open(stackBytes(base, 4096))
		if err != nil {
			t.Fatal(err)
		}
		s, ok := o.lookup("__vdso_clock_gettime")
		if !ok {
			t.Skip("Linux's vDSO has no clock_gettime")
		}
		return base + s.value
	}
	t.Skip("Linux gave no vDSO")
	return 0
}

func TestStatusGetString(t *testing.T) {
	m := load(t, build(t, config(0)))
	named := 0
	for s := zx.Status(10); s > -600; s-- {
		want := s.String()
		if strings.HasPrefix(want, "(") || s == zx.ErrInternalIntrKilled {
			want = "(UNKNOWN)"
		} else {
			named++
		}
		// The upper half of a register that holds 32 bits is arbitrary.
		for _, upper := range []uint64{0, math.MaxUint32 << 32, 0xabc << 32} {
			if got := m.cString(m.result("zx_status_get_string", upper|uint64(uint32(s)))); got != want {
				t.Errorf("%d: %q, want %q", s, got, want)
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d statuses have names", named)
	}
	for _, s := range []int32{math.MinInt32, math.MaxInt32} {
		if got := m.cString(m.result("zx_status_get_string", uint64(uint32(s)))); got != "(UNKNOWN)" {
			t.Errorf("%d: %q", s, got)
		}
	}
}

func TestExceptionGetString(t *testing.T) {
	m := load(t, build(t, config(0)))
	for typ, want := range map[uint32]string{
		0x008:       "ZX_EXCP_GENERAL",
		0x108:       "ZX_EXCP_FATAL_PAGE_FAULT",
		0x208:       "ZX_EXCP_UNDEFINED_INSTRUCTION",
		0x308:       "ZX_EXCP_SW_BREAKPOINT",
		0x408:       "ZX_EXCP_HW_BREAKPOINT",
		0x508:       "ZX_EXCP_UNALIGNED_ACCESS",
		0x8008:      "ZX_EXCP_THREAD_STARTING",
		0x8108:      "ZX_EXCP_THREAD_EXITING",
		0x8208:      "ZX_EXCP_POLICY_ERROR",
		0x8308:      "ZX_EXCP_PROCESS_STARTING",
		0:           "(UNKNOWN)",
		0x608:       "(UNKNOWN)",
		0x8000:      "(UNKNOWN)",
		0xffff_ffff: "(UNKNOWN)",
	} {
		if got := m.cString(m.result("zx_exception_get_string", 7<<32|uint64(typ))); got != want {
			t.Errorf("%#x: %q, want %q", typ, got, want)
		}
	}
}

func TestSystem(t *testing.T) {
	cfg := config(0)
	m := load(t, build(t, cfg))
	for name, want := range map[string]uint64{
		"zx_system_get_num_cpus":         3,
		"zx_system_get_physmem":          5 << 30,
		"zx_system_get_page_size":        4096,
		"zx_system_get_dcache_line_size": 64,
	} {
		if got := m.result(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, version := range []string{"", "test-1.2", strings.Repeat("v", 63)} {
		cfg := config(0)
		cfg.Version = version
		m := load(t, build(t, cfg))
		var f calltest.Frame
		m.call("zx_system_get_version_string", &f)
		if got := m.cString(f.RAX); got != version || f.RDX != uint64(len(version)) {
			t.Errorf("string: %q of %d bytes, want %q", got, f.RDX, version)
		}
		buf := mapMem(t, 4096)
		for i := range buf {
			buf[i] = 0xee
		}
		if got := m.status("zx_system_get_version", address(buf), 63); got != zx.ErrBufferTooSmall || buf[0] != 0xee {
			t.Errorf("63 bytes: %v, want %v", got, zx.ErrBufferTooSmall)
		}
		if got := m.status("zx_system_get_version", address(buf), 64); got != zx.OK {
			t.Errorf("64 bytes: %v", got)
		}
		if got := string(buf[:65]); got != version+strings.Repeat("\x00", 64-len(version))+"\xee" {
			t.Errorf("buffer %q, want %q", got, version)
		}
	}
}

// status calls a function that returns a zx_status_t.
func (m *mapped) status(name string, args ...uint64) zx.Status {
	m.t.Helper()
	return zx.Status(int32(m.result(name, args...)))
}

func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		cpu  uint32
		want []zx.Status // by kind, from 0
	}{
		{0, []zx.Status{zx.ErrNotSupported, zx.OK, zx.OK, zx.OK, zx.OK, zx.ErrNotSupported}},
		{2, []zx.Status{zx.ErrNotSupported, zx.OK, zx.OK, zx.OK, zx.OK, zx.ErrNotSupported}},
		{3, []zx.Status{zx.OK, zx.OK, zx.OK, zx.OK, zx.OK, zx.ErrNotSupported}},
	} {
		cfg := config(0)
		cfg.Features.CPU = c.cpu
		m := load(t, build(t, cfg))
		values := []uint32{c.cpu, 4, 5, 6, 7}
		out := mapMem(t, 4096)
		for kind, want := range c.want {
			le.PutUint64(out, math.MaxUint64)
			wantOut := uint64(math.MaxUint64)
			if want == zx.OK {
				wantOut = math.MaxUint32<<32 | uint64(values[kind])
			}
			got := m.status("zx_system_get_features", 9<<32|uint64(kind), address(out))
			if got != want || le.Uint64(out) != wantOut {
				t.Errorf("features %d, kind %d: %v and %#x, want %v and %#x", c.cpu, kind, got, le.Uint64(out), want, wantOut)
			}
		}
		if got := m.status("zx_system_get_features", math.MaxUint32, 0); got != zx.ErrNotSupported {
			t.Errorf("kind -1: %v", got)
		}
	}
}

func TestCacheFlush(t *testing.T) {
	m := load(t, build(t, config(0)))
	// The last byte of the mapping may be flushed, and nothing after it is
	// touched: an access there would be a fault.
	mem := mapMem(t, 2*4096)
	protect(t, mem[4096:], syscall.PROT_NONE)
	page := address(mem)
	for options := range uint64(20) {
		want := zx.ErrInvalidArgs
		switch options {
		case 1, 2, 3, 2 | 4, 1 | 2 | 4: // instructions, data, both; invalidation goes with data
			want = zx.OK
		}
		for _, r := range [][2]uint64{{0, 4096}, {1, 4095}, {4095, 1}, {63, 2}, {0, 0}, {7, 0}, {4096, 0}} {
			if got := m.status("zx_cache_flush", page+r[0], r[1], 1<<40|options); got != want {
				t.Errorf("options %d, %d bytes at %d: %v, want %v", options, r[1], r[0], got, want)
			}
		}
	}
	cfg := config(0)
	cfg.DCacheLine = 0
	m = load(t, build(t, cfg))
	if got := m.status("zx_cache_flush", page, 1, 2); got != zx.ErrNotSupported {
		t.Errorf("without a line size: %v", got)
	}
	if got := m.status("zx_cache_flush", page, 1, 0); got != zx.ErrInvalidArgs {
		t.Errorf("without a line size or options: %v", got)
	}
}

// hooked returns im with "call rbx" in place of each syscall instruction: the
// same two bytes, so that all else is as it is. In TestArguments and TestExits
// the call goes to calltest's hook.
func hooked(im *vdso.Image) *vdso.Image {
	for off := im.TextOffset + 2; off < uint64(len(im.Bytes)); off++ {
		if _, ok := im.SyscallAt(off); ok {
			copy(im.Bytes[off-2:], []byte{0xff, 0xd3})
		}
	}
	return im
}

// Every argument of a C caller arrives where the kernel looks for it, the
// result comes back, and the stack can be unwound from the syscall.
func TestArguments(t *testing.T) {
	im := hooked(build(t, config(0)))
	m, u := load(t, im), openUnwind(t, im)
	for nargs := range vdso.MaxArgs + 1 {
		name := fmt.Sprintf("zx_args_%d", nargs)
		f := calltest.Frame{Answer: 0xfeed_0000_0000 + uint64(nargs)}
		for i := range f.Args {
			f.Args[i] = 0xa000_0000_0000_0000 + uint64(i)
		}
		m.call(name, &f)

		r := f.Hook
		if r.RAX != 0x800+uint64(nargs) {
			t.Errorf("%s: number %#x", name, r.RAX)
		}
		if f.RAX != f.Answer {
			t.Errorf("%s: returned %#x, want %#x", name, f.RAX, f.Answer)
		}
		args := [vdso.MaxArgs]uint64{r.RDI, r.RSI, r.RDX, r.R10, r.R8, r.R9}
		if n := vdso.StackBlock(nargs); n > 0 {
			vdso.UnpackStackArgs(&args, stackBytes(r.R9, n), nargs)
		}
		for i := range nargs {
			if args[i] != f.Args[i] {
				t.Errorf("%s: argument %d is %#x, want %#x", name, i, args[i], f.Args[i])
			}
		}
		s, _ := m.lookup(name)
		pc := s.value
		for n, ok := im.SyscallAt(pc); !ok; n, ok = im.SyscallAt(pc) {
			if pc++; pc > s.value+s.size {
				t.Fatalf("%s has no syscall, %d", name, n)
			}
		}
		if got := r.RSP + u.frameSize(t, pc-2); got != f.RSP+8 {
			t.Errorf("%s: unwinding leads to %#x, want %#x", name, got, f.RSP+8)
		}
	}
}

// Functions that do not return go to ThreadExit, with the stack as it was on
// entry. Here that code returns a mark, and so ends the call.
func TestExits(t *testing.T) {
	const mark = 0x600d
	exit := append([]byte{0xb8}, le.AppendUint32(nil, mark)...) // mov eax, mark
	exit = append(exit, 0xc3)                                   // ret
	cfg := config(0)
	cfg.ThreadExit = codePage(t, exit)
	m := load(t, hooked(build(t, cfg)))
	for _, c := range []struct {
		name         string
		answer, want uint64
	}{
		{"zx_exit", 0, mark},
		{"zx_exit", 1, mark},
		{"zx_wake_exit", 0, mark},
		{"zx_unmap_exit", 0, mark},
		{"zx_unmap_exit", 0xffff_fff5, 0xffff_fff5}, // a status is 32 bits
		{"zx_unmap_exit", 1 << 32, mark},
	} {
		f := calltest.Frame{Args: [10]uint64{1, 2, 3, 4, 5, 6}, Answer: c.answer}
		m.call(c.name, &f)
		if f.RAX != c.want {
			t.Errorf("%s, answered %#x: %#x, want %#x", c.name, c.answer, f.RAX, c.want)
		}
		if f.Hook.R10 != 4 && c.name != "zx_exit" {
			t.Errorf("%s: fourth argument %d", c.name, f.Hook.R10)
		}
	}
}

// Entries make real syscalls: given Linux's numbers, they are Linux's.
func TestSyscalls(t *testing.T) {
	cfg := config(0)
	cfg.Entries = append(cfg.Entries,
		vdso.Entry{Name: "zx_getppid", Number: syscall.SYS_GETPPID},
		vdso.Entry{Name: "zx_mmap", Number: syscall.SYS_MMAP, Args: 6},
		vdso.Entry{Name: "zx_munmap", Number: syscall.SYS_MUNMAP, Args: 2},
	)
	m := load(t, build(t, cfg))
	if got, want := m.result("zx_getppid"), uint64(os.Getppid()); got != want {
		t.Errorf("getppid: %d, want %d", got, want)
	}
	if got := m.result("_zx_getppid"); got != uint64(os.Getppid()) {
		t.Errorf("by its other name: %d", got)
	}

	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(strings.Repeat("1", 4096)+strings.Repeat("2", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	addr := m.result("zx_mmap", 0, 4096, syscall.PROT_READ, syscall.MAP_PRIVATE, uint64(file.Fd()), 4096)
	if int64(addr) < 0 {
		t.Fatalf("mmap: %v", syscall.Errno(-addr))
	}
	if got := string(stackBytes(addr, 4)); got != "2222" {
		t.Errorf("the mapping begins with %q", got)
	}
	if got := m.result("zx_munmap", addr, 4096); got != 0 {
		t.Errorf("munmap: %v", syscall.Errno(-got))
	}
}

func BenchmarkClockGetMonotonic(b *testing.B) {
	slot, _, _ := fakeClock(b)
	cfg := config(0)
	cfg.ClockGettime = slot
	m := load(b, build(b, cfg))
	s, _ := m.lookup("zx_clock_get_monotonic")
	var f calltest.Frame
	for b.Loop() {
		m.stack.Call(uintptr(address(m.mem)+s.value), &f)
	}
}
