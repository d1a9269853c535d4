package vm_test

import (
	"bytes"
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
	"go.fuchsia.dev/launcherd/internal/zircon/vm/vmtest"
)

const page = vm.PageSize

var hosts = map[testing.TB]*vmtest.Host{}

// host gives memory, the same for all of a test, and fails the test if any is
// left when all cleanups that were registered since are done.
func host(t testing.TB) *vmtest.Host {
	t.Helper()
	if h := hosts[t]; h != nil {
		return h
	}
	h := &vmtest.Host{}
	hosts[t] = h
	t.Cleanup(func() {
		delete(hosts, t)
		if n := h.Live(); n != 0 {
			t.Errorf("%d Pages are left", n)
		}
	})
	return h
}

func want(t testing.TB, what string, got, want zx.Status) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func must[T any](t testing.TB) func(T, zx.Status) T {
	return func(v T, st zx.Status) T {
		t.Helper()
		if st != zx.OK {
			t.Fatal(st)
		}
		return v
	}
}

func read(t testing.TB, v *vm.VMO, off, n uint64) []byte {
	t.Helper()
	b := bytes.Repeat([]byte{0xee}, int(n))
	if st := v.Read(b, off); st != zx.OK {
		t.Fatalf("read [%#x, +%#x): %v", off, n, st)
	}
	return b
}

func wantBytes(t testing.TB, v *vm.VMO, off uint64, want string) {
	t.Helper()
	if got := read(t, v, off, uint64(len(want))); string(got) != want {
		t.Errorf("at %#x: %q, want %q", off, got, want)
	}
}

func TestVMOCostsNothingUntilWritten(t *testing.T) {
	h := host(t)
	v := vm.NewVMO(h, 1<<40, 1<<40, false)
	wantBytes(t, v, 1<<39, "\x00\x00\x00")
	want(t, "zero", v.Zero(0, page), zx.OK)
	if h.Live() != 0 || v.Committed() != 0 {
		t.Errorf("memory was made for a VMO that was only read")
	}
	want(t, "write", v.Write([]byte("x"), 1<<39), zx.OK)
	if v.Committed() != page {
		t.Errorf("committed %d bytes", v.Committed())
	}
	v.Release()
}

func TestVMOBounds(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, false)
	defer v.Release()
	b := make([]byte, 2)
	for _, off := range []uint64{page - 1, page + 1, 1<<64 - 1} {
		want(t, "read beyond", v.Read(b, off), zx.ErrOutOfRange)
		want(t, "write beyond", v.Write(b, off), zx.ErrOutOfRange)
		want(t, "zero beyond", v.Zero(off, 2), zx.ErrOutOfRange)
		want(t, "commit beyond", v.Commit(off, 2), zx.ErrOutOfRange)
	}
	want(t, "nothing at the end", v.Read(nil, page), zx.OK)
	want(t, "resize", v.SetSize(2*page), zx.ErrUnavailable)
	if _, st := vm.RoundSize(1<<64 - 1); st != zx.ErrOutOfRange {
		t.Errorf("RoundSize of the largest number: %v", st)
	}
}

func TestVMOSetSize(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, true)
	defer v.Release()
	want(t, "write", v.Write([]byte("abcdef"), 0), zx.OK)
	want(t, "shrink", v.SetSize(3), zx.OK)
	if v.Size() != page || v.ContentSize() != 3 {
		t.Errorf("size %d, stream size %d", v.Size(), v.ContentSize())
	}
	wantBytes(t, v, 0, "abc\x00\x00\x00")
	want(t, "to nothing", v.SetSize(0), zx.OK)
	want(t, "read of nothing", v.Read(make([]byte, 1), 0), zx.ErrOutOfRange)
	want(t, "grow", v.SetSize(page+1), zx.OK)
	wantBytes(t, v, 0, "\x00\x00\x00")
	if v.Size() != 2*page {
		t.Errorf("size %d", v.Size())
	}
	want(t, "too large", v.SetSize(1<<63), zx.ErrOutOfRange)
}

func TestVMOContentSize(t *testing.T) {
	v := vm.NewVMO(host(t), page, 3, false)
	defer v.Release()
	want(t, "write", v.Write([]byte("abcdef"), 0), zx.OK)
	want(t, "grow", v.SetContentSize(5), zx.OK)
	wantBytes(t, v, 0, "abc\x00\x00\x00")
	want(t, "write", v.Write([]byte("abcdef"), 0), zx.OK)
	want(t, "shrink", v.SetContentSize(1), zx.OK)
	wantBytes(t, v, 0, "a\x00\x00\x00\x00\x00")
	want(t, "beyond the size", v.SetContentSize(1<<40), zx.OK)
}

func TestSnapshotIsACopy(t *testing.T) {
	h := host(t)
	v := vm.NewVMO(h, 2*page, 2*page, false)
	want(t, "write", v.Write([]byte("parent"), page), zx.OK)
	c := must[*vm.VMO](t)(v.NewSnapshot(page, 2*page, 2*page, false))
	want(t, "write", v.Write([]byte("PARENT"), page), zx.OK)
	wantBytes(t, c, 0, "parent")
	wantBytes(t, c, page, "\x00\x00\x00") // beyond the parent's end
	want(t, "write", c.Write([]byte("child."), 0), zx.OK)
	wantBytes(t, v, page, "PARENT")
	want(t, "decommit of a copy", c.Decommit(0, page), zx.ErrNotSupported)
	if v.Children() != 1 || c.Parent() != v || c.Kind() != vm.Snapshot {
		t.Error("the child is not known as one")
	}
	for _, off := range []uint64{1, page / 2} {
		_, st := v.NewSnapshot(off, page, page, false)
		want(t, "snapshot of a part of a page", st, zx.ErrInvalidArgs)
	}
	c.Release()
	v.Release()
}

func TestSliceIsAWindow(t *testing.T) {
	h := host(t)
	v := vm.NewVMO(h, 3*page, 3*page, false)
	s := must[*vm.VMO](t)(v.NewSlice(page, page, page))
	want(t, "write", s.Write([]byte("slice"), 0), zx.OK)
	wantBytes(t, v, page, "slice")
	want(t, "beyond the slice", s.Read(make([]byte, 1), page), zx.ErrOutOfRange)
	want(t, "decommit", s.Decommit(0, page), zx.OK)
	wantBytes(t, v, page, "\x00\x00\x00\x00\x00")

	// What is beyond a slice does not come into a snapshot of it.
	want(t, "write", v.Write([]byte("secret"), 2*page), zx.OK)
	c := must[*vm.VMO](t)(s.NewSnapshot(0, 2*page, 2*page, false))
	wantBytes(t, c, page, "\x00\x00\x00\x00\x00\x00")

	_, st := v.NewSlice(2*page, 2*page, 0)
	want(t, "slice beyond the end", st, zx.ErrInvalidArgs)
	r := vm.NewVMO(h, page, page, true)
	_, st = r.NewSlice(0, page, page)
	want(t, "slice of a resizable VMO", st, zx.ErrNotSupported)

	v.Release() // the slice keeps the memory
	want(t, "write", s.Write([]byte("still"), 0), zx.OK)
	s.Release() // as the snapshot keeps the slice
	c.Release()
	r.Release()
}

func TestReferenceFollowsTheSize(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, true)
	r := must[*vm.VMO](t)(v.NewReference())
	want(t, "grow", v.SetSize(2*page), zx.OK)
	want(t, "write", r.Write([]byte("x"), page), zx.OK)
	wantBytes(t, v, page, "x")
	if r.ContentSize() != 2*page {
		t.Errorf("stream size %d", r.ContentSize())
	}
	v.Release()
	r.Release()
}

func TestZeroChildrenIsTold(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, false)
	var told []bool
	v.OnChildren(func(some bool) { told = append(told, some) })
	a := must[*vm.VMO](t)(v.NewSlice(0, page, page))
	b := must[*vm.VMO](t)(v.NewSnapshot(0, page, page, false))
	as := vm.NewAspace()
	must[uint64](t)(as.Root().Map(vm.PermRead, 0, a, 0, page, vm.ProtRead))
	a.Release() // still mapped
	b.Release()
	if len(told) != 1 || !told[0] {
		t.Errorf("told %v before the last child is gone", told)
	}
	as.Destroy()
	if len(told) != 2 || told[1] {
		t.Errorf("told %v after it", told)
	}
	v.Release()
}

// The children of a VMO that is gone are those of the one above.
func TestGrandchildren(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, false)
	var told []bool
	v.OnChildren(func(some bool) { told = append(told, some) })
	mid := must[*vm.VMO](t)(v.NewSnapshot(0, page, page, false))
	a := must[*vm.VMO](t)(mid.NewSlice(0, page, page))
	b := must[*vm.VMO](t)(mid.NewReference())
	if v.Children() != 1 || mid.Children() != 2 || a.Parent() != mid {
		t.Errorf("%d and %d children", v.Children(), mid.Children())
	}
	mid.Release()
	if v.Children() != 2 || a.Parent() != v || b.Parent() != v {
		t.Errorf("%d children, parents %p and %p of %p", v.Children(), a.Parent(), b.Parent(), v)
	}
	a.Release()
	if len(told) != 1 {
		t.Errorf("told %v before the last is gone", told)
	}
	b.Release()
	if len(told) != 2 || told[1] {
		t.Errorf("told %v after it", told)
	}
	v.Release()
}

// A program can make a child of a child and close the parent for as long as it
// likes. No more is kept than what it holds, and it takes no stack to let go.
func TestGenerations(t *testing.T) {
	h := host(t)
	v := vm.NewVMO(h, page, page, false)
	want(t, "write", v.Write([]byte("x"), 0), zx.OK)
	for i := range 10_000 {
		c := must[*vm.VMO](t)(v.NewSnapshot(0, page, page, false))
		v.Release()
		v = c
		if n := h.Live(); n != 1 {
			t.Fatalf("%d memories are alive after %d generations", n, i)
		}
	}
	for range 2 {
		c := must[*vm.VMO](t)(v.NewSlice(0, page, page))
		defer c.Release()
	}
	if v.Parent() != nil || v.Children() != 2 {
		t.Errorf("parent %p, %d children", v.Parent(), v.Children())
	}
	v.Release()
}

func TestReleasedVMOIsOfNoUse(t *testing.T) {
	// A thread may use a handle at the moment another closes it.
	v := vm.NewVMO(host(t), page, page, false)
	v.Release()
	want(t, "write", v.Write([]byte("x"), 0), zx.ErrBadHandle)
	_, st := v.NewSlice(0, page, page)
	want(t, "slice", st, zx.ErrBadHandle)
	_, st = vm.NewAspace().Root().Map(vm.PermRead, 0, v, 0, page, vm.ProtRead)
	want(t, "map", st, zx.ErrBadHandle)
}

// The last handle may be closed while another thread writes.
func TestReleaseDuringWrite(t *testing.T) {
	h := host(t)
	for range 20000 {
		v := vm.NewVMO(h, page, page, false)
		var begun, over sync.WaitGroup
		begun.Add(2)
		over.Add(1)
		go func() {
			defer over.Done()
			begun.Done()
			begun.Wait()
			v.Release()
		}()
		begun.Done()
		begun.Wait()
		for v.Write([]byte("x"), 0) == zx.OK {
		}
		over.Wait()
		want(t, "write", v.Write([]byte("x"), 0), zx.ErrBadHandle)
	}
}

func TestFileVMO(t *testing.T) {
	h := host(t)
	v := vm.NewVMOFromPages(h, h.File([]byte("content of a file")))
	defer v.Release()
	if v.Size() != page || v.ContentSize() != 17 || !v.Immutable() {
		t.Errorf("size %d, stream size %d", v.Size(), v.ContentSize())
	}
	wantBytes(t, v, 11, "a file\x00\x00")
	wantBytes(t, v, page-1, "\x00")
	want(t, "write", v.Write([]byte("x"), 0), zx.ErrAccessDenied)
	want(t, "zero", v.Zero(0, 1), zx.ErrAccessDenied)
	c := must[*vm.VMO](t)(v.NewSnapshot(0, page, 17, false))
	want(t, "write to a copy", c.Write([]byte("C"), 0), zx.OK)
	wantBytes(t, c, 0, "Content")
	wantBytes(t, v, 0, "content")
	c.Release()
}

func TestDiscardable(t *testing.T) {
	v := vm.NewVMO(host(t), page, page, false)
	defer v.Release()
	want(t, "lock", v.Lock(0, page), zx.ErrNotSupported)
	v.Discardable = true
	want(t, "unlock first", v.Unlock(0, page), zx.ErrBadState)
	want(t, "lock a part", v.Lock(0, 1), zx.ErrOutOfRange)
	want(t, "lock", v.Lock(0, page), zx.OK)
	want(t, "unlock", v.Unlock(0, page), zx.OK)
	root := vm.NewAspace().Root()
	_, st := root.Map(vm.PermRead, 0, v, 0, page, vm.ProtRead)
	want(t, "map that cannot fault", st, zx.ErrNotSupported)
}
