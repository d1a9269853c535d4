package syscalls

import (
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// newProgramUnder is newProgram in a job with a policy.
func newProgramUnder(t testing.TB, condition object.Condition, action object.Action) *program {
	p := newProgram(t)
	job := p.job(p.root())
	b := policies(false, [3]uint32{uint32(condition), uint32(action)})
	p.ok("policy", JobSetPolicy(p.a, job, 0, jobPolicyBasicV1, b, 1))
	// The same program again, in this job: its memory is where the other's is.
	proc, vmar := p.processIn(job)
	th := p.world.thread(proc)
	x, _ := get[*object.Process](p.a, proc, 0)
	v, _ := get[*object.VMAR](p.a, vmar, 0)
	for _, m := range mapsOf(t, p.proc) {
		if m.VMO == nil {
			continue
		}
		o := vm.Option(m.Prot) | vm.Specific // the bits are those of ZX_VM_PERM_
		if _, st := v.Region.Map(o, m.Base-v.Region.Base(), m.VMO, m.Off, m.Size, m.Prot); st != zx.OK {
			t.Fatal(st)
		}
	}
	p.ok("start", ProcessStart(p.a, proc, th, p.vdso+codeOff, p.mem+programMem, 0, 0))
	first := p.proc
	p.proc, p.self = x, proc
	p.thread, _ = get[*object.Thread](p.a, th, 0)
	t.Cleanup(func() {
		x.Kill(0)
		p.ends(proc)
		p.proc = first // which newProgram ends
	})
	return p
}

func TestPolicyActions(t *testing.T) {
	for _, c := range []struct {
		what      string
		condition object.Condition
		action    object.Action
		call      func(p *program) <-chan zx.Status
		exception bool
		killed    bool
		want      zx.Status
	}{
		{"deny", object.PolicyNewEvent, object.ActionDeny, newEventCall, false, false, zx.ErrAccessDenied},
		{"deny and raise", object.PolicyNewEvent, object.ActionDenyException, newEventCall, true, false, zx.ErrAccessDenied},
		{"allow and raise", object.PolicyNewEvent, object.ActionAllowException, newEventCall, true, false, zx.OK},
		{"kill", object.PolicyNewEvent, object.ActionKill, newEventCall, false, true, 0},
		{"bad handle, denied as always", object.PolicyBadHandle, object.ActionDeny, badHandleCall, false, false, zx.ErrBadHandle},
		{"bad handle", object.PolicyBadHandle, object.ActionDenyException, badHandleCall, true, false, zx.ErrBadHandle},
		{"asking whether it is a handle", object.PolicyBadHandle, object.ActionKill, handleValidCall, false, false, zx.ErrBadHandle},
		{"bad handle kills", object.PolicyBadHandle, object.ActionKill, badHandleCall, false, true, 0},
		{"no handle at all kills", object.PolicyBadHandle, object.ActionKill, noHandleCall, false, true, 0},
		{"wrong object kills", object.PolicyWrongObject, object.ActionKill, wrongObjectCall, false, true, 0},
		{"other condition", object.PolicyNewVMO, object.ActionKill, newEventCall, false, false, zx.OK},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newProgramUnder(t, c.condition, c.action)
			var ch zx.Handle
			if c.exception {
				ch = p.exceptions(p.self, 0)
			}
			result := c.call(p)
			if c.exception {
				e := p.exception(ch)
				if r, _ := p.thread.ExceptionReport(); r.SynthCode != uint32(c.condition) || e.kind != object.ExceptionPolicyError {
					t.Errorf("exception %#x, report %+v", e.kind, r)
				}
				select {
				case st := <-result:
					t.Errorf("answered with %v before the exception is handled", st)
				default:
				}
				p.handled(e)
			}
			if c.killed {
				if r := p.retcode(p.self); r != object.RetcodePolicyKill {
					t.Errorf("return code %d", r)
				}
				return
			}
			p.is("result", p.await(result), c.want)
		})
	}
}

func newEventCall(p *program) <-chan zx.Status {
	return p.start(p.thread, "zx_event_create", 0, p.mem)
}

func badHandleCall(p *program) <-chan zx.Status {
	return p.start(p.thread, "zx_object_signal", 1<<20|3, 0, 0)
}

func noHandleCall(p *program) <-chan zx.Status {
	return p.start(p.thread, "zx_object_signal", 0, 0, 0)
}

func wrongObjectCall(p *program) <-chan zx.Status {
	h, _ := EventCreate(p.proc, 0)
	return p.start(p.thread, "zx_timer_cancel", uint64(h))
}

func handleValidCall(p *program) <-chan zx.Status {
	return p.start(p.thread, "zx_object_get_info", 1<<20|3, topicHandleValid, 0, 0, 0, 0)
}
