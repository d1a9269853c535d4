package syscalls

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// info gives the only record of a topic.
func (w *world) info(h zx.Handle, topic uint32, size int) []byte {
	w.Helper()
	b := make([]byte, size)
	actual, avail, st := ObjectGetInfo(w.a, h, topic, b)
	w.ok("get_info", st)
	if actual != 1 || avail != 1 {
		w.Fatalf("topic %#x gives %d records of %d", topic, actual, avail)
	}
	// One byte less is too few: the record is as long as the header says.
	actual, avail, st = ObjectGetInfo(w.a, h, topic, b[:size-1])
	w.is("get_info without room", st, zx.ErrBufferTooSmall)
	if actual != 0 || avail != 1 {
		w.Fatalf("topic %#x gives %d records of %d", topic, actual, avail)
	}
	return b
}

func u32At(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func u64At(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func TestInfoHandles(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.channel()
	for h, peer := range map[zx.Handle]zx.Handle{h0: h1, h1: h0} {
		b := w.info(h, topicHandleBasic, 32)
		o := w.a.Handles().Lookup(h).Object()
		p := w.a.Handles().Lookup(peer).Object()
		if zx.Koid(u64At(b, 0)) != o.Koid() || zx.Rights(u32At(b, 8)) != object.ChannelRights ||
			zx.ObjType(u32At(b, 12)) != zx.ObjTypeChannel || zx.Koid(u64At(b, 16)) != p.Koid() || u32At(b, 24) != 1 {
			t.Errorf("% x", b)
		}
	}
	_, _, st := ObjectGetInfo(w.a, h0, topicHandleValid, nil)
	w.ok("a valid handle", st)
	_, _, st = ObjectGetInfo(w.a, 0, topicHandleValid, nil)
	w.is("no handle", st, zx.ErrBadHandle)
	w.without(h0, 0)
	if n := u32At(w.info(h0, topicHandleCount, 4), 0); n != 2 {
		t.Errorf("%d handles, want 2", n)
	}
	_, _, st = ObjectGetInfo(w.a, w.without(h0, zx.RightInspect), topicHandleCount, make([]byte, 4))
	w.is("no right to inspect", st, zx.ErrAccessDenied)
	_, _, st = ObjectGetInfo(w.a, h0, topicProcess, make([]byte, 64))
	w.is("a channel as process", st, zx.ErrWrongType)
	for _, topic := range []uint32{0, 5, 16, 18, 1000, topicProcess | 9<<28} {
		_, _, st = ObjectGetInfo(w.a, h0, topic, make([]byte, 64))
		if st != zx.ErrNotSupported && st != zx.ErrWrongType {
			t.Errorf("topic %#x gives %v", topic, st)
		}
	}
}

func TestInfoTasks(t *testing.T) {
	p := newProgram(t)
	b := p.info(p.self, topicProcess, 16)
	if u64At(b, 0) != 0 || b[8] != 1 || b[9] != 0 || b[10] != 0 {
		t.Errorf("process of 2020: % x", b)
	}
	b = p.info(p.self, topicProcess|1<<28, 24)
	if u64At(b, 0) != 0 || u64At(b, 8) == 0 || u32At(b, 16) != processStarted {
		t.Errorf("process: % x", b)
	}

	koids := func(h zx.Handle, topic uint32, want ...zx.Koid) {
		t.Helper()
		buf := make([]byte, 64)
		actual, avail, st := ObjectGetInfo(p.a, h, topic, buf)
		p.ok("get_info", st)
		var got []zx.Koid
		for i := range actual {
			got = append(got, zx.Koid(u64At(buf, 8*int(i))))
		}
		if actual != avail || !slices.Equal(got, want) {
			t.Errorf("topic %d gives %v of %d, want %v", topic, got, avail, want)
		}
		if len(want) > 0 {
			actual, avail, st = ObjectGetInfo(p.a, h, topic, buf[:8*len(want)-1])
			if st != zx.OK || actual != uint64(len(want)-1) || avail != uint64(len(want)) {
				t.Errorf("without room, topic %d gives %d of %d: %v", topic, actual, avail, st)
			}
		}
	}
	more := p.newThread()
	koids(p.self, topicProcessThreads, p.thread.Koid(), more.Koid())
	root := p.a.Handles().Add(object.NewHandle(p.k.Root, object.JobRights))
	koids(root, topicJobProcesses, p.proc.Koid())
	koids(root, topicJobChildren)
	job, st := JobCreate(p.a, root, 0)
	p.ok("JobCreate", st)
	jo, _ := get[*object.Job](p.a, job, 0)
	koids(root, topicJobChildren, jo.Koid())

	child, st := ObjectGetChild(p.a, root, jo.Koid(), zx.RightsBasic)
	p.ok("get_child", st)
	if b := p.info(child, topicHandleBasic, 32); zx.Koid(u64At(b, 0)) != jo.Koid() || zx.Rights(u32At(b, 8)) != zx.RightsBasic {
		t.Errorf("child: % x", b)
	}
	_, st = ObjectGetChild(p.a, root, 1, zx.RightSameRights)
	p.is("no such child", st, zx.ErrNotFound)
	_, st = ObjectGetChild(p.a, p.without(root, zx.RightEnumerate), jo.Koid(), 0)
	p.is("no right to enumerate", st, zx.ErrAccessDenied)
	_, st = ObjectGetChild(p.a, root, jo.Koid(), zx.RightsAll)
	p.is("more rights", st, zx.ErrAccessDenied)
	thread, st := ObjectGetChild(p.a, p.self, more.Koid(), zx.RightSameRights)
	p.ok("get_child", st)
	if b := p.info(thread, topicThread, 72); u32At(b, 0) != object.ThreadStateRunning || u32At(b, 4) != 0 {
		t.Errorf("thread: % x", b)
	}
	_, _, st = ObjectGetInfo(p.a, thread, topicThreadException, make([]byte, 64))
	p.is("exception of a thread without one", st, zx.ErrBadState)
	if b := p.info(job, topicJob, 16); u64At(b, 0) != 0 || b[8] != 0 {
		t.Errorf("job: % x", b)
	}
	if b := p.info(p.self, topicTaskStats, 32); u64At(b, 0) < programMem {
		t.Errorf("memory: % x", b)
	}
}

func TestInfoMemory(t *testing.T) {
	p := newProgram(t)
	for version, size := range []int{96, 104} {
		buf := make([]byte, 64*size)
		actual, avail, st := ObjectGetInfo(p.a, p.self, topicProcessMaps|uint32(version)<<28, buf)
		p.ok("maps", st)
		if actual != avail || actual != 5 { // address space, root, two of the vDSO, memory
			t.Fatalf("%d entries of %d", actual, avail)
		}
		found := false
		for i := range int(actual) {
			e := buf[i*size:]
			name := strings.TrimRight(string(e[:32]), "\x00")
			kind := u32At(e, 56)
			switch {
			case i == 0 && (kind != mapsAspace || name != "proc:program" || u64At(e, 48) != 0),
				i == 1 && (kind != mapsVMAR || name != "root" || u64At(e, 32) != vm.UserBase || u64At(e, 40) != vm.UserSize),
				i >= 2 && kind != mapsMapping:
				t.Errorf("entry %d is %q of kind %d", i, name, kind)
			}
			if u64At(e, 32) == p.mem {
				found = true
				if u64At(e, 40) != programMem || u32At(e, 64) != uint32(vm.PermRead|vm.PermWrite) || u64At(e, 80) != 0 {
					t.Errorf("the memory's mapping is % x", e[:size])
				}
			}
		}
		if !found {
			t.Error("the memory is not among the mappings")
		}
	}

	// The name of an address space is cut like others.
	long := strings.Repeat("x", zx.MaxNameLen-1)
	p.ok("name", ObjectSetProperty(p.a, p.self, propName, []byte(long)))
	entry := make([]byte, 96)
	_, _, st := ObjectGetInfo(p.a, p.self, topicProcessMaps, entry)
	p.ok("maps", st)
	if want := ("proc:" + long)[:zx.MaxNameLen-1] + "\x00"; string(entry[:zx.MaxNameLen]) != want {
		t.Errorf("the address space is named %q, want %q", entry[:zx.MaxNameLen], want)
	}

	vmo, st := VMOCreate(p.a, 10000, 0)
	p.ok("VMOCreate", st)
	p.ok("name", ObjectSetProperty(p.a, vmo, propName, []byte("memory")))
	for version, size := range []int{104, 120, 128} {
		b := p.info(vmo, topicVMO|uint32(version)<<28, size)
		if !strings.HasPrefix(string(b[8:]), "memory\x00") || u64At(b, 40) != 3*vm.PageSize || u32At(b, 80)&object.VMOViaHandle == 0 ||
			zx.Rights(u32At(b, 96)) != p.a.Handles().Lookup(vmo).Rights() {
			t.Errorf("version %d: % x", version, b)
		}
	}
	own, _ := VMOCreate(p.proc, vm.PageSize, 0)
	o := p.proc.Handles().Lookup(own).Object()
	buf := make([]byte, 128*16)
	actual, _, st := ObjectGetInfo(p.a, p.self, topicProcessVMOs|2<<28, buf)
	p.ok("vmos", st)
	if actual != 4 || zx.Koid(u64At(buf, 0)) != o.Koid() || u32At(buf, 80)&object.VMOViaHandle == 0 || u32At(buf[128:], 80)&object.VMOViaMapping == 0 {
		t.Errorf("%d VMOs: % x", actual, buf[:128*2])
	}

	table := make([]byte, 48*16)
	actual, _, st = ObjectGetInfo(p.a, p.self, topicHandleTable, table)
	p.ok("handle table", st)
	if actual != uint64(p.proc.Handles().Len()) || zx.ObjType(u32At(table, 0)) != zx.ObjTypeVMO || zx.Handle(u32At(table, 4)) != own {
		t.Errorf("%d handles: % x", actual, table[:48])
	}
	stats := p.info(p.self, topicProcessHandleStats, 256)
	if n := u32At(stats, 4*int(zx.ObjTypeVMO)); n != 1 {
		t.Errorf("%d handles to VMOs", n)
	}
}

func TestInfoSocketAndStream(t *testing.T) {
	w := newWorld(t)
	h0, h1 := w.socket(socketDatagram)
	w.socketWrite(h0, 5)
	w.socketWrite(h0, 7)
	b := w.info(h1, topicSocket, 48)
	if u32At(b, 0) != socketDatagram || u64At(b, 8) != object.SocketCapacity || u64At(b, 16) != 12 || u64At(b, 24) != 5 ||
		u64At(b, 32) != object.SocketCapacity || u64At(b, 40) != 0 {
		t.Errorf("% x", b)
	}
	if b := w.info(h0, topicSocket, 48); u64At(b, 40) != 12 {
		t.Errorf("the writer's end: % x", b)
	}
	HandleClose(w.a, h0)
	if b := w.info(h1, topicSocket, 48); u64At(b, 32) != 0 {
		t.Errorf("without a peer: % x", b)
	}
}

func TestNames(t *testing.T) {
	p := newProgram(t)
	name := func(h zx.Handle) string {
		t.Helper()
		b := slices.Repeat([]byte{0xff}, zx.MaxNameLen)
		p.ok("get_property", ObjectGetProperty(p.a, h, propName, b))
		s, rest, _ := strings.Cut(string(b), "\x00")
		if strings.Trim(rest, "\x00") != "" {
			t.Errorf("what follows the name is %q", rest)
		}
		return s
	}
	if n := name(p.self); n != "program" {
		t.Errorf("name %q", n)
	}
	for _, tt := range []struct{ set, want string }{
		{"short", "short"}, {"", ""}, {"a\x00b", "a"},
		{strings.Repeat("x", 100), strings.Repeat("x", 31)},
	} {
		p.ok("set_property", ObjectSetProperty(p.a, p.self, propName, []byte(tt.set)))
		if n := name(p.self); n != tt.want {
			t.Errorf("%q became %q, want %q", tt.set, n, tt.want)
		}
	}
	ev := p.a.Handles().Add(object.NewHandle(object.NewEvent(p.k), zx.RightsAll))
	p.is("name of an event", ObjectGetProperty(p.a, ev, propName, make([]byte, 32)), zx.ErrWrongType)
	p.is("name of an event", ObjectSetProperty(p.a, ev, propName, nil), zx.ErrWrongType)
	p.is("name without room", ObjectGetProperty(p.a, p.self, propName, make([]byte, 31)), zx.ErrBufferTooSmall)
}

func TestProperties(t *testing.T) {
	p := newProgram(t)
	var b [8]byte
	get := func(h zx.Handle, prop uint32) uint64 {
		t.Helper()
		clear(b[:])
		p.ok("get_property", ObjectGetProperty(p.a, h, prop, b[:]))
		return u64At(b[:], 0)
	}
	set := func(h zx.Handle, prop uint32, v uint64) zx.Status {
		return ObjectSetProperty(p.a, h, prop, binary.LittleEndian.AppendUint64(nil, v))
	}
	if v := get(p.self, propProcessVDSOBase); v != p.vdso {
		t.Errorf("vDSO at %#x, want %#x", v, p.vdso)
	}
	p.is("set of what is only to be got", set(p.self, propProcessVDSOBase, 1), zx.ErrNotSupported)
	p.ok("debug address", set(p.self, propProcessDebugAddr, p.mem))
	if v := get(p.self, propProcessDebugAddr); v != p.mem {
		t.Errorf("debug address %#x", v)
	}
	p.ok("break on load", set(p.self, propProcessBreakOnLoad, 5))
	if v := get(p.self, propProcessBreakOnLoad); v != 5 {
		t.Errorf("break on load %d", v)
	}
	root := p.a.Handles().Add(object.NewHandle(p.k.Root, object.JobRights))
	p.ok("kill on OOM", set(root, propJobKillOnOOM, 1))
	p.is("kill on OOM", set(root, propJobKillOnOOM, 2), zx.ErrInvalidArgs)
	p.is("get of what is only to be set", ObjectGetProperty(p.a, root, propJobKillOnOOM, b[:]), zx.ErrNotSupported)
	vmo, _ := VMOCreate(p.a, vm.PageSize, 0)
	p.ok("content size", set(vmo, propVMOContentSize, 17))
	if v := get(vmo, propVMOContentSize); v != 17 {
		t.Errorf("content size %d", v)
	}
	p.is("no such property", set(vmo, 99, 0), zx.ErrNotSupported)
	p.is("process property of a VMO", set(vmo, propProcessDebugAddr, 0), zx.ErrWrongType)
	p.is("value without room", ObjectGetProperty(p.a, vmo, propVMOContentSize, b[:7]), zx.ErrBufferTooSmall)
	p.is("short value", ObjectSetProperty(p.a, vmo, propVMOContentSize, b[:7]), zx.ErrBufferTooSmall)
	p.is("no right to set", set(p.without(vmo, zx.RightSetProperty), propVMOContentSize, 0), zx.ErrAccessDenied)
	p.is("no right to get", ObjectGetProperty(p.a, p.without(vmo, zx.RightGetProperty), propVMOContentSize, b[:]), zx.ErrAccessDenied)
}

// A thread register is the calling thread's own business.
func TestThreadRegister(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	self := uint64(p.proc.Handles().Add(object.NewHandle(p.thread, object.ThreadRights)))
	other := uint64(p.proc.Handles().Add(object.NewHandle(p.newThread(), object.ThreadRights)))
	set := func(h, v uint64) zx.Status {
		p.put(m, v)
		return p.call("zx_object_set_property", h, propRegisterFS, m, 8)
	}
	p.ok("its own", set(self, m))
	p.is("another's", set(other, m), zx.ErrAccessDenied)
	p.is("the kernel's half", set(self, 1<<63), zx.ErrInvalidArgs)
	p.is("nothing", p.call("zx_object_set_property", self, propRegisterFS, 0, 8), zx.ErrInvalidArgs)
}

func TestInfoTrapped(t *testing.T) {
	p := newProgram(t)
	m := p.mem
	ev, _ := EventCreate(p.proc, 0)
	p.ok("get_info", p.call("zx_object_get_info", uint64(ev), topicHandleBasic, m, 1<<40, m+256, m+264))
	if zx.Koid(p.get64(m)) != p.proc.Handles().Lookup(ev).Object().Koid() || p.get64(m+256) != 1 || p.get64(m+264) != 1 {
		t.Errorf("% x", p.read(m, 32))
	}
	p.put(m+256, 99)
	p.is("get_info", p.call("zx_object_get_info", uint64(ev), topicHandleBasic, m, 31, m+256, 0), zx.ErrBufferTooSmall)
	if p.get64(m+256) != 0 {
		t.Error("the number of records is not told when there is no room")
	}
	p.is("get_info to nowhere", p.call("zx_object_get_info", uint64(ev), topicHandleBasic, 0, 32, 0, 0), zx.ErrInvalidArgs)
	p.is("get_info to nowhere", p.call("zx_object_get_info", uint64(ev), topicHandleBasic, m, 32, 8, 0), zx.ErrInvalidArgs)
	self := uint64(p.proc.Handles().Add(object.NewHandle(p.proc, object.ProcessRights)))
	p.write(m, []byte("renamed"))
	p.ok("set_property", p.call("zx_object_set_property", self, propName, m, 7))
	p.ok("get_property", p.call("zx_object_get_property", self, propName, m+64, 32))
	if got := string(p.read(m+64, 8)); got != "renamed\x00" {
		t.Errorf("name %q", got)
	}
	p.is("get_property", p.call("zx_object_get_property", self, propName, 0, 32), zx.ErrInvalidArgs)
}

// A policy that denies new objects is heeded by each call that makes one.
func TestPolicy(t *testing.T) {
	w := newWorld(t)
	root := w.a.Handles().Add(object.NewHandle(w.k.Root, object.JobRights))
	job, st := JobCreate(w.a, root, 0)
	w.ok("JobCreate", st)
	j, _ := get[*object.Job](w.a, job, 0)
	w.ok("SetPolicy", j.SetPolicy([]object.BasicPolicy{{Condition: object.PolicyNewAny, Action: object.ActionDeny}}, true))
	p := w.k.NewHostProcess(j, "denied")
	defer p.Close()
	for name, f := range map[string]func() zx.Status{
		"channel":   func() zx.Status { _, _, st := ChannelCreate(p, 0); return st },
		"socket":    func() zx.Status { _, _, st := SocketCreate(p, 0); return st },
		"event":     func() zx.Status { _, st := EventCreate(p, 0); return st },
		"eventpair": func() zx.Status { _, _, st := EventpairCreate(p, 0); return st },
		"port":      func() zx.Status { _, st := PortCreate(p, 0); return st },
		"timer":     func() zx.Status { _, st := TimerCreate(p, 0, 0); return st },
		"fifo":      func() zx.Status { _, _, st := FifoCreate(p, 1, 1, 0); return st },
		"VMO":       func() zx.Status { _, st := VMOCreate(p, 1, 0); return st },
	} {
		w.is(name, f(), zx.ErrAccessDenied)
	}
}
