// Package monitor serves launcherd.monitor.Monitor, which monitor.fidl
// describes: what a daemon runs, to be looked at, waited for and killed, and what
// it gives programs besides.
package monitor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"

	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/zx"
)

// Server implements the protocol, for any number of connections.
type Server struct {
	// Root is the job that all is in. It is lent, and not the clients' to kill.
	Root *zx.Job
	// Services and Temporary connect to the directories that programs have as
	// /svc and /tmp, a new one each time; Clock gives a clock of UTC.
	Services, Temporary func() (zx.Channel, error)
	Clock               func() (zx.Clock, error)
	// Reason says why a process, whose handle is lent, was killed; "" if it ended
	// by itself.
	Reason func(process zx.Handle) string
}

var _ wire.MonitorServer = (*Server)(nil)

// rootRights are those of a client's handle of the root job: it may do anything
// in that job but end it or set its policy.
const rootRights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightGetPolicy |
	zx.RightEnumerate | zx.RightManageJob | zx.RightManageProcess | zx.RightManageThread

// GetJob implements launcherd.monitor/Monitor.GetJob.
func (s *Server) GetJob(context.Context) (*wire.MonitorGetJobResponse, error) {
	j, err := s.root()
	return &wire.MonitorGetJobResponse{Job: j.Take()}, err
}

// root gives a handle of the root job that a client may have.
func (s *Server) root() (zx.Object, error) {
	bi, err := s.Root.BasicInfo()
	if err != nil {
		return zx.Object{}, err
	}
	return s.Root.Object.Duplicate(bi.Rights & rootRights)
}

// CreateJob implements launcherd.monitor/Monitor.CreateJob.
func (s *Server) CreateJob(_ context.Context, req *wire.MonitorCreateJobRequest) (*wire.MonitorCreateJobResponse, error) {
	j, err := s.Root.CreateJob()
	if err != nil {
		return nil, err
	}
	if err := j.SetName(req.Name); err != nil {
		j.Close()
		return nil, err
	}
	return &wire.MonitorCreateJobResponse{Job: j.Take()}, nil
}

// GetTasks implements launcherd.monitor/Monitor.GetTasks.
func (s *Server) GetTasks(_ context.Context, req *wire.MonitorGetTasksRequest) (*wire.MonitorGetTasksResponse, error) {
	ts, err := s.tasks()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ts, func(a, b wire.Task) int { return cmp.Compare(a.Koid, b.Koid) })
	first, _ := slices.BinarySearchFunc(ts, req.After+1, func(t wire.Task, k zx.Koid) int { return cmp.Compare(t.Koid, k) })
	if req.After == ^zx.Koid(0) {
		first = len(ts)
	}
	ts = ts[first:]
	more := len(ts) > int(wire.MaxTasks)
	return &wire.MonitorGetTasksResponse{Tasks: ts[:min(len(ts), int(wire.MaxTasks))], More: more}, nil
}

// OpenTask implements launcherd.monitor/Monitor.OpenTask.
func (s *Server) OpenTask(_ context.Context, req *wire.MonitorOpenTaskRequest) (*wire.MonitorOpenTaskResponse, error) {
	o, _, err := s.find(req.Koid)
	if err != nil {
		return nil, err
	}
	return &wire.MonitorOpenTaskResponse{Task: o.Take()}, nil
}

// Kill implements launcherd.monitor/Monitor.Kill. ACCESS_DENIED for the root.
func (s *Server) Kill(_ context.Context, req *wire.MonitorKillRequest) error {
	o, _, err := s.find(req.Koid)
	if err != nil {
		return err
	}
	defer o.Close()
	p := zx.ProcessFromHandle(o.Handle()) // lent; a job is killed in the same way
	return p.Kill()
}

// Wait implements launcherd.monitor/Monitor.Wait.
func (s *Server) Wait(ctx context.Context, req *wire.MonitorWaitRequest) (*wire.MonitorWaitResponse, error) {
	o, kind, err := s.find(req.Koid)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if call := fidl.CallFrom(ctx); call != nil {
		call.Detach()
	}
	if _, err := o.Wait(ctx, zx.TaskTerminated, zx.InfiniteFuture); err != nil {
		return nil, err
	}
	rep := new(wire.MonitorWaitResponse)
	if kind == wire.TaskKindProcess {
		reason := s.Reason(o.Handle())
		rep.Reason = text(reason[:min(len(reason), int(wire.MaxReason))])
	}
	rep.ReturnCode, err = returnCode(&o, kind)
	return rep, err
}

func returnCode(o *zx.Object, kind wire.TaskKind) (int64, error) {
	if kind == wire.TaskKindJob {
		j := zx.JobFromHandle(o.Handle()) // lent
		i, err := j.Info()
		return i.ReturnCode, err
	}
	p := zx.ProcessFromHandle(o.Handle()) // lent
	i, err := p.Info()
	return i.ReturnCode, err
}

// StartProcess implements launcherd.monitor/Monitor.StartProcess.
func (s *Server) StartProcess(_ context.Context, req *wire.MonitorStartProcessRequest) error {
	p, t := zx.ProcessFromHandle(req.Process), zx.ThreadFromHandle(req.Thread)
	defer p.Close()
	defer t.Close()
	return p.Start(&t, req.Entry, req.Stack, req.Bootstrap, req.VdsoBase)
}

// GetServices implements launcherd.monitor/Monitor.GetServices.
func (s *Server) GetServices(context.Context) (*wire.MonitorGetServicesResponse, error) {
	c, err := s.Services()
	return &wire.MonitorGetServicesResponse{Services: directory(c)}, err
}

// MakeTemporary implements launcherd.monitor/Monitor.MakeTemporary.
func (s *Server) MakeTemporary(context.Context) (*wire.MonitorMakeTemporaryResponse, error) {
	c, err := s.Temporary()
	return &wire.MonitorMakeTemporaryResponse{Directory: directory(c)}, err
}

// GetClock implements launcherd.monitor/Monitor.GetClock.
func (s *Server) GetClock(context.Context) (*wire.MonitorGetClockResponse, error) {
	c, err := s.Clock()
	return &wire.MonitorGetClockResponse{Clock: c.Take()}, err
}

func directory(c zx.Channel) fidl.ClientEnd[io.DirectoryProtocol] {
	return fidl.ClientEnd[io.DirectoryProtocol]{Handle: c.Take()}
}

// OpenDirectory implements launcherd.monitor/Monitor.OpenDirectory. Whose
// directory it is may take its time to answer.
func (s *Server) OpenDirectory(ctx context.Context, req *wire.MonitorOpenDirectoryRequest) (*wire.MonitorOpenDirectoryResponse, error) {
	c := zx.ChannelFromHandle(req.Directory.Handle)
	from := io.NewDirectoryClient(&c, nil)
	defer from.Client.Close()
	if call := fidl.CallFrom(ctx); call != nil {
		call.Detach()
	}
	client, server, err := zx.NewChannel()
	if err != nil {
		return nil, err
	}
	err = from.Open(ctx, &io.DirectoryOpenRequest{
		Path:   ".",
		Flags:  req.Flags | io.FlagsProtocolDirectory | io.FlagsFlagSendRepresentation,
		Object: server.Take(),
	})
	if err == nil {
		err = io.NewDirectoryClient(&client, nil).HandleOne(ctx) // how it went
	}
	if err != nil {
		client.Close()
		return nil, zx.StatusOf(err)
	}
	return &wire.MonitorOpenDirectoryResponse{Directory: directory(client)}, nil
}

// WaitProcesses waits until no process is left.
func (s *Server) WaitProcesses(ctx context.Context) error {
	for {
		var p zx.Object
		err := s.walk(func(t *wire.Task, o *zx.Object) error {
			// One that has exited is still about to terminate.
			if t.Kind == wire.TaskKindProcess {
				p = zx.ObjectFromHandle(o.Take())
				return errFound
			}
			return nil
		})
		if err != errFound {
			return err
		}
		_, err = p.Wait(ctx, zx.TaskTerminated, zx.InfiniteFuture)
		p.Close()
		if err != nil {
			return err
		}
	}
}

// find gives the task of a koid: NOT_FOUND if there is none. The caller owns
// the handle.
func (s *Server) find(k zx.Koid) (o zx.Object, kind wire.TaskKind, err error) {
	err = s.walk(func(t *wire.Task, to *zx.Object) error {
		if t.Koid != k {
			return nil
		}
		o, kind = zx.ObjectFromHandle(to.Take()), t.Kind
		return errFound
	})
	switch err {
	case errFound:
		return o, kind, nil
	case nil:
		err = zx.ErrNotFound
	}
	return zx.Object{}, 0, err
}

// tasks gives all tasks, parents before their children.
func (s *Server) tasks() ([]wire.Task, error) {
	var ts []wire.Task
	err := s.walk(func(t *wire.Task, _ *zx.Object) error {
		ts = append(ts, *t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// A job's memory is that of all within it.
	index := make(map[zx.Koid]int, len(ts))
	for i, t := range ts {
		index[t.Koid] = i
	}
	for i := len(ts) - 1; i > 0; i-- { // children before their parents
		if p, ok := index[ts[i].Parent]; ok {
			ts[p].Memory += ts[i].Memory
		}
	}
	return ts, nil
}

// errFound ends a walk.
var errFound = errors.New("found")

// walk calls f for each task, parents before their children. The handle is lent,
// but f may take it and end the walk. An error of f ends the walk and is walk's.
func (s *Server) walk(f func(*wire.Task, *zx.Object) error) error {
	j, err := s.Root.Duplicate(zx.RightSameRights)
	if err != nil {
		return err
	}
	k, err := j.Koid()
	if err != nil {
		j.Close()
		return err
	}
	return s.walkJob(k, 0, j, f)
}

// walkJob consumes j.
func (s *Server) walkJob(k, parent zx.Koid, j zx.Job, f func(*wire.Task, *zx.Object) error) error {
	defer j.Close()
	info, err := j.Info()
	if err != nil {
		return err
	}
	// Listed first: what a job makes meanwhile is not seen, rather than twice.
	processes, err := j.Processes()
	if err != nil {
		return err
	}
	jobs, err := j.Jobs()
	if err != nil {
		return err
	}
	t := wire.Task{Koid: k, Parent: parent, Kind: wire.TaskKindJob, State: wire.TaskStateRunning}
	if info.Exited {
		t.State = wire.TaskStateExited
	}
	t.Name = nameOf(&j.Object)
	var h zx.Object
	if parent == 0 {
		h, err = s.root()
	} else {
		h, err = j.Object.Duplicate(zx.RightSameRights)
	}
	if err != nil {
		return err
	}
	err = f(&t, &h)
	h.Close()
	if err != nil {
		return err
	}
	for _, k := range processes {
		if err := visitProcess(k, t.Koid, &j, f); err != nil {
			return err
		}
	}
	for _, k := range jobs {
		c, err := j.Child(k, zx.RightSameRights)
		if errors.Is(err, zx.ErrNotFound) {
			continue // ended meanwhile
		}
		if err != nil {
			return err
		}
		if err := s.walkJob(k, t.Koid, zx.JobFromHandle(c.Take()), f); err != nil {
			return err
		}
	}
	return nil
}

func visitProcess(k, parent zx.Koid, j *zx.Job, f func(*wire.Task, *zx.Object) error) error {
	o, err := j.Child(k, zx.RightSameRights)
	if errors.Is(err, zx.ErrNotFound) {
		return nil // ended meanwhile
	}
	if err != nil {
		return err
	}
	defer o.Close()
	p := zx.ProcessFromHandle(o.Handle()) // lent
	info, err := p.Info()
	if err != nil {
		return err
	}
	t := wire.Task{Koid: k, Parent: parent, Kind: wire.TaskKindProcess, State: wire.TaskStateCreated}
	switch {
	case info.Exited:
		t.State = wire.TaskStateExited
	case info.Started:
		t.State = wire.TaskStateRunning
		if stats, err := p.Stats(); err == nil { // it may end meanwhile
			t.Memory = stats.Private
		}
	}
	t.Name = nameOf(&o)
	return f(&t, &o)
}

// nameOf gives an object's name, which may be any bytes.
func nameOf(o *zx.Object) string {
	name, _ := o.Name() // none without the right to ask
	return text(name)
}

// text gives a string as FIDL has them: UTF-8, and no longer than it was.
func text(s string) string { return strings.ToValidUTF8(s, "?") }
