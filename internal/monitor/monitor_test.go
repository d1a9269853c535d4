package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/internal/monitor"
	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts a process before all tests: the first one starts what stays,
// which is not to be taken for a leak.
func TestMain(m *testing.M) {
	job, err := zx.DefaultJob().CreateJob()
	if err != nil {
		panic(err)
	}
	built, err := build(&job)
	if err != nil {
		panic(err)
	}
	p, err := built.Start()
	if err != nil {
		panic(err)
	}
	p.Kill()
	p.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture)
	p.Close()
	job.Close()
	code := m.Run()
	zircon.Close()
	os.Exit(code)
}

// build makes a process that, once started, runs until it is killed.
func build(job *zx.Job) (*builder.BuiltProcess, error) {
	f, err := os.Open("../../testdata/sleep")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	exe, err := zx.VMOFromFile(f, true)
	if err != nil {
		return nil, err
	}
	vdso, err := zx.VDSO()
	if err != nil {
		return nil, err
	}
	b, err := builder.New("sleeper", job, 0, exe, vdso)
	if err != nil {
		return nil, err
	}
	return b.Build(context.Background())
}

// serve gives a server, whose root job ends with the test, and its client.
func serve(t *testing.T) (*monitor.Server, *wire.MonitorClient) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	handles := zircon.Self().Handles().Len()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if n := zircon.Self().Handles().Len(); n != handles {
			t.Errorf("%d handles, %d before", n, handles)
		}
	})
	job, err := zx.DefaultJob().CreateJob()
	must(t, err)
	must(t, job.SetName("root"))
	fs := vfs.New(zap.NewNop())
	dir := vfs.NewDir()
	services := vfs.NewDir()
	must(t, services.Add("a service", dir))
	s := &monitor.Server{
		Root:      &job,
		Services:  func() (zx.Channel, error) { return fs.Connect(services) },
		Temporary: func() (zx.Channel, error) { return fs.Connect(dir) },
		Clock:     func() (zx.Clock, error) { return zx.NewClock(0, 0) },
		Reason:    reason,
	}
	client, server, err := zx.NewChannel()
	must(t, err)
	done := make(chan error)
	go func() { done <- wire.ServeMonitor(context.Background(), &server, s) }()
	c := wire.NewMonitorClient(&client)
	t.Cleanup(func() {
		c.Close()
		must(t, <-done)
		fs.Close()
		must(t, job.Kill())
		must(t, s.WaitProcesses(context.Background()))
		must(t, job.Close())
	})
	return s, c
}

// reason is the kernel's; of what has none it is longer than can be told.
func reason(h zx.Handle) string {
	p, st := object.Get[*object.Process](zircon.Self().Handles(), h, 0)
	if st != zx.OK {
		return ""
	}
	if p.KillReason() == "killed" {
		return "killed \xff" + strings.Repeat("x", 2000)
	}
	return p.KillReason()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start makes and starts a process through the protocol, as who cannot call
// zx_process_start does.
func start(t *testing.T, c *wire.MonitorClient, job *zx.Job) (zx.Koid, zx.Process) {
	t.Helper()
	built, err := build(job)
	must(t, err)
	defer built.Close()
	koid, err := built.Process.Koid()
	must(t, err)
	p, err := built.Process.Duplicate(zx.RightSameRights)
	must(t, err)
	must(t, c.StartProcess(t.Context(), &wire.MonitorStartProcessRequest{
		Process: p.Take(), Thread: built.Thread.Take(), Bootstrap: built.Bootstrap.Take(),
		Entry: built.Entry, Stack: built.StackPointer, VdsoBase: built.VDSOBase,
	}))
	return koid, zx.ProcessFromHandle(built.Process.Take())
}

func createJob(t *testing.T, c *wire.MonitorClient, name string) zx.Job {
	t.Helper()
	rep, err := c.CreateJob(t.Context(), &wire.MonitorCreateJobRequest{Name: name})
	must(t, err)
	return zx.JobFromHandle(rep.Job)
}

func TestTasks(t *testing.T) {
	s, c := serve(t)
	job := createJob(t, c, "programs")
	defer job.Close()
	built, err := build(&job)
	must(t, err)
	defer built.Close()
	created, err := built.Process.Koid()
	must(t, err)
	running, p := start(t, c, &job)
	defer p.Close()
	root, err := s.Root.Koid()
	must(t, err)
	jobKoid, err := job.Koid()
	must(t, err)

	rep, err := c.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{})
	must(t, err)
	if rep.More {
		t.Error("there are more")
	}
	got := map[zx.Koid]wire.Task{}
	for _, task := range rep.Tasks {
		got[task.Koid] = task
	}
	memory := got[running].Memory
	if memory == 0 {
		t.Error("a process that runs has no memory")
	}
	want := map[zx.Koid]wire.Task{
		root:    {Koid: root, Kind: wire.TaskKindJob, State: wire.TaskStateRunning, Name: "root", Memory: memory},
		jobKoid: {Koid: jobKoid, Parent: root, Kind: wire.TaskKindJob, State: wire.TaskStateRunning, Name: "programs", Memory: memory},
		created: {Koid: created, Parent: jobKoid, Kind: wire.TaskKindProcess, State: wire.TaskStateCreated, Name: "sleeper"},
		running: {Koid: running, Parent: jobKoid, Kind: wire.TaskKindProcess, State: wire.TaskStateRunning, Name: "sleeper", Memory: memory},
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("task %d: %+v, want %+v", k, got[k], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d tasks, want %d", len(got), len(want))
	}
}

// A program may give itself any name.
func TestTaskNames(t *testing.T) {
	s, c := serve(t)
	job := createJob(t, c, "job")
	defer job.Close()
	must(t, job.SetName("\xff\xfe not UTF-8 and as long as can be"))
	root, err := s.Root.Koid()
	must(t, err)
	rep, err := c.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{After: root})
	must(t, err)
	if want := "? not UTF-8 and as long as can"; len(rep.Tasks) != 1 || rep.Tasks[0].Name != want {
		t.Errorf("%+v, want the name %q", rep.Tasks, want)
	}
}

// What does not fit one answer comes in several.
func TestTasksPages(t *testing.T) {
	_, c := serve(t)
	const n = 2*int(wire.MaxTasks) + 10
	for i := range n {
		j := createJob(t, c, fmt.Sprintf("a job with the longest name%04d", i))
		defer j.Close()
	}
	var last zx.Koid
	seen, pages := 0, 0
	for more := true; more; pages++ {
		rep, err := c.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{After: last})
		must(t, err)
		for _, task := range rep.Tasks {
			if task.Koid <= last {
				t.Fatalf("koid %d after %d", task.Koid, last)
			}
			last = task.Koid
			seen++
		}
		more = rep.More
	}
	if seen != n+1 || pages != 3 {
		t.Errorf("%d tasks in %d answers, want %d in 3", seen, pages, n+1)
	}
	rep, err := c.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{After: ^zx.Koid(0)})
	if err != nil || len(rep.Tasks) != 0 || rep.More {
		t.Errorf("after the last koid there can be: %+v, %v", rep, err)
	}
}

// A wait does not keep the connection from other calls.
func TestKillAndWait(t *testing.T) {
	for _, what := range []string{"process", "job"} {
		t.Run(what, func(t *testing.T) {
			_, c := serve(t)
			job := createJob(t, c, "job")
			defer job.Close()
			koid, p := start(t, c, &job)
			defer p.Close()
			target := koid
			if what == "job" {
				var err error
				target, err = job.Koid()
				must(t, err)
			}
			type end struct {
				code   int64
				reason string
				err    error
			}
			ended := make(chan end)
			go func() {
				rep, err := c.Wait(context.Background(), &wire.MonitorWaitRequest{Koid: koid})
				if err != nil {
					ended <- end{0, "", err}
					return
				}
				ended <- end{rep.ReturnCode, rep.Reason, nil}
			}()
			must(t, c.Kill(t.Context(), &wire.MonitorKillRequest{Koid: target}))
			// The wait may have come after the process was gone.
			want := end{zx.RetcodeSyscallKill, "killed ?" + strings.Repeat("x", 1016), nil}
			if e := <-ended; e != want && !errors.Is(e.err, zx.ErrNotFound) {
				t.Errorf("%+v, want %+v", e, want)
			}
			if _, err := p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenTask(t *testing.T) {
	_, c := serve(t)
	job := createJob(t, c, "job")
	defer job.Close()
	koid, p := start(t, c, &job)
	defer p.Close()
	rep, err := c.OpenTask(t.Context(), &wire.MonitorOpenTaskRequest{Koid: koid})
	must(t, err)
	opened := zx.ProcessFromHandle(rep.Task)
	defer opened.Close()
	must(t, opened.Kill())
	_, err = p.Wait(t.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
	must(t, err)
}

// The root is the daemon's: clients cannot end it.
func TestRootIsNotTheClients(t *testing.T) {
	s, c := serve(t)
	root, err := s.Root.Koid()
	must(t, err)
	rep, err := c.GetJob(t.Context())
	must(t, err)
	j := zx.JobFromHandle(rep.Job)
	defer j.Close()
	if err := j.Kill(); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("killing it by its handle: %v, want ACCESS_DENIED", err)
	}
	if err := c.Kill(t.Context(), &wire.MonitorKillRequest{Koid: root}); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("killing it by its koid: %v, want ACCESS_DENIED", err)
	}
	if err := j.SetPolicy(true, zx.Policy{Condition: zx.PolicyNewProcess, Action: zx.PolicyDeny}); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("setting its policy: %v, want ACCESS_DENIED", err)
	}
	built, err := build(&j)
	must(t, err)
	built.Close()
}

func TestUnknownKoid(t *testing.T) {
	_, c := serve(t)
	const koid = 1
	_, openErr := c.OpenTask(t.Context(), &wire.MonitorOpenTaskRequest{Koid: koid})
	_, waitErr := c.Wait(t.Context(), &wire.MonitorWaitRequest{Koid: koid})
	killErr := c.Kill(t.Context(), &wire.MonitorKillRequest{Koid: koid})
	for name, err := range map[string]error{"OpenTask": openErr, "Wait": waitErr, "Kill": killErr} {
		if !errors.Is(err, zx.ErrNotFound) {
			t.Errorf("%s: %v, want NOT_FOUND", name, err)
		}
	}
}

func TestWaitProcesses(t *testing.T) {
	s, c := serve(t)
	must(t, s.WaitProcesses(t.Context()))
	job := createJob(t, c, "job")
	defer job.Close()
	_, p := start(t, c, &job)
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitProcesses(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	must(t, p.Kill())
	must(t, s.WaitProcesses(t.Context()))
}

// names gives the names in a directory, which it closes.
func names(t *testing.T, d fidl.ClientEnd[io.DirectoryProtocol]) string {
	t.Helper()
	c := zx.ChannelFromHandle(d.Handle)
	dir := io.NewDirectoryClient(&c, nil)
	defer dir.Client.Close()
	rep, err := dir.ReadDirents(t.Context(), &io.DirectoryReadDirentsRequest{MaxBytes: io.MaxBuf})
	must(t, err)
	var names []string
	for b := rep.Dirents; len(b) > 0; { // ino u64, size u8, type u8, name
		n := 10 + int(b[8])
		names = append(names, string(b[10:n]))
		b = b[n:]
	}
	return strings.Join(names, ",")
}

func TestNamespace(t *testing.T) {
	_, c := serve(t)
	svc, err := c.GetServices(t.Context())
	must(t, err)
	if got := names(t, svc.Services); got != ".,a service" {
		t.Errorf("services: %s", got)
	}
	tmp, err := c.MakeTemporary(t.Context())
	must(t, err)
	if got := names(t, tmp.Directory); got != "." {
		t.Errorf("a temporary directory has %s", got)
	}
	clock, err := c.GetClock(t.Context())
	must(t, err)
	zx.CloseAll(clock.Clock)
}

func TestOpenDirectory(t *testing.T) {
	_, c := serve(t)
	svc, err := c.GetServices(t.Context())
	must(t, err)
	d, err := c.OpenDirectory(t.Context(), &wire.MonitorOpenDirectoryRequest{Directory: svc.Services, Flags: io.PermReadable})
	must(t, err)
	if got := names(t, d.Directory); got != ".,a service" {
		t.Errorf("what was opened has %s", got)
	}

	// More than is there to be had.
	svc, err = c.GetServices(t.Context())
	must(t, err)
	few, err := c.OpenDirectory(t.Context(), &wire.MonitorOpenDirectoryRequest{Directory: svc.Services, Flags: io.FlagsPermTraverse})
	must(t, err)
	_, err = c.OpenDirectory(t.Context(), &wire.MonitorOpenDirectoryRequest{Directory: few.Directory, Flags: io.PermReadable})
	if !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("%v, want ACCESS_DENIED", err)
	}
}

// Whose directory it is may be gone, refuse, or keep silent.
func TestOpenDirectoryOfAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, dir *zx.Channel)
		want zx.Status
	}{
		"is gone": {func(t *testing.T, dir *zx.Channel) { dir.Close() }, zx.ErrPeerClosed},
		"refuses": {func(t *testing.T, dir *zx.Channel) {
			must(t, fidl.SendEpitaph(dir, fidl.V2, zx.ErrAccessDenied))
			dir.Close()
		}, zx.ErrAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t)
			client, server, err := zx.NewChannel()
			must(t, err)
			tt.do(t, &server)
			_, err = c.OpenDirectory(t.Context(), &wire.MonitorOpenDirectoryRequest{
				Directory: fidl.ClientEnd[io.DirectoryProtocol]{Handle: client.Take()}, Flags: io.PermReadable,
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	t.Run("keeps silent", func(t *testing.T) {
		_, c := serve(t)
		client, server, err := zx.NewChannel()
		must(t, err)
		defer server.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := c.OpenDirectory(ctx, &wire.MonitorOpenDirectoryRequest{
				Directory: fidl.ClientEnd[io.DirectoryProtocol]{Handle: client.Take()}, Flags: io.PermReadable,
			})
			ended <- err
		}()
		// Other calls do not wait for it.
		_, err = c.GetTasks(t.Context(), &wire.MonitorGetTasksRequest{})
		must(t, err)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
	})
}
