package fdio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	fio "go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain runs a program before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Println("skipped: programs run on Linux on x86-64 only")
		return
	}
	p := must(spawn(context.Background(), &fdio.Program{Executable: must(hello()), Job: zx.DefaultJob()}))
	if _, err := fdio.Wait(context.Background(), &p); err != nil {
		panic(err)
	}
	p.Close()
	os.Exit(m.Run())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// hello is the executable of examples/hello.
func hello() (zx.VMO, error) {
	f, err := os.Open("../examples/hello")
	if err != nil {
		return zx.VMO{}, err
	}
	defer f.Close()
	return zx.VMOFromFile(f, true)
}

// serve gives a client of a Launcher, and what waits for its end.
func serve() (*process.LauncherClient, func()) {
	client, server, err := zx.NewChannel()
	if err != nil {
		panic(err)
	}
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), &server) }()
	l := process.NewLauncherClient(&client)
	return l, func() {
		l.Close()
		<-served
	}
}

// spawn spawns by a connection of its own.
func spawn(ctx context.Context, p *fdio.Program) (zx.Process, error) {
	l, done := serve()
	defer done()
	return fdio.Spawn(ctx, l, p)
}

// noLeaks checks, once all other cleanups have run, that the test left this
// process with the handles it had, and no goroutine.
func noLeaks(t *testing.T) {
	t.Helper()
	before := zircon.Self().Handles().Len()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if after := zircon.Self().Handles().Len(); after != before {
			t.Errorf("%d handles, %d before", after, before)
		}
	})
}

// directory serves a folder with files of some names, and gives it.
func directory(t *testing.T, o vfs.Options, names ...string) zx.Channel {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		full := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(n), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	node, err := vfs.Host(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	fs := vfs.New(zap.NewNop())
	t.Cleanup(func() { fs.Close(); node.Close() })
	c, err := fs.Connect(node)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBootstrap shows what a program gets of each thing that a Program says: the
// message that it is started with.
func TestBootstrap(t *testing.T) {
	noLeaks(t)
	ctx := context.Background()
	job, err := zx.DefaultJob().CreateJob()
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	clock, err := zx.NewClock(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer clock.Close()
	event, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	var ns fdio.Namespace
	defer ns.Close()
	for _, at := range []string{"/svc", "/data/a", "/data/b", "/database"} {
		if err := ns.Bind(at, directory(t, vfs.Options{})); err != nil {
			t.Fatal(err)
		}
	}

	p := &fdio.Program{
		Executable: must(hello()),
		Args:       []string{"/pkg/bin/hello", "x"},
		Env:        []string{"A=b"},
		Job:        &job,
	}
	stream, err := p.Pipe(7)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	p.AddHandle(processargs.User0, 3, event.Take())
	for _, err := range []error{p.CloneJob(), p.CloneNamespace(&ns, "/data", "/svc"), p.CloneUTCClock(&clock)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, done := serve()
	defer done()
	data, err := fdio.CreateWithoutStarting(ctx, l, p)
	if err != nil {
		t.Fatal(err)
	}
	defer zx.CloseAll(data.Process, data.Thread, data.RootVmar)
	made := zx.ObjectFromHandle(data.Process)
	if name, err := made.Name(); name != "hello" || err != nil {
		t.Errorf("the process's name is %q, %v", name, err)
	}
	made.Take()

	bootstrap := zx.ChannelFromHandle(data.Bootstrap)
	defer bootstrap.Close()
	b, hs := make([]byte, zx.ChannelMaxMsgBytes), make([]zx.Handle, zx.ChannelMaxMsgHandles)
	nb, nh, err := bootstrap.Read(b, hs)
	if err != nil {
		t.Fatal(err)
	}
	m, err := processargs.Parse(b[:nb], hs[:nh])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if want := []string{"/pkg/bin/hello", "x"}; !reflect.DeepEqual(m.Args, want) {
		t.Errorf("arguments %q, want %q", m.Args, want)
	}
	if want := []string{"A=b"}; !reflect.DeepEqual(m.Environ, want) {
		t.Errorf("environment %q, want %q", m.Environ, want)
	}
	if want := []string{"/data/a", "/data/b", "/svc"}; !reflect.DeepEqual(m.NamespacePaths, want) {
		t.Errorf("namespace %q, want %q", m.NamespacePaths, want)
	}
	handles := map[processargs.HandleInfo]zx.BasicInfo{}
	for _, h := range m.Handles {
		o := zx.ObjectFromHandle(h.Handle)
		info, err := o.BasicInfo()
		if err != nil {
			t.Fatal(err)
		}
		handles[h.Info] = info
	}
	jobKoid, _ := job.Koid()
	if got := handles[processargs.NewHandleInfo(processargs.DefaultJob, 0)]; got.Koid != jobKoid {
		t.Errorf("the default job is %+v, want koid %d", got, jobKoid)
	}
	clockKoid, _ := clock.Koid()
	want := zx.BasicInfo{Koid: clockKoid, Type: zx.ObjTypeClock, Rights: zx.RightRead | zx.RightWait | zx.RightDuplicate | zx.RightTransfer}
	if got := handles[processargs.NewHandleInfo(processargs.ClockUTC, 0)]; got != want {
		t.Errorf("the clock is %+v, want %+v", got, want)
	}
	if got := handles[processargs.NewHandleInfo(processargs.User0, 3)]; got.Type != zx.ObjTypeEvent {
		t.Errorf("the added handle is %+v", got)
	}
	info, err := stream.BasicInfo()
	if got := handles[processargs.NewHandleInfo(processargs.FileDescriptor, 7)]; err != nil || got.Koid != info.RelatedKoid {
		t.Errorf("descriptor 7 is %+v, want the peer of %+v, %v", got, info, err)
	}
}

// TestSpawnErrors shows the status of each failure. Nothing of the program is
// left then.
func TestSpawnErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, p *fdio.Program)
		want   zx.Status
	}{
		{"no job", func(_ *testing.T, p *fdio.Program) { p.Job = nil }, zx.ErrBadHandle},
		{"a closed job", func(t *testing.T, p *fdio.Program) { p.Job = new(zx.Job) }, zx.ErrBadHandle},
		{"no executable", func(_ *testing.T, p *fdio.Program) { p.Executable.Close() }, zx.ErrInvalidArgs},
		{"what is no program", func(t *testing.T, p *fdio.Program) {
			p.Executable.Close()
			v, err := zx.NewVMO(4096, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.Executable = v
		}, zx.ErrNotFound},
		{"NUL in an argument", func(_ *testing.T, p *fdio.Program) { p.Args = []string{"a\x00b"} }, zx.ErrInvalidArgs},
		{"a path twice", func(t *testing.T, p *fdio.Program) {
			for range 2 {
				p.Namespace = append(p.Namespace, fdio.NamespaceEntry{Path: "/a", Directory: directory(t, vfs.Options{})})
			}
		}, zx.ErrInvalidArgs},
		{"more than a process can be told", func(_ *testing.T, p *fdio.Program) {
			for range 100 {
				p.Env = append(p.Env, strings.Repeat("x", 1000))
			}
		}, zx.ErrInvalidArgs},
		{"an argument longer than a message", func(_ *testing.T, p *fdio.Program) {
			p.Args = []string{strings.Repeat("x", zx.ChannelMaxMsgBytes)}
		}, zx.ErrInvalidArgs},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			for _, start := range []func(*process.LauncherClient, *fdio.Program) error{
				func(l *process.LauncherClient, p *fdio.Program) error {
					_, err := fdio.Spawn(context.Background(), l, p)
					return err
				},
				func(l *process.LauncherClient, p *fdio.Program) error {
					_, err := fdio.CreateWithoutStarting(context.Background(), l, p)
					return err
				},
			} {
				p := &fdio.Program{Executable: must(hello()), Job: zx.DefaultJob()}
				stdout, err := p.Pipe(1)
				if err != nil {
					t.Fatal(err)
				}
				defer stdout.Close()
				tt.change(t, p)
				l, done := serve()
				if err := start(l, p); zx.StatusOf(err) != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				done()
			}
		})
	}
}

// A Launcher that is not there, or goes away, is PEER_CLOSED.
func TestSpawnWithoutLauncher(t *testing.T) {
	noLeaks(t)
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	l := process.NewLauncherClient(&client)
	defer l.Close()
	_, err = fdio.Spawn(context.Background(), l, &fdio.Program{Executable: must(hello()), Args: []string{"hello"}, Job: zx.DefaultJob()})
	if !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("got %v, want PEER_CLOSED", err)
	}
}

// A Launcher that says OK and gives nothing is found out.
func TestSpawnOfNothing(t *testing.T) {
	noLeaks(t)
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- process.ServeLauncher(context.Background(), &server, nothing{}) }()
	l := process.NewLauncherClient(&client)
	p := func() *fdio.Program { return &fdio.Program{Executable: must(hello()), Job: zx.DefaultJob()} }
	if _, err := fdio.Spawn(context.Background(), l, p()); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("spawn: %v", err)
	}
	if _, err := fdio.CreateWithoutStarting(context.Background(), l, p()); !errors.Is(err, zx.ErrInternal) {
		t.Errorf("create: %v", err)
	}
	l.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// nothing is a Launcher that gives nothing.
type nothing struct{ process.LauncherServer }

func (nothing) Launch(_ context.Context, req *process.LauncherLaunchRequest) (*process.LauncherLaunchResponse, error) {
	zx.CloseAll(req.Info.Executable, req.Info.Job)
	return &process.LauncherLaunchResponse{}, nil
}

func (nothing) CreateWithoutStarting(_ context.Context, req *process.LauncherCreateWithoutStartingRequest) (*process.LauncherCreateWithoutStartingResponse, error) {
	zx.CloseAll(req.Info.Executable, req.Info.Job)
	return &process.LauncherCreateWithoutStartingResponse{}, nil
}

// The end of a context ends a wait and nothing else.
func TestWait(t *testing.T) {
	noLeaks(t)
	f, err := os.Open("../testdata/sleep")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := spawn(context.Background(), &fdio.Program{Executable: must(zx.VMOFromFile(f, true)), Job: zx.DefaultJob()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := fdio.Wait(ctx, &p); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, err := fdio.Wait(context.Background(), &p); code != zx.RetcodeSyscallKill || err != nil {
		t.Errorf("return code %d, %v", code, err)
	}
	p.Close()
	if _, err := fdio.Wait(context.Background(), &p); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("without a process: %v", err)
	}
}

func TestPrograms(t *testing.T) {
	noLeaks(t)
	var p fdio.Program
	for _, fd := range []int{-1, 1 << 16} {
		if _, err := p.Pipe(fd); !errors.Is(err, zx.ErrInvalidArgs) {
			t.Errorf("descriptor %d: %v", fd, err)
		}
	}
	if err := p.CloneJob(); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("cloning no job: %v", err)
	}
	if err := p.CloneUTCClock(new(zx.Clock)); !errors.Is(err, zx.ErrBadHandle) {
		t.Errorf("cloning no clock: %v", err)
	}
	if len(p.Handles) != 0 {
		t.Errorf("handles were added: %v", p.Handles)
	}
}

// A name is text of 31 bytes at most, whatever the program's file is called.
func TestProcessName(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"", nil, ""},
		{"given", []string{"bin/program"}, "given"},
		{"", []string{"bin/program", "x"}, "program"},
		{strings.Repeat("a", 31), nil, strings.Repeat("a", 31)},
		{strings.Repeat("a", 32), nil, strings.Repeat("a", 31)},
		{strings.Repeat("ä", 16), nil, strings.Repeat("ä", 15)},
		{"a" + strings.Repeat("ä", 16), nil, "a" + strings.Repeat("ä", 15)},
		{"", []string{"bin/pro\xffgram"}, "pro?gram"},
	} {
		if got := fdio.ProcessName(tt.name, tt.args); got != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.name, tt.args, got, tt.want)
		}
	}
}

// TestChunks checks that each part fits one message, and that all is there.
func TestChunks(t *testing.T) {
	var args []string
	for i := range 300 {
		args = append(args, strings.Repeat("x", i*7))
	}
	var got []string
	for _, part := range fdio.Chunks(args) {
		b, _, err := fidl.Marshal(&process.LauncherAddArgsRequest{Args: part}, fidl.V2)
		if err != nil || fidl.HeaderSize+len(b) > zx.ChannelMaxMsgBytes {
			t.Errorf("a part of %d bytes: %v", len(b), err)
		}
		for _, a := range part {
			got = append(got, string(a))
		}
	}
	if !reflect.DeepEqual(got, args) {
		t.Error("the parts are not the whole")
	}
	if parts := fdio.Chunks(nil); parts != nil {
		t.Errorf("nothing in %d parts", len(parts))
	}
}

func TestBind(t *testing.T) {
	noLeaks(t)
	dir := func() zx.Channel {
		a, b, err := zx.NewChannel()
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		return a
	}
	var ns fdio.Namespace
	defer ns.Close()
	tests := []struct {
		at   string
		want zx.Status
	}{
		{"/a", zx.OK},
		{"/b/c", zx.OK},
		{"/ab", zx.OK},
		{"/a", zx.ErrAlreadyExists},
		{"/a/x", zx.ErrNotSupported},
		{"/b", zx.ErrNotSupported},
		{"/", zx.ErrNotSupported},
		{"", zx.ErrInvalidArgs},
		{"d", zx.ErrInvalidArgs},
		{"/d/", zx.ErrInvalidArgs},
		{"/d/../e", zx.ErrInvalidArgs},
		{"/d//e", zx.ErrInvalidArgs},
		{"/d\x00", zx.ErrBadPath},
		{"/" + strings.Repeat("d", 4095), zx.ErrBadPath},
	}
	for _, tt := range tests {
		if err := ns.Bind(tt.at, dir()); zx.StatusOf(err) != tt.want {
			t.Errorf("bind %.20q: %v, want %v", tt.at, err, tt.want)
		}
	}
	if err := ns.Unbind("/a"); err != nil {
		t.Error(err)
	}
	if err := ns.Unbind("/a"); !errors.Is(err, zx.ErrNotFound) {
		t.Errorf("unbinding twice: %v", err)
	}
	if err := ns.Bind("/a", dir()); err != nil {
		t.Errorf("binding again: %v", err)
	}
	ns.Close()
	if err := ns.Bind("/", dir()); err != nil {
		t.Errorf("the root of an empty namespace: %v", err)
	}
	if err := ns.Bind("/a", dir()); !errors.Is(err, zx.ErrNotSupported) {
		t.Errorf("within the root: %v", err)
	}
}

// TestOpen checks which directory of a namespace a path leads to, and that the
// rest of the path is looked for there.
func TestOpen(t *testing.T) {
	noLeaks(t)
	ctx := context.Background()
	var ns fdio.Namespace
	defer ns.Close()
	for at, files := range map[string][]string{"/pkg": {"bin/a"}, "/pkg2": {"a"}, "/x/y": {"a"}} {
		if err := ns.Bind(at, directory(t, vfs.Options{Executable: true}, files...)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		at   string
		want zx.Status // of Executable
		text string
	}{
		{"/pkg/bin/a", zx.OK, "bin/a"},
		{"/pkg2/a", zx.OK, "a"},
		{"/x/y/a", zx.OK, "a"},
		{"/pkg/a", zx.ErrNotFound, ""},
		{"/pkg/bin", zx.ErrNotFile, ""},
		{"/pkg3/a", zx.ErrNotFound, ""},
		{"/x", zx.ErrNotSupported, ""},
		{"/", zx.ErrNotSupported, ""},
		{"pkg/bin/a", zx.ErrInvalidArgs, ""},
		{"/pkg/../pkg/bin/a", zx.ErrInvalidArgs, ""},
	}
	for _, tt := range tests {
		v, err := ns.Executable(ctx, tt.at)
		if zx.StatusOf(err) != tt.want {
			t.Errorf("%s: %v, want %v", tt.at, err, tt.want)
		}
		b := make([]byte, len(tt.text))
		if err == nil {
			if err := v.Read(b, 0); err != nil || string(b) != tt.text {
				t.Errorf("%s holds %q, %v; want %q", tt.at, b, err, tt.text)
			}
		}
		v.Close()
	}
	if _, err := ns.Connect("/nowhere/x"); !errors.Is(err, zx.ErrNotFound) {
		t.Errorf("a service that is nowhere: %v", err)
	}
}

// A file is executable only where the directory allows it.
func TestExecutable(t *testing.T) {
	noLeaks(t)
	ctx := context.Background()
	plain := directory(t, vfs.Options{}, "a")
	defer plain.Close()
	if _, err := fdio.Executable(ctx, &plain, "a"); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("out of a directory that is only read: %v", err)
	}
	dir := directory(t, vfs.Options{Executable: true}, "a")
	defer dir.Close()
	v, err := fdio.Executable(ctx, &dir, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	const need = zx.RightRead | zx.RightExecute | zx.RightMap | zx.RightDuplicate | zx.RightTransfer
	if info, err := v.BasicInfo(); err != nil || info.Rights&need != need {
		t.Errorf("rights %#x, %v; want at least %#x", info.Rights, err, need)
	}
	for _, name := range []string{"", "/a", "../a", "..", "a/", "./a"} {
		if _, err := fdio.Executable(ctx, &dir, name); !errors.Is(err, zx.ErrInvalidArgs) {
			t.Errorf("%q: %v, want INVALID_ARGS", name, err)
		}
	}
}

// What a clone is used for does not show in the first.
func TestClone(t *testing.T) {
	noLeaks(t)
	dir := directory(t, vfs.Options{}, "a", "b")
	defer dir.Close()
	clone, err := fdio.Clone(&dir)
	if err != nil {
		t.Fatal(err)
	}
	list := func(c *zx.Channel) int {
		t.Helper()
		r, err := fio.NewDirectoryClient(c, nil).ReadDirents(context.Background(), &fio.DirectoryReadDirentsRequest{MaxBytes: 4096})
		if err != nil || r.S != zx.OK {
			t.Fatalf("%v, %v", r, err)
		}
		return len(r.Dirents)
	}
	if n := list(&clone); n == 0 {
		t.Error("the clone lists nothing")
	}
	if n := list(&clone); n != 0 {
		t.Errorf("at its end the clone lists %d bytes", n)
	}
	if n := list(&dir); n == 0 {
		t.Error("the first is at its end too")
	}
	clone.Close()
	if n := list(&dir); n != 0 {
		t.Errorf("at its end the first lists %d bytes", n)
	}
}

// A namespace serves several goroutines while it changes.
func TestNamespaceConcurrency(t *testing.T) {
	noLeaks(t)
	var ns fdio.Namespace
	defer ns.Close()
	if err := ns.Bind("/fixed", directory(t, vfs.Options{Executable: true}, "a")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			at := fmt.Sprint("/changing/", i)
			for range 50 {
				a, b, err := zx.NewChannel()
				if err == nil {
					err = ns.Bind(at, a)
				}
				if err == nil {
					err = ns.Unbind(at)
				}
				b.Close()
				if err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			defer wg.Done()
			for range 50 {
				v, err := ns.Executable(context.Background(), "/fixed/a")
				if err != nil {
					t.Error(err)
				}
				v.Close()
				es, err := ns.Export("/fixed")
				if len(es) != 1 || err != nil {
					t.Errorf("%d entries, %v", len(es), err)
				}
				for i := range es {
					es[i].Directory.Close()
				}
			}
		}()
	}
	wg.Wait()
}
