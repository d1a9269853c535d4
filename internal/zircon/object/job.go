package object

import (
	"container/list"
	"slices"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// JobRights are the rights of a new job's handle: ZX_DEFAULT_JOB_RIGHTS.
const JobRights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightsPolicy | zx.RightEnumerate |
	zx.RightDestroy | zx.RightSignal | zx.RightManageJob | zx.RightManageProcess | zx.RightManageThread

// Return codes of tasks that were ended: ZX_TASK_RETCODE_*, from
// <zircon/syscalls/object.h>.
const (
	RetcodeSyscallKill         = -1024
	RetcodePolicyKill          = -1026
	RetcodeExceptionKill       = -1028
	RetcodeCriticalProcessKill = -1029
)

// maxJobHeight is how many levels of jobs there may be below the root.
const maxJobHeight = 32

// maxJobDebuggers is how many debugger exception channels a job may have.
const maxJobDebuggers = 32

// Job is a group of processes and of further jobs, under a policy.
//
// A job is kept by its parent while it has handles or children. The mu of a job
// is never held together with that of another task.
type Job struct {
	Core
	named
	k      *Kernel
	parent *Job          // nil for the root
	height int           // how many levels of jobs may be below
	place  *list.Element // guarded by parent.mu: in its jobs

	exceptions exceptionate
	debuggers  []*exceptionate // guarded by mu

	mu      sync.Mutex
	state   jobState  // guarded by mu
	jobs    list.List // of *Job; guarded by mu; oldest first
	procs   list.List // of *Process; guarded by mu; oldest first
	policy  policy    // guarded by mu
	retcode int64     // guarded by mu
	oomKill bool      // guarded by mu
}

type jobState uint8

const (
	jobReady jobState = iota
	jobKilling
	jobDead
)

func newRootJob(k *Kernel) *Job {
	j := newJob(k, nil)
	j.SetName("root")
	return j
}

func newJob(k *Kernel, parent *Job) *Job {
	j := &Job{k: k, parent: parent, height: maxJobHeight}
	j.exceptions.kind = ExceptionChannelJob
	if parent != nil {
		j.height = parent.height - 1
		parent.mu.Lock()
		j.policy = parent.policy
		parent.mu.Unlock()
	}
	j.init(k, zx.ObjTypeJob, zx.JobNoJobs|zx.JobNoProcesses|zx.JobNoChildren)
	return j
}

// NewJob makes a child job. The caller makes its first handle. OUT_OF_RANGE when
// the tree is too high, BAD_STATE when j is dead or being killed.
func (j *Job) NewJob() (*Job, zx.Status) {
	if j.height == 0 {
		return nil, zx.ErrOutOfRange
	}
	c := newJob(j.k, j)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != jobReady {
		return nil, zx.ErrBadState
	}
	c.place = j.jobs.PushBack(c)
	j.showChildrenLocked()
	return c, zx.OK
}

// RelatedKoid is the koid of the parent.
func (j *Job) RelatedKoid() zx.Koid {
	if j.parent == nil {
		return zx.KoidInvalid
	}
	return j.parent.koid
}

// Parent is the job that j is in; nil for the root.
func (j *Job) Parent() *Job { return j.parent }

// addProcess makes p a child: false when j takes none any more.
func (j *Job) addProcess(p *Process) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != jobReady {
		return false
	}
	p.place = j.procs.PushBack(p)
	j.showChildrenLocked()
	return true
}

func (j *Job) removeProcess(p *Process) {
	j.mu.Lock()
	j.procs.Remove(p.place)
	j.childGoneUnlock()
}

func (j *Job) removeJob(c *Job) {
	j.mu.Lock()
	j.jobs.Remove(c.place)
	j.childGoneUnlock()
}

// childGoneUnlock follows up on the loss of a child: a job that is being killed
// is dead when it has none left, and one that nobody can reach any more is of
// no use. j.mu is held, and released.
func (j *Job) childGoneUnlock() {
	j.showChildrenLocked()
	dies := j.diesLocked()
	j.mu.Unlock()
	if dies {
		j.die()
	}
}

// diesLocked says whether the job is to die now, and makes sure it does once.
func (j *Job) diesLocked() bool {
	if j.jobs.Len()+j.procs.Len() > 0 || j.state == jobDead || j.parent == nil && j.state == jobReady {
		return false
	}
	if j.state == jobReady && j.HandleCount() > 0 {
		return false
	}
	j.state = jobDead
	return true
}

func (j *Job) die() {
	j.mu.Lock()
	debuggers := j.debuggers
	j.debuggers = nil
	j.mu.Unlock()
	j.exceptions.shutdown()
	for _, d := range debuggers {
		d.shutdown()
	}
	j.updateSignals(0, zx.JobTerminated)
	if j.parent != nil {
		j.parent.removeJob(j)
	}
}

func (j *Job) onZeroHandles() {
	j.mu.Lock()
	dies := j.diesLocked()
	j.mu.Unlock()
	if dies {
		j.die()
	}
}

func (j *Job) showChildrenLocked() {
	var set zx.Signals
	if j.jobs.Len() == 0 {
		set |= zx.JobNoJobs
	}
	if j.procs.Len() == 0 {
		set |= zx.JobNoProcesses
	}
	if j.jobs.Len()+j.procs.Len() == 0 {
		set |= zx.JobNoChildren
	}
	j.updateSignals((zx.JobNoJobs|zx.JobNoProcesses|zx.JobNoChildren)&^set, set)
}

// Kill ends every process in the job and in the jobs below, which take no new
// children from now on. The job is terminated when the last of them is.
func (j *Job) Kill(retcode int64) {
	for todo := []*Job{j}; len(todo) > 0; {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		x.mu.Lock()
		if x.state != jobReady {
			x.mu.Unlock()
			continue
		}
		x.state, x.retcode = jobKilling, retcode
		procs := listed[*Process](&x.procs)
		todo = append(todo, listed[*Job](&x.jobs)...)
		dies := x.diesLocked()
		x.mu.Unlock()
		if dies {
			x.die()
		}
		for _, p := range procs {
			p.Kill(retcode)
		}
	}
}

// SetPolicy puts l in force for the children that the job will have. See policy
// for the statuses; BAD_STATE when it has children already.
func (j *Job) SetPolicy(l []BasicPolicy, absolute bool) zx.Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.jobs.Len()+j.procs.Len() > 0 {
		return zx.ErrBadState
	}
	n, st := j.policy.add(l, absolute)
	if st == zx.OK {
		j.policy = n
	}
	return st
}

// SetTimerSlack sets the least slack of timers: INVALID_ARGS, BAD_STATE when the
// job has children. A job above that wants more has its way.
func (j *Job) SetTimerSlack(s TimerSlack) zx.Status {
	const modes = 3
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.jobs.Len()+j.procs.Len() > 0:
		return zx.ErrBadState
	case s.Min < 0 || s.Mode >= modes:
		return zx.ErrInvalidArgs
	}
	s.Min = max(s.Min, j.policy.slack.Min)
	j.policy.slack = s
	return zx.OK
}

// listed are the elements of l.
func listed[T any](l *list.List) []T {
	ts := make([]T, 0, l.Len())
	for e := l.Front(); e != nil; e = e.Next() {
		ts = append(ts, e.Value.(T))
	}
	return ts
}

// Jobs and Processes are the children, oldest first.
func (j *Job) Jobs() []*Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return listed[*Job](&j.jobs)
}

func (j *Job) Processes() []*Process {
	j.mu.Lock()
	defer j.mu.Unlock()
	return listed[*Process](&j.procs)
}

// Child gives a handle with rights to the child with a koid, and nil for none.
func (j *Job) Child(koid zx.Koid, rights zx.Rights) *Handle {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range []*list.List{&j.jobs, &j.procs} {
		for e := l.Front(); e != nil; e = e.Next() {
			if o := e.Value.(Object); o.Koid() == koid {
				return NewHandle(o, rights)
			}
		}
	}
	return nil
}

// JobInfo is what zx_info_job_t tells.
type JobInfo struct {
	Retcode          int64
	Exited           bool
	KillOnOOM        bool
	DebuggerAttached bool
}

// Info gives the job's state.
func (j *Job) Info() JobInfo {
	j.mu.Lock()
	defer j.mu.Unlock()
	return JobInfo{j.retcode, j.state != jobReady, j.oomKill, len(j.debuggers) > 0}
}

// SetKillOnOOM notes ZX_PROP_JOB_KILL_ON_OOM, which Info tells. The host's own
// way with a lack of memory stays as it is.
func (j *Job) SetKillOnOOM(on bool) {
	j.mu.Lock()
	j.oomKill = on
	j.mu.Unlock()
}

// addDebugger makes a channel for the debugger's exceptions of the job.
func (j *Job) addDebugger(rights zx.Rights) (*Channel, zx.Status) {
	e := &exceptionate{kind: ExceptionChannelJobDebugger}
	c, st := e.attach(j.k, rights, rights)
	if st != zx.OK {
		return nil, st
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.debuggers = slices.DeleteFunc(j.debuggers, func(x *exceptionate) bool { return !x.attached() })
	switch {
	case j.state == jobDead:
		st = zx.ErrBadState
	case len(j.debuggers) == maxJobDebuggers:
		st = zx.ErrAlreadyBound
	}
	if st != zx.OK {
		NewHandle(c, 0).Close()
		e.shutdown()
		return nil, st
	}
	j.debuggers = append(j.debuggers, e)
	return c, zx.OK
}

// debuggerChannels are the exception channels of the job's debuggers.
func (j *Job) debuggerChannels() []*exceptionate {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.debuggers)
}

// ExceptionChannel makes the channel that the exceptions of the job's processes
// go to, or those of its debugger. rights are for the tasks it is told of.
// ALREADY_BOUND, BAD_STATE (terminated).
func (j *Job) ExceptionChannel(debugger bool, rights zx.Rights) (*Channel, zx.Status) {
	if debugger {
		return j.addDebugger(rights)
	}
	return j.exceptions.attach(j.k, rights, rights)
}
