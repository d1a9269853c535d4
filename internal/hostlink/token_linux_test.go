package hostlink

import (
	"context"
	"errors"
	"os"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts a process before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	p, err := start("../../testdata/sleep")
	if err != nil {
		panic(err)
	}
	if err := p.Kill(); err != nil {
		panic(err)
	}
	p.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture)
	p.Close()
	code := m.Run()
	zircon.Close()
	os.Exit(code)
}

// start starts a program.
func start(program string) (zx.Process, error) {
	f, err := os.Open(program)
	if err != nil {
		return zx.Process{}, err
	}
	defer f.Close()
	exe, err := zx.VMOFromFile(f, true)
	if err != nil {
		return zx.Process{}, err
	}
	vdso, err := zx.VDSO()
	if err != nil {
		return zx.Process{}, err
	}
	b, err := builder.New("test", zx.DefaultJob(), 0, exe, vdso)
	if err != nil {
		return zx.Process{}, err
	}
	b.AddArguments(program)
	built, err := b.Build(context.Background())
	if err != nil {
		return zx.Process{}, err
	}
	return built.Start()
}

// sleeper gives a process that runs until it is killed.
func sleeper(t *testing.T) zx.Process {
	t.Helper()
	p, err := start("../../testdata/sleep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		p.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture)
		p.Close()
	})
	return p
}

// sendTask sends a second handle of a task to the link and gives the Task there.
func sendTask(t *testing.T, l *Link, tr *Transport, o *zx.Object, r zx.Rights) *Task {
	t.Helper()
	d, err := o.Duplicate(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.WriteMsg([]byte("task"), move(d.Take())); err != nil {
		t.Fatal(err)
	}
	task, err := l.Task(receive(t, l, "task", zx.ObjTypeNone))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { task.Close() })
	return task
}

func TestTaskKill(t *testing.T) {
	b := bridge(t)
	p := sleeper(t)
	l, tr := connect(t, b)
	task := sendTask(t, l, tr, &p.Object, zx.RightSameRights)
	if pollable(t, task) {
		t.Error("the descriptor can be read before the end")
	}
	// What is no command is passed over.
	for _, s := range []string{"x", "kil", "kill the process"} {
		if err := task.p.send([]byte(s), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := task.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, _, err := task.Wait(testContext(t)); err != nil || code != zx.RetcodeSyscallKill {
		t.Errorf("return code %d, %v, want %d", code, err, zx.RetcodeSyscallKill)
	}
	// Then comes the end of the file.
	if _, _, err := task.Wait(testContext(t)); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("%v, want PEER_CLOSED", err)
	}
}

func pollable(t *testing.T, task *Task) bool {
	t.Helper()
	var n int
	var perr error
	err := task.p.raw.Control(func(fd uintptr) {
		for perr = unix.EINTR; perr == unix.EINTR; {
			n, perr = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		}
	})
	if err != nil || perr != nil {
		t.Fatal(err, perr)
	}
	return n > 0
}

// A handle without the right to kill does not kill.
func TestTaskRights(t *testing.T) {
	b := bridge(t)
	p := sleeper(t)
	l, tr := connect(t, b)
	weak := sendTask(t, l, tr, &p.Object, zx.RightsBasic)
	strong := sendTask(t, l, tr, &p.Object, zx.RightSameRights)
	if err := weak.Kill(); err != nil {
		t.Fatal(err)
	}
	// A command is done when one that came after it to the same handle would be,
	// and a handle that comes back comes after both.
	h, err := weak.Duplicate(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WriteMsg([]byte("back"), move(h)); err != nil {
		t.Fatal(err)
	}
	zx.CloseAll(receive(t, tr, "back", zx.ObjTypeProcess))
	if info, err := p.Info(); err != nil || info.Exited {
		t.Errorf("%+v, %v: the process was killed", info, err)
	}
	if err := strong.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := weak.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

// A task descriptor that comes back is the task, after its end too.
func TestTaskComesBack(t *testing.T) {
	b := bridge(t)
	p := sleeper(t)
	koid, err := p.Koid()
	if err != nil {
		t.Fatal(err)
	}
	l, tr := connect(t, b)
	task := sendTask(t, l, tr, &p.Object, zx.RightSameRights)
	for range 2 {
		h, err := task.Duplicate(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.WriteMsg([]byte("back"), move(h)); err != nil {
			t.Fatal(err)
		}
		back := zx.ProcessFromHandle(receive(t, tr, "back", zx.ObjTypeProcess))
		if k, err := back.Koid(); err != nil || k != koid {
			t.Errorf("koid %d, %v, want %d", k, err, koid)
		}
		back.Kill()
		back.Wait(testContext(t), zx.ProcessTerminated, zx.InfiniteFuture)
		back.Close()
	}
	if _, _, err := task.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

// Whoever closes a task descriptor does not end the task.
func TestTaskClosed(t *testing.T) {
	b := bridge(t)
	p := sleeper(t)
	l, tr := connect(t, b)
	sendTask(t, l, tr, &p.Object, zx.RightSameRights).Close()
	// The handle goes: a second one from the same connection still works.
	task := sendTask(t, l, tr, &p.Object, zx.RightSameRights)
	if info, err := p.Info(); err != nil || info.Exited {
		t.Errorf("%+v, %v", info, err)
	}
	task.Kill()
	if _, _, err := task.Wait(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestJobTask(t *testing.T) {
	b := bridge(t)
	j, err := zx.DefaultJob().CreateJob()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	l, tr := connect(t, b)
	task := sendTask(t, l, tr, &j.Object, zx.RightSameRights)
	if err := task.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, _, err := task.Wait(testContext(t)); err != nil || code != zx.RetcodeSyscallKill {
		t.Errorf("return code %d, %v", code, err)
	}
}

// A handle that cannot be duplicated comes back once.
func TestTokenMoves(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Replace(zx.RightTransfer | zx.RightInspect); err != nil {
		t.Fatal(err)
	}
	if err := tr.WriteMsg([]byte("event"), move(e.Take())); err != nil {
		t.Fatal(err)
	}
	h := receive(t, l, "event", zx.ObjTypeNone)
	ds := []zx.HandleDisposition{
		{Op: zx.HandleOpDuplicate, Handle: h, Rights: zx.RightSameRights},
	}
	if err := l.WriteMsg([]byte("first"), ds); err != nil {
		t.Fatal(err)
	}
	zx.CloseAll(receive(t, tr, "first", zx.ObjTypeEvent))
	if err := l.WriteMsg([]byte("second"), move(h)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.ReadMsg(testContext(t), make([]byte, 8), make([]zx.HandleInfo, 1)); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("%v, want BAD_HANDLE", err)
	}
}

// When the Bridge ends, what programs wrote has arrived, and so have the return
// codes of tasks that ended.
func TestCloseFlushes(t *testing.T) {
	noLeaks(t)
	fs := vfs.New(zap.NewNop())
	defer fs.Close()
	b := NewBridge(fs, zap.NewNop())
	p := sleeper(t)
	l, tr := connect(t, b)
	task := sendTask(t, l, tr, &p.Object, zx.RightSameRights)
	r, w := pipe(t)
	s := zx.SocketFromHandle(importAs(t, b, dup(t, w), zx.ObjTypeSocket))
	w.Close()
	const text = "the last words"
	if _, err := s.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	p.Kill()
	if _, err := p.Wait(testContext(t), zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	b.Close(testContext(t))
	if got := readAll(t, r); got != text {
		t.Errorf("read %q, want %q", got, text)
	}
	if code, _, err := task.Wait(testContext(t)); err != nil || code != zx.RetcodeSyscallKill {
		t.Errorf("return code %d, %v", code, err)
	}
	// Nothing new begins.
	_, w2 := pipe(t)
	if o, err := b.importFD(dup(t, w2), sender{trusted: true}); !errors.Is(err, zx.ErrCanceled) {
		o.Close()
		t.Errorf("%v, want CANCELED", err)
	}
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.export(e.Object, true); !errors.Is(err, zx.ErrCanceled) {
		t.Errorf("%v, want CANCELED", err)
	}
}
