package syscalls

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// callStream makes the system calls that data describes: one for each record of
// a number, eight arguments and, at the addresses they may point at, some bytes.
// Arguments are chosen so that calls often get far: handles that exist, addresses
// that can be read.
type callStream struct {
	*program
	data    []byte
	handles []zx.Handle
}

func (s *callStream) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *callStream) word() uint64 {
	var b [8]byte
	n := copy(b[:], s.data)
	s.data = s.data[n:]
	return binary.LittleEndian.Uint64(b[:])
}

func (s *callStream) anyHandle() uint64 {
	s.handles = s.handles[:0]
	s.proc.Handles().All(func(v zx.Handle, _ *object.Handle) bool {
		s.handles = append(s.handles, v)
		return true
	})
	slices.Sort(s.handles)
	if len(s.handles) == 0 {
		return 0
	}
	return uint64(s.handles[int(s.byte())%len(s.handles)])
}

func (s *callStream) arg() uint64 {
	switch b := s.byte(); b % 8 {
	case 0, 1, 2:
		return s.anyHandle()
	case 3, 4:
		return s.mem + uint64(s.byte())*uint64(1+b/8)
	case 5:
		return uint64(b / 8)
	case 6:
		return 1 << (b / 8 * 2)
	default:
		return s.word()
	}
}

// endless are the calls that end the program, and with it the test.
var endless = []string{"zx_process_exit", "zx_thread_exit", "zx_vmar_unmap_handle_close_thread_exit", "zx_futex_wake_handle_close_thread_exit"}

func (s *callStream) run() {
	for len(s.data) > 0 && s.proc.Signals()&zx.ProcessTerminated == 0 {
		e := &Table[int(s.byte())%len(Table)]
		if slices.Contains(endless, e.Name) {
			continue
		}
		trap := object.NewTrap(1, func(uint64, uint64) {})
		trap.Number = uint64(e.Number)
		trap.PC = s.vdso + codeOff + uint64(e.Number-firstNumber) + 1
		for i := range trap.Args {
			trap.Args[i] = s.arg()
		}
		if e.Args > 6 {
			trap.Args[5] = s.mem + 32<<10
			for i := range e.Args - 5 + 1 {
				s.tryPut(trap.Args[5]+uint64(8*i), s.arg())
			}
		}
		// What pointers point at: handles, pointers and numbers.
		for i := range uint64(4) {
			s.tryPut(s.mem+16*i, s.arg()|s.anyHandle()<<32)
		}
		s.k.OnSyscall(s.proc, s.thread, trap)
	}
}

// tryPut writes to memory that the program may have unmapped.
func (s *callStream) tryPut(addr, v uint64) {
	if sp := s.proc.Space(); sp != nil {
		sp.WriteMemory(binary.LittleEndian.AppendUint64(nil, v), addr)
	}
}

// FuzzCalls makes arbitrary system calls by a process. The kernel does not panic,
// and when the process is killed nothing is left of it (newWorld sees to that).
func FuzzCalls(f *testing.F) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		b := make([]byte, 4000)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzzOne(t, data, nil) })
}

func fuzzOne(t *testing.T, data []byte, trace *Tracer) {
	if len(data) > 1<<14 {
		return
	}
	p := newProgram(t)
	if trace != nil {
		p.trace(trace)
	}
	for range 4 { // something to begin with
		EventCreate(p.proc, 0)
		ChannelCreate(p.proc, 0)
		SocketCreate(p.proc, 0)
		PortCreate(p.proc, 0)
		VMOCreate(p.proc, 3*4096, 0)
	}
	p.proc.Handles().Add(object.NewHandle(p.proc, object.ProcessRights))
	p.proc.Handles().Add(object.NewHandle(p.thread, object.ThreadRights))
	root := object.NewVMAR(p.k, p.proc.Aspace().Root())
	p.proc.Handles().Add(object.NewHandle(root, root.Rights()))
	job, st := p.k.Root.NewJob()
	if st != zx.OK {
		t.Fatal(st)
	}
	p.proc.Handles().Add(object.NewHandle(job, object.JobRights))
	s := &callStream{program: p, data: data}
	s.run()
}
