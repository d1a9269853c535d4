package syscalls

import (
	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
)

// Support is how much of a system call this kernel does.
type Support uint8

const (
	// Full support: all that the documentation says of what exists here.
	Full Support = iota
	// Partial support: some of what it says; the rest is NOT_SUPPORTED.
	Partial
	// None: the call is known by name and answers NOT_SUPPORTED.
	None
)

// Entry is one system call.
type Entry struct {
	Name   string // such as "zx_channel_create"
	Number uint32 // given by Table
	Args   int    // number of C arguments
	// Params names and describes the arguments for traces: see paramsOf.
	Params string
	// NoReturn and ReturnsOnError are those of vdso.Entry: the calling thread
	// ends after the call, or after one that succeeds.
	NoReturn, ReturnsOnError bool
	Support                  Support
	Handler                  Handler
}

// firstNumber is the number of the first call. Zircon's numbers are nobody's
// business but the vDSO's, and so are ours; they are far from any of Linux.
const firstNumber = 0x5a0000

// Table is every system call, by number: those that enter the kernel. (The vDSO
// answers the rest by itself.)
var Table = makeTable(
	channelTable, clockTable, counterTable, cprngTable, debuglogTable, eventTable,
	exceptionTable, fifoTable, futexTable, handleTable, jobTable, objectTable,
	portTable, processTable, socketTable, streamTable, systemTable, taskTable,
	threadTable, timerTable, vmarTable, vmoTable, unsupportedTable,
)

func makeTable(families ...[]Entry) []Entry {
	var t []Entry
	for _, f := range families {
		t = append(t, f...)
	}
	for i := range t {
		t[i].Number = firstNumber + uint32(i)
		if t[i].Handler == nil {
			t[i].Handler, t[i].Support = notSupported, None
		}
	}
	return t
}

// VDSO gives the entries of the image that makes these calls.
func VDSO() []vdso.Entry {
	es := make([]vdso.Entry, len(Table))
	for i, e := range Table {
		es[i] = vdso.Entry{Name: e.Name, Number: e.Number, Args: e.Args, NoReturn: e.NoReturn, ReturnsOnError: e.ReturnsOnError}
	}
	return es
}

// lookup gives the entry with a number, nil for none.
func lookup(number uint64) *Entry {
	if i := number - firstNumber; i < uint64(len(Table)) {
		return &Table[i]
	}
	return nil
}

// Dispatch does the system call that trap stands for, and answers it now or
// later. A call that the vDSO did not make ends the process.
func Dispatch(p *object.Process, t *object.Thread, trap *object.Trap) {
	dispatch(p, t, trap, nil)
}

// dispatch is Dispatch that tr, if there is one, is told of.
func dispatch(p *object.Process, t *object.Thread, trap *object.Trap, tr *Tracer) {
	e := lookup(trap.Number)
	base := p.VDSOBase()
	k := p.Kernel()
	n, ok := uint32(0), false
	if base != 0 && trap.PC > base && k.SyscallAt != nil {
		n, ok = k.SyscallAt(trap.PC - base)
	}
	if e == nil || !ok || uint64(n) != trap.Number {
		badSyscall(t, trap)
		return
	}
	c := newCall(p, t, trap, e)
	st := zx.OK
	if n := vdso.StackBlock(e.Args); n > 0 {
		block := c.Buf(n)
		if st = c.Read(block, c.Args[vdso.StackArgs-1]); st == zx.OK {
			vdso.UnpackStackArgs(&c.Args, block, e.Args)
		}
	}
	if tr != nil {
		c.traced = tr.begin(c)
	}
	if st != zx.OK {
		c.finish(st)
		return
	}
	c.run()
}

// badSyscall gives the thread's exception handlers a chance, for as long as they
// take. Without one the process is gone, and there is nobody to answer.
func badSyscall(t *object.Thread, trap *object.Trap) {
	number, pc := trap.Number, trap.PC
	go func() {
		if st := t.BadSyscall(number, pc); st != zx.ErrInternalIntrKilled {
			trap.Reply(uint64(int64(st)))
		}
	}()
}

// notSupported answers the calls that this kernel does not have.
func notSupported(c *Call) zx.Status {
	c.Proc.Kernel().Debugf(c.Proc, "%s is not supported", c.entry.Name)
	return zx.ErrNotSupported
}
