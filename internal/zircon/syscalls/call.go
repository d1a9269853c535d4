// Package syscalls is the system calls of the hosted Zircon, one file for each
// family.
//
// There are two ways in. The functions with typed parameters, such as
// [ChannelWrite], do the work of a call for a process; launcherd, which is a
// process of its own kernel, calls them directly. A launched process traps:
// [Dispatch] finds the [Entry] by number, and its [Handler] copies the arguments
// in, calls the typed function and copies the results out.
//
// What a call does and which status it gives is the documentation of the
// syscall of that name in Fuchsia's reference; the comments here say what is
// particular to this kernel. Handles that a call consumes are consumed in every
// case; handles that it gives belong to the caller.
//
// Typed functions that may wait take a channel done. When it is closed they give
// up, with CANCELED.
package syscalls

import (
	"encoding/binary"
	"runtime"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Handler does a trapped call. It must not wait, or what it waits for may wait
// for it: the same goroutine receives all calls of the process. See Call.Block.
type Handler func(c *Call) zx.Status

// blocked is what a handler returns when the answer comes later.
const blocked zx.Status = 1<<31 - 1

// scratchSize is how much a call can copy without allocating.
const scratchSize = 2048

// Call is one trapped system call of a launched process.
type Call struct {
	Proc   *object.Process
	Thread *object.Thread
	Args   [vdso.MaxArgs]uint64

	entry   *Entry
	trap    *object.Trap
	traced  *traced // nil unless somebody wants to know of the call
	scratch [scratchSize]byte
	used    int // bytes of scratch given out
}

var calls = sync.Pool{New: func() any { return new(Call) }}

func newCall(p *object.Process, t *object.Thread, trap *object.Trap, e *Entry) *Call {
	c := calls.Get().(*Call)
	c.Proc, c.Thread, c.trap, c.entry, c.used = p, t, trap, e, 0
	copy(c.Args[:], trap.Args[:])
	return c
}

// run does the call and answers it, unless the answer comes later.
func (c *Call) run() {
	if st := c.entry.Handler(c); st != blocked {
		c.finish(st)
	}
}

// finish ends the call: it is answered, unless the policy of the job is against.
func (c *Call) finish(st zx.Status) {
	if !c.policy(st) {
		c.answer(st)
	}
}

// answer answers the call and gives c back.
func (c *Call) answer(st zx.Status) {
	trap, gone := c.trap, false
	select {
	case <-c.Done():
		gone = true
	default:
	}
	if c.traced != nil {
		c.traced.end(st, gone)
	}
	c.Proc, c.Thread, c.trap, c.entry, c.traced = nil, nil, nil, nil, nil
	calls.Put(c)
	if !gone { // nobody is left to go on otherwise
		trap.Reply(uint64(int64(st)))
	}
}

// Done is closed when the calling thread is to end.
func (c *Call) Done() <-chan struct{} { return c.Thread.Done() }

// Block lets f finish the call, on a goroutine of its own, so that it may wait.
// The handler returns what Block returns.
func (c *Call) Block(f func() zx.Status) zx.Status {
	object.Wakeups.Add(1)
	go func() { c.finish(f()) }()
	return blocked
}

// BlockAs is Block for a wait that the thread's state tells of: one of
// object.ThreadStateBlocked….
func (c *Call) BlockAs(state uint32, f func() zx.Status) zx.Status {
	c.Thread.SetBlocked(state)
	return c.Block(func() zx.Status {
		defer c.Thread.SetBlocked(0)
		return f()
	})
}

// BlockUnless is BlockAs for a wait that one of the host's own goroutines may
// end at once, as who serves a file does. It lets these run first; if ready then
// says that f does not wait, f runs right here. That spares a goroutine and, as
// Go wakes threads for goroutines, up to two switches of threads. Where the other
// processors idle that is half the time of a call that the host answers; where
// they are busy it is next to nothing.
func (c *Call) BlockUnless(ready func() bool, state uint32, f func() zx.Status) zx.Status {
	runtime.Gosched()
	if ready() {
		return f()
	}
	return c.BlockAs(state, f)
}

// Handle is argument i as a handle.
func (c *Call) Handle(i int) zx.Handle { return zx.Handle(c.Args[i]) }

// U32 is argument i as a uint32_t.
func (c *Call) U32(i int) uint32 { return uint32(c.Args[i]) }

// U64 is argument i.
func (c *Call) U64(i int) uint64 { return c.Args[i] }

// I64 is argument i as a signed number: a time, for one.
func (c *Call) I64(i int) int64 { return int64(c.Args[i]) }

// inUser says whether [addr, addr+n) is memory that a process may have.
func inUser(addr, n uint64) bool {
	return addr >= vm.UserBase && addr <= vm.UserTop && n <= vm.UserTop-addr
}

// Buf gives n bytes, valid until the call is answered.
func (c *Call) Buf(n int) []byte {
	if n > scratchSize-c.used {
		return make([]byte, n)
	}
	b := c.scratch[c.used : c.used+n : c.used+n]
	c.used += n
	return b
}

// Read copies len(b) bytes in from addr. INVALID_ARGS when they cannot be read.
func (c *Call) Read(b []byte, addr uint64) zx.Status {
	if len(b) == 0 {
		return zx.OK
	}
	if !inUser(addr, uint64(len(b))) || c.Proc.Space().ReadMemory(b, addr) != nil {
		return zx.ErrInvalidArgs
	}
	return zx.OK
}

// ReadBytes copies n bytes in from addr; the caller has bounded n. The bytes are
// valid until the call is answered.
func (c *Call) ReadBytes(addr, n uint64) ([]byte, zx.Status) {
	if n > 0 && !inUser(addr, n) {
		return nil, zx.ErrInvalidArgs
	}
	b := c.Buf(int(n))
	return b, c.Read(b, addr)
}

// WriteBytes copies b out to addr. INVALID_ARGS when that cannot be written.
func (c *Call) WriteBytes(addr uint64, b []byte) zx.Status {
	if len(b) == 0 {
		return zx.OK
	}
	if !inUser(addr, uint64(len(b))) || c.Proc.Space().WriteMemory(b, addr) != nil {
		return zx.ErrInvalidArgs
	}
	return zx.OK
}

// ReadU32 copies a 32-bit number in.
func (c *Call) ReadU32(addr uint64) (uint32, zx.Status) {
	var b [4]byte
	st := c.Read(b[:], addr)
	return binary.LittleEndian.Uint32(b[:]), st
}

// WriteU32 copies v out to addr.
func (c *Call) WriteU32(addr uint64, v uint32) zx.Status {
	b := c.Buf(4)
	binary.LittleEndian.PutUint32(b, v)
	return c.WriteBytes(addr, b)
}

// WriteU64 copies v out to addr.
func (c *Call) WriteU64(addr, v uint64) zx.Status {
	b := c.Buf(8)
	binary.LittleEndian.PutUint64(b, v)
	return c.WriteBytes(addr, b)
}

// OptU32 is WriteU32 for a result that the caller may not want: addr may be 0.
func (c *Call) OptU32(addr uint64, v uint32) zx.Status {
	if addr == 0 {
		return zx.OK
	}
	return c.WriteU32(addr, v)
}

// OptU64 is WriteU64 for a result that the caller may not want: addr may be 0.
func (c *Call) OptU64(addr, v uint64) zx.Status {
	if addr == 0 {
		return zx.OK
	}
	return c.WriteU64(addr, v)
}

// WriteHandle copies a new handle's value out to addr, and closes the handle when
// that fails.
func (c *Call) WriteHandle(addr uint64, h zx.Handle) zx.Status {
	st := c.WriteU32(addr, uint32(h))
	if st != zx.OK {
		HandleClose(c.Proc, h)
	}
	return st
}

// OutHandle is the end of a call that gives a handle: st, or the outcome of
// copying h out to addr.
func (c *Call) OutHandle(addr uint64, h zx.Handle, st zx.Status) zx.Status {
	if st != zx.OK {
		return st
	}
	return c.WriteHandle(addr, h)
}

// OutHandles is OutHandle for two handles; when one cannot be copied out, both
// are closed.
func (c *Call) OutHandles(addr0, addr1 uint64, h0, h1 zx.Handle, st zx.Status) zx.Status {
	if st != zx.OK {
		return st
	}
	if st = c.WriteHandle(addr0, h0); st != zx.OK {
		HandleClose(c.Proc, h1)
		return st
	}
	if st = c.WriteHandle(addr1, h1); st != zx.OK {
		HandleClose(c.Proc, h0)
	}
	return st
}

// ReadName copies an object's name of n bytes in from addr, cut to what a name
// may have.
func (c *Call) ReadName(addr, n uint64) (string, zx.Status) {
	b, st := c.ReadBytes(addr, min(n, zx.MaxNameLen-1))
	return string(b), st
}

// add puts a new handle to o into p's table. NO_RESOURCES when it is full or p
// has ended; the handle is then closed.
func add(p *object.Process, o object.Object, r zx.Rights) (zx.Handle, zx.Status) {
	return addHandle(p, object.NewHandle(o, r))
}

// add2 is add for the two ends of something; neither is left when one fails.
func add2(p *object.Process, a, b object.Object, r zx.Rights) (ha, hb zx.Handle, st zx.Status) {
	var values [2]zx.Handle
	if !p.Handles().AddAll([]*object.Handle{object.NewHandle(a, r), object.NewHandle(b, r)}, values[:]) {
		return 0, 0, zx.ErrNoResources
	}
	return values[0], values[1], zx.OK
}

// get gives the object that h names in p if it is a T and the handle has r. (What
// the policy of a job says of the other cases is up to Call.policy.)
func get[T object.Object](p *object.Process, h zx.Handle, r zx.Rights) (T, zx.Status) {
	return object.Get[T](p.Handles(), h, r)
}
