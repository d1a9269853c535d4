package syscalls

import (
	"encoding/binary"
	"slices"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// root gives a's handle of the root job.
func (w *world) root() zx.Handle {
	return w.a.Handles().Add(object.NewHandle(w.k.Root, object.JobRights))
}

func (w *world) job(parent zx.Handle) zx.Handle {
	w.Helper()
	h, st := JobCreate(w.a, parent, 0)
	w.ok("JobCreate", st)
	return h
}

func (w *world) processIn(job zx.Handle) (proc, vmar zx.Handle) {
	w.Helper()
	proc, vmar, st := ProcessCreate(w.a, job, "process", 0)
	w.ok("ProcessCreate", st)
	return proc, vmar
}

func (w *world) thread(proc zx.Handle) zx.Handle {
	w.Helper()
	h, st := ThreadCreate(w.a, proc, "thread", 0)
	w.ok("ThreadCreate", st)
	return h
}

// run makes a process in job that runs, and gives it and its thread.
func (w *world) run(job zx.Handle) (proc, thread zx.Handle) {
	w.Helper()
	proc, vmar := w.processIn(job)
	thread = w.thread(proc)
	w.ok("ProcessStart", ProcessStart(w.a, proc, thread, 0x1000, 0x2000, 0, 0))
	HandleClose(w.a, vmar)
	return proc, thread
}

// ends waits until a task is terminated.
func (w *world) ends(h zx.Handle) {
	w.Helper()
	_, st := ObjectWaitOne(w.a, nil, h, zx.TaskTerminated, w.later())
	w.ok("waiting for the end", st)
}

func (w *world) retcode(proc zx.Handle) int64 {
	w.Helper()
	w.ends(proc)
	p, st := get[*object.Process](w.a, proc, 0)
	w.ok("process", st)
	return p.Info().Retcode
}

const noChildren = zx.JobNoJobs | zx.JobNoProcesses | zx.JobNoChildren

func TestJobSignals(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	j := w.job(root)
	w.wantSignals(j, noChildren)
	c := w.job(j)
	w.wantSignals(j, zx.JobNoProcesses)
	p, v := w.processIn(j)
	w.wantSignals(j, 0)
	HandleCloseMany(w.a, []zx.Handle{p, v}) // never started: it is gone
	w.wantSignals(j, zx.JobNoProcesses)
	HandleClose(w.a, c)
	w.wantSignals(j, noChildren)
}

func TestJobWithoutHandlesLivesOnItsChildren(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	j := w.job(root)
	p, _ := w.run(j)
	HandleClose(w.a, j)
	if len(w.k.Root.Jobs()) != 1 {
		t.Fatal("the job is gone while a process runs in it")
	}
	w.ok("kill", TaskKill(w.a, p))
	w.ends(p)
	w.eventually("the job is gone", func() bool { return len(w.k.Root.Jobs()) == 0 }, func() any { return w.k.Root.Jobs() })
}

func TestJobHeight(t *testing.T) {
	w := newWorld(t)
	j := w.root()
	for range 32 {
		j = w.job(j)
	}
	_, st := JobCreate(w.a, j, 0)
	w.is("a level too deep", st, zx.ErrOutOfRange)
}

func TestJobCreateArguments(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	_, st := JobCreate(w.a, root, 1)
	w.is("options", st, zx.ErrInvalidArgs)
	_, st = JobCreate(w.a, w.without(root, zx.RightManageJob), 0)
	w.is("without MANAGE_JOB", st, zx.ErrAccessDenied)
	_, st = JobCreate(w.a, w.event(), 0)
	w.is("in an event", st, zx.ErrWrongType)
}

func TestJobKill(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	top := w.job(root)
	below := w.job(top)
	p1, t1 := w.run(top)
	p2, _ := w.run(below)
	p3, _ := w.processIn(below) // not started
	outside, _ := w.run(root)

	w.is("without DESTROY", TaskKill(w.a, w.without(top, zx.RightDestroy)), zx.ErrAccessDenied)
	w.is("a thread", TaskKill(w.a, t1), zx.ErrWrongType)
	w.ok("kill", TaskKill(w.a, top))
	for _, p := range []zx.Handle{p1, p2, p3} {
		if r := w.retcode(p); r != object.RetcodeSyscallKill {
			t.Errorf("return code %d", r)
		}
	}
	w.ends(t1)
	w.ends(below)
	w.ends(top)
	if w.signals(outside)&zx.TaskTerminated != 0 {
		t.Error("a process of another job was killed")
	}
	_, st := JobCreate(w.a, top, 0)
	w.is("a job in a dead one", st, zx.ErrBadState)
	_, _, st = ProcessCreate(w.a, top, "", 0)
	w.is("a process in a dead job", st, zx.ErrBadState)
	w.ok("kill again", TaskKill(w.a, top))
	w.ok("kill", TaskKill(w.a, outside))
	w.ends(outside)
}

func policies(v2 bool, ps ...[3]uint32) (b []byte) {
	for _, p := range ps {
		n := 2
		if v2 {
			n = 3
		}
		for _, v := range p[:n] {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	return b
}

func TestJobPolicy(t *testing.T) {
	const deny, allow = uint32(object.ActionDeny), uint32(object.ActionAllow)
	const newVMO, newEvent, newAny = uint32(object.PolicyNewVMO), uint32(object.PolicyNewEvent), uint32(object.PolicyNewAny)
	type step struct {
		options, topic uint32
		policy         []byte
		want           zx.Status
	}
	v1 := func(o uint32, want zx.Status, ps ...[3]uint32) step {
		return step{o, jobPolicyBasicV1, policies(false, ps...), want}
	}
	v2 := func(o uint32, want zx.Status, ps ...[3]uint32) step {
		return step{o, jobPolicyBasicV2, policies(true, ps...), want}
	}
	for _, c := range []struct {
		what               string
		parent, child      []step
		vmo, event, socket object.Action
	}{
		{what: "nothing is denied"},
		{what: "one is denied", parent: []step{v1(0, zx.OK, [3]uint32{newVMO, deny})}, vmo: object.ActionDeny},
		{what: "any is denied", parent: []step{v1(0, zx.OK, [3]uint32{newAny, deny})},
			vmo: object.ActionDeny, event: object.ActionDeny, socket: object.ActionDeny},
		{what: "any is denied but one", parent: []step{v1(0, zx.OK, [3]uint32{newAny, deny}, [3]uint32{newVMO, allow})},
			event: object.ActionDeny, socket: object.ActionDeny},
		{what: "a child cannot allow what is denied",
			parent: []step{v1(0, zx.OK, [3]uint32{newVMO, deny})},
			child: []step{
				v1(jobPolicyRelative, zx.OK, [3]uint32{newVMO, allow}, [3]uint32{newEvent, deny}),
				v1(jobPolicyAbsolute, zx.ErrAlreadyExists, [3]uint32{newVMO, allow}),
				v1(jobPolicyAbsolute, zx.OK, [3]uint32{newVMO, deny}),
			}, vmo: object.ActionDeny, event: object.ActionDeny},
		{what: "nor by NEW_ANY",
			parent: []step{v1(0, zx.OK, [3]uint32{newVMO, deny})},
			child:  []step{v2(jobPolicyRelative, zx.OK, [3]uint32{newAny, allow, 0}), v1(0, zx.OK, [3]uint32{newVMO, allow})},
			vmo:    object.ActionDeny},
		{what: "unless the override says so",
			parent: []step{v2(0, zx.OK, [3]uint32{newVMO, deny, uint32(object.OverrideAllow)})},
			child:  []step{v1(jobPolicyAbsolute, zx.OK, [3]uint32{newVMO, allow})}},
		{what: "wrong arguments change nothing",
			parent: []step{
				v1(2, zx.ErrInvalidArgs, [3]uint32{newVMO, deny}),
				v1(0, zx.ErrNotSupported, [3]uint32{newVMO, 5}),
				v1(0, zx.ErrInvalidArgs, [3]uint32{newVMO, deny}, [3]uint32{99, deny}),
				v2(0, zx.ErrInvalidArgs, [3]uint32{newVMO, deny, 2}),
				v1(0, zx.ErrInvalidArgs),
				{0, 7, policies(false, [3]uint32{newVMO, deny}), zx.ErrInvalidArgs},
				{jobPolicyAbsolute, jobPolicyTimerSlack, make([]byte, 16), zx.ErrInvalidArgs},
				{0, jobPolicyTimerSlack, append(make([]byte, 8), 3, 0, 0, 0, 0, 0, 0, 0), zx.ErrInvalidArgs},
				{0, jobPolicyTimerSlack, make([]byte, 16), zx.OK},
			}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			parent := w.job(w.root())
			set := func(j zx.Handle, steps []step) {
				for i, s := range steps {
					n := uint32(len(s.policy) / 8)
					switch s.topic {
					case jobPolicyBasicV2:
						n = uint32(len(s.policy) / 12)
					case jobPolicyTimerSlack:
						n = 1
					}
					if st := JobSetPolicy(w.a, j, s.options, s.topic, s.policy, n); st != s.want {
						t.Errorf("step %d: %v, want %v", i, st, s.want)
					}
				}
			}
			set(parent, c.parent)
			child := w.job(parent)
			w.is("policy of a job with children",
				JobSetPolicy(w.a, parent, 0, jobPolicyBasicV1, policies(false, [3]uint32{newVMO, deny}), 1), zx.ErrBadState)
			set(child, c.child)
			proc, _ := w.processIn(child)
			p, _ := get[*object.Process](w.a, proc, 0)
			for _, x := range []struct {
				c    object.Condition
				want object.Action
			}{{object.PolicyNewVMO, c.vmo}, {object.PolicyNewEvent, c.event}, {object.PolicyNewSocket, c.socket}} {
				if got := p.PolicyAction(x.c); got != x.want {
					t.Errorf("condition %d: action %d, want %d", x.c, got, x.want)
				}
			}
		})
	}
}

// TestPolicyOfTheCaller: what counts is the job of the process that asks, not
// the one that something is made in.
func TestPolicyOfTheCaller(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	j := w.job(root)
	deny := policies(false, [3]uint32{uint32(object.PolicyNewProcess), uint32(object.ActionDeny)},
		[3]uint32{uint32(object.PolicyAmbientMarkVMOExec), uint32(object.ActionDeny)},
		[3]uint32{uint32(object.PolicyNewEvent), uint32(object.ActionKill)})
	w.ok("policy", JobSetPolicy(w.a, j, 0, jobPolicyBasicV1, deny, 3))
	w.processIn(j)

	jo, _ := get[*object.Job](w.a, j, 0)
	denied := w.k.NewHostProcess(jo, "denied")
	defer denied.Close()
	h := denied.Handles().Add(object.NewHandle(w.k.Root, object.JobRights))
	_, _, st := ProcessCreate(denied, h, "", 0)
	w.is("process", st, zx.ErrAccessDenied)
	v, st := VMOCreate(denied, 1, 0)
	w.ok("VMO", st)
	_, st = VMOReplaceAsExecutable(denied, v, zx.HandleInvalid)
	w.is("executable VMO", st, zx.ErrAccessDenied)

	// And one that runs is killed for what its policy kills for.
	proc, _ := w.run(j)
	p, _ := get[*object.Process](w.a, proc, 0)
	_, st = EventCreate(p, 0)
	w.is("event", st, zx.ErrAccessDenied)
	if r := w.retcode(proc); r != object.RetcodePolicyKill || p.KillReason() == "" {
		t.Errorf("return code %d, reason %q", r, p.KillReason())
	}
}

func TestJobSetCritical(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	for _, c := range []struct {
		what    string
		options uint32
		retcode int64
		dies    bool
	}{
		{"dies with its process", 0, 0, true},
		{"lives on after a good end", jobCriticalRetcodeNonzero, 0, false},
		{"dies with a bad end", jobCriticalRetcodeNonzero, 1, true},
	} {
		top := w.job(root)
		j := w.job(top)
		proc, _ := w.run(j)
		other, _ := w.run(top)
		w.is("a job that it is not in", JobSetCritical(w.a, w.job(root), 0, proc), zx.ErrInvalidArgs)
		w.ok("critical", JobSetCritical(w.a, top, c.options, proc))
		w.is("critical twice", JobSetCritical(w.a, top, c.options, proc), zx.ErrAlreadyBound)
		p, _ := get[*object.Process](w.a, proc, 0)
		p.Exit(c.retcode)
		w.ends(proc)
		if c.dies {
			if r := w.retcode(other); r != object.RetcodeCriticalProcessKill {
				t.Errorf("%s: return code %d", c.what, r)
			}
			w.ends(top)
			continue
		}
		if w.signals(top)&zx.JobTerminated != 0 {
			t.Errorf("%s: it died", c.what)
		}
		w.ok("kill", TaskKill(w.a, top))
		w.ends(top)
	}
}

func TestJobChildren(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	j := w.job(root)
	var koids []zx.Koid
	for range 3 {
		h := w.job(j)
		koids = append(koids, w.a.Handles().Lookup(h).Object().Koid())
	}
	jo, _ := get[*object.Job](w.a, j, 0)
	var got []zx.Koid
	for _, c := range jo.Jobs() {
		got = append(got, c.Koid())
	}
	if !slices.Equal(got, koids) {
		t.Errorf("children %v, want %v", got, koids)
	}
	h := jo.Child(koids[1], zx.RightWait)
	if h == nil || h.Object().Koid() != koids[1] || h.Object().RelatedKoid() != jo.Koid() {
		t.Errorf("child %v", h)
	}
	h.Close()
	if jo.Child(1, 0) != nil {
		t.Error("a child that is none")
	}
}
