package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Topics of zx_object_get_info, from <zircon/syscalls/object.h>. The top four
// bits are the version of the record, 0 for that of 2020.
const (
	topicHandleValid        = 1
	topicHandleBasic        = 2
	topicProcess            = 3
	topicProcessThreads     = 4
	topicVMAR               = 7
	topicJobChildren        = 8
	topicJobProcesses       = 9
	topicThread             = 10
	topicThreadException    = 11
	topicTaskStats          = 12
	topicProcessMaps        = 13
	topicProcessVMOs        = 14
	topicHandleCount        = 19
	topicProcessHandleStats = 21
	topicSocket             = 22
	topicVMO                = 23
	topicJob                = 24
	topicTimer              = 25
	topicStream             = 26
	topicHandleTable        = 27

	topicVersionShift = 28
	topicMask         = 1<<topicVersionShift - 1
)

const (
	handleTypes = 64      // ZX_OBJ_TYPE_UPPER_BOUND
	cpuMaskSize = 512 / 8 // zx_cpu_set_t

	processStarted  = 1 << 0
	processExited   = 1 << 1
	processDebugged = 1 << 2

	mapsVMAR    = 2
	mapsMapping = 3
	mapsAspace  = 1
)

// records are what a topic gives: n of the same size, in b.
type records struct {
	b    []byte
	n    int
	list bool // any number; else exactly one
}

func (r *records) u8(v ...uint8)  { r.b = append(r.b, v...) }
func (r *records) flag(v bool)    { r.u8(b2i(v)) }
func (r *records) zero(n int)     { r.b = append(r.b, make([]byte, n)...) }
func (r *records) one() zx.Status { r.n = 1; return zx.OK }

// name adds a name, cut to what has room with a NUL.
func (r *records) name(s string) {
	s = s[:min(len(s), zx.MaxNameLen-1)]
	r.b = append(r.b, s...)
	r.zero(zx.MaxNameLen - len(s))
}

func (r *records) koid(k ...zx.Koid) {
	for _, k := range k {
		r.u64(uint64(k))
	}
}

func (r *records) u32(v ...uint32) {
	for _, v := range v {
		r.b = binary.LittleEndian.AppendUint32(r.b, v)
	}
}

func (r *records) u64(v ...uint64) {
	for _, v := range v {
		r.b = binary.LittleEndian.AppendUint64(r.b, v)
	}
}

func b2i(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// fit is how many whole records go into size bytes.
func (r *records) fit(size uint64) int {
	if r.n == 0 || len(r.b) == 0 {
		return 0
	}
	return int(min(uint64(r.n), size/uint64(len(r.b)/r.n)))
}

// bytes are the first m records.
func (r *records) bytes(m int) []byte {
	if m == 0 {
		return nil
	}
	return r.b[:m*(len(r.b)/r.n)]
}

// status is that of having given m records.
func (r *records) status(m int) zx.Status {
	if m == 0 && !r.list && len(r.b) > 0 {
		return zx.ErrBufferTooSmall
	}
	return zx.OK
}

// ObjectGetInfo writes what a topic says of h's object to buf: as many whole
// records as fit. actual is their number, avail how many there are. A topic that
// gives one record is BUFFER_TOO_SMALL when it does not fit.
func ObjectGetInfo(p *object.Process, h zx.Handle, topic uint32, buf []byte) (actual, avail uint64, st zx.Status) {
	var space [256]byte
	r := records{b: space[:0]}
	if st := r.fill(p, h, topic); st != zx.OK {
		return 0, 0, st
	}
	m := r.fit(uint64(len(buf)))
	copy(buf, r.bytes(m))
	return uint64(m), uint64(r.n), r.status(m)
}

func sysObjectGetInfo(c *Call) zx.Status {
	r := records{b: c.Buf(256)[:0]}
	if st := r.fill(c.Proc, c.Handle(0), c.U32(1)); st != zx.OK {
		return st
	}
	m := r.fit(c.U64(3))
	if st := c.WriteBytes(c.U64(2), r.bytes(m)); st != zx.OK {
		return st
	}
	if st := c.OptU64(c.U64(4), uint64(m)); st != zx.OK {
		return st
	}
	if st := c.OptU64(c.U64(5), uint64(r.n)); st != zx.OK {
		return st
	}
	return r.status(m)
}

// topics are what fills the records of each topic, for a handle that has rights.
var topics = map[uint32]struct {
	rights zx.Rights
	fill   func(r *records, o object.Object, h zx.Handle, rights zx.Rights, version uint32) zx.Status
}{
	topicHandleValid: {0, func(*records, object.Object, zx.Handle, zx.Rights, uint32) zx.Status { return zx.OK }},
	topicHandleBasic: {0, func(r *records, o object.Object, _ zx.Handle, rights zx.Rights, _ uint32) zx.Status {
		r.koid(o.Koid())
		r.u32(uint32(rights), uint32(o.Type()))
		r.koid(o.RelatedKoid())
		r.u32(waitable(o), 0)
		return r.one()
	}},
	topicHandleCount: {zx.RightInspect, func(r *records, o object.Object, _ zx.Handle, _ zx.Rights, _ uint32) zx.Status {
		r.u32(o.HandleCount())
		return r.one()
	}},
	topicProcess: {zx.RightInspect, of((*records).process)},
	topicProcessThreads: {zx.RightEnumerate, of(func(r *records, p *object.Process, _ uint32) zx.Status {
		return list(r, p.Threads())
	})},
	topicVMAR: {zx.RightInspect, of(func(r *records, v *object.VMAR, _ uint32) zx.Status {
		r.u64(v.Region.Base(), v.Region.Size())
		return r.one()
	})},
	topicJobChildren: {zx.RightEnumerate, of(func(r *records, j *object.Job, _ uint32) zx.Status {
		return list(r, j.Jobs())
	})},
	topicJobProcesses: {zx.RightEnumerate, of(func(r *records, j *object.Job, _ uint32) zx.Status {
		return list(r, j.Processes())
	})},
	topicThread: {zx.RightInspect, of(func(r *records, t *object.Thread, _ uint32) zx.Status {
		state, channel := t.State()
		r.u32(state, channel)
		r.zero(cpuMaskSize) // the host places threads as it likes
		return r.one()
	})},
	topicThreadException:    {zx.RightInspect, of((*records).exception)},
	topicTaskStats:          {zx.RightInspect, of((*records).taskStats)},
	topicProcessMaps:        {zx.RightInspect, of((*records).maps)},
	topicProcessVMOs:        {zx.RightInspect, of((*records).vmos)},
	topicProcessHandleStats: {zx.RightInspect, of((*records).handleStats)},
	topicSocket:             {zx.RightInspect, of((*records).socket)},
	topicVMO: {zx.RightInspect, func(r *records, o object.Object, _ zx.Handle, rights zx.Rights, version uint32) zx.Status {
		v, ok := o.(*object.VMO)
		if !ok {
			return zx.ErrWrongType
		}
		return r.vmo(v.Info(object.VMOViaHandle, rights), version)
	}},
	topicJob: {zx.RightInspect, of(func(r *records, j *object.Job, _ uint32) zx.Status {
		i := j.Info()
		r.u64(uint64(i.Retcode))
		r.flag(i.Exited)
		r.flag(i.KillOnOOM)
		r.flag(i.DebuggerAttached)
		r.zero(5)
		return r.one()
	})},
	topicTimer: {zx.RightInspect, of(func(r *records, t *object.Timer, _ uint32) zx.Status {
		i := t.Info()
		r.u32(i.Options, uint32(b2i(i.Boot))) // the number of the boot clock is 1
		r.u64(uint64(i.Deadline), uint64(i.Slack))
		return r.one()
	})},
	topicStream: {zx.RightInspect, of(func(r *records, s *object.Stream, _ uint32) zx.Status {
		i := s.Info()
		r.u32(i.Options, 0)
		r.u64(i.Seek, i.Content)
		return r.one()
	})},
	topicHandleTable: {zx.RightInspect | zx.RightManageProcess | zx.RightManageThread, of((*records).handleTable)},
}

// of is a topic about objects of type T: WRONG_TYPE for others.
func of[T object.Object](f func(*records, T, uint32) zx.Status) func(*records, object.Object, zx.Handle, zx.Rights, uint32) zx.Status {
	return func(r *records, o object.Object, _ zx.Handle, _ zx.Rights, version uint32) zx.Status {
		t, ok := o.(T)
		if !ok {
			return zx.ErrWrongType
		}
		return f(r, t, version)
	}
}

func (r *records) fill(p *object.Process, h zx.Handle, topic uint32) zx.Status {
	o, hh, st := object.GetHandle[object.Object](p.Handles(), h, 0)
	if st != zx.OK {
		return st
	}
	t, ok := topics[topic&topicMask]
	if !ok {
		return zx.ErrNotSupported
	}
	if hh.Rights()&t.rights != t.rights {
		return zx.ErrAccessDenied
	}
	return t.fill(r, o, h, hh.Rights(), topic>>topicVersionShift)
}

// list gives the koids of objects.
func list[T object.Object](r *records, l []T) zx.Status {
	r.list = true
	for _, o := range l {
		r.koid(o.Koid())
	}
	r.n = len(l)
	return zx.OK
}

// waitable is the properties that zx_info_handle_basic_t told of an object in
// 2020: whether it can be waited for. Today the field is reserved.
func waitable(o object.Object) uint32 {
	switch o.Type() {
	case zx.ObjTypePort, zx.ObjTypeVMAR, zx.ObjTypeSuspendToken, zx.ObjTypeException:
		return 0
	}
	return 1
}

func (r *records) process(p *object.Process, version uint32) zx.Status {
	i := p.Info()
	r.u64(uint64(i.Retcode))
	switch version {
	case 0:
		r.flag(i.Started)
		r.flag(i.Exited)
		r.flag(i.DebuggerAttached)
		r.zero(5)
	case 1:
		var flags uint32
		if i.Started {
			flags |= processStarted
		}
		if i.Exited {
			flags |= processExited
		}
		if i.DebuggerAttached {
			flags |= processDebugged
		}
		r.u64(uint64(i.StartTime))
		r.u32(flags, 0)
	default:
		return zx.ErrNotSupported
	}
	return r.one()
}

// Sizes of zx_exception_report_t for x86-64.
const (
	exceptionReportV1 = 32
	exceptionReport   = 40
)

func (r *records) exception(t *object.Thread, version uint32) zx.Status {
	e, st := t.ExceptionReport()
	if st != zx.OK {
		return st
	}
	switch version {
	case 0:
		r.u32(exceptionReportV1, e.Type)
		r.u64(e.Vector, e.ErrCode, e.Addr)
	case 1:
		r.u32(exceptionReport, e.Type)
		r.u64(e.Vector, e.ErrCode, e.Addr)
		r.u32(e.SynthCode, e.SynthData)
	default:
		return zx.ErrNotSupported
	}
	return r.one()
}

func (r *records) taskStats(p *object.Process, _ uint32) zx.Status {
	s, st := p.MemoryStats()
	if st != zx.OK {
		return st
	}
	r.u64(s.Mapped, s.Private, s.Shared, s.Scaled)
	return r.one()
}

// maps gives the address space, then the VMARs and mappings in it.
func (r *records) maps(p *object.Process, version uint32) zx.Status {
	if version > 1 {
		return zx.ErrNotSupported
	}
	l, st := p.Aspace().Maps()
	if st != zx.OK {
		return st
	}
	r.list = true
	entry := func(name string, base, size uint64, depth int, kind uint32) {
		r.name(name)
		r.u64(base, size, uint64(depth))
		r.u32(kind, 0)
		r.n++
	}
	words := 2 // of a mapping, after flags, koid and offset
	if version == 0 {
		words = 1
	}
	rest := 24 + 8*words
	entry("proc:"+p.Name(), vm.UserBase, vm.UserSize, 0, mapsAspace)
	r.zero(rest)
	for _, m := range l {
		if m.VMO == nil {
			name := "useralloc"
			if m.Depth == 1 {
				name = "root"
			}
			entry(name, m.Base, m.Size, m.Depth, mapsVMAR)
			r.zero(rest)
			continue
		}
		v := object.OwnerOf(m.VMO)
		entry(v.Name(), m.Base, m.Size, m.Depth, mapsMapping)
		r.u32(uint32(m.Prot), 0) // vm.Prot has the bits of ZX_VM_PERM_
		r.koid(v.Koid())
		r.u64(m.Off)
		// Of memory that is committed in part, the host does not say which part.
		committed := min(m.VMO.Committed(), m.Size) / vm.PageSize
		for range words {
			r.u64(committed)
		}
	}
	return zx.OK
}

func (r *records) vmo(i object.VMOInfo, version uint32) zx.Status {
	if version > 2 {
		return zx.ErrNotSupported
	}
	r.koid(i.Koid)
	r.name(i.Name)
	r.u64(i.Size, uint64(i.ParentKoid), uint64(i.Children), uint64(i.Mappings), uint64(i.Shares))
	r.u32(i.Flags, 0)
	r.u64(i.Committed)
	r.u32(uint32(i.Rights), 0) // cached memory
	if version >= 1 {
		r.u64(0, 0) // no metadata of ours, no changes behind the program's back
	}
	if version >= 2 {
		r.u64(i.Committed)
	}
	r.n++
	return zx.OK
}

// vmos gives the VMOs that a process has handles of, then those it maps.
func (r *records) vmos(p *object.Process, version uint32) zx.Status {
	if version > 2 {
		return zx.ErrNotSupported
	}
	l, st := p.Aspace().Maps()
	if st != zx.OK {
		return st
	}
	r.list = true
	type held struct {
		v      *object.VMO
		rights zx.Rights
	}
	var hs []held
	p.Handles().All(func(_ zx.Handle, h *object.Handle) bool {
		if v, ok := h.Object().(*object.VMO); ok {
			hs = append(hs, held{v, h.Rights()})
		}
		return true
	})
	for _, h := range hs {
		r.vmo(h.v.Info(object.VMOViaHandle, h.rights), version)
	}
	for _, m := range l {
		if m.VMO != nil {
			r.vmo(object.OwnerOf(m.VMO).Info(object.VMOViaMapping, 0), version)
		}
	}
	return zx.OK
}

func (r *records) handleStats(p *object.Process, _ uint32) zx.Status {
	var n [handleTypes]uint32
	p.Handles().All(func(_ zx.Handle, h *object.Handle) bool {
		n[h.Object().Type()]++
		return true
	})
	r.u32(n[:]...)
	return r.one()
}

func (r *records) handleTable(p *object.Process, _ uint32) zx.Status {
	r.list = true
	p.Handles().All(func(v zx.Handle, h *object.Handle) bool {
		o := h.Object()
		r.u32(uint32(o.Type()), uint32(v), uint32(h.Rights()), waitable(o))
		r.koid(o.Koid(), o.RelatedKoid(), zx.KoidInvalid)
		r.n++
		return true
	})
	return zx.OK
}

func (r *records) socket(s *object.Socket, _ uint32) zx.Status {
	i := s.Info()
	r.u32(uint32(b2i(i.Datagram)), 0)
	r.u64(i.RxMax, i.RxSize, i.RxAvailable, i.TxMax, i.TxSize)
	return r.one()
}
