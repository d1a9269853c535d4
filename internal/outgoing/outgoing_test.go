package outgoing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	fio "go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"
	"go.fuchsia.dev/fidl-go/fuchsia/process"
	"go.fuchsia.dev/fidl-go/fuchsia/process/lifecycle"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/outgoing"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// component is launcherd as a component, and what the system holds of it.
type component struct {
	*testing.T
	dir       zx.Channel
	lifecycle *lifecycle.LifecycleClient
	channel   *zx.Channel // of lifecycle
	cancel    context.CancelFunc
	ended     chan error
}

// TestMain runs a program before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Println("skipped: programs run on Linux on x86-64 only")
		return
	}
	zx.DefaultJob()
	client, server, err := zx.NewChannel()
	if err != nil {
		panic(err)
	}
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), &server) }()
	l := process.NewLauncherClient(&client)
	if err := run(l); err != nil {
		panic(err)
	}
	l.Close()
	if err := <-served; err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// run launches a program and waits for its end.
func run(l *process.LauncherClient) error {
	f, err := os.Open("../../examples/hello")
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := zx.VMOFromFile(f, true)
	if err != nil {
		return err
	}
	ctx := context.Background()
	p, err := fdio.Spawn(ctx, l, &fdio.Program{Executable: v, Args: []string{"hello"}, Job: zx.DefaultJob()})
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = fdio.Wait(ctx, &p)
	return err
}

// start starts a component. When the test is over nothing may be left of it.
func start(t *testing.T) *component {
	t.Helper()
	routines := goleak.IgnoreCurrent()
	before := zircon.Self().Handles().Len()
	t.Cleanup(func() {
		goleak.VerifyNone(t, routines)
		if after := zircon.Self().Handles().Len(); after != before {
			t.Errorf("%d handles, %d before", after, before)
		}
	})

	c := &component{T: t, ended: make(chan error, 1)}
	var server, stop, stopServer zx.Channel
	var err error
	if c.dir, server, err = zx.NewChannel(); err != nil {
		t.Fatal(err)
	}
	if stop, stopServer, err = zx.NewChannel(); err != nil {
		t.Fatal(err)
	}
	c.channel = &stop
	c.lifecycle = lifecycle.NewLifecycleClient(&stop)
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	o := &outgoing.Component{
		Directory: server,
		Lifecycle: stopServer,
		Launcher:  &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()},
		Log:       zap.NewNop(),
	}
	go func() { c.ended <- o.Run(ctx) }()
	t.Cleanup(func() {
		c.lifecycle.Close()
		c.dir.Close()
		c.cancel()
		if err, ok := <-c.ended; ok && err != nil {
			t.Error(err)
		}
	})
	return c
}

// wait waits for the end of the component.
func (c *component) wait() {
	c.Helper()
	if err := <-c.ended; err != nil {
		c.Error(err)
	}
	close(c.ended)
}

// connect connects to the Launcher as the system does for a client.
func (c *component) connect() *process.LauncherClient {
	c.Helper()
	ch, err := fdio.Connect(&c.dir, "svc/"+process.LauncherName)
	if err != nil {
		c.Fatal(err)
	}
	l := process.NewLauncherClient(&ch)
	c.Cleanup(func() { l.Close() })
	return l
}

// runs checks that a program can be launched.
func (c *component) runs(l *process.LauncherClient) {
	c.Helper()
	if err := run(l); err != nil {
		c.Error(err)
	}
}

// program is a program of the repository.
func (c *component) program(path string, args ...string) *fdio.Program {
	c.Helper()
	f, err := os.Open("../../" + path)
	if err != nil {
		c.Fatal(err)
	}
	defer f.Close()
	v, err := zx.VMOFromFile(f, true)
	if err != nil {
		c.Fatal(err)
	}
	return &fdio.Program{Executable: v, Args: args, Job: zx.DefaultJob()}
}

func TestLaunch(t *testing.T) {
	c := start(t)
	p := c.program("examples/hello", "hello", "--return=5")
	p.Env = []string{"A=b"}
	stdout, err := p.Pipe(1)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	started, err := fdio.Spawn(context.Background(), c.connect(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer started.Close()
	out, err := io.ReadAll(&stdout)
	if want := "arg[0]=hello\narg[1]=--return=5\nenv: A=b\n"; err != nil || string(out) != want {
		t.Errorf("output %q, %v; want %q", out, err, want)
	}
	if code, err := fdio.Wait(context.Background(), &started); code != 5 || err != nil {
		t.Errorf("return code %d, %v; want 5", code, err)
	}
}

// The system lists the directory to see what is in it.
func TestDirectory(t *testing.T) {
	c := start(t)
	list := func(path string) map[string]fio.DirentType {
		t.Helper()
		ch, server, err := zx.NewChannel()
		if err != nil {
			t.Fatal(err)
		}
		if err := fdio.Open(&c.dir, path, fio.FlagsProtocolDirectory|fio.FlagsPermEnumerate, server); err != nil {
			t.Fatal(err)
		}
		d := fio.NewDirectoryClient(&ch, nil)
		defer d.Client.Close()
		r, err := d.ReadDirents(context.Background(), &fio.DirectoryReadDirentsRequest{MaxBytes: 4096})
		if err != nil || r.S != zx.OK {
			t.Fatalf("listing %s: %v, %v", path, r, err)
		}
		// Each entry: 8 bytes of inode, 1 of the name's length, 1 of type, the name.
		entries := map[string]fio.DirentType{}
		for b := r.Dirents; len(b) > 0; {
			n := int(b[8])
			entries[string(b[10:10+n])] = fio.DirentType(b[9])
			b = b[10+n:]
		}
		return entries
	}
	if got, want := list("."), map[string]fio.DirentType{".": fio.DirentTypeDirectory, "svc": fio.DirentTypeDirectory}; !maps.Equal(got, want) {
		t.Errorf("the directory holds %v, want %v", got, want)
	}
	want := map[string]fio.DirentType{".": fio.DirentTypeDirectory, process.LauncherName: fio.DirentTypeService}
	if got := list("svc"); !maps.Equal(got, want) {
		t.Errorf("svc holds %v, want %v", got, want)
	}
}

// A name that is not served closes the connection and harms no other.
func TestUnknownService(t *testing.T) {
	c := start(t)
	ch, err := fdio.Connect(&c.dir, "svc/fuchsia.process.Resolver")
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	if _, err := ch.Wait(context.Background(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
	l := c.connect()
	c.runs(l)
}

// Asked to stop, the component finishes the launches under way, refuses others,
// and closes its end of the lifecycle channel when all is done.
func TestStop(t *testing.T) {
	c := start(t)
	ctx := context.Background()

	// A launch is under way while its loader has not answered.
	loader, loaderServer, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	slow := c.program("testdata/dyn")
	slow.Loader = loader
	asked, answer := make(chan struct{}), make(chan struct{})
	go ldsvc.ServeLoader(ctx, &loaderServer, &slowLoader{asked: asked, answer: answer})
	first, second := c.connect(), c.connect()
	launched := make(chan error)
	go func() {
		_, err := fdio.Spawn(ctx, first, slow)
		launched <- err
	}()
	<-asked

	if err := c.lifecycle.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	// Until the component has taken notice, it still launches.
	for {
		p, err := fdio.Spawn(ctx, second, c.program("examples/hello"))
		if errors.Is(err, zx.ErrUnavailable) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	if seen, err := c.channel.Wait(ctx, zx.ChannelPeerClosed, zx.InfinitePast); err == nil {
		t.Errorf("the component is done with a launch under way: signals %#x", seen)
	}
	close(answer)
	if err := <-launched; !errors.Is(err, zx.ErrNotFound) {
		t.Errorf("the launch under way: %v, want the loader's NOT_FOUND", err)
	}
	if _, err := c.channel.Wait(ctx, zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
	c.wait()
}

// slowLoader has no library, and says so late.
type slowLoader struct{ asked, answer chan struct{} }

func (l *slowLoader) LoadObject(context.Context, *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	close(l.asked)
	<-l.answer
	return &ldsvc.LoaderLoadObjectResponse{Rv: zx.ErrNotFound}, nil
}

func (*slowLoader) Done(context.Context) error { return nil }

func (*slowLoader) Config(context.Context, *ldsvc.LoaderConfigRequest) (*ldsvc.LoaderConfigResponse, error) {
	return &ldsvc.LoaderConfigResponse{}, nil
}

func (*slowLoader) Clone(_ context.Context, req *ldsvc.LoaderCloneRequest) (*ldsvc.LoaderCloneResponse, error) {
	zx.CloseAll(req.Loader.Handle)
	return &ldsvc.LoaderCloneResponse{Rv: zx.ErrNotSupported}, nil
}

// A process that was launched is in its client's job and outlives the component.
func TestStopLeavesProcesses(t *testing.T) {
	c := start(t)
	ctx := context.Background()
	job, err := zx.DefaultJob().CreateJob()
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	p := c.program("testdata/sleep")
	p.Job = &job
	started, err := fdio.Spawn(ctx, c.connect(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer started.Close()
	if err := c.lifecycle.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	c.wait()
	if info, err := started.Info(); err != nil || !info.Started || info.Exited {
		t.Errorf("after the end: %+v, %v; want a process that runs", info, err)
	}
	if err := job.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, err := fdio.Wait(ctx, &started); code != zx.RetcodeSyscallKill || err != nil {
		t.Errorf("return code %d, %v; want that of a kill", code, err)
	}
}

// What is no request to stop ends nothing but its connection.
func TestLifecycleBreach(t *testing.T) {
	c := start(t)
	if err := c.channel.Write([]byte("no message"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.channel.Wait(context.Background(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	c.runs(c.connect())
}
