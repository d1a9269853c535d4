package object

import (
	"container/list"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// ProcessRights are the rights of a new process's handle.
const ProcessRights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightEnumerate | zx.RightDestroy |
	zx.RightSignal | zx.RightManageProcess | zx.RightManageThread

// Process is an address space, a handle table and the threads that use them.
//
// Its life: new, until the first thread starts; running; dying, from an exit or
// a kill until the native space is gone; dead. Handles are closed, and
// PROCESS_TERMINATED raised, on the way to dead.
//
// mu is not held while the Machine is called for anything that may wait for the
// process's own threads.
type Process struct {
	Core
	named
	k       *Kernel
	job     *Job
	place   *list.Element // guarded by job.mu: in its procs
	host    bool          // launcherd itself: no space, no threads, cannot be killed
	handles *HandleTable
	aspace  *vm.Aspace
	policy  policy
	raises  bool                  // policy.raises()
	space   atomic.Pointer[Space] // nil until started; then constant

	exceptions exceptionate
	debugger   exceptionate

	startMu sync.Mutex // held through a start; before mu

	mu          sync.Mutex
	state       processState // guarded by mu
	starting    bool         // guarded by mu; the first thread is on its way
	startTime   int64        // guarded by mu; monotonic
	threads     []*Thread    // guarded by mu; those that run
	retcode     int64        // guarded by mu
	reason      string       // guarded by mu; why it was killed
	critical    *Job         // guarded by mu; dies with the process
	criticalBad bool         // guarded by mu; but only for a retcode other than 0
	debugAddr   uint64       // guarded by mu
	breakOnLoad uint64       // guarded by mu
}

type processState uint8

const (
	processNew processState = iota
	processRunning
	processDying
	processDead
)

// NewProcess makes a process in j, and its root VMAR. The caller makes the first
// handles. BAD_STATE when the job is dead or being killed.
func (j *Job) NewProcess(name string) (*Process, *VMAR, zx.Status) {
	p := newProcess(j, name)
	p.aspace = vm.NewAspace()
	if k := j.k; k.VDSO != nil {
		p.aspace.SetVDSO(k.VDSO.Mem, k.VDSOCode.Off, k.VDSOCode.Size)
	}
	if !j.addProcess(p) {
		return nil, nil, zx.ErrBadState
	}
	return p, NewVMAR(j.k, p.aspace.Root()), zx.OK
}

func newProcess(j *Job, name string) *Process {
	p := &Process{k: j.k, job: j, handles: NewHandleTable()}
	p.exceptions.kind = ExceptionChannelProcess
	p.debugger.kind = ExceptionChannelDebugger
	j.mu.Lock()
	p.policy = j.policy
	j.mu.Unlock()
	p.raises = p.policy.raises()
	p.SetName(name)
	p.init(j.k, zx.ObjTypeProcess, 0)
	return p
}

// NewHostProcess makes a process for Go code of this program, under the policy
// of job: handles and no more. It is in no list of children, and Close ends it.
func (k *Kernel) NewHostProcess(job *Job, name string) *Process {
	p := newProcess(job, name)
	p.host = true
	p.aspace = vm.NewAspace()
	p.state = processRunning
	return p
}

// HostProcess is NewHostProcess in the root job.
func (k *Kernel) HostProcess(name string) *Process { return k.NewHostProcess(k.Root, name) }

// Close ends a host process: every handle is closed.
func (p *Process) Close() {
	p.mu.Lock()
	dead := p.state == processDead
	p.state = processDead
	p.mu.Unlock()
	if !dead {
		p.finish()
	}
}

// Kernel is the kernel the process belongs to.
func (p *Process) Kernel() *Kernel { return p.k }

// Job is the job the process is in.
func (p *Process) Job() *Job { return p.job }

// Host says whether this is the process of Go code of this program.
func (p *Process) Host() bool { return p.host }

// Handles is the handle table.
func (p *Process) Handles() *HandleTable { return p.handles }

// Aspace is the address space.
func (p *Process) Aspace() *vm.Aspace { return p.aspace }

// Space is the native space of a process that was started; nil for others.
func (p *Process) Space() Space {
	if s := p.space.Load(); s != nil {
		return *s
	}
	return nil
}

// RelatedKoid is the koid of the job.
func (p *Process) RelatedKoid() zx.Koid { return p.job.koid }

// PolicyAction is what the policy of the process's job says about c.
func (p *Process) PolicyAction(c Condition) Action {
	if c >= policyConditions {
		return ActionDeny
	}
	return p.policy.action[c]
}

// PolicyRaises says whether PolicyAction is anything but ActionAllow and
// ActionDeny for some condition.
func (p *Process) PolicyRaises() bool { return p.raises }

// EnforcePolicy gives ACCESS_DENIED for what the policy of the process's job
// does not allow, and kills the process where it says so. The exceptions that
// it may ask for are raised by the trapped path (Thread.RaisePolicy).
func (p *Process) EnforcePolicy(c Condition) zx.Status {
	switch p.PolicyAction(c) {
	case ActionAllow, ActionAllowException:
		return zx.OK
	case ActionKill:
		p.terminate(RetcodePolicyKill, "the policy of its job kills for condition %d", c)
	}
	return zx.ErrAccessDenied
}

// TimerSlack is the policy for the process's timers.
func (p *Process) TimerSlack() TimerSlack { return p.policy.slack }

// userAddress says whether an address is one that programs may have.
func userAddress(a uint64) bool { return a < vm.UserTop }

// Start starts the process with its first thread. arg, which may be nil, is
// moved into the process, or closed on failure. INVALID_ARGS, BAD_STATE (started
// already), or a failure of the Machine, which is the end of the process.
func (p *Process) Start(t *Thread, entry, sp uint64, arg *Handle, arg2 uint64) zx.Status {
	var v zx.Handle
	if arg != nil {
		if v = p.handles.Add(arg); v == zx.HandleInvalid {
			return zx.ErrBadState
		}
	}
	st := p.startThread(t, StartRegs{PC: entry, SP: sp, Arg1: uint64(v), Arg2: arg2}, true)
	if st != zx.OK && v != zx.HandleInvalid {
		p.handles.Remove(v).Close()
	}
	return st
}

// StartThread starts a further thread: INVALID_ARGS, BAD_STATE (the thread or
// the process is not in the state for it), NO_MEMORY.
func (p *Process) StartThread(t *Thread, r StartRegs) zx.Status {
	return p.startThread(t, r, false)
}

func (p *Process) startThread(t *Thread, r StartRegs, first bool) zx.Status {
	p.startMu.Lock()
	defer p.startMu.Unlock()

	p.mu.Lock()
	want := processRunning
	if first {
		want = processNew
	}
	st := zx.OK
	switch {
	case p.host || p.state != want:
		st = zx.ErrBadState
	case !userAddress(r.PC):
		st = zx.ErrInvalidArgs
	case !t.start():
		st = zx.ErrBadState
	}
	if st != zx.OK {
		p.mu.Unlock()
		return st
	}
	p.threads = append(p.threads, t)
	if first {
		p.state, p.starting = processRunning, true
		p.startTime = p.k.Monotonic()
	}
	p.mu.Unlock()

	if first {
		if st := p.startSpace(); st != zx.OK {
			return st
		}
		if tr := p.k.Tracer; tr != nil {
			tr.ProcessStarted(p, t)
		}
	}
	if !p.startingException(t, r, first) {
		return p.runThread(t, r)
	}
	return zx.OK
}

// startSpace gives a process its native space, with all that is mapped. If that
// fails the process ends.
func (p *Process) startSpace() zx.Status {
	s, err := p.k.Machine.NewSpace(p)
	if err != nil {
		p.mu.Lock()
		p.starting = false
		p.mu.Unlock()
		st := vm.StatusOf(err)
		p.terminate(RetcodeSyscallKill, "the host gives it no address space: %v", err)
		p.noSpace()
		return st
	}
	p.space.Store(&s)
	p.mu.Lock()
	p.starting = false
	dying := p.state != processRunning
	p.mu.Unlock()
	if dying { // killed meanwhile, and whoever did it had no space to kill
		s.Kill()
		return zx.ErrBadState
	}
	if st := p.aspace.Attach(s); st != zx.OK {
		p.terminate(RetcodeSyscallKill, "the host cannot map its memory: %v", st)
		return st
	}
	return zx.OK
}

// noSpace ends a dying process that has no native space.
func (p *Process) noSpace() {
	p.mu.Lock()
	dead := p.state == processDead
	p.state = processDead
	p.mu.Unlock()
	if !dead {
		p.finish()
	}
}

func (p *Process) runThread(t *Thread, r StartRegs) zx.Status {
	err := p.Space().StartThread(t, r)
	if err != nil && p.dropThread(t) {
		p.terminate(RetcodeSyscallKill, "the host gives it no thread: %v", err)
	}
	return vm.StatusOf(err)
}

// dropThread is for a thread that has ended natively. It tells whether it was
// the last one.
func (p *Process) dropThread(t *Thread) (last bool) {
	p.mu.Lock()
	p.threads = slices.DeleteFunc(p.threads, func(x *Thread) bool { return x == t })
	last = len(p.threads) == 0
	p.mu.Unlock()
	t.gone()
	return last
}

// startingException lets debuggers look at a thread before it runs, which it
// then does later: true. Without debuggers it is false.
func (p *Process) startingException(t *Thread, r StartRegs, first bool) bool {
	var jobs []*exceptionate
	if first {
		for j := p.job; j != nil; j = j.parent {
			jobs = append(jobs, j.debuggerChannels()...)
		}
	}
	if len(jobs) == 0 && !p.debugger.attached() {
		return false
	}
	f := NewFault(func(*Fault) {})
	f.Regs.start(r)
	t.mu.Lock()
	t.fault = f
	t.mu.Unlock()
	go func() {
		for _, x := range jobs {
			if _, killed := t.offer(x, ExceptionReport{Type: ExceptionProcessStarting}); killed {
				return
			}
		}
		if _, killed := t.offer(&p.debugger, ExceptionReport{Type: ExceptionThreadStarting}); killed {
			return
		}
		t.mu.Lock()
		t.fault = nil
		t.mu.Unlock()
		if st := p.runThread(t, r); st != zx.OK {
			p.k.Warnf(p, "a thread of %s cannot start: %v", p.Name(), st)
		}
	}()
	return true
}

// Exit ends the process with a return code of its own.
func (p *Process) Exit(retcode int64) { p.end(nil, retcode, "") }

// ExitBy is Exit by a thread of the process, in a system call.
func (p *Process) ExitBy(t *Thread, retcode int64) { p.end(t, retcode, "") }

// Kill ends the process from outside. It has no effect on one that is ending.
func (p *Process) Kill(retcode int64) { p.terminate(retcode, "killed") }

// Fail kills the process for a mistake that Zircon answers with a fault.
func (p *Process) Fail(format string, args ...any) {
	p.terminate(RetcodeExceptionKill, format, args...)
}

// terminate ends the process. A format other than "" becomes its KillReason.
func (p *Process) terminate(retcode int64, format string, args ...any) {
	p.end(nil, retcode, format, args...)
}

// end is terminate, by a thread of the process if by is one.
func (p *Process) end(by *Thread, retcode int64, format string, args ...any) {
	if p.host {
		return
	}
	p.mu.Lock()
	if p.state == processDying || p.state == processDead {
		p.mu.Unlock()
		return
	}
	p.retcode = retcode
	if format != "" {
		p.reason = fmt.Sprintf(format, args...)
	}
	unstarted := p.state == processNew
	starting := p.starting
	threads := slices.Clone(p.threads)
	// A lone thread that waits for an answer, which it will not get, runs no
	// more: nobody need wait for the host to take it down.
	alone := by != nil && !starting && len(threads) == 1 && threads[0] == by
	p.state = processDying
	if unstarted || alone {
		p.state = processDead
	}
	p.mu.Unlock()

	if retcode == RetcodeExceptionKill || retcode == RetcodePolicyKill {
		p.k.Warnf(p, "%s (%d): %s", p.Name(), p.koid, p.KillReason())
	}
	if unstarted {
		p.finish()
		return
	}
	for _, t := range threads {
		t.kill()
	}
	if alone {
		p.finish()
		runtime.Gosched() // who waits for the end need not wait for the host
	}
	if s := p.Space(); s != nil && !starting {
		s.Kill()
	}
}

// finish makes a process dead: state is processDead, set by the caller, who is
// the only one.
func (p *Process) finish() {
	p.mu.Lock()
	threads := p.threads
	p.threads = nil
	retcode, critical := p.retcode, p.critical
	if p.criticalBad && retcode == 0 {
		critical = nil
	}
	p.mu.Unlock()
	for _, t := range threads {
		t.gone()
	}
	p.exceptions.shutdown()
	p.debugger.shutdown()
	p.aspace.Destroy()
	p.handles.Drain()
	if tr := p.k.Tracer; tr != nil && p.Space() != nil {
		tr.ProcessExited(p)
	}
	p.updateSignals(0, zx.ProcessTerminated)
	if !p.host {
		p.job.removeProcess(p)
	}
	if critical != nil {
		p.k.Warnf(p, "%s was critical to job %d, which is killed", p.Name(), critical.koid)
		critical.Kill(RetcodeCriticalProcessKill)
	}
}

// onZeroHandles ends a process that was never started and that nobody can start
// any more. Others are kept by their threads.
func (p *Process) onZeroHandles() {
	p.mu.Lock()
	unstarted := p.state == processNew
	if unstarted {
		p.state = processDead
	}
	p.mu.Unlock()
	if unstarted {
		p.finish()
	}
}

// ExitThread is called for a thread that ends itself. It ends the process, and
// gives true, if it is the last.
func (p *Process) ExitThread(t *Thread) (last bool) {
	p.mu.Lock()
	last = len(p.threads) == 1 && p.threads[0] == t
	p.mu.Unlock()
	if last {
		p.ExitBy(t, 0)
	}
	return last
}

// Syscall implements SpaceEvents.
func (p *Process) Syscall(cookie any, trap *Trap) {
	p.k.OnSyscall(p, cookie.(*Thread), trap)
}

// Fault implements SpaceEvents.
func (p *Process) Fault(cookie any, f *Fault) { go p.fault(cookie.(*Thread), f) }

func (p *Process) fault(t *Thread, f *Fault) {
	t.mu.Lock()
	t.fault = f
	t.mu.Unlock()
	handled := t.raise(f.report())
	t.mu.Lock()
	t.fault = nil
	t.mu.Unlock()
	switch {
	case t.isEnding():
		return
	case handled:
		f.Resume()
		return
	}
	p.terminate(RetcodeExceptionKill, "%s", p.describe(f))
	p.k.Debugf(p, "%s", f.Regs.dump())
}

// report is what Zircon reports of the fault.
func (f *Fault) report() ExceptionReport {
	r := ExceptionReport{Vector: f.Vector, ErrCode: f.Code}
	switch f.Kind {
	case FaultPage:
		notFound := zx.ErrNotFound
		r.Type, r.Addr, r.SynthCode = ExceptionPageFault, f.Addr, uint32(notFound)
	case FaultUndefined:
		r.Type = ExceptionUndefined
	case FaultSWBreakpoint:
		r.Type = ExceptionSWBreakpoint
	case FaultHWBreakpoint:
		r.Type = ExceptionHWBreakpoint
	case FaultUnalignedAccess:
		r.Type, r.Addr = ExceptionUnaligned, f.Addr
	default:
		r.Type = ExceptionGeneral
	}
	return r
}

// describe says in a line what a fault was.
func (p *Process) describe(f *Fault) string {
	what := map[FaultKind]string{
		FaultGeneral: "general fault", FaultPage: "page fault", FaultUndefined: "undefined instruction",
		FaultSWBreakpoint: "breakpoint", FaultHWBreakpoint: "hardware breakpoint",
		FaultUnalignedAccess: "unaligned access",
	}[f.Kind]
	switch cause := f.cause(); {
	case f.Kind == FaultGeneral && cause != "":
		what = cause
	case f.Kind == FaultPage:
		what += fmt.Sprintf(" (%s) at %s", f.access(), p.where(f.Addr))
	}
	return fmt.Sprintf("%s, pc %s, sp %#x", what, p.where(f.Regs.PC()), f.Regs.SP())
}

// guardSize is how far below a mapping an access is told as one below it, as
// those are that overflow a stack.
const guardSize = 64 << 10

// where describes an address: what is mapped there, with the address that
// symbolizers take, or what is shortly above it.
func (p *Process) where(addr uint64) string {
	name := func(mem *vm.VMO) string {
		if n := OwnerOf(mem).Name(); n != "" {
			return n
		}
		return "a VMO"
	}
	if mem, off := p.aspace.FindImage(addr); mem != nil {
		return fmt.Sprintf("%#x (%s+%#x)", addr, name(mem), off)
	}
	if mem, gap := p.aspace.Above(addr, guardSize); mem != nil {
		return fmt.Sprintf("%#x (nothing is mapped there, %#x below %s)", addr, gap, name(mem))
	}
	return fmt.Sprintf("%#x (nothing is mapped there)", addr)
}

// ThreadGone implements SpaceEvents.
func (p *Process) ThreadGone(cookie any) {
	if p.dropThread(cookie.(*Thread)) {
		p.Exit(0)
	}
}

// Gone implements SpaceEvents.
func (p *Process) Gone(killed bool, why string) {
	p.mu.Lock()
	if p.state == processDead {
		p.mu.Unlock()
		return
	}
	if p.state != processDying {
		// It was not we who ended it.
		p.retcode, p.reason = RetcodeSyscallKill, "its native process ended: "+why
	}
	p.state = processDead
	p.mu.Unlock()
	// Elsewhere, because a change of the address space that is under way must
	// first hear that the space is gone.
	go p.finish()
}

// ProcessInfo is what zx_info_process_t tells.
type ProcessInfo struct {
	Retcode          int64
	StartTime        int64 // monotonic
	Started, Exited  bool
	DebuggerAttached bool
}

// Info gives the process's state.
func (p *Process) Info() ProcessInfo {
	attached := p.debugger.attached()
	p.mu.Lock()
	defer p.mu.Unlock()
	exited := p.state == processDying || p.state == processDead
	i := ProcessInfo{StartTime: p.startTime, Started: p.state != processNew, Exited: exited, DebuggerAttached: attached}
	if exited {
		i.Retcode = p.retcode
	}
	return i
}

// KillReason says why the process was killed; "" if it ended by itself.
func (p *Process) KillReason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// Threads are the threads that run.
func (p *Process) Threads() []*Thread {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.threads)
}

// Child gives a handle with rights to the running thread with a koid, and nil
// for none.
func (p *Process) Child(koid zx.Koid, rights zx.Rights) *Handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.threads {
		if t.koid == koid {
			return NewHandle(t, rights)
		}
	}
	return nil
}

// ExceptionChannel makes the channel that the process's exceptions go to, or
// those of its debugger. rights are for the tasks it is told of. ALREADY_BOUND,
// BAD_STATE (terminated).
func (p *Process) ExceptionChannel(debugger bool, rights zx.Rights) (*Channel, zx.Status) {
	if debugger {
		return p.debugger.attach(p.k, rights, rights)
	}
	return p.exceptions.attach(p.k, rights, rights)
}

// SetCritical makes j, which is the process's job or above it, die with the
// process; with nonzero, only if its return code is not 0. INVALID_ARGS for
// another job, ALREADY_BOUND when it is critical already, BAD_STATE when ended.
func (p *Process) SetCritical(j *Job, nonzero bool) zx.Status {
	above := false
	for x := p.job; x != nil; x = x.parent {
		above = above || x == j
	}
	if !above {
		return zx.ErrInvalidArgs
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.critical != nil:
		return zx.ErrAlreadyBound
	case p.state == processDead:
		return zx.ErrBadState
	}
	p.critical, p.criticalBad = j, nonzero
	return zx.OK
}

// DebugAddr is where the dynamic linker has its list of modules, or what a
// debugger asks of it (ZX_PROCESS_DEBUG_ADDR_BREAK_ON_SET); 0 until set.
func (p *Process) DebugAddr() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.debugAddr
}

// SetDebugAddr sets DebugAddr.
func (p *Process) SetDebugAddr(a uint64) {
	p.mu.Lock()
	p.debugAddr = a
	p.mu.Unlock()
}

// BreakOnLoad is ZX_PROP_PROCESS_BREAK_ON_LOAD: a value between the dynamic
// linker and the debugger.
func (p *Process) BreakOnLoad() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breakOnLoad
}

// SetBreakOnLoad sets BreakOnLoad.
func (p *Process) SetBreakOnLoad(v uint64) {
	p.mu.Lock()
	p.breakOnLoad = v
	p.mu.Unlock()
}

// VDSOBase is the address of the vDSO's image; 0 while its code is not mapped.
func (p *Process) VDSOBase() uint64 {
	if code := p.aspace.VDSOCode(); code != 0 {
		return code - p.k.VDSOCode.Off
	}
	return 0
}

// MemoryStats is what zx_info_task_stats_t tells, in bytes.
type MemoryStats struct {
	Mapped, Private, Shared, Scaled uint64
}

// MemoryStats sums up the memory that is mapped: BAD_STATE for a process that
// has ended.
func (p *Process) MemoryStats() (MemoryStats, zx.Status) {
	maps, st := p.aspace.Maps()
	if st != zx.OK {
		return MemoryStats{}, st
	}
	var s MemoryStats
	seen := make(map[*vm.VMO]bool)
	for _, m := range maps {
		if m.VMO == nil {
			continue
		}
		s.Mapped += m.Size
		if seen[m.VMO] {
			continue
		}
		seen[m.VMO] = true
		n := min(m.VMO.Committed(), m.VMO.Size())
		if by := uint64(m.VMO.Mappings()); by > 1 {
			s.Shared += n
			s.Scaled += n / by
		} else {
			s.Private += n
		}
	}
	return s, zx.OK
}
