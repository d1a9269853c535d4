package syscalls

import (
	"bytes"
	"encoding/binary"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

func (w *world) vmo(size uint64, options uint32) zx.Handle {
	w.Helper()
	h, st := VMOCreate(w.a, size, options)
	w.ok("VMOCreate", st)
	return h
}

func (w *world) rights(h zx.Handle) zx.Rights { return w.a.Handles().Lookup(h).Rights() }

func (w *world) child(h zx.Handle, options uint32, off, size uint64) zx.Handle {
	w.Helper()
	c, st := VMOCreateChild(w.a, h, options, off, size)
	w.ok("VMOCreateChild", st)
	return c
}

func TestVMOCreate(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		what       string
		size       uint64
		options    uint32
		want       zx.Status
		wantSize   uint64
		wantRights zx.Rights
	}{
		{"size is rounded up", 5, 0, zx.OK, vm.PageSize, object.VMORights},
		{"nothing", 0, 0, zx.OK, 0, object.VMORights},
		{"resizable", 1, vmoResizable, zx.OK, vm.PageSize, object.VMORights | zx.RightResize},
		{"unbounded", 5, vmoUnbounded, zx.OK, vm.MaxVMOSize, object.VMORights},
		{"discardable", 5, vmoDiscardable, zx.OK, vm.PageSize, object.VMORights},
		{"resizable and unbounded", 5, vmoResizable | vmoUnbounded, zx.ErrInvalidArgs, 0, 0},
		{"unknown option", 5, 1 << 3, zx.ErrInvalidArgs, 0, 0},
		{"too large", 1<<64 - 1, 0, zx.ErrOutOfRange, 0, 0},
	} {
		h, st := VMOCreate(w.a, c.size, c.options)
		w.is(c.what, st, c.want)
		if st != zx.OK {
			continue
		}
		n, _ := VMOGetSize(w.a, h)
		content, _ := VMOGetStreamSize(w.a, h)
		if n != c.wantSize || content != c.size || w.rights(h) != c.wantRights {
			t.Errorf("%s: size %#x, stream size %#x, rights %#x", c.what, n, content, w.rights(h))
		}
	}
}

func TestVMOReadWrite(t *testing.T) {
	w := newWorld(t)
	h := w.vmo(vm.PageSize, 0)
	w.ok("write", VMOWrite(w.a, h, []byte("text"), 10))
	b := make([]byte, 6)
	w.ok("read", VMORead(w.a, h, b, 9))
	if string(b) != "\x00text\x00" {
		t.Errorf("read %q", b)
	}
	w.is("read beyond", VMORead(w.a, h, b, vm.PageSize-5), zx.ErrOutOfRange)
	w.is("read without READ", VMORead(w.a, w.without(h, zx.RightRead), b, 0), zx.ErrAccessDenied)
	w.is("write without WRITE", VMOWrite(w.a, w.without(h, zx.RightWrite), b, 0), zx.ErrAccessDenied)
	w.is("read an event", VMORead(w.a, w.event(), b, 0), zx.ErrWrongType)
	w.is("read nothing", VMORead(w.a, zx.HandleInvalid, b, 0), zx.ErrBadHandle)
}

func TestVMOSetSizeRights(t *testing.T) {
	w := newWorld(t)
	w.is("fixed size", VMOSetSize(w.a, w.vmo(1, 0), 2*vm.PageSize), zx.ErrUnavailable)
	h := w.vmo(1, vmoResizable)
	w.ok("resize", VMOSetSize(w.a, h, 2*vm.PageSize))
	w.is("without RESIZE", VMOSetSize(w.a, w.without(h, zx.RightResize), 1), zx.ErrAccessDenied)
	w.is("without WRITE", VMOSetSize(w.a, w.without(h, zx.RightWrite), 1), zx.ErrAccessDenied)
	w.is("stream beyond the size", VMOSetStreamSize(w.a, h, 2*vm.PageSize+1), zx.ErrOutOfRange)
	w.ok("stream size", VMOSetStreamSize(w.a, h, 7))
}

func TestVMOCreateChildOptions(t *testing.T) {
	w := newWorld(t)
	fixed, resizable := w.vmo(2*vm.PageSize, 0), w.vmo(2*vm.PageSize, vmoResizable)
	for _, c := range []struct {
		what      string
		h         zx.Handle
		options   uint32
		off, size uint64
		want      zx.Status
	}{
		{"no kind", fixed, 0, 0, 1, zx.ErrInvalidArgs},
		{"two kinds", fixed, vmoChildSnapshot | vmoChildSlice, 0, 1, zx.ErrInvalidArgs},
		{"unknown option", fixed, vmoChildSnapshot | 1<<20, 0, 1, zx.ErrInvalidArgs},
		{"resizable and not writable", fixed, vmoChildSnapshot | vmoChildNoWrite | vmoChildResizable, 0, 1, zx.ErrInvalidArgs},
		{"resizable slice", fixed, vmoChildSlice | vmoChildResizable, 0, 1, zx.ErrInvalidArgs},
		{"slice of a resizable VMO", resizable, vmoChildSlice, 0, 1, zx.ErrNotSupported},
		{"slice beyond the end", fixed, vmoChildSlice, vm.PageSize, 2 * vm.PageSize, zx.ErrInvalidArgs},
		{"reference to a part", fixed, vmoChildReference, 0, vm.PageSize, zx.ErrInvalidArgs},
		{"resizable reference of a fixed VMO", fixed, vmoChildReference | vmoChildResizable, 0, 0, zx.ErrNotSupported},
		{"offset within a page", fixed, vmoChildSnapshot, 1, 1, zx.ErrInvalidArgs},
		{"too large", fixed, vmoChildSnapshot, 0, 1 << 63, zx.ErrOutOfRange},
		{"of discardable memory", w.vmo(1, vmoDiscardable), vmoChildSnapshot, 0, 1, zx.ErrNotSupported},
		{"without READ", w.without(fixed, zx.RightRead), vmoChildSnapshot, 0, 1, zx.ErrAccessDenied},
		{"without DUPLICATE", w.without(fixed, zx.RightDuplicate), vmoChildSnapshot, 0, 1, zx.ErrAccessDenied},
	} {
		_, st := VMOCreateChild(w.a, c.h, c.options, c.off, c.size)
		if st != c.want {
			t.Errorf("%s: %v, want %v", c.what, st, c.want)
		}
	}
}

func TestVMOChildRights(t *testing.T) {
	w := newWorld(t)
	rx := w.a.Handles().Add(object.NewHandle(w.a.Handles().Lookup(w.vmo(1, 0)).Object(),
		object.VMORights&^zx.RightWrite|zx.RightExecute))
	r := w.rights(rx)
	for _, c := range []struct {
		what    string
		options uint32
		want    zx.Rights
	}{
		{"a copy can be written, not executed", vmoChildSnapshot, r&^zx.RightExecute | zx.RightWrite},
		{"an older name of a copy", vmoChildSnapshotOnWrite, r&^zx.RightExecute | zx.RightWrite},
		{"a copy can grow", vmoChildSnapshot | vmoChildResizable, r&^zx.RightExecute | zx.RightWrite | zx.RightResize},
		{"a copy as it is", vmoChildSnapshot | vmoChildNoWrite, r},
		{"a slice has the parent's rights", vmoChildSlice, r},
	} {
		if got := w.rights(w.child(rx, c.options, 0, vm.PageSize)); got != c.want {
			t.Errorf("%s: rights %#x, want %#x", c.what, got, c.want)
		}
	}
}

func TestVMOZeroChildren(t *testing.T) {
	w := newWorld(t)
	h := w.vmo(vm.PageSize, 0)
	w.wantSignals(h, zx.VMOZeroChildren)
	c := w.child(h, vmoChildSlice, 0, vm.PageSize)
	w.wantSignals(h, 0)
	again := w.child(c, vmoChildSlice, 0, vm.PageSize)
	HandleClose(w.a, c)
	w.wantSignals(h, 0) // the grandchild keeps its parent
	HandleClose(w.a, again)
	w.wantSignals(h, zx.VMOZeroChildren)
}

func TestVMOReplaceAsExecutable(t *testing.T) {
	w := newWorld(t)
	h := w.vmo(1, 0)
	x, st := VMOReplaceAsExecutable(w.a, h, zx.HandleInvalid)
	w.ok("replace", st)
	if w.valid(h) || w.rights(x) != object.VMORights|zx.RightExecute {
		t.Errorf("old handle valid %v, rights %#x", w.valid(h), w.rights(x))
	}
	e := w.event()
	_, st = VMOReplaceAsExecutable(w.a, e, zx.HandleInvalid)
	w.is("an event", st, zx.ErrBadHandle)
	if w.valid(e) {
		t.Error("a failed call leaves the handle")
	}
	_, st = VMOReplaceAsExecutable(w.a, w.vmo(1, 0), w.event())
	w.is("with an event for a resource", st, zx.ErrWrongType)
}

func TestVMOOpRange(t *testing.T) {
	w := newWorld(t)
	h := w.vmo(2*vm.PageSize, 0)
	w.ok("write", VMOWrite(w.a, h, bytes.Repeat([]byte{7}, 2*vm.PageSize), 0))
	w.ok("zero", VMOOpRange(w.a, h, vmoOpZero, 1, vm.PageSize, nil))
	b := make([]byte, 2*vm.PageSize)
	w.ok("read", VMORead(w.a, h, b, 0))
	if b[0] != 7 || b[1] != 0 || b[vm.PageSize] != 0 || b[vm.PageSize+1] != 7 {
		t.Error("the wrong bytes are zero")
	}
	lock := w.vmo(vm.PageSize, vmoDiscardable)
	for _, c := range []struct {
		what    string
		h       zx.Handle
		op      uint32
		off, n  uint64
		buf     []byte
		want    zx.Status
		without zx.Rights
	}{
		{"unknown", h, 5, 0, 1, nil, zx.ErrInvalidArgs, 0},
		{"commit", h, vmoOpCommit, 0, 2 * vm.PageSize, nil, zx.OK, 0},
		{"commit beyond", h, vmoOpCommit, 1, 2 * vm.PageSize, nil, zx.ErrOutOfRange, 0},
		{"commit without WRITE", h, vmoOpCommit, 0, 1, nil, zx.ErrAccessDenied, zx.RightWrite},
		{"decommit", h, vmoOpDecommit, 0, vm.PageSize, nil, zx.OK, 0},
		{"decommit of a part of a page", h, vmoOpDecommit, 0, 1, nil, zx.ErrInvalidArgs, 0},
		{"prefetch without READ", h, vmoOpPrefetch, 0, 1, nil, zx.ErrAccessDenied, zx.RightRead},
		{"cache of nothing", h, vmoOpCacheSync, 0, 0, nil, zx.ErrInvalidArgs, 0},
		{"cache", h, vmoOpCacheCleanInvalidate, 0, 1, nil, zx.OK, 0},
		{"hint", h, vmoOpAlwaysNeed, 0, 1, nil, zx.OK, 0},
		{"lock what is not discardable", h, vmoOpLock, 0, 2 * vm.PageSize, make([]byte, 32), zx.ErrNotSupported, 0},
		{"lock without a place for the state", lock, vmoOpLock, 0, vm.PageSize, nil, zx.ErrInvalidArgs, 0},
		{"unlock what that left unlocked", lock, vmoOpUnlock, 0, vm.PageSize, nil, zx.ErrBadState, 0},
		{"lock", lock, vmoOpLock, 0, vm.PageSize, make([]byte, 32), zx.OK, 0},
		{"unlock", lock, vmoOpUnlock, 0, vm.PageSize, nil, zx.OK, 0},
	} {
		x := c.h
		if c.without != 0 {
			x = w.without(c.h, c.without)
		}
		if st := VMOOpRange(w.a, x, c.op, c.off, c.n, c.buf); st != c.want {
			t.Errorf("%s: %v, want %v", c.what, st, c.want)
		}
	}
}

func TestVMOTransferData(t *testing.T) {
	w := newWorld(t)
	src, dst := w.vmo(2*vm.PageSize, 0), w.vmo(2*vm.PageSize, 0)
	w.ok("write", VMOWrite(w.a, src, []byte("moved"), vm.PageSize))
	w.ok("transfer", VMOTransferData(w.a, dst, 0, 0, vm.PageSize, src, vm.PageSize))
	b := make([]byte, 5)
	if VMORead(w.a, dst, b, 0); string(b) != "moved" {
		t.Errorf("the destination has %q", b)
	}
	if VMORead(w.a, src, b, vm.PageSize); string(b) != "\x00\x00\x00\x00\x00" {
		t.Errorf("the source has %q", b)
	}
	w.is("beyond", VMOTransferData(w.a, dst, 0, vm.PageSize, 2*vm.PageSize, src, 0), zx.ErrOutOfRange)
	w.is("part of a page", VMOTransferData(w.a, dst, 0, 0, 1, src, 0), zx.ErrInvalidArgs)
}

// TestVMOTrapped is the way in of a launched process: small and large buffers,
// and pointers that lead nowhere.
func TestVMOTrapped(t *testing.T) {
	p := newProgram(t)
	out := p.mem + 1024
	p.ok("create", p.call("zx_vmo_create", 32<<10, 0, out))
	h := uint64(p.get32(out))
	p.write(p.mem, []byte("from the program"))
	p.ok("write", p.call("zx_vmo_write", h, p.mem, 100, 16))
	p.ok("read", p.call("zx_vmo_read", h, p.mem+2048, 98, 20))
	if got := p.read(p.mem+2048, 20); string(got) != "\x00\x00from the program\x00\x00" {
		t.Errorf("read %q", got)
	}
	p.ok("size", p.call("zx_vmo_get_size", h, out))
	if n := p.get64(out); n != 32<<10 {
		t.Errorf("size %d", n)
	}
	p.ok("a large copy", p.call("zx_vmo_read", h, p.mem+16<<10, 0, 32<<10))

	p.is("a pointer to nothing", p.call("zx_vmo_write", h, 0x1000, 0, 16), zx.ErrInvalidArgs)
	p.is("beyond the VMO", p.call("zx_vmo_read", h, p.mem, 1<<40, 1<<62), zx.ErrOutOfRange)
	before := p.proc.Handles().Len()
	p.is("no place for the handle", p.call("zx_vmo_create", 1, 0, 0x1000), zx.ErrInvalidArgs)
	if n := p.proc.Handles().Len(); n != before {
		t.Errorf("%d handles, %d before the call that failed", n, before)
	}

	p.ok("create discardable", p.call("zx_vmo_create", 1, vmoDiscardable, out))
	d := uint64(p.get32(out))
	p.ok("lock", p.call("zx_vmo_op_range", d, vmoOpLock, 0, vm.PageSize, out, vmoLockStateSize))
	if n := binary.LittleEndian.Uint64(p.read(out, 16)[8:]); n != vm.PageSize {
		t.Errorf("%d bytes are locked", n)
	}
	p.ok("unlock", p.call("zx_vmo_op_range", d, vmoOpUnlock, 0, vm.PageSize, 0, 0))
	p.is("lock without a place for the state", p.call("zx_vmo_op_range", d, vmoOpLock, 0, vm.PageSize, 0x1000, 32), zx.ErrInvalidArgs)
	p.is("unlock what that left unlocked", p.call("zx_vmo_op_range", d, vmoOpUnlock, 0, vm.PageSize, 0, 0), zx.ErrBadState)

	p.ok("child", p.call("zx_vmo_create_child", h, vmoChildSnapshot, 0, vm.PageSize, out))
	c := uint64(p.get32(out))
	p.ok("read the child", p.call("zx_vmo_read", c, p.mem, 100, 4))
	if got := p.read(p.mem, 4); string(got) != "from" {
		t.Errorf("the child has %q", got)
	}
}
