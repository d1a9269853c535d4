package syscalls

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
)

// TraceOptions say what a Tracer tells.
type TraceOptions struct {
	// Out gets the trace, in whole lines. Who is slow to take them slows down the
	// programs; errors are ignored.
	Out io.Writer
	// Calls asks for a line for each system call, and for the start, the
	// exceptions and the end of each process.
	Calls bool
	// Summary asks for a table of the calls at the end.
	Summary bool
	// Filter chooses among the calls: a list, with commas, of families such as
	// "channel", of names and of patterns such as "vmo_*". An initial "!" stands
	// for all but these, "" and "all" for all.
	Filter string
}

// Tracer tells what system calls programs make, as strace does. It is what the
// kernel has for object.Kernel.Tracer, with its Dispatch for OnSyscall.
//
// # Calls that take long
//
// A call has one line, written when it is answered, unless something else is to
// be written first: then its beginning is, as "<unfinished ...>", and the rest,
// as "<... resumed>", when it is answered. So the order of the lines is that of
// causes and effects, also between threads and processes: who is woken by a
// message is never seen to go on before it was sent. That is strace's way. But
// a line is written as a whole, because the programs' own output may go to the
// same terminal; and a call that waits alone is shown as unfinished after a
// short while, so that one sees what a program that hangs is waiting for.
type Tracer struct {
	opt   TraceOptions
	calls []*tracedEntry // by place in Table; nil for one that is not of interest

	mu     sync.Mutex
	open   []*traced   // guarded by mu; calls under way, in the order they began
	line   []byte      // guarded by mu; scratch
	timer  *time.Timer // calls late; runs while some of open is not shown
	armed  bool        // guarded by mu; timer runs
	closed bool        // guarded by mu
}

var _ object.Tracer = (*Tracer)(nil)

// lateAfter is how long a call that waits goes unseen at most, about.
const lateAfter = 50 * time.Millisecond

// tracedEntry is a call that is of interest.
type tracedEntry struct {
	*Entry
	params []param
	result *kind // nil for a status
	total        // guarded by Tracer.mu
}

// total is what a summary says of a call.
type total struct {
	calls, errors int
	time          time.Duration
}

// traced is a call under way.
type traced struct {
	*tracedEntry
	t      *Tracer
	began  time.Time
	proc   *object.Process
	prefix []byte
	w      writer
	ends   [vdso.MaxArgs]int // of the arguments in w.b

	shown bool // guarded by t.mu; as unfinished
	over  bool // guarded by t.mu; no longer in t.open
}

// NewTracer makes a tracer. The error is about the filter.
func NewTracer(o TraceOptions) (*Tracer, error) {
	chosen, err := choose(o.Filter)
	if err != nil {
		return nil, err
	}
	t := &Tracer{opt: o, calls: make([]*tracedEntry, len(Table))}
	for i := range Table {
		if !chosen[i] {
			continue
		}
		e := &tracedEntry{Entry: &Table[i]}
		if e.params, e.result, err = paramsOf(e.Entry); err != nil {
			return nil, err
		}
		t.calls[i] = e
	}
	t.timer = time.AfterFunc(time.Hour, t.late)
	t.timer.Stop()
	return t, nil
}

// choose gives for each call of Table whether filter is for it.
func choose(filter string) ([]bool, error) {
	chosen := make([]bool, len(Table))
	list, not := strings.CutPrefix(filter, "!")
	if list == "" || list == "all" {
		list = "*"
	}
	for _, item := range strings.Split(list, ",") {
		found := false
		for i := range Table {
			name := strings.TrimPrefix(Table[i].Name, "zx_")
			ok, err := path.Match(strings.TrimPrefix(item, "zx_"), name)
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern: %w", item, err)
			}
			if ok || strings.HasPrefix(name, item+"_") {
				chosen[i], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q names no system call and no family of them", item)
		}
	}
	if not {
		for i := range chosen {
			chosen[i] = !chosen[i]
		}
	}
	return chosen, nil
}

// Dispatch is the package's Dispatch, traced.
func (t *Tracer) Dispatch(p *object.Process, th *object.Thread, trap *object.Trap) {
	dispatch(p, th, trap, t)
}

// begin notes that c begins; the result is nil if that is of no interest. What
// it tells of memory is safe: a pointer to what cannot be read is shown as it is.
func (t *Tracer) begin(c *Call) *traced {
	e := t.calls[c.entry.Number-firstNumber]
	if e == nil {
		return nil
	}
	r := &traced{tracedEntry: e, t: t, proc: c.Proc, began: time.Now()}
	if t.opt.Calls {
		r.prefix = prefix(c.Proc, c.Thread)
		r.w.c = c
		if len(e.params) > 0 && e.params[0].kind == handleKind {
			r.w.typ = r.w.typeOf(c.Handle(0))
		}
		for i := range e.params {
			r.w.entry(e.params, i)
			r.ends[i] = len(r.w.b)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, r)
	if t.opt.Calls && !t.armed && !t.closed {
		t.armed = true
		t.timer.Reset(lateAfter)
	}
	return r
}

// prefix is how lines begin.
func prefix(p *object.Process, th *object.Thread) []byte {
	b := []byte("[")
	for _, c := range []byte(p.Name()) {
		if c <= ' ' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	b = strconv.AppendUint(append(b, ' '), uint64(p.Koid()), 10)
	if th != nil {
		b = strconv.AppendUint(append(b, ':'), uint64(th.Koid()), 10)
	}
	return append(b, "] "...)
}

// end notes that the call is about to be answered with st, or that nobody is
// left to be answered.
func (r *traced) end(st zx.Status, gone bool) {
	t, now := r.t, time.Now()
	var out writer // of what the call has put out
	var ends [vdso.MaxArgs]int
	if t.opt.Calls && !gone {
		out = writer{c: r.w.c, typ: r.w.typ}
		for i := range r.params {
			out.exit(r.params, i, st)
			ends[i] = len(out.b)
		}
	}
	r.w.c = nil // it is used again for another call

	t.mu.Lock()
	defer t.mu.Unlock()
	if r.over {
		return
	}
	if t.opt.Calls && t.unseenAfterLocked(r) {
		t.showLocked() // r too, which began earlier
	}
	t.overLocked(r, now, st < 0 && !gone && r.result == nil)
	if !t.opt.Calls {
		return
	}
	t.showLocked()
	t.startLocked(r, out.b, ends[:])
	switch {
	case gone, r.NoReturn && (st >= 0 || !r.ReturnsOnError):
		t.line = append(t.line, '?')
	case r.result == nil:
		t.line = appendStatus(t.line, st)
	case r.result.show == nil:
		t.line = append(t.line, "void"...)
	default:
		t.line = strconv.AppendUint(t.line, uint64(uint32(st)), 10)
	}
	t.writeLocked(" <%.6f>\n", now.Sub(r.began).Seconds())
}

// unseenAfterLocked says whether nothing was written yet of an open call that
// began after r.
func (t *Tracer) unseenAfterLocked(r *traced) bool {
	later := t.open[slices.Index(t.open, r)+1:]
	return slices.ContainsFunc(later, func(o *traced) bool { return !o.shown })
}

// overLocked takes r out of the open calls and counts it.
func (t *Tracer) overLocked(r *traced, now time.Time, failed bool) {
	r.over = true
	i := slices.Index(t.open, r)
	t.open = slices.Delete(t.open, i, i+1)
	r.calls++
	r.time += now.Sub(r.began)
	if failed {
		r.errors++
	}
}

// startLocked puts into line what is to be written of a call that is over up to
// its result: all of it or, if it was shown as unfinished, what is new. out is
// what the call has put out, the arguments ending at ends.
func (t *Tracer) startLocked(r *traced, out []byte, ends []int) {
	b := append(t.line[:0], r.prefix...)
	if r.shown {
		b = append(append(append(b, "<... "...), r.Name...), " resumed>"...)
	} else {
		b = append(append(b, r.Name...), '(')
	}
	sep := ""
	if r.shown {
		sep = " "
	}
	entered, put := 0, 0
	for i, p := range r.params {
		entry, exit := r.w.b[entered:r.ends[i]], out[put:ends[i]]
		entered, put = r.ends[i], ends[i]
		switch {
		case len(exit) == 0 && r.shown:
			continue
		case len(exit) == 0:
			exit = entry
		case !p.out && !r.shown: // what it was, and what it is
			b = append(append(b, sep...), entry...)
			exit, sep = exit[len(p.name):], ""
		}
		b = append(append(b, sep...), exit...)
		sep = ", "
	}
	t.line = append(b, ") = "...)
}

// showLocked writes the beginnings of all open calls that nothing was written
// of.
func (t *Tracer) showLocked() {
	for _, r := range t.open {
		if !r.shown {
			t.unfinishedLocked(r)
		}
	}
}

func (t *Tracer) unfinishedLocked(r *traced) {
	r.shown = true
	b := append(t.line[:0], r.prefix...)
	b = append(append(b, r.Name...), '(')
	start := 0
	for i := range r.params {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, r.w.b[start:r.ends[i]]...)
		start = r.ends[i]
	}
	t.line = b
	t.writeLocked(" <unfinished ...>\n")
}

// writeLocked writes line, to which it appends.
func (t *Tracer) writeLocked(format string, args ...any) {
	t.line = fmt.Appendf(t.line, format, args...)
	if !t.closed {
		t.opt.Out.Write(t.line)
	}
}

// late shows the calls that have waited for long.
func (t *Tracer) late() {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := false
	for _, r := range t.open {
		switch {
		case r.shown:
		case time.Since(r.began) < lateAfter/2:
			wait = true
		default:
			t.unfinishedLocked(r)
		}
	}
	if t.armed = wait && !t.closed; t.armed {
		t.timer.Reset(lateAfter)
	}
}

// taskLocked writes a line about a task.
func (t *Tracer) taskLocked(prefix []byte, format string, args ...any) {
	t.showLocked()
	t.line = append(t.line[:0], prefix...)
	t.writeLocked(format+"\n", args...)
}

// ProcessStarted implements object.Tracer.
func (t *Tracer) ProcessStarted(p *object.Process, th *object.Thread) {
	if !t.opt.Calls {
		return
	}
	line := prefix(p, th)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taskLocked(line, "+++ process started +++")
}

// Exception implements object.Tracer.
func (t *Tracer) Exception(th *object.Thread, r object.ExceptionReport, what string) {
	if !t.opt.Calls {
		return
	}
	line := prefix(th.Process(), th)
	name := string(appendName(nil, uint64(r.Type), exceptionNames))
	if what != "" {
		what = ": " + what
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taskLocked(line, "--- %s%s ---", name, what)
}

// ProcessExited implements object.Tracer. The calls of the process that are
// under way will not be answered.
func (t *Tracer) ProcessExited(p *object.Process) {
	now := time.Now()
	line := prefix(p, nil)
	retcode := p.Info().Retcode
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range slices.Clone(t.open) {
		if r.proc != p {
			continue
		}
		t.overLocked(r, now, false)
		if t.opt.Calls {
			t.startLocked(r, nil, make([]int, vdso.MaxArgs))
			t.writeLocked("? <%.6f>\n", now.Sub(r.began).Seconds())
		}
	}
	if !t.opt.Calls {
		return
	}
	name := retcodeNames[retcode]
	if name == "" {
		name = strconv.FormatInt(retcode, 10)
	}
	switch why := p.KillReason(); why {
	case "":
		t.taskLocked(line, "+++ exited with %s +++", name)
	case "killed":
		t.taskLocked(line, "+++ killed, %s +++", name)
	default:
		t.taskLocked(line, "+++ killed, %s: %s +++", name, why)
	}
}

// Close ends the trace, with the summary if one is wanted. Nothing is written
// afterwards.
func (t *Tracer) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	t.timer.Stop()
	if t.opt.Summary {
		t.opt.Out.Write(t.summaryLocked())
	}
}

// summaryLocked is the table of the calls that were made, those that took
// longest first.
func (t *Tracer) summaryLocked() []byte {
	var made []*tracedEntry
	var all total
	for _, e := range t.calls {
		if e == nil || e.calls == 0 {
			continue
		}
		made = append(made, e)
		all.calls += e.calls
		all.errors += e.errors
		all.time += e.time
	}
	slices.SortStableFunc(made, func(a, b *tracedEntry) int { return cmp.Compare(b.time, a.time) })
	var b bytes.Buffer
	row := func(s total, name string) {
		share, errors := 0.0, ""
		if all.time > 0 {
			share = 100 * float64(s.time) / float64(all.time)
		}
		if s.errors > 0 {
			errors = strconv.Itoa(s.errors)
		}
		each := s.time.Microseconds() / int64(max(s.calls, 1))
		fmt.Fprintf(&b, "%6.2f %11.6f %11d %9d %9s %s\n", share, s.time.Seconds(), each, s.calls, errors, name)
	}
	rule := func() {
		for _, n := range []int{6, 11, 11, 9, 9} {
			b.WriteString(strings.Repeat("-", n) + " ")
		}
		b.WriteString(strings.Repeat("-", 16) + "\n")
	}
	fmt.Fprintf(&b, "%6s %11s %11s %9s %9s %s\n", "% time", "seconds", "usecs/call", "calls", "errors", "syscall")
	rule()
	for _, e := range made {
		row(e.total, e.Name)
	}
	rule()
	row(all, "total")
	return b.Bytes()
}
