package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	fio "go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/process"
	"go.fuchsia.dev/fidl-go/fuchsia/process/lifecycle"

	"go.fuchsia.dev/launcherd/internal/hostlink"
	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// launcherdCommand is this test binary as launcherd.
func launcherdCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	link := filepath.Join(t.TempDir(), "launcherd")
	must(t, os.Symlink(exe, link))
	return exec.Command(link, args...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// notifySocket is what systemd listens on: sd_notify(3).
type notifySocket struct{ c *net.UnixConn }

func newNotifySocket(t *testing.T) (*notifySocket, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	return &notifySocket{c}, path
}

func (n *notifySocket) expect(t *testing.T, want string) {
	t.Helper()
	b := make([]byte, 1024)
	k, err := n.c.Read(b)
	if err != nil || string(b[:k]) != want {
		t.Fatalf("sd_notify %q, %v, want %q", b[:k], err, want)
	}
}

// testDaemon is a launcherd serve in a process of its own.
type testDaemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	path   string
	notify *notifySocket
	stderr bytes.Buffer
	once   sync.Once
	err    error
}

// startDaemon starts a daemon and waits until it is ready. It ends with the test.
func startDaemon(t *testing.T, args ...string) *testDaemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	cmd := launcherdCommand(t, append([]string{"serve", "--listen", "unix:" + path}, args...)...)
	return startDaemonCommand(t, cmd, path)
}

func startDaemonCommand(t *testing.T, cmd *exec.Cmd, path string) *testDaemon {
	t.Helper()
	n, name := newNotifySocket(t)
	d := &testDaemon{t: t, cmd: cmd, path: path, notify: n}
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+name)
	cmd.Stderr = &d.stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Process.Signal(syscall.SIGTERM)
		if err := d.wait(); err != nil {
			t.Errorf("the daemon ended with %v: %s", err, d.stderr.String())
		}
	})
	n.expect(t, "READY=1")
	return d
}

// wait waits for the daemon's end.
func (d *testDaemon) wait() error {
	d.once.Do(func() { d.err = d.cmd.Wait() })
	return d.err
}

// client is a connection that speaks all the daemon does.
type client struct {
	*hostlink.Link
	monitor   *wire.MonitorClient
	launcher  *process.LauncherClient
	lifecycle *lifecycle.LifecycleClient
}

func (d *testDaemon) connect() *client {
	d.t.Helper()
	l, err := hostlink.Dial(context.Background(), d.path)
	must(d.t, err)
	m := wire.NewMonitorClient(l)
	d.t.Cleanup(func() { m.Close() })
	return &client{l, m, &process.LauncherClient{Client: m.Client}, &lifecycle.LifecycleClient{Client: m.Client}}
}

// info describes a program of this repository, in the daemon's job.
func (c *client) info(t *testing.T, program string) process.LaunchInfo {
	t.Helper()
	rep, err := c.monitor.GetJob(t.Context())
	must(t, err)
	f, err := os.Open(filepath.Join("../..", program))
	must(t, err)
	defer f.Close()
	exe, err := c.Add(f)
	must(t, err)
	return process.LaunchInfo{Executable: exe, Job: rep.Job, Name: filepath.Base(program)}
}

// addStdout gives the program a standard output, and the end to read it from.
func (c *client) addStdout(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close() })
	h, err := c.Add(w)
	must(t, err)
	must(t, w.Close())
	must(t, c.launcher.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
		{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.FileDescriptor, 1))},
	}}))
	return r
}

func (c *client) launch(t *testing.T, program string, args ...string) *hostlink.Task {
	t.Helper()
	bs := [][]byte{[]byte(program)}
	for _, a := range args {
		bs = append(bs, []byte(a))
	}
	must(t, c.launcher.AddArgs(t.Context(), &process.LauncherAddArgsRequest{Args: bs}))
	rep, err := c.launcher.Launch(t.Context(), &process.LauncherLaunchRequest{Info: c.info(t, program)})
	must(t, err)
	if rep.Status != zx.OK {
		t.Fatal(rep.Status)
	}
	p, err := c.Task(rep.Process)
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

func returns(t *testing.T, p *hostlink.Task, want int64) {
	t.Helper()
	if code, _, err := p.Wait(t.Context()); err != nil || code != want {
		t.Errorf("return code %d, %v, want %d", code, err, want)
	}
}

func readAll(t *testing.T, f *os.File) string {
	t.Helper()
	var b strings.Builder
	_, err := f.WriteTo(&b)
	must(t, err)
	return b.String()
}

func TestServeLaunch(t *testing.T) {
	d := startDaemon(t)
	c := d.connect()
	out := c.addStdout(t)
	returns(t, c.launch(t, "examples/hello", "--return=-5000000000"), -5000000000)
	if got := readAll(t, out); !strings.HasPrefix(got, "arg[0]=examples/hello\n") {
		t.Errorf("output %q", got)
	}
	returns(t, c.launch(t, "testdata/fault", "null-read"), zx.RetcodeExceptionKill)
}

// A program talks FIDL, or anything, with the Linux program that launched it.
func TestServeChannel(t *testing.T) {
	d := startDaemon(t)
	c := d.connect()
	h, ch, err := c.NewChannel()
	must(t, err)
	defer ch.Close()
	must(t, c.launcher.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
		{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.User0, 0))},
	}}))
	p := c.launch(t, "examples/channel_echo")
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	wh, err := ch.Add(w)
	must(t, err)
	must(t, w.Close())
	must(t, ch.WriteMsg([]byte("with a pipe"), []zx.HandleDisposition{{Handle: wh, Rights: zx.RightSameRights}}))
	b, hs := make([]byte, zx.ChannelMaxMsgBytes), make([]zx.HandleInfo, zx.ChannelMaxMsgHandles)
	n, nh, err := ch.ReadMsg(t.Context(), b, hs)
	if err != nil || string(b[:n]) != "with a pipe" || nh != 1 {
		t.Fatalf("echo %q with %d handles, %v", b[:n], nh, err)
	}
	// What comes back is a socket by which the pipe can still be written.
	back, err := ch.Task(hs[0].Handle)
	must(t, err)
	back.Close()
	if got := readAll(t, r); got != "" {
		t.Errorf("the pipe gave %q", got)
	}
	must(t, ch.Close())
	returns(t, p, 0)
}

// A channel that a program does not read ends once it holds what a channel can.
func TestServeUnreadChannel(t *testing.T) {
	d := startDaemon(t)
	c := d.connect()
	h, ch, err := c.NewChannel()
	must(t, err)
	defer ch.Close()
	must(t, c.launcher.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
		{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.User0, 0))},
	}}))
	p := c.launch(t, "testdata/sleep")
	for n := 0; ; n++ {
		if err = ch.WriteMsg([]byte("to nobody"), nil); err != nil {
			break
		}
		if n > 100_000 {
			t.Fatal("there is no end to what is kept for a program")
		}
	}
	if !errors.Is(err, zx.ErrPeerClosed) {
		t.Error(err)
	}
	must(t, p.Kill())
	returns(t, p, zx.RetcodeSyscallKill)
	returns(t, c.launch(t, "examples/hello", "--return=2"), 2)
}

// A client that cannot make system calls starts what it had created.
func TestServeCreateWithoutStarting(t *testing.T) {
	d := startDaemon(t)
	c := d.connect()
	out := c.addStdout(t)
	rep, err := c.launcher.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{Info: c.info(t, "examples/hello")})
	must(t, err)
	if rep.Status != zx.OK {
		t.Fatal(rep.Status)
	}
	p, err := c.Task(rep.Data.Process)
	must(t, err)
	defer p.Close()
	own, err := p.Duplicate(c.Link)
	must(t, err)
	c.CloseHandles(rep.Data.RootVmar)
	must(t, c.monitor.StartProcess(t.Context(), &wire.MonitorStartProcessRequest{
		Process: own, Thread: rep.Data.Thread, Bootstrap: rep.Data.Bootstrap,
		Entry: rep.Data.Entry, Stack: rep.Data.Stack, VdsoBase: rep.Data.VdsoBase,
	}))
	if got := readAll(t, out); got != "Hello, Fuchsia!\n" {
		t.Errorf("output %q", got)
	}
	returns(t, p, 0)
}

// What breaks the protocol ends its connection, with a reason, and no other.
func TestServeBadMessages(t *testing.T) {
	d := startDaemon(t)
	other := d.connect()
	for name, message := range map[string][]byte{
		"no header":        []byte("short"),
		"unknown ordinal":  {0, 0, 0, 0, 2, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8},
		"unknown magic":    {0, 0, 0, 0, 2, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8},
		"wrong wire shape": append(binaryHeader(process.LauncherAddArgsOrdinal), 1, 2, 3),
	} {
		c := d.connect()
		must(t, c.WriteMsg(message, nil))
		if err := c.monitor.HandleOne(t.Context()); err == nil {
			t.Errorf("%s: the connection goes on", name)
		}
	}
	returns(t, other.launch(t, "examples/hello", "--return=3"), 3)
}

func binaryHeader(ordinal uint64) []byte {
	b := []byte{0, 0, 0, 0, 2, 0, 0, 1}
	for i := range 8 {
		b = append(b, byte(ordinal>>(8*i)))
	}
	return b
}

// Programs that end in time end by themselves, and what they write arrives.
func TestServeDrains(t *testing.T) {
	d := startDaemon(t, "--drain-timeout", "1m")
	c := d.connect()
	in, w, err := os.Pipe()
	must(t, err)
	defer in.Close()
	h, err := c.Add(in)
	must(t, err)
	must(t, c.launcher.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
		{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.FileDescriptor, 0))},
	}}))
	out := c.addStdout(t)
	p := c.launch(t, "examples/echo")
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.notify.expect(t, "STOPPING=1")
	// It takes no more connections, nor launches on those there are.
	for {
		l, err := hostlink.Dial(t.Context(), d.path)
		if err != nil {
			break
		}
		l.Close()
	}
	rep, err := c.launcher.Launch(t.Context(), &process.LauncherLaunchRequest{Info: c.info(t, "examples/hello")})
	if err != nil || rep.Status != zx.ErrUnavailable {
		t.Errorf("%+v, %v, want UNAVAILABLE", rep, err)
	}
	_, err = w.WriteString("the last words")
	must(t, err)
	must(t, w.Close())
	if got := readAll(t, out); got != "the last words" {
		t.Errorf("output %q", got)
	}
	returns(t, p, 0)
	must(t, d.wait())
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// Programs that do not end are killed, and those who wait for them hear of it.
func TestServeKills(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *testDaemon, c *client){
		"when their time is over": func(t *testing.T, d *testDaemon, _ *client) {
			must(t, d.cmd.Process.Signal(syscall.SIGTERM))
		},
		"at a second signal": func(t *testing.T, d *testDaemon, _ *client) {
			must(t, d.cmd.Process.Signal(syscall.SIGTERM))
			d.notify.expect(t, "STOPPING=1")
			must(t, d.cmd.Process.Signal(syscall.SIGTERM))
		},
		"when a client stops the daemon": func(t *testing.T, _ *testDaemon, c *client) {
			must(t, c.lifecycle.Stop(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := "50ms"
			if strings.Contains(name, "second") {
				timeout = "1h"
			}
			d := startDaemon(t, "--drain-timeout", timeout)
			c := d.connect()
			p := c.launch(t, "testdata/spin")
			end(t, d, c)
			returns(t, p, zx.RetcodeSyscallKill)
			must(t, d.wait())
		})
	}
}

// A launch by way of /svc whose loader does not answer does not hold up the end.
func TestServeEndsStuckLaunch(t *testing.T) {
	d := startDaemon(t, "--drain-timeout", "1h")
	c := d.connect()
	services, err := c.monitor.GetServices(t.Context())
	must(t, err)
	svc, err := c.Channel(services.Services.Handle)
	must(t, err)
	defer svc.Close()
	h, l, err := svc.NewChannel()
	must(t, err)
	defer l.Close()
	must(t, fio.NewDirectoryClient(svc, nil).Open(t.Context(), &fio.DirectoryOpenRequest{
		Path: process.LauncherName, Flags: fio.FlagsProtocolService, Object: h,
	}))
	h, loader, err := l.NewChannel()
	must(t, err)
	defer loader.Close()
	stuck := &client{Link: l, monitor: c.monitor, launcher: process.NewLauncherClient(l)}
	must(t, stuck.launcher.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
		{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0))},
	}}))
	info := stuck.info(t, "testdata/dyn")
	rep, err := c.monitor.GetJob(t.Context())
	must(t, err)
	job, err := c.Task(rep.Job)
	must(t, err)
	defer job.Close()
	info.Job, err = job.Duplicate(l)
	must(t, err)
	launched := make(chan struct{})
	go func() {
		defer close(launched)
		stuck.launcher.Launch(t.Context(), &process.LauncherLaunchRequest{Info: info}) // it fails when the daemon ends
	}()
	_, _, err = loader.ReadMsg(t.Context(), make([]byte, zx.ChannelMaxMsgBytes), make([]zx.HandleInfo, zx.ChannelMaxMsgHandles))
	must(t, err)
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.notify.expect(t, "STOPPING=1")
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	// The loader alone would keep the launch for 30 seconds.
	defer time.AfterFunc(20*time.Second, func() { d.cmd.Process.Kill() }).Stop()
	must(t, d.wait())
	<-launched
}

// systemd listens, and starts the daemon with the socket.
func TestSocketActivation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	socket := os.NewFile(uintptr(fd), "socket")
	defer socket.Close()
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	must(t, unix.Listen(fd, 8))
	// A client may come before the daemon is there.
	early, err := hostlink.Dial(t.Context(), path)
	must(t, err)
	m := wire.NewMonitorClient(early)
	defer m.Close()

	cmd := activated(t, socket)
	d := startDaemonCommand(t, cmd, path)
	if rep, err := m.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{}); err != nil || len(rep.Tasks) != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	returns(t, d.connect().launch(t, "examples/hello", "--return=4"), 4)
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	must(t, d.wait())
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("systemd's socket was removed: %v", err)
	}
}

// activated gives the command of a daemon that gets sockets as systemd passes
// them: from descriptor 3 on, and LISTEN_PID is its own.
func activated(t *testing.T, sockets ...*os.File) *exec.Cmd {
	t.Helper()
	launcherd := launcherdCommand(t)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, launcherd.Path)
	cmd.Env = append(os.Environ(), fmt.Sprint("LISTEN_FDS=", len(sockets)))
	cmd.ExtraFiles = sockets
	return cmd
}

func TestSocketActivationRefuses(t *testing.T) {
	stream, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	must(t, err)
	defer stream.Close()
	f, err := stream.File()
	must(t, err)
	defer f.Close()
	for _, tt := range []struct {
		sockets []*os.File
		want    string
	}{
		{[]*os.File{f}, "SEQPACKET"},
		{[]*os.File{f, f}, "2 sockets"},
	} {
		out, err := activated(t, tt.sockets...).CombinedOutput()
		var ee *exec.ExitError
		if !errors.As(err, &ee) || ee.ExitCode() != exitFailure || !strings.Contains(string(out), tt.want) {
			t.Errorf("%v, %q, want exit code %d and %q", err, out, exitFailure, tt.want)
		}
	}
}

// Many connections at once, whose programs succeed, fail in several ways, or are
// left alone by clients that vanish: each gets its own, and nothing stays.
func TestServeManyClients(t *testing.T) {
	const clients, rounds = 50, 10
	d := startDaemon(t)
	returns(t, d.connect().launch(t, "examples/hello"), 0)
	before := d.descriptors()
	errs := make(chan error)
	for i := range clients {
		go func() {
			var err error
			for k := 0; k < rounds && err == nil; k++ {
				err = d.visit((i + k) % 7)
			}
			errs <- err
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	c := d.connect()
	// Connections that were closed are served to their end sooner or later, and
	// processes that are kept ready come and go.
	const spare = 20
	deadline := time.Now().Add(20 * time.Second)
	for {
		rep, err := c.monitor.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{})
		must(t, err)
		fds := d.descriptors()
		if len(rep.Tasks) == 1 && fds <= before+spare {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors, %d before; tasks %+v, want the root alone", fds, before, rep.Tasks)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A daemon without room for more descriptors says so now and then, and goes on when there
// is room again.
func TestServeFull(t *testing.T) {
	launcherd := launcherdCommand(t)
	path := filepath.Join(t.TempDir(), "socket")
	d := startDaemonCommand(t, exec.Command("sh", "-c", `ulimit -n 64; exec "$0" serve --listen "unix:$1"`, launcherd.Path, path), path)
	var links []*hostlink.Link
	for range 200 {
		l, err := hostlink.Dial(t.Context(), path)
		must(t, err)
		links = append(links, l)
	}
	for d.descriptors() < 64 {
		time.Sleep(time.Millisecond)
	}
	for _, l := range links {
		l.Close()
	}
	c := d.connect()
	_, err := c.monitor.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{})
	must(t, err) // those before it in the queue have been accepted
	for d.descriptors() > 40 {
		time.Sleep(time.Millisecond)
	}
	returns(t, c.launch(t, "examples/hello", "--return=3"), 3)
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	must(t, d.wait())
	if n := strings.Count(d.stderr.String(), "no more connections"); n == 0 || n > 10 {
		t.Errorf("%d lines about it: %s", n, d.stderr.String())
	}
}

// descriptors is how many the daemon has open.
func (d *testDaemon) descriptors() int {
	d.t.Helper()
	es, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	must(d.t, err)
	return len(es)
}

// visit is one of several things that a client does to a daemon, on a connection
// of its own. It may be called by any goroutine.
func (d *testDaemon) visit(what int) error {
	ctx := d.t.Context()
	l, err := hostlink.Dial(ctx, d.path)
	if err != nil {
		return err
	}
	m := wire.NewMonitorClient(l)
	defer m.Close()
	lc := &process.LauncherClient{Client: m.Client}
	job, err := m.CreateJob(ctx, &wire.MonitorCreateJobRequest{Name: fmt.Sprint("visit ", what)})
	if err != nil {
		return err
	}
	program, status := "../../examples/hello", zx.OK
	switch what {
	case 1:
		program, status = "../../README.md", zx.ErrNotFound // no ELF
	case 2: // needs a loader
		program, status = "../../testdata/dyn", zx.ErrInvalidArgs
	case 5, 6: // has one that is gone, or that is not there when it is asked
		program, status = "../../testdata/dyn", zx.ErrNotFound
		h, loader, err := l.NewChannel()
		if err != nil {
			return err
		}
		defer loader.Close()
		if what == 5 {
			loader.Close()
		}
		err = lc.AddHandles(ctx, &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
			{Handle: h, Id: uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0))},
		}})
		if err != nil {
			return err
		}
	}
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	exe, err := l.Add(f)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	stdout, err := l.Add(w)
	w.Close()
	if err != nil {
		return err
	}
	err = errors.Join(
		lc.AddArgs(ctx, &process.LauncherAddArgsRequest{Args: [][]byte{[]byte("hello"), []byte(fmt.Sprint("--return=", what))}}),
		lc.AddHandles(ctx, &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{
			{Handle: stdout, Id: uint32(processargs.NewHandleInfo(processargs.FileDescriptor, 1))},
		}}))
	if err != nil || what == 3 {
		return err // gone, with a launch half described
	}
	if what == 4 || what == 6 { // gone in the middle of a launch
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err := lc.Launch(ctx, &process.LauncherLaunchRequest{Info: process.LaunchInfo{Executable: exe, Job: job.Job, Name: "hello"}})
		if err != nil && !errors.Is(err, context.Canceled) { // the answer may be there before it is looked for
			return fmt.Errorf("a launch that nobody waits for: %w", err)
		}
		return nil
	}
	rep, err := lc.Launch(ctx, &process.LauncherLaunchRequest{Info: process.LaunchInfo{Executable: exe, Job: job.Job, Name: "hello"}})
	if err != nil {
		return err
	}
	if rep.Status != status {
		return fmt.Errorf("%s: %v, want %v", program, rep.Status, status)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	want := ""
	if status == zx.OK {
		want = fmt.Sprintf("arg[0]=hello\narg[1]=--return=%d\n", what)
		p, err := l.Task(rep.Process)
		if err != nil {
			return err
		}
		defer p.Close()
		if code, _, err := p.Wait(ctx); err != nil || code != int64(what) {
			return fmt.Errorf("return code %d, %w", code, err)
		}
	}
	if string(out) != want {
		return fmt.Errorf("output %q, want %q", out, want)
	}
	return nil
}

// examples/python/spawn.py is a client without a line of ours.
func TestPythonClient(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	script, err := os.ReadFile("../../examples/python/spawn.py")
	must(t, err)
	if n := bytes.Count(script, []byte("\n")); n >= 100 {
		t.Errorf("the script has %d lines, and is to have fewer than 100", n)
	}
	if st, err := os.Stat("../../examples/python/spawn.py"); err != nil || st.Mode()&0o111 != 0o111 {
		t.Errorf("the script is to be run as a command: mode %v, %v", st.Mode(), err)
	}
	d := startDaemon(t)
	spawn := func(stdin string, args ...string) (out string, code int) {
		t.Helper()
		cmd := exec.Command(python, append([]string{"../../examples/python/spawn.py", "--connect", d.path}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		b, err := cmd.CombinedOutput()
		var ee *exec.ExitError
		if err != nil && !errors.As(err, &ee) {
			t.Fatal(err)
		}
		return string(b), cmd.ProcessState.ExitCode()
	}
	if out, code := spawn("", "../../examples/hello", "from", "Python", "--return=5"); code != 5 || !strings.Contains(out, "arg[2]=Python\n") {
		t.Errorf("hello: exit code %d, output %q", code, out)
	}
	in := strings.Repeat("0123456789abcdef", 20_000)
	if out, code := spawn(in, "../../examples/echo"); code != 0 || out != in {
		t.Errorf("echo: exit code %d, %d bytes of output, want %d", code, len(out), len(in))
	}
	// More input than the program reads, and more output than anyone reads.
	if out, code := spawn(strings.Repeat(in, 4), "../../examples/hello", "--return=6"); code != 6 || out != "arg[0]=../../examples/hello\narg[1]=--return=6\n" {
		t.Errorf("hello: exit code %d, output %q", code, out)
	}
	cmd := exec.Command("sh", "-c", `"$@" </dev/zero | head -c 5 | wc -c`, "sh", python, "../../examples/python/spawn.py", "--connect", d.path, "../../examples/echo")
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "5" {
		t.Errorf("echo into head: %v, output %q", err, out)
	}
	if out, code := spawn("", "../../README.md"); code != 1 || !strings.Contains(out, "status -25") {
		t.Errorf("no program: exit code %d, output %q", code, out)
	}
}
