package zx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go"

	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/zx"
)

var _ fidl.Transport = (*zx.Channel)(nil)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newEvent(t *testing.T) *zx.Event {
	t.Helper()
	e, err := zx.NewEvent()
	must(t, err)
	t.Cleanup(func() { e.Close() })
	return &e
}

func newChannel(t *testing.T) (*zx.Channel, *zx.Channel) {
	t.Helper()
	a, b, err := zx.NewChannel()
	must(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return &a, &b
}

func newJob(t *testing.T) *zx.Job {
	t.Helper()
	j, err := zx.DefaultJob().CreateJob()
	must(t, err)
	t.Cleanup(func() { j.Kill(); j.Close() })
	return &j
}

// A handle is one's own until it is closed, given up or replaced.
func TestOwnership(t *testing.T) {
	var none zx.Object
	if none.IsValid() || none.Close() != nil {
		t.Error("the zero Object holds a handle")
	}
	e := newEvent(t)
	value := e.Handle()
	o := zx.ObjectFromHandle(e.Take())
	if e.IsValid() || e.Close() != nil {
		t.Error("a handle that was given up is still there")
	}
	if o.Handle() != value {
		t.Errorf("handle %#x, want %#x", o.Handle(), value)
	}
	d, err := o.Duplicate(zx.RightSignal)
	must(t, err)
	defer d.Close()
	if err := o.Replace(zx.RightInspect); err != nil {
		t.Fatal(err)
	}
	if err := o.Signal(0, zx.EventSignaled); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("Signal without the right: %v, want %v", err, zx.ErrAccessDenied)
	}
	if err := o.Replace(zx.RightSignal); !errors.Is(err, zx.ErrInvalidArgs) || o.IsValid() {
		t.Errorf("Replace by more rights: %v, want %v and the handle gone", err, zx.ErrInvalidArgs)
	}
	must(t, d.Signal(0, zx.EventSignaled))
	must(t, d.Close())
	must(t, d.Close())
}

func TestBasicInfo(t *testing.T) {
	a, b := newChannel(t)
	ai, err := a.BasicInfo()
	must(t, err)
	bi, err := b.BasicInfo()
	must(t, err)
	if ai.Type != zx.ObjTypeChannel || ai.Koid == 0 || ai.RelatedKoid != bi.Koid || bi.RelatedKoid != ai.Koid {
		t.Errorf("the ends of a channel: %+v and %+v", ai, bi)
	}
	if k, err := a.Koid(); k != ai.Koid || err != nil {
		t.Errorf("Koid() = %d, %v, want %d", k, err, ai.Koid)
	}
	if _, err := new(zx.Object).BasicInfo(); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("of no handle: %v, want %v", err, zx.ErrBadHandle)
	}
}

func TestName(t *testing.T) {
	v, err := zx.NewVMO(1, 0)
	must(t, err)
	defer v.Close()
	for _, tt := range []struct{ set, want string }{
		{"", ""},
		{"short", "short"},
		{strings.Repeat("x", 31), strings.Repeat("x", 31)},
		{strings.Repeat("y", 32), strings.Repeat("y", 31)},
		{strings.Repeat("z", 1000), strings.Repeat("z", 31)},
	} {
		must(t, v.SetName(tt.set))
		if got, err := v.Name(); got != tt.want || err != nil {
			t.Errorf("after SetName(%q): %q, %v, want %q", tt.set, got, err, tt.want)
		}
	}
}

// The ways a wait ends.
func TestWait(t *testing.T) {
	t.Run("signaled already", func(t *testing.T) {
		e := newEvent(t)
		must(t, e.Signal(0, zx.EventSignaled|zx.UserSignal3))
		s, err := e.Wait(t.Context(), zx.EventSignaled, zx.InfinitePast)
		if err != nil || s != zx.EventSignaled|zx.UserSignal3 {
			t.Errorf("%#x, %v", s, err)
		}
	})
	t.Run("signaled later", func(t *testing.T) {
		e := newEvent(t)
		go e.Signal(0, zx.UserSignal0)
		if _, err := e.Wait(t.Context(), zx.UserSignal0|zx.UserSignal1, zx.InfiniteFuture); err != nil {
			t.Error(err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		e := newEvent(t)
		for _, d := range []zx.Time{zx.InfinitePast, 0, zx.After(time.Millisecond)} {
			if _, err := e.Wait(t.Context(), zx.EventSignaled, d); !errors.Is(err, zx.ErrTimedOut) {
				t.Errorf("%v, want %v", err, zx.ErrTimedOut)
			}
		}
	})
	t.Run("context", func(t *testing.T) {
		e := newEvent(t)
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := e.Wait(ctx, zx.EventSignaled, zx.InfiniteFuture); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	})
	t.Run("closed", func(t *testing.T) {
		e := newEvent(t)
		go e.Close()
		// BAD_HANDLE when it was closed before the wait began.
		if _, err := e.Wait(t.Context(), zx.EventSignaled, zx.InfiniteFuture); !errors.Is(err, zx.ErrCanceled) && !errors.Is(err, zx.ErrBadHandle) {
			t.Errorf("%v, want %v", err, zx.ErrCanceled)
		}
	})
	t.Run("many", func(t *testing.T) {
		a, b := newEvent(t), newEvent(t)
		must(t, b.Signal(0, zx.UserSignal5))
		items := []zx.WaitItem{{Handle: a.Handle(), WaitFor: zx.EventSignaled}, {Handle: b.Handle(), WaitFor: zx.UserSignal5}}
		must(t, zx.WaitMany(t.Context(), items, zx.InfiniteFuture))
		if items[0].Pending != 0 || items[1].Pending != zx.UserSignal5 {
			t.Errorf("pending %#x and %#x", items[0].Pending, items[1].Pending)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := zx.WaitMany(ctx, items[:1], zx.InfiniteFuture); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	})
}

func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want func(now, got zx.Time) bool
	}{
		{time.Hour, func(now, got zx.Time) bool { return got >= now+zx.Time(time.Hour) && got < now+zx.Time(2*time.Hour) }},
		{-time.Hour, func(now, got zx.Time) bool { return got < now }},
		{1<<63 - 1, func(_, got zx.Time) bool { return got == zx.InfiniteFuture }},
	} {
		now := zx.Now()
		if got := zx.After(tt.d); !tt.want(now, got) {
			t.Errorf("After(%v) = %d at %d", tt.d, got, now)
		}
	}
}

// A *Channel as what FIDL messages travel by.
func TestTransport(t *testing.T) {
	a, b := newChannel(t)
	b1 := make([]byte, zx.ChannelMaxMsgBytes)
	hs := make([]zx.HandleInfo, zx.ChannelMaxMsgHandles)

	e := newEvent(t)
	koid, err := e.Koid()
	must(t, err)
	go a.WriteMsg([]byte("hello"), []zx.HandleDisposition{{Handle: e.Take(), Type: zx.ObjTypeEvent, Rights: zx.RightWait | zx.RightInspect}})
	nb, nh, err := b.ReadMsg(t.Context(), b1, hs)
	must(t, err)
	if string(b1[:nb]) != "hello" || nh != 1 || hs[0].Type != zx.ObjTypeEvent || hs[0].Rights != zx.RightWait|zx.RightInspect {
		t.Fatalf("%q with %+v", b1[:nb], hs[:nh])
	}
	o := zx.ObjectFromHandle(hs[0].Handle)
	if k, err := o.Koid(); k != koid || err != nil {
		t.Errorf("koid %d, %v, want %d", k, err, koid)
	}
	h, err := b.ReplaceHandle(o.Take(), zx.RightWait)
	must(t, err)
	b.CloseHandles(h)

	// Handles are consumed when the write fails, too.
	e2 := newEvent(t)
	gone := zx.ObjectFromHandle(e2.Handle())
	if err := a.WriteMsg(nil, []zx.HandleDisposition{{Handle: e2.Take(), Type: zx.ObjTypeVMO, Rights: zx.RightSameRights}}); !errors.Is(err, zx.ErrWrongType) {
		t.Errorf("WriteMsg of another type: %v, want %v", err, zx.ErrWrongType)
	}
	if _, err := gone.BasicInfo(); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("the handle after a failed write: %v, want %v", err, zx.ErrBadHandle)
	}

	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, _, err := b.ReadMsg(ctx, b1, hs); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	must(t, a.WriteMsg([]byte("last"), nil))
	must(t, a.Close())
	if nb, _, err := b.ReadMsg(t.Context(), b1, hs); err != nil || string(b1[:nb]) != "last" {
		t.Errorf("%q, %v, want the last message", b1[:nb], err)
	}
	if _, _, err := b.ReadMsg(t.Context(), b1, hs); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("%v, want %v", err, zx.ErrPeerClosed)
	}
}

// Closing a channel ends a read of it.
func TestTransportClose(t *testing.T) {
	a, _ := newChannel(t)
	done := make(chan error)
	go func() {
		_, _, err := a.ReadMsg(context.Background(), make([]byte, 1), nil)
		done <- err
	}()
	must(t, a.Close())
	if err := <-done; !errors.Is(err, zx.ErrCanceled) && !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("%v, want %v", err, zx.ErrCanceled)
	}
}

func TestChannelCall(t *testing.T) {
	a, b := newChannel(t)
	go func() {
		m := make([]byte, 100)
		n, _, _ := b.ReadMsg(context.Background(), m, nil)
		b.Write(append(m[:4], bytes.ToUpper(m[4:n])...), nil)
	}()
	rb := make([]byte, 100)
	n, _, err := a.Call(t.Context(), zx.InfiniteFuture, []byte("....shout"), nil, rb, nil)
	if err != nil || string(rb[4:n]) != "SHOUT" {
		t.Errorf("%q, %v", rb[4:n], err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, _, err := a.Call(ctx, zx.InfiniteFuture, []byte("....?"), nil, rb, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

// A socket is a reader and a writer, however much goes through.
func TestSocketStream(t *testing.T) {
	a, b, err := zx.NewSocket(zx.SocketStream)
	must(t, err)
	defer b.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than fits at once
	go func() {
		defer a.Close()
		io.Copy(&a, bytes.NewReader(sent))
	}()
	got, err := io.ReadAll(&b)
	must(t, err)
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived of %d, or others", len(got), len(sent))
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("write to a closed peer: %v, want %v", err, zx.ErrPeerClosed)
	}
}

func TestSocketDisposition(t *testing.T) {
	a, b, err := zx.NewSocket(zx.SocketStream)
	must(t, err)
	defer a.Close()
	defer b.Close()
	_, err = a.Write([]byte("rest"))
	must(t, err)
	must(t, a.SetDisposition(zx.DispositionWriteDisabled, zx.DispositionKeep))
	if _, err := a.Write([]byte("x")); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("write: %v, want %v", err, zx.ErrBadState)
	}
	if got, err := io.ReadAll(&b); string(got) != "rest" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	must(t, a.SetDisposition(zx.DispositionWriteEnabled, zx.DispositionKeep))
	_, err = a.Write([]byte("more"))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p := make([]byte, 10)
	if n, err := b.ReadContext(ctx, p); string(p[:n]) != "more" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	cancel()
	if _, err := b.ReadContext(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestPort(t *testing.T) {
	p, err := zx.NewPort()
	must(t, err)
	defer p.Close()
	must(t, p.Queue(zx.Packet{Key: 7, Type: zx.PacketUser, Payload: [32]byte{1, 2, 31: 9}}))
	got, err := p.WaitPacket(t.Context(), zx.InfiniteFuture)
	must(t, err)
	if got.Key != 7 || got.Payload != [32]byte{1, 2, 31: 9} {
		t.Errorf("packet %+v", got)
	}
	e := newEvent(t)
	must(t, e.WaitAsync(&p, 8, zx.EventSignaled, zx.WaitAsyncOnce))
	must(t, e.Signal(0, zx.EventSignaled))
	if got, err := p.WaitPacket(t.Context(), zx.InfiniteFuture); err != nil || got.Key != 8 || got.Type != zx.PacketSignalOne {
		t.Errorf("packet %+v, %v", got, err)
	}
	if _, err := p.WaitPacket(t.Context(), zx.InfinitePast); !errors.Is(err, zx.ErrTimedOut) {
		t.Errorf("%v, want %v", err, zx.ErrTimedOut)
	}
	must(t, e.WaitAsync(&p, 9, zx.UserSignal0, zx.WaitAsyncOnce))
	must(t, p.Cancel(&e.Object, 9))
	if err := p.Cancel(&e.Object, 9); !errors.Is(err, zx.ErrNotFound) {
		t.Errorf("%v, want %v", err, zx.ErrNotFound)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := p.WaitPacket(ctx, zx.InfiniteFuture); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestTimer(t *testing.T) {
	tm, err := zx.NewTimer(zx.TimerSlackLate)
	must(t, err)
	defer tm.Close()
	must(t, tm.Set(zx.After(time.Millisecond), 0))
	_, err = tm.Wait(t.Context(), zx.TimerSignaled, zx.InfiniteFuture)
	must(t, err)
	must(t, tm.Set(zx.InfiniteFuture, 0))
	must(t, tm.Cancel())
	if _, err := tm.Wait(t.Context(), zx.TimerSignaled, zx.InfinitePast); !errors.Is(err, zx.ErrTimedOut) {
		t.Errorf("a timer that was canceled: %v, want %v", err, zx.ErrTimedOut)
	}
}

// A clock stands at its backstop until it is set, and runs from then on.
func TestClock(t *testing.T) {
	c, err := zx.NewClock(zx.ClockMonotonic, 1000)
	must(t, err)
	defer c.Close()
	if now, err := c.Read(); now != 1000 || err != nil {
		t.Errorf("before it is set: %d, %v", now, err)
	}
	must(t, c.Set(5000))
	first, err := c.Read()
	must(t, err)
	second, err := c.Read()
	must(t, err)
	if first < 5000 || second < first {
		t.Errorf("after it is set to 5000: %d, then %d", first, second)
	}
	if err := c.Set(10); !errors.Is(err, zx.ErrInvalidArgs) {
		t.Errorf("set to before its backstop: %v, want %v", err, zx.ErrInvalidArgs)
	}
}

func TestVMO(t *testing.T) {
	v, err := zx.NewVMO(5000, zx.VMOResizable)
	must(t, err)
	defer v.Close()
	if n, err := v.Size(); n != 8192 || err != nil {
		t.Errorf("size %d, %v, want 8192", n, err)
	}
	must(t, v.Write([]byte("parent"), 4090))
	child, err := v.CreateChild(zx.VMOChildSnapshot, 0, 8192)
	must(t, err)
	defer child.Close()
	must(t, child.Write([]byte("child!"), 4090))
	b := make([]byte, 6)
	must(t, v.Read(b, 4090))
	if string(b) != "parent" {
		t.Errorf("a write to a snapshot is seen: %q", b)
	}
	if err := v.Read(b, 8190); !errors.Is(err, zx.ErrOutOfRange) {
		t.Errorf("%v, want %v", err, zx.ErrOutOfRange)
	}
	must(t, v.SetSize(4096))
	must(t, v.SetContentSize(100))
	if n, err := v.ContentSize(); n != 100 || err != nil {
		t.Errorf("content size %d, %v", n, err)
	}
	must(t, v.OpRange(zx.VMOOpZero, 0, 4096))
}

// A file of the host is mapped as it is: read-only.
func TestVMOFromFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(name, []byte("content"), 0o600))
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	v, err := zx.VMOFromFile(f, false)
	must(t, err)
	defer v.Close()
	n, err := v.ContentSize()
	must(t, err)
	b := make([]byte, n)
	must(t, v.Read(b, 0))
	if string(b) != "content" {
		t.Errorf("%q", b)
	}
	if err := v.Write(b, 0); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("%v, want %v", err, zx.ErrAccessDenied)
	}
	info, err := v.BasicInfo()
	must(t, err)
	if info.Rights&zx.RightExecute != 0 {
		t.Error("it may be executed")
	}
	d, err := os.Open(t.TempDir())
	must(t, err)
	defer d.Close()
	if _, err := zx.VMOFromFile(d, false); err == nil {
		t.Error("a directory makes a VMO")
	}
}

// The lists of a job are complete however long they are.
func TestJobChildren(t *testing.T) {
	j := newJob(t)
	want := map[zx.Koid]bool{}
	for range 40 {
		c, err := j.CreateJob()
		must(t, err)
		defer c.Close()
		k, err := c.Koid()
		must(t, err)
		want[k] = true
	}
	ks, err := j.Jobs()
	must(t, err)
	for _, k := range ks {
		if !want[k] {
			t.Errorf("koid %d is of no child", k)
		}
		o, err := j.Child(k, zx.RightSameRights)
		must(t, err)
		if got, err := o.Koid(); got != k || err != nil {
			t.Errorf("child %d is %d, %v", k, got, err)
		}
		o.Close()
		delete(want, k)
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
	if ps, err := j.Processes(); err != nil || len(ps) != 0 {
		t.Errorf("processes %v, %v", ps, err)
	}
}

// A process is made of a job, a root VMAR and threads.
func TestProcess(t *testing.T) {
	j := newJob(t)
	p, root, err := j.CreateProcess("proc", 0)
	must(t, err)
	defer p.Close()
	defer root.Close()
	th, err := p.CreateThread("thread")
	must(t, err)
	defer th.Close()
	v, err := zx.NewVMO(4096, 0)
	must(t, err)
	defer v.Close()
	addr, err := root.Map(zx.VMPermRead|zx.VMPermWrite, 0, &v, 0, 4096)
	must(t, err)
	_, err = p.WriteMemory([]byte("through memory"), addr+10)
	must(t, err)
	b := make([]byte, 14)
	must(t, v.Read(b, 10))
	if string(b) != "through memory" {
		t.Errorf("%q", b)
	}
	if base, size, err := root.Bounds(); err != nil || addr < base || addr >= base+size {
		t.Errorf("bounds %#x+%#x, %v", base, size, err)
	}
	must(t, root.Protect(zx.VMPermRead, addr, 4096))
	must(t, root.Unmap(addr, 4096))
	if ps, err := j.Processes(); err != nil || len(ps) != 1 {
		t.Errorf("processes %v, %v", ps, err)
	}
	must(t, p.Kill())
	_, err = p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
	must(t, err)
	info, err := p.Info()
	must(t, err)
	// Started means: no more as it was created.
	if !info.Exited || !info.Started || info.ReturnCode != zx.RetcodeSyscallKill {
		t.Errorf("%+v", info)
	}
}

func TestJobInfo(t *testing.T) {
	j := newJob(t)
	must(t, j.SetPolicy(true, zx.Policy{Condition: zx.PolicyNewProcess, Action: zx.PolicyDeny}))
	if info, err := j.Info(); err != nil || info.Exited {
		t.Errorf("%+v, %v", info, err)
	}
	must(t, j.Kill())
	_, err := j.Wait(t.Context(), zx.JobTerminated, zx.InfiniteFuture)
	must(t, err)
	if info, err := j.Info(); err != nil || !info.Exited || info.ReturnCode != zx.RetcodeSyscallKill {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := j.CreateJob(); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("%v, want %v", err, zx.ErrBadState)
	}
}

// The kernel knows conditions by the same numbers.
func TestPolicyConditions(t *testing.T) {
	for c, want := range map[zx.PolicyCondition]object.Condition{
		zx.PolicyNewAny:             object.PolicyNewAny,
		zx.PolicyNewProcess:         object.PolicyNewProcess,
		zx.PolicyNewProfile:         object.PolicyNewProfile,
		zx.PolicyNewPager:           object.PolicyNewPager,
		zx.PolicyAmbientMarkVMOExec: object.PolicyAmbientMarkVMOExec,
	} {
		if object.Condition(c) != want {
			t.Errorf("%d is the kernel's %d", c, want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want zx.Status
	}{
		{nil, zx.OK},
		{zx.ErrNotDir, zx.ErrNotDir},
		{fmt.Errorf("why: %w", zx.ErrNotDir), zx.ErrNotDir},
		{context.Canceled, zx.ErrCanceled},
		{context.DeadlineExceeded, zx.ErrTimedOut},
		{io.ErrUnexpectedEOF, zx.ErrInternal},
	} {
		if got := zx.StatusOf(tt.err); got != tt.want {
			t.Errorf("StatusOf(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}
