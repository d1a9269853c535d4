package launcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"go.fuchsia.dev/fidl-go"
	fio "go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/builder"
	loader "go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts a process before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	f, err := os.Open("../examples/hello")
	if err != nil {
		panic(err)
	}
	executable, err := zx.VMOFromFile(f, true)
	if err != nil {
		panic(err)
	}
	f.Close()
	vdso, err := zx.VDSO()
	if err != nil {
		panic(err)
	}
	b, err := builder.New("first", zx.DefaultJob(), 0, executable, vdso)
	if err != nil {
		panic(err)
	}
	built, err := b.Build(context.Background())
	if err != nil {
		panic(err)
	}
	p, err := built.Start()
	if err != nil {
		panic(err)
	}
	p.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture)
	p.Close()
	os.Exit(m.Run())
}

// noLeaks checks, once all other cleanups have run, that the test left this
// process with the handles it had, and no goroutine.
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

// connect gives a client of a new connection, which ends with the test.
func connect(t *testing.T) *process.LauncherClient {
	t.Helper()
	return connectLog(t, zap.NewNop())
}

func connectLog(t *testing.T, log *zap.Logger) *process.LauncherClient {
	t.Helper()
	client, server := channel(t)
	served := make(chan struct{})
	go func() {
		defer close(served)
		s := &launcher.Server{VDSO: zx.VDSO, Log: log}
		_ = s.Serve(context.Background(), server) // a test that wants its error serves by itself
	}()
	c := process.NewLauncherClient(client)
	t.Cleanup(func() {
		c.Close()
		<-served
	})
	return c
}

// channel gives the two ends of a channel, closed with the test if not before.
func channel(t *testing.T) (*zx.Channel, *zx.Channel) {
	t.Helper()
	a, b, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return &a, &b
}

// handle gives a handle of little use.
func handle(t *testing.T) zx.Handle {
	t.Helper()
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	return e.Take()
}

// job gives a handle for a LaunchInfo.
func job(t *testing.T) zx.Handle {
	t.Helper()
	j, err := zx.DefaultJob().Duplicate(zx.RightSameRights)
	if err != nil {
		t.Fatal(err)
	}
	return j.Take()
}

// program gives the executable at a path of the repository.
func program(t *testing.T, path string) zx.Handle {
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
	return v.Take()
}

// read gives what is in a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../" + path)
	must(t, err)
	return string(b)
}

// hello is what launches examples/hello.
func hello(t *testing.T) process.LaunchInfo {
	return process.LaunchInfo{Executable: program(t, "examples/hello"), Job: job(t), Name: "hello"}
}

// must stops the test at an error of setting it up.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addArgs(t *testing.T, c *process.LauncherClient, args ...string) {
	t.Helper()
	req := new(process.LauncherAddArgsRequest)
	for _, a := range args {
		req.Args = append(req.Args, []byte(a))
	}
	must(t, c.AddArgs(t.Context(), req))
}

func addEnvirons(t *testing.T, c *process.LauncherClient, vars ...string) {
	t.Helper()
	req := new(process.LauncherAddEnvironsRequest)
	for _, v := range vars {
		req.Environ = append(req.Environ, []byte(v))
	}
	must(t, c.AddEnvirons(t.Context(), req))
}

func addHandle(t *testing.T, c *process.LauncherClient, h zx.Handle, id uint32) {
	t.Helper()
	must(t, c.AddHandles(t.Context(), &process.LauncherAddHandlesRequest{Handles: []process.HandleInfo{{Handle: h, Id: id}}}))
}

// stdout is the id of the handle for standard output.
var stdout = uint32(processargs.NewHandleInfo(processargs.FileDescriptor, 1))

func addNames(t *testing.T, c *process.LauncherClient, paths ...string) {
	t.Helper()
	req := new(process.LauncherAddNamesRequest)
	for _, p := range paths {
		req.Names = append(req.Names, process.NameInfo{Path: p, Directory: fidl.ClientEnd[fio.DirectoryProtocol]{Handle: channelHandle(t)}})
	}
	must(t, c.AddNames(t.Context(), req))
}

// channelHandle gives an end of a channel, the other closed.
func channelHandle(t *testing.T) zx.Handle {
	t.Helper()
	a, b, err := zx.NewChannel()
	must(t, err)
	b.Close()
	return a.Take()
}

// addLoader adds a loader that answers one request, and then is gone.
func addLoader(t *testing.T, c *process.LauncherClient, answer *ldsvc.LoaderLoadObjectResponse) {
	t.Helper()
	theirs, ours, err := zx.NewChannel()
	must(t, err)
	addHandle(t, c, theirs.Take(), uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0)))
	go func() { _ = ldsvc.ServeLoader(context.Background(), &ours, &oneAnswer{answer: answer}) }() // the launch closes its end
}

type oneAnswer struct {
	ldsvc.LoaderServer
	answer *ldsvc.LoaderLoadObjectResponse
}

func (l *oneAnswer) LoadObject(context.Context, *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	return l.answer, nil
}

// launch launches info with a standard output and gives that and the return code.
func launch(t *testing.T, c *process.LauncherClient, info process.LaunchInfo) (string, int64) {
	t.Helper()
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	must(t, err)
	defer ours.Close()
	addHandle(t, c, theirs.Take(), stdout)
	rep, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: info})
	must(t, err)
	if rep.Status != zx.OK {
		t.Fatalf("Launch: %v", rep.Status)
	}
	p := zx.ProcessFromHandle(rep.Process)
	defer p.Close()
	return finish(t, &p, &ours)
}

// finish gives the output and the return code of a process that runs.
func finish(t *testing.T, p *zx.Process, out *zx.Socket) (string, int64) {
	t.Helper()
	b, err := io.ReadAll(out)
	must(t, err)
	_, err = p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
	must(t, err)
	info, err := p.Info()
	must(t, err)
	return string(b), info.ReturnCode
}

// What is added adds up until a launch, and is gone after it.
func TestLaunch(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	addArgs(t, c, "hello", "a")
	addArgs(t, c, "--return=9")
	addEnvirons(t, c, "A=1")
	addEnvirons(t, c, "B=2")
	addNames(t, c, "/svc", "/pkg")
	out, code := launch(t, c, hello(t))
	const want = "arg[0]=hello\narg[1]=a\narg[2]=--return=9\nenv: A=1\nenv: B=2\n"
	if out != want || code != 9 {
		t.Errorf("output %q and code %d, want %q and 9", out, code, want)
	}

	addArgs(t, c, "hello", "again")
	out, code = launch(t, c, hello(t))
	if want := "arg[0]=hello\narg[1]=again\n"; out != want || code != 0 {
		t.Errorf("second: output %q and code %d, want %q and 0", out, code, want)
	}
}

// Arguments are bytes: any but NUL.
func TestArgumentsAreBytes(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	addArgs(t, c, "hello", "\xff\xfe\n")
	if out, _ := launch(t, c, hello(t)); out != "arg[0]=hello\narg[1]=\xff\xfe\n\n" {
		t.Errorf("output %q", out)
	}
}

// CreateWithoutStarting gives what a client needs to start the process itself.
func TestCreateWithoutStarting(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	addArgs(t, c, "hello", "--return=3")
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	must(t, err)
	defer ours.Close()
	addHandle(t, c, theirs.Take(), stdout)
	rep, err := c.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{Info: hello(t)})
	must(t, err)
	if rep.Status != zx.OK || rep.Data == nil {
		t.Fatalf("CreateWithoutStarting: %v, %v", rep.Status, rep.Data)
	}
	d := rep.Data
	p, thread, vmar := zx.ProcessFromHandle(d.Process), zx.ThreadFromHandle(d.Thread), zx.VMARFromHandle(d.RootVmar)
	defer p.Close()
	defer thread.Close()
	defer vmar.Close()
	if d.Base == 0 || d.VdsoBase == 0 || d.Stack == 0 || d.Entry <= d.Base {
		t.Errorf("addresses %+v", d)
	}
	if info, err := p.Info(); err != nil || info.Started {
		t.Errorf("the process: %+v, %v, want it not started", info, err)
	}
	must(t, p.Start(&thread, d.Entry, d.Stack, d.Bootstrap, d.VdsoBase))
	if out, code := finish(t, &p, &ours); out != "arg[0]=hello\narg[1]=--return=3\n" || code != 3 {
		t.Errorf("output %q and code %d", out, code)
	}
}

// A process that was made and not started ends with the handles to it: the
// server keeps none.
func TestCreateAndForget(t *testing.T) {
	noLeaks(t)
	j, err := zx.DefaultJob().CreateJob()
	must(t, err)
	defer j.Close()
	dup, err := j.Duplicate(zx.RightSameRights)
	must(t, err)
	c := connect(t)
	rep, err := c.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{
		Info: process.LaunchInfo{Executable: program(t, "examples/hello"), Job: dup.Take(), Name: "hello"},
	})
	must(t, err)
	if rep.Status != zx.OK {
		t.Fatal(rep.Status)
	}
	d := rep.Data
	zx.CloseAll(d.Process, d.RootVmar, d.Thread, d.Bootstrap)
	if _, err := j.Wait(t.Context(), zx.JobNoProcesses, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
}

// refusal is a launch that fails, in one of all the ways there are.
type refusal struct {
	name string
	add  func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo)
	want zx.Status
}

func refusals() []refusal {
	vmo := func(t *testing.T, b string) zx.Handle {
		v, err := zx.NewVMO(uint64(len(b)), 0)
		must(t, err)
		must(t, v.Write([]byte(b), 0))
		must(t, v.ReplaceAsExecutable(zx.HandleInvalid))
		return v.Take()
	}
	id := func(h processargs.HandleType, arg uint16) uint32 { return uint32(processargs.NewHandleInfo(h, arg)) }
	replaceJob := func(t *testing.T, info *process.LaunchInfo, h zx.Handle) {
		zx.CloseAll(info.Job)
		info.Job = h
	}
	replaceExecutable := func(info *process.LaunchInfo, h zx.Handle) {
		zx.CloseAll(info.Executable)
		info.Executable = h
	}
	return []refusal{
		{"NUL in an argument", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addArgs(t, c, "a\x00b") }, zx.ErrInvalidArgs},
		{"NUL in a variable", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addEnvirons(t, c, "A=\x00") }, zx.ErrInvalidArgs},
		{"NUL in the name", func(_ *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) { info.Name = "a\x00" }, zx.ErrInvalidArgs},
		{"NUL in a path", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addNames(t, c, "/a\x00") }, zx.ErrInvalidArgs},
		{"relative path", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addNames(t, c, "/svc", "pkg") }, zx.ErrInvalidArgs},
		{"empty path", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addNames(t, c, "") }, zx.ErrInvalidArgs},
		{"the same path twice", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addNames(t, c, "/svc")
			addNames(t, c, "/svc")
		}, zx.ErrInvalidArgs},
		{"a path in another", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addNames(t, c, "/a/b/c", "/a!", "/a/b")
		}, zx.ErrInvalidArgs},
		{"the root and another", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addNames(t, c, "/a", "/") }, zx.ErrInvalidArgs},
		{"unknown handle type", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) { addHandle(t, c, handle(t), 0x99) }, zx.ErrInvalidArgs},
		{"reserved bits in a handle's id", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), 0x1f0)
		}, zx.ErrInvalidArgs},
		{"directory without a path", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.NamespaceDirectory, 0))
		}, zx.ErrInvalidArgs},
		{"handles that the builder makes", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.ProcessSelf, 0))
		}, zx.ErrInvalidArgs},
		{"stack", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.StackVMO, 0))
		}, zx.ErrInvalidArgs},
		{"executable as a handle", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.ExecutableVMO, 0))
		}, zx.ErrInvalidArgs},
		{"region of the program", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.LoadedVMAR, 0))
		}, zx.ErrInvalidArgs},
		{"vDSO that is no VMO", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, handle(t), id(processargs.VDSOVMO, 0))
		}, zx.ErrWrongType},
		{"unknown options", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			must(t, c.SetOptions(t.Context(), &process.LauncherSetOptionsRequest{Options: 1 << 20}))
		}, zx.ErrInvalidArgs},
		{"arguments beyond a message", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addArgs(t, c, strings.Repeat("x", 40000))
			addArgs(t, c, strings.Repeat("x", 40000))
		}, zx.ErrInvalidArgs},
		{"handles beyond a message", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			for range 60 {
				addHandle(t, c, handle(t), id(processargs.User0, 0))
			}
		}, zx.ErrInvalidArgs},
		{"more handles than are kept", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			for range 20 {
				req := new(process.LauncherAddHandlesRequest)
				for range 60 {
					req.Handles = append(req.Handles, process.HandleInfo{Handle: handle(t), Id: id(processargs.User0, 0)})
				}
				must(t, c.AddHandles(t.Context(), req))
			}
			addNames(t, c, "/svc")
		}, zx.ErrInvalidArgs},
		{"more bytes than are kept", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			for range 20 {
				addEnvirons(t, c, strings.Repeat("x", 60000))
			}
			addNames(t, c, "/svc")
		}, zx.ErrInvalidArgs},
		{"executable that is no ELF", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, vmo(t, strings.Repeat("no ELF ", 10)))
		}, zx.ErrNotFound},
		{"executable that is empty", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, vmo(t, ""))
		}, zx.ErrOutOfRange},
		{"executable that is cut off in its headers", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, vmo(t, read(t, "examples/hello")[:100]))
		}, zx.ErrNotFound},
		{"executable that is cut off in its segments", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			b := read(t, "examples/hello")
			v := zx.VMOFromHandle(vmo(t, b))
			must(t, v.SetContentSize(uint64(len(b)/2)))
			replaceExecutable(info, v.Take())
		}, zx.ErrNotFound},
		{"executable for another machine", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			b := []byte(read(t, "examples/hello"))
			b[18] = 0xf3
			replaceExecutable(info, vmo(t, string(b)))
		}, zx.ErrNotFound},
		{"executable with nothing to load", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			b := []byte(read(t, "examples/hello"))
			b[56], b[57] = 0, 0 // the number of program headers
			replaceExecutable(info, vmo(t, string(b)))
		}, zx.ErrNotFound},
		{"executable that cannot be read", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			v := zx.VMOFromHandle(info.Executable)
			must(t, v.Replace(zx.RightTransfer|zx.RightExecute|zx.RightMap|zx.RightGetProperty))
			info.Executable = v.Take()
		}, zx.ErrAccessDenied},
		{"executable that cannot be mapped", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			v := zx.VMOFromHandle(info.Executable)
			must(t, v.Replace(zx.RightTransfer|zx.RightRead|zx.RightExecute|zx.RightGetProperty))
			info.Executable = v.Take()
		}, zx.ErrAccessDenied},
		{"executable without the right", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			v := zx.VMOFromHandle(info.Executable)
			must(t, v.Replace(zx.RightTransfer|zx.RightRead|zx.RightMap|zx.RightGetProperty))
			info.Executable = v.Take()
		}, zx.ErrAccessDenied},
		{"no loader", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
		}, zx.ErrInvalidArgs},
		{"loader that is gone", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			addHandle(t, c, channelHandle(t), id(processargs.LdsvcLoader, 0))
		}, zx.ErrNotFound},
		{"loader that is no channel", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			addHandle(t, c, handle(t), id(processargs.LdsvcLoader, 0))
		}, zx.ErrNotFound},
		{"loader that speaks nonsense", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			a, b, err := zx.NewChannel()
			must(t, err)
			addHandle(t, c, a.Take(), id(processargs.LdsvcLoader, 0))
			must(t, b.Write([]byte("nonsense"), nil))
			b.Close()
		}, zx.ErrNotFound},
		{"loader that refuses", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			addLoader(t, c, &ldsvc.LoaderLoadObjectResponse{Rv: zx.ErrShouldWait})
		}, zx.ErrShouldWait},
		{"loader that gives nothing", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			addLoader(t, c, &ldsvc.LoaderLoadObjectResponse{})
		}, zx.ErrInternal},
		{"dynamic linker that is no ELF", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			replaceExecutable(info, program(t, "testdata/dyn"))
			addLoader(t, c, &ldsvc.LoaderLoadObjectResponse{Object: vmo(t, strings.Repeat("no ELF ", 10))})
		}, zx.ErrNotFound},
		{"dynamic linker's name without an end", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			b := strings.Replace(read(t, "testdata/dyn"), "ld.so.1\x00", "ld.so.1!", 1)
			replaceExecutable(info, vmo(t, b))
			addHandle(t, c, channelHandle(t), id(processargs.LdsvcLoader, 0))
		}, zx.ErrInvalidArgs},
		{"dynamic linker's name that is no text", func(t *testing.T, c *process.LauncherClient, info *process.LaunchInfo) {
			b := strings.Replace(read(t, "testdata/dyn"), "ld.so.1\x00", "ld.so.\xff\x00", 1)
			replaceExecutable(info, vmo(t, b))
			addHandle(t, c, channelHandle(t), id(processargs.LdsvcLoader, 0))
		}, zx.ErrInvalidArgs},
		{"vDSO that is no ELF", func(t *testing.T, c *process.LauncherClient, _ *process.LaunchInfo) {
			addHandle(t, c, vmo(t, strings.Repeat("no ELF ", 10)), id(processargs.VDSOVMO, 0))
		}, zx.ErrNotFound},
		{"job without the right", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			j, err := zx.DefaultJob().Duplicate(zx.RightTransfer)
			must(t, err)
			replaceJob(t, info, j.Take())
		}, zx.ErrAccessDenied},
		{"job that was killed", func(t *testing.T, _ *process.LauncherClient, info *process.LaunchInfo) {
			j, err := zx.DefaultJob().CreateJob()
			must(t, err)
			must(t, j.Kill())
			replaceJob(t, info, j.Take())
		}, zx.ErrBadState},
	}
}

// Each failure has its status, releases what it took, and leaves the connection
// as new.
func TestRefusals(t *testing.T) {
	for _, tt := range refusals() {
		for _, method := range []string{"Launch", "CreateWithoutStarting"} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				noLeaks(t)
				core, logs := observer.New(zap.InfoLevel)
				c := connectLog(t, zap.New(core))
				addArgs(t, c, "kept from the failed launch?")
				ours, theirs, err := zx.NewSocket(zx.SocketStream)
				must(t, err)
				defer ours.Close()
				addHandle(t, c, theirs.Take(), stdout)
				info := hello(t)
				tt.add(t, c, &info)

				var st zx.Status
				if method == "Launch" {
					rep, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: info})
					must(t, err)
					st = rep.Status
					if rep.Process != zx.HandleInvalid {
						t.Error("a process came along")
					}
				} else {
					rep, err := c.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{Info: info})
					must(t, err)
					st = rep.Status
					if rep.Data != nil {
						t.Error("data came along")
					}
				}
				if st != tt.want {
					t.Errorf("status %v, want %v", st, tt.want)
				}
				if entries := logs.TakeAll(); len(entries) != 1 || entries[0].ContextMap()["status"] != tt.want.String() && entries[0].Message == "process not made" {
					t.Errorf("log %v, want one line with the status", entries)
				}
				// The handles that were added are closed.
				if _, err := ours.Wait(t.Context(), zx.SocketPeerClosed, zx.InfiniteFuture); err != nil {
					t.Error(err)
				}
				if out, code := launch(t, c, hello(t)); out != "Hello, Fuchsia!\n" || code != 0 {
					t.Errorf("the launch after it: output %q and code %d", out, code)
				}
			})
		}
	}
}

// A process's name is cut to what a kernel object's can be.
func TestProcessName(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	for _, tt := range []struct{ name, want string }{
		{"", ""},
		{"näme", "näme"},
		{strings.Repeat("n", zx.MaxNameLen-1), strings.Repeat("n", zx.MaxNameLen-1)},
		{strings.Repeat("n", zx.MaxNameLen), strings.Repeat("n", zx.MaxNameLen-1)},
	} {
		info := hello(t)
		info.Name = tt.name
		rep, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: info})
		must(t, err)
		p := zx.ProcessFromHandle(rep.Process)
		if name, err := p.Name(); err != nil || name != tt.want {
			t.Errorf("%q: status %v, name %q (%v), want %q", tt.name, rep.Status, name, err, tt.want)
		}
		_, err = p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
		must(t, err)
		p.Close()
	}
}

// SetOptions replaces, and a launch resets.
func TestSetOptions(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	must(t, c.SetOptions(t.Context(), &process.LauncherSetOptionsRequest{Options: 1 << 20}))
	must(t, c.SetOptions(t.Context(), &process.LauncherSetOptionsRequest{Options: 0}))
	if out, _ := launch(t, c, hello(t)); out != "Hello, Fuchsia!\n" {
		t.Errorf("output %q", out)
	}
}

// A client that goes leaves nothing, whatever it had added.
func TestClientVanishes(t *testing.T) {
	noLeaks(t)
	client, server := channel(t)
	c := process.NewLauncherClient(client)
	a, b := channel(t)
	addArgs(t, c, "a")
	addNames(t, c, "/svc")
	addHandle(t, c, b.Take(), uint32(processargs.NewHandleInfo(processargs.User0, 0)))
	c.Close()
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	if err := s.Serve(t.Context(), server); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := a.Wait(t.Context(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
}

// A client that goes while its own loader keeps a launch waiting does not hold
// the server up.
func TestClientVanishesWhileLoading(t *testing.T) {
	noLeaks(t)
	client, server := channel(t)
	c := process.NewLauncherClient(client)
	served := make(chan error)
	go func() {
		s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
		served <- s.Serve(context.Background(), server)
	}()
	theirs, ours := channel(t)
	addHandle(t, c, theirs.Take(), uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0)))
	launched := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := c.Launch(ctx, &process.LauncherLaunchRequest{Info: process.LaunchInfo{
			Executable: program(t, "testdata/dyn"), Job: job(t), Name: "dyn",
		}})
		launched <- err
	}()
	// The request for the dynamic linker says that the launch waits.
	if _, err := ours.Wait(t.Context(), zx.ChannelReadable, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-launched; !errors.Is(err, context.Canceled) {
		t.Errorf("Launch: %v", err)
	}
	c.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// What breaks the protocol ends that connection, with what it held, and no
// other.
func TestBreaches(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breach func(t *testing.T, ch *zx.Channel)
	}{
		{"garbage", func(t *testing.T, ch *zx.Channel) { must(t, ch.Write([]byte("garbage"), nil)) }},
		{"unknown ordinal", func(t *testing.T, ch *zx.Channel) {
			must(t, ch.Write([]byte("\x00\x00\x00\x00\x02\x00\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08"), nil))
		}},
		{"wrong type of handle", func(t *testing.T, ch *zx.Channel) {
			b := []byte("\x01\x00\x00\x00\x02\x00\x00\x01")
			for i := range 8 {
				b = append(b, byte(process.LauncherLaunchOrdinal>>(8*i)))
			}
			b = append(b, "\xff\xff\xff\xff\xff\xff\xff\xff"+ // executable, job
				"\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"+ // name
				"x\x00\x00\x00\x00\x00\x00\x00"...)
			must(t, ch.Write(b, []zx.Handle{job(t), program(t, "examples/hello")}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			other := connect(t)
			client, server := channel(t)
			done := make(chan error)
			go func() {
				s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
				done <- s.Serve(context.Background(), server)
			}()
			a, b := channel(t)
			c := process.NewLauncherClient(client)
			addHandle(t, c, b.Take(), uint32(processargs.NewHandleInfo(processargs.User0, 0)))
			tt.breach(t, client)
			if err := <-done; err == nil {
				t.Error("Serve gave no error")
			}
			for _, o := range []*zx.Channel{client, a} {
				if _, err := o.Wait(t.Context(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
					t.Error(err)
				}
			}
			if out, _ := launch(t, other, hello(t)); out != "Hello, Fuchsia!\n" {
				t.Errorf("another connection: output %q", out)
			}
		})
	}
}

// A job that is killed takes along what was launched in it.
func TestJobKilled(t *testing.T) {
	noLeaks(t)
	j, err := zx.DefaultJob().CreateJob()
	must(t, err)
	defer j.Close()
	dup, err := j.Duplicate(zx.RightSameRights)
	must(t, err)
	c := connect(t)
	rep, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: process.LaunchInfo{
		Executable: program(t, "testdata/spin"), Job: dup.Take(), Name: "spin",
	}})
	must(t, err)
	if rep.Status != zx.OK {
		t.Fatal(rep.Status)
	}
	p := zx.ProcessFromHandle(rep.Process)
	defer p.Close()
	must(t, j.Kill())
	_, err = p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
	must(t, err)
	if info, err := p.Info(); err != nil || info.ReturnCode != zx.RetcodeSyscallKill {
		t.Errorf("%+v, %v", info, err)
	}
}

// A process in a job that denies new processes can be launched there all the
// same: the policy binds those who are in the job.
func TestJobPolicy(t *testing.T) {
	noLeaks(t)
	j, err := zx.DefaultJob().CreateJob()
	must(t, err)
	must(t, j.SetPolicy(true, zx.Policy{Condition: zx.PolicyNewProcess, Action: zx.PolicyDeny}))
	c := connect(t)
	info := hello(t)
	zx.CloseAll(info.Job)
	info.Job = j.Take()
	if out, code := launch(t, c, info); out != "Hello, Fuchsia!\n" || code != 0 {
		t.Errorf("output %q and code %d", out, code)
	}
}

// Many connections at once, half of their launches failing in every way there is,
// do not see each other, and leave nothing.
func TestManyConnections(t *testing.T) {
	noHostLeaks(t)
	noLeaks(t)
	s, err := loader.New([]string{"../testdata"}, zap.NewNop())
	must(t, err)
	t.Cleanup(s.Close)
	const connections, launches = 50, 10
	fail := refusals()
	clients := make([]*process.LauncherClient, connections)
	for i := range clients {
		clients[i] = connect(t)
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Add(1)
		go func() { // a t.Fatal in it ends it, and the test fails
			defer wg.Done()
			for k := range launches {
				n := i*launches + k
				if n%2 == 1 {
					refused(t, c, fail[n/2%len(fail)], n%4 == 1)
				} else {
					succeeds(t, c, s, n)
				}
			}
		}()
	}
	wg.Wait()
}

// Hundreds of connections that say things in turn each keep what is their own.
func TestHundredsOfConnections(t *testing.T) {
	noLeaks(t)
	clients := make([]*process.LauncherClient, 300)
	for i := range clients {
		clients[i] = connect(t)
		addArgs(t, clients[i], "hello")
	}
	for i, c := range clients {
		addArgs(t, c, fmt.Sprint(i), fmt.Sprint("--return=", i))
		addEnvirons(t, c, fmt.Sprint("I=", i))
	}
	for i, c := range clients {
		out, code := launch(t, c, hello(t))
		want := fmt.Sprintf("arg[0]=hello\narg[1]=%d\narg[2]=--return=%[1]d\nenv: I=%[1]d\n", i)
		if out != want || code != int64(i) {
			t.Errorf("connection %d: output %q, code %d", i, out, code)
		}
	}
}

// What a client sends without waiting for answers is served in its order.
func TestOrder(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	outs := make([]zx.Socket, 20)
	for i := range outs {
		ours, theirs, err := zx.NewSocket(zx.SocketStream)
		must(t, err)
		defer ours.Close()
		outs[i] = ours
		addArgs(t, c, "hello", fmt.Sprint(i))
		addHandle(t, c, theirs.Take(), stdout)
		info := hello(t)
		if i%3 == 1 {
			addArgs(t, c, "no\x00argument")
		}
		// The request is sent, and nobody waits for the answer.
		if _, err := c.Launch(gone, &process.LauncherLaunchRequest{Info: info}); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for i := range outs {
		b, err := io.ReadAll(&outs[i])
		must(t, err)
		want := fmt.Sprintf("arg[0]=hello\narg[1]=%d\n", i)
		if i%3 == 1 {
			want = ""
		}
		if string(b) != want {
			t.Errorf("launch %d: output %q, want %q", i, b, want)
		}
	}
}

// refused makes a launch that fails, or has a process created that is not.
func refused(t *testing.T, c *process.LauncherClient, r refusal, launch bool) {
	info := hello(t)
	addArgs(t, c, "of a launch that fails")
	r.add(t, c, &info)
	var st zx.Status
	if launch {
		rep, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: info})
		must(t, err)
		st = rep.Status
	} else {
		rep, err := c.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{Info: info})
		must(t, err)
		st = rep.Status
	}
	if st != r.want {
		t.Errorf("%s: status %v, want %v", r.name, st, r.want)
	}
}

// succeeds launches a static or a dynamic program, whose arguments and return code
// have its number.
func succeeds(t *testing.T, c *process.LauncherClient, s *loader.Service, n int) {
	info := hello(t)
	number, code := fmt.Sprint("number ", n), fmt.Sprint("--return=", n)
	addArgs(t, c, "prog", number, code)
	if n%4 == 0 {
		zx.CloseAll(info.Executable)
		info.Executable = program(t, "testdata/dyn")
		l, err := s.Connect()
		must(t, err)
		addHandle(t, c, l.Take(), uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0)))
	}
	out, got := launch(t, c, info)
	if want := "arg[0]=prog\narg[1]=" + number + "\narg[2]=" + code + "\n"; !strings.HasSuffix(out, want) || got != int64(n) {
		t.Errorf("launch %d: code %d, output %q", n, got, out)
	}
}

// The loader may be the client itself, which answers while it waits for its
// launch.
func TestClientIsLoader(t *testing.T) {
	noLeaks(t)
	c := connect(t)
	theirs, ours := channel(t)
	addHandle(t, c, theirs.Take(), uint32(processargs.NewHandleInfo(processargs.LdsvcLoader, 0)))
	served := make(chan struct{})
	l := &recordingLoader{t: t}
	go func() {
		defer close(served)
		_ = ldsvc.ServeLoader(context.Background(), ours, l) // ends with the program
	}()
	addArgs(t, c, "dyn")
	out, code := launch(t, c, process.LaunchInfo{Executable: program(t, "testdata/dyn"), Job: job(t), Name: "dyn"})
	<-served
	if code != 0 || strings.Contains(out, "FAIL") {
		t.Errorf("code %d and output %s", code, out)
	}
	if want := []string{"ld.so.1", "libgreet.so", "libword.so"}; !reflect.DeepEqual(l.asked, want) {
		t.Errorf("asked for %v, want %v", l.asked, want)
	}
}

// recordingLoader gives files of testdata and writes down their names.
type recordingLoader struct {
	ldsvc.LoaderServer
	t     *testing.T
	asked []string
}

func (l *recordingLoader) LoadObject(_ context.Context, req *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	l.asked = append(l.asked, req.ObjectName)
	f, err := os.Open("../testdata/" + req.ObjectName)
	if err != nil {
		return &ldsvc.LoaderLoadObjectResponse{Rv: zx.ErrNotFound}, nil
	}
	defer f.Close()
	v, err := zx.VMOFromFile(f, true)
	return &ldsvc.LoaderLoadObjectResponse{Rv: zx.StatusOf(err), Object: v.Take()}, nil
}

func (l *recordingLoader) Done(ctx context.Context) error {
	fidl.CallFrom(ctx).Stop()
	return nil
}

// Once it drains, a server launches nothing more; what a client brought for it
// is released.
func TestDrain(t *testing.T) {
	noLeaks(t)
	client, server := channel(t)
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), server) }()
	c := process.NewLauncherClient(client)
	a, b := channel(t)
	addHandle(t, c, b.Take(), uint32(processargs.NewHandleInfo(processargs.User0, 0)))
	<-s.Drain()
	launched, err := c.Launch(t.Context(), &process.LauncherLaunchRequest{Info: hello(t)})
	must(t, err)
	created, err := c.CreateWithoutStarting(t.Context(), &process.LauncherCreateWithoutStartingRequest{Info: hello(t)})
	must(t, err)
	if launched.Status != zx.ErrUnavailable || created.Status != zx.ErrUnavailable {
		t.Errorf("statuses %v and %v, want UNAVAILABLE", launched.Status, created.Status)
	}
	if _, err := a.Wait(t.Context(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
	must(t, c.Close())
	must(t, <-served)
}
