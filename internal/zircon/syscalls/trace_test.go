package syscalls

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// output is a buffer that several goroutines may use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// lines are the lines so far, without the time that calls took.
func (o *output) lines() []string {
	s := regexp.MustCompile(` <\d+\.\d+>`).ReplaceAllString(o.String(), "")
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// trace lets t trace the program from now on.
func (p *program) trace(t *Tracer) { p.k.Tracer, p.k.OnSyscall = t, t.Dispatch }

func newTracer(t testing.TB, o TraceOptions) *Tracer {
	t.Helper()
	tr, err := NewTracer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// newTraced is a program whose calls are traced.
func newTraced(t testing.TB, o TraceOptions) (*program, *output) {
	p, out := newProgram(t), new(output)
	o.Out = out
	p.trace(newTracer(t, o))
	return p, out
}

// handle says how one of the program's handles is shown.
func (p *program) handle(h zx.Handle) string {
	p.Helper()
	o := p.proc.Handles().Lookup(h)
	if o == nil {
		p.Fatalf("handle %#x is none", h)
	}
	return fmt.Sprintf("%#x<%v %d>", uint32(h), o.Object().Type(), o.Object().Koid())
}

func TestParams(t *testing.T) {
	for i := range Table {
		if _, _, err := paramsOf(&Table[i]); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		params, want string
		args         int
	}{
		{"a:u32", "1 parameters for 2 arguments", 2},
		{"a:u99", `unknown kind "u99" of a`, 1},
		{"a", `unknown kind "" of a`, 1},
		{"a:b", "a has no size", 1},
		{"a:h[n] m:u32", `a counts by "n"`, 2},
		{"a:*h[*n] n:u32", `a counts by "n"`, 2},
		{"a:u32 =x99", `unknown kind of result "=x99"`, 1},
	} {
		_, _, err := paramsOf(&Entry{Name: "zx_x", Args: tt.args, Params: tt.params})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.params, err, tt.want)
		}
	}
}

// The parameters have the names that a real SDK's header gives them.
func TestParamNames(t *testing.T) {
	sdk := os.Getenv("FUCHSIA_SDK")
	if sdk == "" {
		t.Skip("FUCHSIA_SDK is not set")
	}
	header, err := os.ReadFile(filepath.Join(sdk, "arch/x64/sysroot/include/zircon/syscalls/internal/cdecls.inc"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`_DECL\((\w+),[^(]*\(([^)]*)\), \(`).FindAllStringSubmatch(string(header), -1) {
		i := slices.IndexFunc(Table, func(e Entry) bool { return e.Name == "zx_"+m[1] })
		if i < 0 {
			continue // answered by the vDSO
		}
		found++
		ps, _, err := paramsOf(&Table[i])
		if err != nil {
			t.Error(err)
		}
		var names []string
		for _, p := range ps {
			names = append(names, p.name)
		}
		if got := strings.Join(names, ", "); got != m[2] {
			t.Errorf("%s(%s), the SDK says (%s)", Table[i].Name, got, m[2])
		}
	}
	if found < 100 {
		t.Errorf("only %d calls were found in the header", found)
	}
}

func TestTraceLines(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true})
	const infinite = uint64(object.TimeInfinite)
	var (
		a, b, ev, vmo, sock, port zx.Handle // b and sock are the other ends
		m                         = p.mem
		fidl                      = []byte{7, 0, 0, 0, 2, 0, 0, 1, 0xc0, 0x5e, 0x68, 0x1d, 0x56, 0x44, 0x50, 0x2c, 'h', 'i', 0, '\n'}
	)
	a, b, _ = ChannelCreate(p.proc, 0)
	ev, _ = EventCreate(p.proc, 0)
	vmo, _ = VMOCreate(p.proc, 8192, 0)
	s, sock, _ := SocketCreate(p.proc, 0)
	port, _ = PortCreate(p.proc, 0)
	h := func(v zx.Handle) string { return p.handle(v) }

	for _, tt := range []struct {
		name string
		args []uint64
		prep func()
		want func() string
	}{
		{name: "zx_channel_create", args: []uint64{0, m, m + 4}, want: func() string {
			return fmt.Sprintf("(options=0, out0=[%s], out1=[%s]) = ZX_OK", h(zx.Handle(p.get32(m))), h(zx.Handle(p.get32(m+4))))
		}},
		{name: "zx_channel_create", args: []uint64{5, m, 0}, want: func() string {
			return fmt.Sprintf("(options=0x5, out0=%#x, out1=NULL) = ZX_ERR_INVALID_ARGS", m)
		}},
		// 32-bit arguments have anything above.
		{name: "zx_handle_close", args: []uint64{0xabcd<<32 | 8}, want: func() string {
			return "(handle=0x8) = ZX_ERR_BAD_HANDLE"
		}},
		{name: "zx_handle_duplicate", args: []uint64{uint64(ev), uint64(zx.RightsBasic | zx.RightSignal), m}, want: func() string {
			return fmt.Sprintf("(handle=%s, rights=ZX_RIGHTS_BASIC|ZX_RIGHT_SIGNAL, out=[%s]) = ZX_OK", h(ev), h(zx.Handle(p.get32(m))))
		}},
		{name: "zx_object_signal", args: []uint64{uint64(ev), 0, uint64(zx.EventSignaled | zx.UserSignal1)}, want: func() string {
			return fmt.Sprintf("(handle=%s, clear_mask=0, set_mask=ZX_EVENT_SIGNALED|ZX_USER_SIGNAL_1) = ZX_OK", h(ev))
		}},
		{name: "zx_object_wait_one", args: []uint64{uint64(a), uint64(zx.ChannelReadable | 1<<9), 0, m}, want: func() string {
			return fmt.Sprintf("(handle=%s, signals=ZX_CHANNEL_READABLE|0x200, deadline=0, observed=[ZX_CHANNEL_WRITABLE]) = ZX_ERR_TIMED_OUT", h(a))
		}},
		{name: "zx_object_wait_many", args: []uint64{m, 2, infinite}, prep: func() {
			p.put32(m, uint32(ev), uint32(zx.EventSignaled), 0, uint32(a), uint32(zx.ChannelReadable), 0)
		}, want: func() string {
			return fmt.Sprintf("(items=[{%s, ZX_EVENT_SIGNALED}, {%s, ZX_CHANNEL_READABLE}] => [ZX_EVENT_SIGNALED|ZX_USER_SIGNAL_1, ZX_CHANNEL_WRITABLE], num_items=2, deadline=ZX_TIME_INFINITE) = ZX_OK", h(ev), h(a))
		}},
		{name: "zx_channel_write", args: []uint64{uint64(a), 0, m, 20, 0, 0}, prep: func() { p.write(m, fidl) }, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=0, bytes={txid=0x7, ordinal=0x2c5044561d685ec0, "hi\x00\n"}, num_bytes=20, handles=NULL, num_handles=0) = ZX_OK`, h(a))
		}},
		{name: "zx_channel_read", args: []uint64{uint64(b), 0, m + 64, m + 128, 4, 0, m, m + 4}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=0, bytes=%#x, handles=%#x, num_bytes=4, num_handles=0, actual_bytes=[20], actual_handles=[0]) = ZX_ERR_BUFFER_TOO_SMALL`, h(b), m+64, m+128)
		}},
		{name: "zx_channel_read", args: []uint64{uint64(b), 1, m + 64, m + 128, 64, 4, m, m + 4}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=ZX_CHANNEL_READ_MAY_DISCARD, bytes={txid=0x7, ordinal=0x2c5044561d685ec0, "hi\x00\n"}, handles=[], num_bytes=64, num_handles=4, actual_bytes=[20], actual_handles=[0]) = ZX_OK`, h(b))
		}},
		{name: "zx_channel_write", args: []uint64{uint64(a), 2, m, 2, 0, 0}, prep: func() {
			p.write(m+64, []byte("abc"))
			p.put(m, m+64)
			p.put(m+8, 3)
			p.put(m+16, 0)
			p.put(m+24, 0)
		}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=ZX_CHANNEL_WRITE_USE_IOVEC, bytes=[{"abc", 3}, {NULL, 0}], num_bytes=2, handles=NULL, num_handles=0) = ZX_OK`, h(a))
		}},
		{name: "zx_socket_write", args: []uint64{uint64(s), 0, m, 50, m + 64}, prep: func() { p.write(m, bytes.Repeat([]byte("x"), 50)) }, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=0, buffer="%s"..., buffer_size=50, actual=[50]) = ZX_OK`, h(s), strings.Repeat("x", 32))
		}},
		{name: "zx_socket_read", args: []uint64{uint64(sock), 8, m, 3, m + 64}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=ZX_SOCKET_PEEK, buffer="xxx", buffer_size=3, actual=[3]) = ZX_OK`, h(sock))
		}},
		{name: "zx_object_set_property", args: []uint64{uint64(vmo), propName, m, 5}, prep: func() { p.write(m, []byte("heap\x00")) }, want: func() string {
			// The name is as it was when the call began.
			return fmt.Sprintf(`(handle=%s, property=ZX_PROP_NAME, value="heap", value_size=5) = ZX_OK`, h(vmo))
		}},
		{name: "zx_object_get_property", args: []uint64{uint64(vmo), propVMOContentSize, m, 8}, want: func() string {
			return fmt.Sprintf(`(handle=%s "heap">, property=ZX_PROP_VMO_CONTENT_SIZE, value=[0x2000], value_size=8) = ZX_OK`, strings.TrimSuffix(h(vmo), ">"))
		}},
		{name: "zx_object_get_info", args: []uint64{uint64(ev), 3 | 1<<28, 0, 0, 0, 0}, want: func() string {
			return fmt.Sprintf(`(handle=%s, topic=ZX_INFO_PROCESS_V2, buffer=NULL, buffer_size=0, actual=NULL, avail=NULL) = ZX_ERR_WRONG_TYPE`, h(ev))
		}},
		{name: "zx_vmo_op_range", args: []uint64{uint64(ev), vmoOpZero, 0, 4096, 0, 0}, want: func() string {
			return fmt.Sprintf(`(handle=%s, op=ZX_VMO_OP_ZERO, offset=0, size=0x1000, buffer=NULL, buffer_size=0) = ZX_ERR_WRONG_TYPE`, h(ev))
		}},
		{name: "zx_vmar_map", args: []uint64{uint64(ev), uint64(vm.PermRead|vm.Specific) | 21<<24, 0x1000, uint64(vmo), 0, 4096, m}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=ZX_VM_PERM_READ|ZX_VM_SPECIFIC|ZX_VM_ALIGN_2MB, vmar_offset=0x1000, vmo=%s "heap">, vmo_offset=0, len=0x1000, mapped_addr=%#x) = ZX_ERR_WRONG_TYPE`, h(ev), strings.TrimSuffix(h(vmo), ">"), m)
		}},
		{name: "zx_port_queue", args: []uint64{uint64(port), m}, prep: func() {
			for i := range uint64(6) {
				p.put(m+8*i, 0)
			}
			p.put(m, 0x99)
			p.put(m+40, 4)
		}, want: func() string {
			return fmt.Sprintf(`(handle=%s, packet={key=0x99, ZX_PKT_TYPE_USER, ZX_OK, 0, 0, 0, 0x4}) = ZX_OK`, h(port))
		}},
		{name: "zx_port_wait", args: []uint64{uint64(port), 0, m}, want: func() string {
			return fmt.Sprintf(`(handle=%s, deadline=0, packet={key=0x99, ZX_PKT_TYPE_USER, ZX_OK, 0, 0, 0, 0x4}) = ZX_OK`, h(port))
		}},
		{name: "zx_channel_call", args: []uint64{uint64(a), 0, infinite, 0x30, 0, 0}, want: func() string {
			return fmt.Sprintf(`(handle=%s, options=0, deadline=ZX_TIME_INFINITE, args=0x30, actual_bytes=NULL, actual_handles=NULL) = ZX_ERR_INVALID_ARGS`, h(a))
		}},
		{name: "zx_clock_create", args: []uint64{1<<58 | 5, 0, m}, want: func() string {
			return fmt.Sprintf(`(options=ZX_CLOCK_ARGS_VERSION(1)|ZX_CLOCK_OPT_MONOTONIC|ZX_CLOCK_OPT_AUTO_START, args=NULL, out=%#x) = ZX_ERR_INVALID_ARGS`, m)
		}},
		{name: "zx_cprng_draw", args: []uint64{m, 4}, want: func() string { return fmt.Sprintf("(buffer=%#x, buffer_size=4) = void", m) }},
		{name: "zx_syscall_test_8", args: []uint64{1, 2, 3, 4, 5, 6, 7, 1<<32 - 1}, want: func() string {
			return "(a=1, b=2, c=3, d=4, e=5, f=6, g=7, h=-1) = 27"
		}},
		{name: "zx_thread_legacy_yield", args: []uint64{0}, want: func() string { return "(options=0) = ZX_OK" }},
		// What cannot be read is shown as the pointer it is.
		{name: "zx_handle_close_many", args: []uint64{1 << 62, 3}, want: func() string {
			return "(handles=0x4000000000000000, num_handles=3) = ZX_ERR_INVALID_ARGS"
		}},
		{name: "zx_handle_close_many", args: []uint64{m, 1 << 40}, prep: func() { p.write(m, make([]byte, programMem)) }, want: func() string {
			return "(handles=[" + strings.Repeat("ZX_HANDLE_INVALID, ", 8) + "...], num_handles=1099511627776) = ZX_ERR_INVALID_ARGS"
		}},
	} {
		if tt.prep != nil {
			tt.prep()
		}
		before := len(out.String())
		p.call(tt.name, tt.args...)
		got := out.String()[before:]
		want := fmt.Sprintf("[program %d:%d] %s%s <", p.proc.Koid(), p.thread.Koid(), tt.name, tt.want())
		if tt.name == "zx_object_set_property" {
			want = strings.Replace(want, ` "heap">`, ">", 1)
		}
		if !strings.HasPrefix(got, want) || !regexp.MustCompile(`^\d+\.\d{6}>\n$`).MatchString(got[len(want):]) {
			t.Errorf("got  %swant %s…>\n", got, want)
		}
	}
}

// A deadline is told as the time that is left.
func TestTraceDeadlines(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true})
	p.call("zx_nanosleep", uint64(p.k.Monotonic()-int64(time.Hour)))
	p.call("zx_nanosleep", 1<<63)
	p.call("zx_nanosleep", 1<<63|5)
	want := regexp.MustCompile(`zx_nanosleep\(deadline=now-1h0m0.*s\) = ZX_OK
.*zx_nanosleep\(deadline=ZX_TIME_INFINITE_PAST\) = ZX_OK
.*zx_nanosleep\(deadline=-9223372036854775803\) = ZX_OK`)
	if got := strings.Join(out.lines(), "\n"); !want.MatchString(got) {
		t.Errorf("%s", got)
	}
}

// A call that ends after another began has two lines, and what woke it is before
// its second.
func TestTraceOrder(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true})
	other := p.newThread()
	for range 50 {
		h, _ := EventCreate(p.proc, 0)
		waits := p.start(p.thread, "zx_object_wait_one", uint64(h), uint64(zx.EventSignaled), uint64(object.TimeInfinite), p.mem)
		p.await(p.start(other, "zx_object_signal", uint64(h), 0, uint64(zx.EventSignaled)))
		p.ok("the wait", p.await(waits))
	}
	unfinished := regexp.MustCompile(`zx_object_wait_one\(handle=.*, signals=ZX_EVENT_SIGNALED, deadline=ZX_TIME_INFINITE, observed=0x[0-9a-f]+ <unfinished ...>$`)
	resumed := "<... zx_object_wait_one resumed> observed=[ZX_EVENT_SIGNALED]) = ZX_OK"
	state := "" // of a round: "", waiting, signaled
	for _, l := range out.lines() {
		switch {
		case unfinished.MatchString(l) && state == "":
			state = "waiting"
		case strings.Contains(l, "zx_object_signal(") && state == "waiting":
			state = "signaled"
		case strings.HasSuffix(l, resumed) && state == "signaled":
			state = ""
		case strings.Contains(l, "zx_object_signal resumed"):
		default:
			t.Fatalf("after %q: %s", state, l)
		}
	}
	if n := strings.Count(out.String(), resumed); n != 50 {
		t.Errorf("%d calls were resumed", n)
	}
}

// A program that hangs shows in what, though nothing else happens.
func TestTraceHang(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true})
	h, _ := EventCreate(p.proc, 0)
	waits := p.start(p.thread, "zx_object_wait_one", uint64(h), uint64(zx.EventSignaled), uint64(object.TimeInfinite), 0)
	p.eventually("the call is shown", func() bool { return strings.HasSuffix(out.String(), "<unfinished ...>\n") },
		func() any { return out.String() })
	ObjectSignal(p.proc, h, 0, zx.EventSignaled)
	p.ok("the wait", p.await(waits))
	if l := out.lines(); len(l) != 2 || !strings.HasSuffix(l[1], "<... zx_object_wait_one resumed>) = ZX_OK") {
		t.Errorf("%q", l)
	}
}

// The end of a process is the end of its calls.
func TestTraceExit(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true, Summary: true})
	other := p.newThread()
	p.start(p.thread, "zx_nanosleep", uint64(object.TimeInfinite))
	p.start(other, "zx_process_exit", 3)
	p.eventually("the process has ended", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
		func() any { return p.proc.Info() })
	got := out.lines()
	// Each is one line if nothing came between.
	for _, c := range []struct {
		thread     *object.Thread
		name, args string
	}{
		{p.thread, "zx_nanosleep", "deadline=ZX_TIME_INFINITE"},
		{other, "zx_process_exit", "retcode=3"},
	} {
		pre := fmt.Sprintf("[program %d:%d] ", p.proc.Koid(), c.thread.Koid())
		whole := pre + c.name + "(" + c.args + ") = ?"
		begin, end := pre+c.name+"("+c.args+" <unfinished ...>", pre+"<... "+c.name+" resumed>) = ?"
		if i := slices.Index(got, begin); !slices.Contains(got, whole) && (i < 0 || !slices.Contains(got[i:], end)) {
			t.Errorf("%s is missing in\n%s", c.name, strings.Join(got, "\n"))
		}
	}
	want := fmt.Sprintf("[program %d] +++ exited with 3 +++", p.proc.Koid())
	if last := got[len(got)-1]; last != want {
		t.Errorf("the last line is %q, want %q", last, want)
	}
}

func TestTraceTasks(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true, Filter: "futex"})
	trap := object.NewTrap(1, func(uint64, uint64) { t.Error("the call was answered") })
	trap.Number, trap.PC = 39, p.mem
	p.k.OnSyscall(p.proc, p.thread, trap)
	p.eventually("the process has ended", func() bool { return p.proc.Signals()&zx.ProcessTerminated != 0 },
		func() any { return p.proc.Info() })

	job := p.a.Handles().Add(object.NewHandle(p.k.Root, object.JobRights))
	proc, vmar, st := ProcessCreate(p.a, job, "second \x01", 0)
	p.ok("ProcessCreate", st)
	th, st := ThreadCreate(p.a, proc, "initial", 0)
	p.ok("ThreadCreate", st)
	p.ok("ProcessStart", ProcessStart(p.a, proc, th, p.vdso+codeOff, 0, 0, 0))
	second, _ := get[*object.Process](p.a, proc, 0)
	first, _ := get[*object.Thread](p.a, th, 0)
	p.ok("TaskKill", TaskKill(p.a, proc))
	p.eventually("the second has ended", func() bool { return second.Signals()&zx.ProcessTerminated != 0 },
		func() any { return second.Info() })
	HandleCloseMany(p.a, []zx.Handle{job, proc, vmar, th})

	want := []string{
		fmt.Sprintf("[program %d:%d] --- ZX_EXCP_POLICY_ERROR ---", p.proc.Koid(), p.thread.Koid()),
		fmt.Sprintf("[program %d] +++ killed, ZX_TASK_RETCODE_EXCEPTION_KILL: %s +++", p.proc.Koid(), p.proc.KillReason()),
		fmt.Sprintf("[second?? %d:%d] +++ process started +++", second.Koid(), first.Koid()),
		fmt.Sprintf("[second?? %d] +++ killed, ZX_TASK_RETCODE_SYSCALL_KILL +++", second.Koid()),
	}
	if got := out.lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTraceFilter(t *testing.T) {
	for _, tt := range []struct {
		filter     string
		yes        []string
		no         []string
		wantsError string
	}{
		{filter: "", yes: []string{"zx_channel_read", "zx_nanosleep"}},
		{filter: "all", yes: []string{"zx_channel_read", "zx_nanosleep"}},
		{filter: "channel", yes: []string{"zx_channel_read", "zx_channel_call_etc"}, no: []string{"zx_task_create_exception_channel", "zx_vmo_read"}},
		{filter: "vmo,nanosleep", yes: []string{"zx_vmo_read", "zx_nanosleep"}, no: []string{"zx_vmar_map", "zx_channel_read"}},
		{filter: "zx_*_create", yes: []string{"zx_vmo_create", "zx_port_create"}, no: []string{"zx_vmo_create_child"}},
		{filter: "zx_futex_wait", yes: []string{"zx_futex_wait"}, no: []string{"zx_futex_wake"}},
		{filter: "!futex,*_read", yes: []string{"zx_nanosleep"}, no: []string{"zx_futex_wake", "zx_vmo_read"}},
		{filter: "chanel", wantsError: `"chanel" names no system call`},
		{filter: "vmo,", wantsError: `"" names no system call`},
		{filter: "[", wantsError: `"[" is no pattern`},
	} {
		chosen, err := choose(tt.filter)
		if tt.wantsError != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wantsError) {
				t.Errorf("%q: %v", tt.filter, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.filter, err)
			continue
		}
		for _, n := range tt.yes {
			if !chosen[number(n)] {
				t.Errorf("%q is not for %s", tt.filter, n)
			}
		}
		for _, n := range tt.no {
			if chosen[number(n)] {
				t.Errorf("%q is for %s", tt.filter, n)
			}
		}
	}
}

func TestTraceSummary(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Summary: true, Filter: "handle,clock,debuglog"})
	for range 3 {
		p.call("zx_handle_close", 0)
	}
	p.call("zx_handle_close", 8)
	p.call("zx_clock_get", 0, p.mem)
	p.call("zx_syscall_test_0") // not asked for
	if out.String() != "" {
		t.Errorf("before the end: %s", out)
	}
	p.k.Tracer.(*Tracer).Close()
	want := regexp.MustCompile(`^% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
(.*\n.*\n)------ ----------- ----------- --------- --------- ----------------
100\.00 +\d+\.\d{6} +\d+ +5 +1 total
$`)
	m := want.FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("%s", out)
	}
	for _, row := range []string{`[\d.]+ +[\d.]+ +\d+ +4 +1 zx_handle_close\n`, `[\d.]+ +[\d.]+ +\d+ +1 +zx_clock_get\n`} {
		if !regexp.MustCompile(row).MatchString(m[1]) {
			t.Errorf("no row %s in\n%s", row, m[1])
		}
	}
	n := len(out.String())
	p.call("zx_handle_close", 0)
	p.k.Tracer.(*Tracer).Close()
	if len(out.String()) != n {
		t.Errorf("after the end: %s", out.String()[n:])
	}
}

// Many threads at once: whole lines, and all of them.
func TestTraceParallel(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true, Summary: true})
	const threads, rounds = 8, 100
	var wg sync.WaitGroup
	for i := range threads {
		th := p.newThread()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range rounds {
				<-p.start(th, "zx_nanosleep", uint64(p.k.Monotonic()+1000*int64(i)))
				<-p.start(th, "zx_event_create", 0, p.mem+8*uint64(i))
				<-p.start(th, "zx_handle_close", uint64(p.get32(p.mem+8*uint64(i))))
			}
		}()
	}
	wg.Wait()
	begun, ended := make(map[string]int), make(map[string]int)
	for _, l := range out.lines() {
		m := regexp.MustCompile(`^\[program \d+:\d+\] (?:(zx_\w+)\(|<\.\.\. (zx_\w+) resumed>)(.*?)(\) = ZX_OK| <unfinished \.\.\.>)$`).FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("line %q", l)
		}
		if m[1] != "" {
			begun[m[1]]++
		}
		if strings.HasSuffix(m[4], "ZX_OK") {
			ended[m[1]+m[2]]++
		}
	}
	for _, n := range []string{"zx_nanosleep", "zx_event_create", "zx_handle_close"} {
		if begun[n] != threads*rounds || ended[n] != threads*rounds {
			t.Errorf("%s: %d begun, %d ended, want %d", n, begun[n], ended[n], threads*rounds)
		}
	}
}

// Whatever the arguments and however the call ends, showing them does no harm.
func TestTraceHostile(t *testing.T) {
	p, out := newTraced(t, TraceOptions{Calls: true})
	tr := p.k.Tracer.(*Tracer)
	rnd := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, programMem)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	p.write(p.mem, b)
	h, _ := EventCreate(p.proc, 0)
	values := []uint64{0, 1, 2, 64, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 62, 1 << 63, ^uint64(0),
		vm.UserBase, vm.UserTop, p.mem, p.mem + 1, p.mem + programMem - 1, p.mem + programMem, uint64(h)}
	for i := range Table {
		for range 200 {
			c := newCall(p.proc, p.thread, object.NewTrap(1, nil), &Table[i])
			for k := range c.Args {
				c.Args[k] = values[rnd.IntN(len(values))]
			}
			r := tr.begin(c)
			st := []zx.Status{zx.OK, zx.ErrBufferTooSmall, zx.ErrTimedOut, zx.ErrInvalidArgs, 5}[rnd.IntN(5)]
			r.end(st, rnd.IntN(10) == 0)
		}
	}
	for _, l := range out.lines() {
		if len(l) > 8000 || !strings.HasPrefix(l, "[program ") {
			t.Fatalf("line %q", l)
		}
	}
}

// FuzzTracedCalls is FuzzCalls with a trace.
func FuzzTracedCalls(f *testing.F) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		b := make([]byte, 4000)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzOne(t, data, newTracer(t, TraceOptions{Out: io.Discard, Calls: true, Summary: true}))
	})
}

// callOf gives a function that makes the same call again and again.
func (p *program) callOf(name string, args ...uint64) func() {
	trap := object.NewTrap(1, func(_, _ uint64) {})
	i := number(name)
	return func() {
		trap.Number, trap.PC = uint64(firstNumber+i), p.vdso+codeOff+uint64(i)+1
		copy(trap.Args[:], args)
		p.k.OnSyscall(p.proc, p.thread, trap)
	}
}

func TestNoTraceAllocatesNothing(t *testing.T) {
	p := newProgram(t)
	call := p.callOf("zx_handle_close", 0)
	if n := testing.AllocsPerRun(1000, call); n >= 1 {
		t.Errorf("%v allocations for a call that nobody traces", n)
	}
}

func BenchmarkTrace(b *testing.B) {
	for _, bb := range []struct {
		name string
		o    *TraceOptions
	}{
		{"off", nil},
		{"other calls", &TraceOptions{Out: io.Discard, Calls: true, Filter: "channel"}},
		{"summary", &TraceOptions{Out: io.Discard, Summary: true}},
		{"calls", &TraceOptions{Out: io.Discard, Calls: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := newProgram(b)
			if bb.o != nil {
				p.trace(newTracer(b, *bb.o))
			}
			call := p.callOf("zx_handle_close", 0)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}
