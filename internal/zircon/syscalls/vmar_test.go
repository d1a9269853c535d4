package syscalls

import (
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

const (
	permRW = uint32(vm.PermRead | vm.PermWrite)
	permRX = uint32(vm.PermRead | vm.PermExecute)
	canMap = uint32(vm.CanMapSpecific | vm.CanMapRead | vm.CanMapWrite | vm.CanMapExecute)
)

// process makes a process that is not started.
func (w *world) process() (proc, vmar zx.Handle) {
	w.Helper()
	job := w.a.Handles().Add(object.NewHandle(w.k.Root, object.JobRights))
	proc, vmar, st := ProcessCreate(w.a, job, "process", 0)
	w.ok("ProcessCreate", st)
	HandleClose(w.a, job)
	return proc, vmar
}

func TestVMARRights(t *testing.T) {
	w := newWorld(t)
	_, root := w.process()
	all := zx.RightTransfer | zx.RightDuplicate | zx.RightInspect | zx.RightOpChildren |
		zx.RightRead | zx.RightWrite | zx.RightExecute
	if r := w.rights(root); r != all {
		t.Errorf("root VMAR's rights %#x, want %#x", r, all)
	}
	v := w.vmo(4*vm.PageSize, 0)
	x, st := VMOReplaceAsExecutable(w.a, w.vmo(vm.PageSize, 0), zx.HandleInvalid)
	w.ok("replace as executable", st)
	for _, c := range []struct {
		what      string
		vmar, vmo zx.Handle
		options   uint32
		want      zx.Status
	}{
		{"read and write", root, v, permRW, zx.OK},
		{"execute", root, x, permRX, zx.OK},
		{"execute what is not executable", root, v, permRX, zx.ErrAccessDenied},
		{"without MAP", root, w.without(v, zx.RightMap), permRW, zx.ErrAccessDenied},
		{"VMO without WRITE", root, w.without(v, zx.RightWrite), permRW, zx.ErrAccessDenied},
		{"VMAR without WRITE", w.without(root, zx.RightWrite), v, permRW, zx.ErrAccessDenied},
		{"VMO without READ", root, w.without(v, zx.RightRead), uint32(vm.PermRead), zx.ErrAccessDenied},
		{"neither", root, w.without(v, zx.RightsIO), 0, zx.OK},
		{"no VMO", root, root, permRW, zx.ErrWrongType},
		{"no VMAR", v, v, permRW, zx.ErrWrongType},
		{"nothing", zx.HandleInvalid, v, permRW, zx.ErrBadHandle},
	} {
		if _, st := VMARMap(w.a, c.vmar, c.options, 0, c.vmo, 0, vm.PageSize); st != c.want {
			t.Errorf("map: %s: %v, want %v", c.what, st, c.want)
		}
	}

	// Protect cannot give what the handles of the map could not.
	ro, st := VMARMap(w.a, root, uint32(vm.PermRead), 0, w.without(v, zx.RightWrite), 0, vm.PageSize)
	w.ok("map", st)
	w.is("protect", VMARProtect(w.a, root, permRW, ro, vm.PageSize), zx.ErrAccessDenied)
	a, st := VMARMap(w.a, root, uint32(vm.PermRead), 0, v, 0, vm.PageSize)
	w.ok("map", st)
	w.is("protect by a VMAR without WRITE", VMARProtect(w.a, w.without(root, zx.RightWrite), permRW, a, vm.PageSize), zx.ErrAccessDenied)
	w.ok("protect", VMARProtect(w.a, root, permRW, a, vm.PageSize))
}

func TestVMARAllocateAndDestroy(t *testing.T) {
	w := newWorld(t)
	_, root := w.process()
	v := w.vmo(vm.PageSize, 0)
	c, addr, st := VMARAllocate(w.a, root, uint32(vm.CanMapRead), 0, 4*vm.PageSize)
	w.ok("allocate", st)
	if r := w.rights(c); r&(zx.RightsIO|zx.RightExecute) != zx.RightRead {
		t.Errorf("rights %#x", r)
	}
	_, _, st = VMARAllocate(w.a, w.without(root, zx.RightWrite), canMap, 0, vm.PageSize)
	w.is("allocate for what the handle may not", st, zx.ErrAccessDenied)
	_, st = VMARMap(w.a, c, uint32(vm.PermRead), 0, v, 0, vm.PageSize)
	w.ok("map", st)

	w.is("unmap without OP_CHILDREN", VMARUnmap(w.a, w.without(root, zx.RightOpChildren), addr, 4*vm.PageSize), zx.ErrInvalidArgs)
	w.is("destroy without OP_CHILDREN", VMARDestroy(w.a, w.without(c, zx.RightOpChildren)), zx.ErrAccessDenied)
	w.is("destroy the root", VMARDestroy(w.a, root), zx.ErrNotSupported)
	w.ok("destroy", VMARDestroy(w.a, c))
	w.is("destroy again", VMARDestroy(w.a, c), zx.ErrBadState)
	_, st = VMARMap(w.a, c, uint32(vm.PermRead), 0, v, 0, vm.PageSize)
	w.is("map in it", st, zx.ErrBadState)
}

// TestMappingKeepsTheVMO closes all handles of a VMO that is mapped.
func TestMappingKeepsTheVMO(t *testing.T) {
	w := newWorld(t)
	proc, root := w.process()
	v := w.vmo(vm.PageSize, 0)
	w.ok("write", VMOWrite(w.a, v, []byte("kept"), 0))
	a, st := VMARMap(w.a, root, permRW, 0, v, 0, vm.PageSize)
	w.ok("map", st)
	HandleClose(w.a, v)
	b := make([]byte, 4)
	n, st := ProcessReadMemory(w.a, proc, a, b)
	w.ok("read", st)
	if n != 4 || string(b) != "kept" {
		t.Errorf("read %d bytes, %q", n, b)
	}
	w.ok("unmap", VMARUnmap(w.a, root, a, vm.PageSize))
	_, st = ProcessReadMemory(w.a, proc, a, b)
	w.is("read what is unmapped", st, zx.ErrNotFound)
}

func TestVMARTrapped(t *testing.T) {
	p := newProgram(t)
	// The program gets its root VMAR and a VMO as a parent would give them.
	root := p.proc.Handles().Add(object.NewHandle(object.NewVMAR(p.k, p.proc.Aspace().Root()),
		zx.RightsIO|zx.RightExecute|zx.RightOpChildren))
	out := p.mem + 1024
	p.ok("create", p.call("zx_vmo_create", 4*vm.PageSize, 0, out))
	v := uint64(p.get32(out))

	p.ok("map", p.call("zx_vmar_map", uint64(root), uint64(permRW), 0, v, vm.PageSize, 2*vm.PageSize, out))
	a := p.get64(out)
	p.write(a+vm.PageSize, []byte("mapped"))
	p.ok("read the VMO", p.call("zx_vmo_read", v, out, 2*vm.PageSize, 6))
	if got := p.read(out, 6); string(got) != "mapped" {
		t.Errorf("the VMO has %q", got)
	}
	p.ok("protect", p.call("zx_vmar_protect", uint64(root), uint64(vm.PermRead), a, vm.PageSize))
	if p.proc.Space().WriteMemory([]byte("x"), a) == nil {
		t.Error("what was protected can be written")
	}
	p.ok("unmap", p.call("zx_vmar_unmap", uint64(root), a, 2*vm.PageSize))
	if p.proc.Space().ReadMemory(make([]byte, 1), a) == nil {
		t.Error("what was unmapped can be read")
	}

	p.ok("allocate", p.call("zx_vmar_allocate", uint64(root), uint64(canMap), 0, 4*vm.PageSize, out, out+8))
	c, base := uint64(p.get32(out)), p.get64(out+8)
	p.ok("map in it", p.call("zx_vmar_map", c, uint64(permRW|uint32(vm.Specific)), vm.PageSize, v, 0, vm.PageSize, out))
	if got := p.get64(out); got != base+vm.PageSize {
		t.Errorf("mapped at %#x in a VMAR at %#x", got, base)
	}
	p.ok("op range", p.call("zx_vmar_op_range", c, uint64(vm.RangeZero), base+vm.PageSize, vm.PageSize, 0, 0))
	p.is("op range with a buffer", p.call("zx_vmar_op_range", c, uint64(vm.RangeZero), base+vm.PageSize, vm.PageSize, out, 8), zx.ErrInvalidArgs)
	p.ok("destroy", p.call("zx_vmar_destroy", c))

	// A result that cannot be given is undone.
	handles, regions := p.proc.Handles().Len(), len(mapsOf(t, p.proc))
	p.is("map", p.call("zx_vmar_map", uint64(root), uint64(permRW), 0, v, 0, vm.PageSize, 0x1000), zx.ErrInvalidArgs)
	p.is("allocate", p.call("zx_vmar_allocate", uint64(root), uint64(canMap), 0, vm.PageSize, 0x1000, out), zx.ErrInvalidArgs)
	p.is("allocate", p.call("zx_vmar_allocate", uint64(root), uint64(canMap), 0, vm.PageSize, out, 0x1000), zx.ErrInvalidArgs)
	if n := p.proc.Handles().Len(); n != handles {
		t.Errorf("%d handles, want %d", n, handles)
	}
	if n := len(mapsOf(t, p.proc)); n != regions {
		t.Errorf("%d regions, want %d", n, regions)
	}
	p.is("unmap and exit, wrongly", p.call("zx_vmar_unmap_handle_close_thread_exit", uint64(root), a+1, vm.PageSize, 0), zx.ErrInvalidArgs)
}

func mapsOf(t testing.TB, p *object.Process) []vm.MapInfo {
	t.Helper()
	l, st := p.Aspace().Maps()
	if st != zx.OK {
		t.Fatal(st)
	}
	return l
}
