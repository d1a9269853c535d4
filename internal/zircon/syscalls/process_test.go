package syscalls

import (
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

func TestProcessCreate(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	proc, vmar, st := ProcessCreate(w.a, root, strings.Repeat("n", 40), 0)
	w.ok("create", st)
	p, _ := get[*object.Process](w.a, proc, 0)
	if p.Name() != strings.Repeat("n", 31) {
		t.Errorf("name %q", p.Name())
	}
	if w.rights(proc) != object.ProcessRights || p.RelatedKoid() != w.k.Root.Koid() {
		t.Errorf("rights %#x, related koid %d", w.rights(proc), p.RelatedKoid())
	}
	v, _ := get[*object.VMAR](w.a, vmar, 0)
	if v.Region.Base() != vm.UserBase || v.Region.Size() != vm.UserSize {
		t.Errorf("root VMAR [%#x, +%#x)", v.Region.Base(), v.Region.Size())
	}
	_, _, st = ProcessCreate(w.a, root, "", 2)
	w.is("unknown option", st, zx.ErrInvalidArgs)
	_, _, st = ProcessCreate(w.a, root, "", 1)
	w.is("shared address space", st, zx.ErrNotSupported)
	_, _, st = ProcessCreate(w.a, w.without(root, zx.RightManageProcess), "", 0)
	w.is("without MANAGE_PROCESS", st, zx.ErrAccessDenied)
}

func TestProcessStart(t *testing.T) {
	w := newWorld(t)
	root := w.root()
	proc, vmar := w.processIn(root)
	other, _ := w.processIn(root)
	th := w.thread(proc)
	v := w.vmo(vm.PageSize, 0)
	a, st := VMARMap(w.a, vmar, permRW, 0, v, 0, vm.PageSize)
	w.ok("map", st)
	p, _ := get[*object.Process](w.a, proc, 0)
	to, _ := get[*object.Thread](w.a, th, 0)

	for _, c := range []struct {
		what         string
		proc, thread zx.Handle
		entry        uint64
		arg          zx.Handle
		want         zx.Status
	}{
		{"thread of another process", other, th, 0, w.event(), zx.ErrAccessDenied},
		{"process without WRITE", w.without(proc, zx.RightWrite), th, 0, w.event(), zx.ErrAccessDenied},
		{"thread without WRITE", proc, w.without(th, zx.RightWrite), 0, w.event(), zx.ErrAccessDenied},
		{"no thread", proc, proc, 0, w.event(), zx.ErrWrongType},
		{"argument that cannot move", proc, th, 0, w.without(w.event(), zx.RightTransfer), zx.ErrAccessDenied},
		{"argument that is no handle", proc, th, 0, 1<<30 | 3, zx.ErrBadHandle},
		{"entry that no program may have", proc, th, 1 << 47, w.event(), zx.ErrInvalidArgs},
	} {
		if st := ProcessStart(w.a, c.proc, c.thread, c.entry, 0, c.arg, 0); st != c.want {
			t.Errorf("%s: %v, want %v", c.what, st, c.want)
		}
		if w.valid(c.arg) {
			t.Errorf("%s: the argument is left", c.what)
		}
	}
	if p.Handles().Len() != 0 || p.Info().Started {
		t.Error("a failed start left something")
	}
	w.wantSignals(th, 0)

	e := w.event()
	w.ok("start", ProcessStart(w.a, proc, th, 0x1234, 0x5678, e, 9))
	if w.valid(e) || p.Handles().Len() != 1 || !p.Info().Started {
		t.Error("the argument has not moved into the process")
	}
	w.wantSignals(th, zx.ThreadRunning)
	if s, _ := to.State(); s != object.ThreadStateRunning {
		t.Errorf("thread state %#x", s)
	}
	space := w.m.Space(p)
	if m, ok := space.At(a); !ok || m.Prot != vm.ProtRead|vm.ProtWrite {
		t.Errorf("what was mapped is %+v in the native space", m)
	}
	w.is("start again", ProcessStart(w.a, proc, w.thread(proc), 0, 0, 0, 0), zx.ErrBadState)
	w.is("start a thread that runs", ThreadStart(w.a, th, 0, 0, 0, 0), zx.ErrBadState)
	w.ok("kill", TaskKill(w.a, proc))
	w.ends(proc)
	w.is("start a thread of a dead process", ThreadStart(w.a, w.thread(proc), 0, 0, 0, 0), zx.ErrBadState)
	_, st = VMARMap(w.a, vmar, permRW, 0, v, 0, vm.PageSize)
	w.is("map in a dead process", st, zx.ErrBadState)
}

// TestProcessEnds: however a process ends, its handles are closed, then it is
// terminated with its threads, and has the return code of the first to end it.
func TestProcessEnds(t *testing.T) {
	for _, c := range []struct {
		what    string
		end     func(w *world, p *object.Process, th *object.Thread)
		retcode int64
		reason  string
	}{
		{"exit", func(_ *world, p *object.Process, _ *object.Thread) { p.Exit(42); p.Kill(-1024) }, 42, ""},
		{"kill", func(_ *world, p *object.Process, _ *object.Thread) { p.Kill(object.RetcodeSyscallKill); p.Exit(0) }, -1024, "killed"},
		{"the last thread exits", func(_ *world, p *object.Process, th *object.Thread) { p.ExitThread(th) }, 0, ""},
		{"its native thread is gone", func(_ *world, p *object.Process, th *object.Thread) { p.ThreadGone(th) }, 0, ""},
		{"the host ends it", func(w *world, p *object.Process, _ *object.Thread) {
			w.m.Space(p).Close()
			p.Gone(false, "SIGKILL")
		}, -1024, "its native process ended: SIGKILL"},
		{"page fault", func(_ *world, p *object.Process, th *object.Thread) {
			f := object.NewFault(func(*object.Fault) {})
			f.Kind, f.Addr = object.FaultPage, 0x10
			p.Fault(th, f)
		}, object.RetcodeExceptionKill, "page fault (read) at 0x10 (nothing is mapped there)"},
		{"undefined instruction", func(_ *world, p *object.Process, th *object.Thread) {
			f := object.NewFault(func(*object.Fault) {})
			f.Kind = object.FaultUndefined
			p.Fault(th, f)
		}, object.RetcodeExceptionKill, "undefined instruction, pc"},
		{"a call that is none", func(_ *world, p *object.Process, th *object.Thread) { go th.BadSyscall(39, 0x1234) },
			object.RetcodeExceptionKill, "system call 39 (0x27) at 0x1234"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			job := w.job(w.root())
			proc, th := w.run(job)
			p, _ := get[*object.Process](w.a, proc, 0)
			to, _ := get[*object.Thread](w.a, th, 0)
			// The process holds one end of a channel.
			ours, theirs := w.channel()
			p.Handles().Add(w.a.Handles().Remove(theirs))

			c.end(w, p, to)
			if r := w.retcode(proc); r != c.retcode {
				t.Errorf("return code %d, want %d", r, c.retcode)
			}
			if !strings.HasPrefix(p.KillReason(), c.reason) || c.reason == "" && p.KillReason() != "" {
				t.Errorf("reason %q, want %q", p.KillReason(), c.reason)
			}
			w.wantSignals(ours, zx.ChannelPeerClosed)
			w.wantSignals(th, zx.ThreadTerminated)
			select {
			case <-to.Done():
			default:
				t.Error("nobody who waits for the thread would give up")
			}
			if s, _ := to.State(); s != object.ThreadStateDead {
				t.Errorf("thread state %#x", s)
			}
			_, st := ObjectWaitOne(w.a, nil, job, zx.JobNoProcesses, w.later()) // soon after the end
			w.ok("waiting for the job to be empty", st)
			if p.Handles().Add(object.NewHandle(object.NewEvent(w.k), 0)) != zx.HandleInvalid {
				t.Error("a dead process takes handles")
			}
		})
	}
}

func TestThreadsOfAProcess(t *testing.T) {
	p := newProgram(t)
	second := p.newThread()
	if n := len(p.proc.Threads()); n != 2 {
		t.Fatalf("%d threads", n)
	}
	p.ok("exit", p.await(p.start(second, "zx_thread_exit")))
	p.proc.ThreadGone(second) // as the host tells when it has ended
	if second.Signals() != zx.ThreadTerminated || len(p.proc.Threads()) != 1 {
		t.Errorf("signals %#x, %d threads", second.Signals(), len(p.proc.Threads()))
	}
	third := p.newThread()
	p.start(third, "zx_process_exit", 7)
	if r := p.retcode(p.self); r != 7 {
		t.Errorf("return code %d", r)
	}
}

func TestUnstartedProcessEndsWithItsHandles(t *testing.T) {
	w := newWorld(t)
	j := w.job(w.root())
	proc, vmar := w.processIn(j)
	th := w.thread(proc)
	v := w.vmo(vm.PageSize, 0)
	_, st := VMARMap(w.a, vmar, permRW, 0, v, 0, vm.PageSize)
	w.ok("map", st)
	mem, _ := get[*object.VMO](w.a, v, 0)
	HandleClose(w.a, proc)
	w.wantSignals(j, noChildren)
	if mem.Mem.Mappings() != 0 {
		t.Error("what it had mapped still is")
	}
	to, _ := get[*object.Thread](w.a, th, 0)
	w.is("start", to.Process().Start(to, 0, 0, nil, 0), zx.ErrBadState)
}

func TestProcessMemory(t *testing.T) {
	w := newWorld(t)
	proc, vmar := w.processIn(w.root())
	v := w.vmo(vm.PageSize, 0)
	a, st := VMARMap(w.a, vmar, uint32(vm.PermRead), 0, v, 0, vm.PageSize)
	w.ok("map", st)
	n, st := ProcessWriteMemory(w.a, proc, a+vm.PageSize-2, []byte("abc"))
	if n != 2 || st != zx.OK {
		t.Errorf("write to what is only read: %d, %v", n, st)
	}
	b := make([]byte, 8)
	n, st = ProcessReadMemory(w.a, proc, a+vm.PageSize-2, b)
	if n != 2 || st != zx.OK || string(b[:2]) != "ab" {
		t.Errorf("read: %d, %v, %q", n, st, b[:2])
	}
	_, st = ProcessReadMemory(w.a, proc, a, nil)
	w.is("read nothing", st, zx.ErrInvalidArgs)
	_, st = ProcessReadMemory(w.a, w.without(proc, zx.RightRead), a, b)
	w.is("without READ", st, zx.ErrAccessDenied)
	_, st = ProcessWriteMemory(w.a, w.without(proc, zx.RightWrite), a, b)
	w.is("without WRITE", st, zx.ErrAccessDenied)
	_, st = ProcessReadMemory(w.a, proc, 0, b)
	w.is("where nothing is", st, zx.ErrNotFound)
}

// TestLaunchTrapped is a program that starts another.
func TestLaunchTrapped(t *testing.T) {
	p := newProgram(t)
	job := uint64(p.proc.Handles().Add(object.NewHandle(p.k.Root, object.JobRights)))
	out := p.mem + 1024
	p.write(p.mem, []byte("child"))
	p.ok("job", p.call("zx_job_create", job, 0, out))
	job = uint64(p.get32(out))
	p.ok("process", p.call("zx_process_create", job, p.mem, 5, 0, out, out+4))
	proc, vmar := uint64(p.get32(out)), uint64(p.get32(out+4))
	p.ok("thread", p.call("zx_thread_create", proc, p.mem, 5, 0, out))
	th := uint64(p.get32(out))
	p.ok("vmo", p.call("zx_vmo_create", vm.PageSize, 0, out))
	v := uint64(p.get32(out))
	p.ok("map", p.call("zx_vmar_map", vmar, uint64(permRW), 0, v, 0, vm.PageSize, out))
	a := p.get64(out)
	p.ok("write", p.call("zx_process_write_memory", proc, a, p.mem, 5, out))
	p.ok("event", p.call("zx_event_create", 0, out))
	p.ok("start", p.call("zx_process_start", proc, th, 0x1000, a, uint64(p.get32(out)), 0))
	p.is("start again", p.call("zx_process_start", proc, th, 0x1000, a, 0, 0), zx.ErrBadState)
	p.ok("read", p.call("zx_process_read_memory", proc, a, p.mem+2048, vm.PageSize, out))
	if got := p.read(p.mem+2048, 5); string(got) != "child" || p.get64(out) != vm.PageSize {
		t.Errorf("read %d bytes, %q", p.get64(out), got)
	}
	p.is("read of nothing", p.call("zx_process_read_memory", proc, 0x1000, p.mem+2048, 8, out), zx.ErrNotFound)
	p.is("suspend", p.call("zx_task_suspend", th, out), zx.ErrNotSupported)
	p.is("read state", p.call("zx_thread_read_state", th, threadStateGeneral, p.mem, object.RegsSize), zx.ErrBadState)

	// The policy of a job with a process in it stays as it is.
	p.put32(p.mem, uint32(object.PolicyNewVMO), uint32(object.ActionDeny))
	p.is("policy", p.call("zx_job_set_policy", job, 0, jobPolicyBasicV1, p.mem, 1), zx.ErrBadState)
	p.ok("critical", p.call("zx_job_set_critical", job, 0, proc))
	p.ok("kill", p.call("zx_task_kill", proc))
	p.ok("wait", p.call("zx_object_wait_one", job, uint64(zx.JobTerminated), uint64(p.later()), out))
}
