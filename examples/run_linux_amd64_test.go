package examples_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// What Zircon gives as the return code of a process that did not end itself,
// from <zircon/syscalls/object.h>.
const (
	killed           = -1024 // ZX_TASK_RETCODE_SYSCALL_KILL
	killedByVDSO     = -1027 // ZX_TASK_RETCODE_VDSO_KILL
	endedByException = -1028 // ZX_TASK_RETCODE_EXCEPTION_KILL
)

// program is a program of this repository that runs.
type program struct {
	stdio   zx.Socket // its standard input and output
	process zx.Process
}

// start runs the program at path in a job of its own, with these handles besides
// the usual ones.
func start(t *testing.T, path string, handles []builder.StartupHandle, args ...string) *program {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	ok(err)
	executable, err := zx.VMOFromFile(f, true)
	f.Close()
	ok(err)
	vdso, err := zx.VDSO()
	ok(err)
	job, err := zx.DefaultJob().CreateJob()
	ok(err)
	t.Cleanup(func() {
		job.Kill()
		job.Close()
	})
	b, err := builder.New("test", &job, 0, executable, vdso)
	ok(err)
	defer b.Close()
	ok(b.AddArguments(append([]string{path}, args...)...))
	libraries, err := ldsvc.New([]string{"../testdata"}, zap.NewNop())
	ok(err)
	t.Cleanup(libraries.Close)
	loader, err := libraries.Connect()
	ok(err)
	ok(b.SetLoaderService(loader))

	p := new(program)
	var theirs zx.Socket
	p.stdio, theirs, err = zx.NewSocket(zx.SocketStream)
	ok(err)
	t.Cleanup(func() { p.stdio.Close() })
	theirJob, err := job.Duplicate(zx.RightSameRights)
	ok(err)
	const forStdio = 0x8000 // one handle for standard input, output and error
	ok(b.AddHandles(append(handles,
		builder.StartupHandle{Handle: theirs.Take(), Info: processargs.NewHandleInfo(processargs.FileDescriptor, forStdio)},
		builder.StartupHandle{Handle: theirJob.Take(), Info: processargs.NewHandleInfo(processargs.DefaultJob, 0)},
	)...))
	built, err := b.Build(t.Context())
	ok(err)
	p.process, err = built.Start()
	ok(err)
	t.Cleanup(func() { p.process.Close() })
	return p
}

// end gives all that the program prints and its return code.
func (p *program) end(t *testing.T) (string, int64) {
	t.Helper()
	out, err := io.ReadAll(&p.stdio)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), p.code(t)
}

func (p *program) code(t *testing.T) int64 {
	t.Helper()
	if _, err := p.process.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	info, err := p.process.Info()
	if err != nil {
		t.Fatal(err)
	}
	return info.ReturnCode
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		command string
		out     string
		code    int64
	}{
		{"../examples/hello", "Hello, Fuchsia!\n", 0},
		{"../examples/hello a --return=-9000000000", "arg[0]=../examples/hello\narg[1]=a\narg[2]=--return=-9000000000\n", -9000000000},
		{"../testdata/threads 4 500", "total 2000\n", 0},
		{"../testdata/threads exit-race", "", 7},
		{"../testdata/threads leave", "first thread is gone\n", 9},
		{"../testdata/sleep 1000000", "sleeping\nawake\n", 0},
	} {
		t.Run(tt.command, func(t *testing.T) {
			args := strings.Fields(tt.command)
			out, code := start(t, args[0], nil, args[1:]...).end(t)
			if out != tt.out || code != tt.code {
				t.Errorf("output %q and code %d, want %q and %d", out, code, tt.out, tt.code)
			}
		})
	}
}

// Programs that check things say "ok", "FAIL" or "skip", what, and why.
func report(t *testing.T, out string, code int64) (checks []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		verdict, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch name, why, _ := strings.Cut(what, ": "); verdict {
		case "ok":
			checks = append(checks, name)
		case "FAIL":
			checks = append(checks, name)
			t.Errorf("%s: %s", name, why)
		case "skip":
			checks = append(checks, name)
			t.Logf("skipped %s: %s", name, why)
		}
	}
	if code != 0 {
		t.Errorf("return code %d", code)
	}
	return checks
}

// Zircon's semantics, as seen from inside a process.
func TestKernel(t *testing.T) {
	list, code := start(t, "../testdata/kernel", nil, "--list").end(t)
	if code != 0 {
		t.Fatalf("--list: return code %d", code)
	}
	want := strings.Fields(list)
	if len(want) < 100 {
		t.Fatalf("only %d checks", len(want))
	}
	out, code := start(t, "../testdata/kernel", nil).end(t)
	if got := report(t, out, code); !slices.Equal(got, want) {
		t.Errorf("ran %d checks of %d, the last %q", len(got), len(want), got[max(0, len(got)-1):])
	}
}

func TestThreadExits(t *testing.T) {
	out, code := start(t, "../testdata/threads", nil, "exits").end(t)
	if n := len(report(t, out, code)); n != 9 {
		t.Errorf("%d checks, want 9", n)
	}
}

func TestDynamic(t *testing.T) {
	out, code := start(t, "../testdata/dyn", nil).end(t)
	if n := len(report(t, out, code)); n != 8 {
		t.Errorf("%d checks, want 8", n)
	}
}

// Each fault ends its process, and nothing else.
func TestFaults(t *testing.T) {
	usage, _ := start(t, "../testdata/fault", nil).end(t)
	kinds := strings.Fields(usage[strings.Index(usage, "\n"):])
	if len(kinds) < 10 {
		t.Fatalf("only %d kinds: %q", len(kinds), usage)
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			out, code := start(t, "../testdata/fault", nil, kind).end(t)
			if out != "before\n" || code != endedByException {
				t.Errorf("output %q and code %d, want %q and %d", out, code, "before\n", endedByException)
			}
		})
	}
}

// A Linux syscall of a program's own does not reach Linux: it ends the process.
func TestRawSyscalls(t *testing.T) {
	for _, call := range []string{
		"getpid", "open @/etc/passwd", "write 1 @hello 5", "mmap 0 4096 3 34 -1 0", "fork", "exit 0", "exit_group 0",
		"prctl 22", "ptrace", "socket 1 1", "0", "1000000", "-1",
		"--int80 getpid", "--int80 exit", "--x32 getpid", "--x32 write", "--sysenter getpid",
	} {
		t.Run(call, func(t *testing.T) {
			out, code := start(t, "../testdata/raw", nil, strings.Fields(call)...).end(t)
			if out != "before\n" || code != endedByException && code != killedByVDSO {
				t.Errorf("output %q and code %d, want %q and %d or %d", out, code, "before\n", endedByException, killedByVDSO)
			}
		})
	}
}

func TestKill(t *testing.T) {
	for path, says := range map[string]string{"../testdata/spin": "spinning\n", "../testdata/sleep": "sleeping\n"} {
		t.Run(path, func(t *testing.T) {
			p := start(t, path, nil)
			b := make([]byte, len(says))
			if _, err := io.ReadFull(&p.stdio, b); err != nil || string(b) != says {
				t.Fatalf("output %q and %v, want %q", b, err, says)
			}
			if err := p.process.Kill(); err != nil {
				t.Fatal(err)
			}
			if code := p.code(t); code != killed {
				t.Errorf("return code %d, want %d", code, killed)
			}
		})
	}
}

func TestEcho(t *testing.T) {
	p := start(t, "../examples/echo", nil)
	data := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(data)
	sent := make(chan error, 1)
	go func() {
		_, err := p.stdio.Write(data)
		if err == nil {
			err = p.stdio.SetDisposition(zx.DispositionWriteDisabled, zx.DispositionKeep)
		}
		sent <- err
	}()
	out, code := p.end(t)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if code != 0 || out != string(data) {
		t.Errorf("%d bytes came back, the same: %v; code %d", len(out), out == string(data), code)
	}
}

func TestChannelEcho(t *testing.T) {
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	p := start(t, "../examples/channel_echo", []builder.StartupHandle{
		{Handle: theirs.Take(), Info: processargs.NewHandleInfo(processargs.User0, 0)},
	})
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	before, err := e.BasicInfo()
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range [][]byte{nil, []byte("hello"), bytes.Repeat([]byte{0, 1, 255}, zx.ChannelMaxMsgBytes/3)} {
		if err := ours.Write(message, []zx.Handle{e.Take()}); err != nil {
			t.Fatal(err)
		}
		b, h := make([]byte, zx.ChannelMaxMsgBytes), make([]zx.Handle, 2)
		n, m, err := read(t, &ours, b, h)
		if err != nil || m != 1 || !bytes.Equal(b[:n], message) {
			t.Fatalf("%d bytes, %d handles and %v came back of %d bytes and a handle", n, m, err, len(message))
		}
		e = zx.EventFromHandle(h[0])
	}
	if after, err := e.BasicInfo(); err != nil || after.Koid != before.Koid {
		t.Errorf("another object came back: %+v, sent %+v", after, before)
	}
	e.Close()
	ours.Close()
	if out, code := p.end(t); out != "" || code != 0 {
		t.Errorf("output %q and code %d", out, code)
	}
}

// read reads the next message, waiting for it.
func read(t *testing.T, c *zx.Channel, b []byte, h []zx.Handle) (int, int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		n, m, err := c.Read(b, h)
		if !errors.Is(err, zx.ErrShouldWait) {
			return n, m, err
		}
		if _, err := c.Wait(ctx, zx.ChannelReadable|zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
			return 0, 0, err
		}
	}
}
