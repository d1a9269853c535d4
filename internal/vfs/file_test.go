//go:build linux

package vfs_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"
	"go.fuchsia.dev/fidl-go/fuchsia/unknown"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// bytesOf is a connection to a file in either era.
type bytesOf interface {
	read(n uint64) (string, zx.Status)
	readAt(n, off uint64) (string, zx.Status)
	write(s string) (uint64, zx.Status)
	writeAt(s string, off uint64) (uint64, zx.Status)
	seek(origin io.SeekOrigin, off int64) (uint64, zx.Status)
	resize(n uint64) zx.Status
	sync() zx.Status
}

type fileToday struct {
	w *world
	*io.FileClient
}

func (f fileToday) read(n uint64) (string, zx.Status) {
	r, err := f.Read(f.w.Context(), &io.ReadableReadRequest{Count: n})
	if err != nil {
		return "", status(err)
	}
	return string(r.Data), zx.OK
}

func (f fileToday) readAt(n, off uint64) (string, zx.Status) {
	r, err := f.ReadAt(f.w.Context(), &io.FileReadAtRequest{Count: n, Offset: off})
	if err != nil {
		return "", status(err)
	}
	return string(r.Data), zx.OK
}

func (f fileToday) write(s string) (uint64, zx.Status) {
	r, err := f.Write(f.w.Context(), &io.WritableWriteRequest{Data: []byte(s)})
	if err != nil {
		return 0, status(err)
	}
	return r.ActualCount, zx.OK
}

func (f fileToday) writeAt(s string, off uint64) (uint64, zx.Status) {
	r, err := f.WriteAt(f.w.Context(), &io.FileWriteAtRequest{Data: []byte(s), Offset: off})
	if err != nil {
		return 0, status(err)
	}
	return r.ActualCount, zx.OK
}

func (f fileToday) seek(origin io.SeekOrigin, off int64) (uint64, zx.Status) {
	r, err := f.Seek(f.w.Context(), &io.FileSeekRequest{Origin: origin, Offset: off})
	if err != nil {
		return 0, status(err)
	}
	return r.OffsetFromStart, zx.OK
}

func (f fileToday) resize(n uint64) zx.Status {
	return status(f.Resize(f.w.Context(), &io.FileResizeRequest{Length: n}))
}

func (f fileToday) sync() zx.Status { return status(f.Sync(f.w.Context())) }

type fileOf2020 struct {
	w *world
	*io1.FileClient
}

func (f fileOf2020) read(n uint64) (string, zx.Status) {
	r, err := f.Read(f.w.Context(), &io1.FileReadRequest{Count: n})
	f.w.ok(err)
	return string(r.Data), r.S
}

func (f fileOf2020) readAt(n, off uint64) (string, zx.Status) {
	r, err := f.ReadAt(f.w.Context(), &io1.FileReadAtRequest{Count: n, Offset: off})
	f.w.ok(err)
	return string(r.Data), r.S
}

func (f fileOf2020) write(s string) (uint64, zx.Status) {
	r, err := f.Write(f.w.Context(), &io1.FileWriteRequest{Data: []byte(s)})
	f.w.ok(err)
	return r.Actual, r.S
}

func (f fileOf2020) writeAt(s string, off uint64) (uint64, zx.Status) {
	r, err := f.WriteAt(f.w.Context(), &io1.FileWriteAtRequest{Data: []byte(s), Offset: off})
	f.w.ok(err)
	return r.Actual, r.S
}

func (f fileOf2020) seek(origin io.SeekOrigin, off int64) (uint64, zx.Status) {
	r, err := f.Seek(f.w.Context(), &io1.FileSeekRequest{Start: io1.SeekOrigin(origin), Offset: off})
	f.w.ok(err)
	return r.Offset, r.S
}

func (f fileOf2020) resize(n uint64) zx.Status {
	r, err := f.Truncate(f.w.Context(), &io1.FileTruncateRequest{Length: n})
	f.w.ok(err)
	return r.S
}

func (f fileOf2020) sync() zx.Status {
	r, err := f.Sync(f.w.Context())
	f.w.ok(err)
	return r.S
}

// inBothEras runs a test with a way to open files of a root, with the rights of
// io.Flags or else only to append.
func inBothEras(t *testing.T, f func(w *world, dir string, open func(path string, fl io.Flags) bytesOf)) {
	t.Run("today", func(t *testing.T) {
		w := newWorld(t)
		dir, root := w.host(vfs.Options{Writable: true})
		d := w.dir(root)
		f(w, dir, func(path string, fl io.Flags) bytesOf {
			return fileToday{w, w.file(w.mustOpen(d, path, fl|io.FlagsProtocolFile))}
		})
	})
	t.Run("2020", func(t *testing.T) {
		w := newWorld(t)
		dir, root := w.host(vfs.Options{Writable: true})
		d := w.dir2020(root)
		f(w, dir, func(path string, fl io.Flags) bytesOf {
			var old uint32
			for now, then := range map[io.Flags]uint32{
				io.FlagsPermRead: io1.OpenRightReadable, io.FlagsPermWrite: io1.OpenRightWritable,
				io.FlagsFlagMaybeCreate: io1.OpenFlagCreate, io.FlagsFileAppend: io1.OpenFlagAppend,
			} {
				if fl&now != 0 {
					old |= then
				}
			}
			return fileOf2020{w, w.file2020(w.mustOpen2020(d, path, old))}
		})
	})
}

func TestReadAndWrite(t *testing.T) {
	inBothEras(t, func(w *world, dir string, open func(string, io.Flags) bytesOf) {
		t := w.T
		const rw = io.FlagsPermRead | io.FlagsPermWrite | io.FlagsFlagMaybeCreate
		f := open("f", rw)
		check := func(what, got string, gotSt zx.Status, w string, st zx.Status) {
			t.Helper()
			want(t, what, got, w)
			want(t, what, gotSt, st)
		}
		count := func(what string, got uint64, gotSt zx.Status, w uint64, st zx.Status) {
			t.Helper()
			want(t, what, got, w)
			want(t, what, gotSt, st)
		}
		n, st := f.write("0123456789")
		count("write", n, st, 10, zx.OK)
		s, st := f.read(10)
		check("read at the end", s, st, "", zx.OK)
		n, st = f.seek(io.SeekOriginStart, 3)
		count("seek", n, st, 3, zx.OK)
		s, st = f.read(4)
		check("read", s, st, "3456", zx.OK)
		n, st = f.seek(io.SeekOriginCurrent, -2)
		count("seek back", n, st, 5, zx.OK)
		s, st = f.read(100)
		check("read more than there is", s, st, "56789", zx.OK)
		n, st = f.seek(io.SeekOriginEnd, -1)
		count("seek from the end", n, st, 9, zx.OK)
		n, st = f.seek(io.SeekOriginEnd, -11)
		count("seek before the start", n, st, 0, zx.ErrInvalidArgs)
		n, st = f.seek(io.SeekOriginStart, -1)
		count("seek to nowhere", n, st, 0, zx.ErrInvalidArgs)
		s, st = f.read(8)
		check("a seek that failed moved nothing", s, st, "9", zx.OK)
		s, st = f.readAt(2, 4)
		check("read at", s, st, "45", zx.OK)
		s, st = f.readAt(2, 400)
		check("read behind the end", s, st, "", zx.OK)
		s, st = f.readAt(2, math.MaxUint64)
		check("read at the end of numbers", s, st, "", zx.OK)
		s, st = f.readAt(0, 0)
		check("read nothing", s, st, "", zx.OK)
		s, st = f.readAt(8192, 0)
		check("the most", s, st, "0123456789", zx.OK)
		s, st = f.readAt(8193, 0)
		check("too much", s, st, "", zx.ErrOutOfRange)
		n, st = f.writeAt("ab", 8)
		count("write at", n, st, 2, zx.OK)
		n, st = f.writeAt("end", 12)
		count("write behind the end", n, st, 3, zx.OK)
		s, st = f.readAt(100, 7)
		check("the gap is zeros", s, st, "7ab\x00\x00end", zx.OK)
		n, st = f.writeAt("x", math.MaxInt64)
		count("write too far", n, st, 0, zx.ErrFileBig)
		n, st = f.writeAt("x", math.MaxUint64)
		count("write at the end of numbers", n, st, 0, zx.ErrFileBig)
		want(t, "resize too far", f.resize(math.MaxUint64), zx.ErrFileBig)
		want(t, "cut", f.resize(3), zx.OK)
		want(t, "grow", f.resize(5), zx.OK)
		s, st = f.readAt(100, 0)
		check("after resizing", s, st, "012\x00\x00", zx.OK)
		want(t, "sync", f.sync(), zx.OK)
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		w.ok(err)
		want(t, "on the host", string(b), "012\x00\x00")

		ro := open("f", io.FlagsPermRead)
		n, st = ro.write("x")
		count("write without the right", n, st, 0, zx.ErrBadHandle)
		n, st = ro.writeAt("x", 0)
		count("write at without the right", n, st, 0, zx.ErrBadHandle)
		want(t, "resize without the right", ro.resize(0), zx.ErrBadHandle)
		want(t, "sync without the right", ro.sync(), zx.OK)
		wo := open("f", io.FlagsPermWrite)
		s, st = wo.read(1)
		check("read without the right", s, st, "", zx.ErrBadHandle)
		s, st = wo.readAt(1, 0)
		check("read at without the right", s, st, "", zx.ErrBadHandle)
		n, st = wo.write("W")
		count("write alone", n, st, 1, zx.OK)
		none := open("f", 0)
		s, st = none.read(1)
		check("without any right", s, st, "", zx.ErrBadHandle)
		want(t, "sync without any right", none.sync(), zx.OK)
	})
}

// Appends of several connections do not overwrite each other.
func TestAppend(t *testing.T) {
	inBothEras(t, func(w *world, dir string, open func(string, io.Flags) bytesOf) {
		const each, writers = 50, 4
		var wg sync.WaitGroup
		for i := range writers {
			f := open("f", io.FlagsPermWrite|io.FlagsFlagMaybeCreate|io.FlagsFileAppend)
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range each {
					if n, st := f.write(string(rune('a'+i)) + "line\n"); n != 6 || st != zx.OK {
						w.Errorf("append: %d %v", n, st)
					}
				}
			}()
		}
		wg.Wait()
		b, err := os.ReadFile(filepath.Join(dir, "f"))
		w.ok(err)
		want(w.T, "lines", bytes.Count(b, []byte("line\n")), each*writers)
		want(w.T, "bytes", len(b), 6*each*writers)

		// Where it stands is the end, and reads go on from there.
		f := open("f", io.FlagsPermRead|io.FlagsPermWrite|io.FlagsFileAppend)
		f.write("!")
		n, st := f.seek(io.SeekOriginCurrent, 0)
		want(w.T, "offset", n, uint64(len(b)+1))
		want(w.T, "status", st, zx.OK)
	})
}

func TestFlagsOfConnections(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f", "d/")
	d, d2020 := w.dir(root), w.dir2020(w.again(root))
	ctx := w.Context()

	f := w.file(w.mustOpen(d, "f", io.FlagsPermWrite|io.FlagsFileAppend))
	fl, err := f.GetFlags(ctx)
	w.ok(err)
	want(t, "flags", fl.Flags, io.FlagsPermWrite|io.FlagsProtocolFile|io.FlagsFileAppend)
	w.ok(f.SetFlags(ctx, &io.NodeSetFlagsRequest{}))
	fl, err = f.GetFlags(ctx)
	w.ok(err)
	want(t, "append cleared", fl.Flags&io.FlagsFileAppend, 0)
	want(t, "other flags", status(f.SetFlags(ctx, &io.NodeSetFlagsRequest{Flags: io.FlagsPermRead})), zx.ErrInvalidArgs)
	old, err := f.DeprecatedSetFlags(ctx, &io.NodeDeprecatedSetFlagsRequest{Flags: io.OpenFlagsAppend})
	w.ok(err)
	want(t, "deprecated set", old.S, zx.OK)
	oldFlags, err := f.DeprecatedGetFlags(ctx)
	w.ok(err)
	want(t, "deprecated", oldFlags.Flags, io.OpenFlagsRightWritable|io.OpenFlagsAppend)
	info, err := f.Describe(ctx)
	w.ok(err)
	want(t, "described", *info.IsAppend, true)
	q, err := f.Query(ctx)
	w.ok(err)
	want(t, "protocol", string(q.Protocol), io.FileProtocolName)

	f1 := w.file2020(w.mustOpen2020(d2020, "f", io1.OpenRightReadable|io1.OpenFlagAppend))
	g, err := f1.GetFlags(ctx)
	w.ok(err)
	want(t, "2020", g.Flags, io1.OpenRightReadable|io1.OpenFlagAppend)
	s, err := f1.SetFlags(ctx, &io1.FileSetFlagsRequest{})
	w.ok(err)
	want(t, "2020 set", s.S, zx.OK)
	ng, err := f1.NodeGetFlags(ctx)
	w.ok(err)
	want(t, "2020 cleared", ng.Flags, io1.OpenRightReadable)

	dir := w.dir(w.mustOpen(d, "d", io.PermReadable))
	fl, err = dir.GetFlags(ctx)
	w.ok(err)
	want(t, "directory", fl.Flags, io.PermReadable|io.FlagsProtocolDirectory)
	want(t, "directory set", status(dir.SetFlags(ctx, &io.NodeSetFlagsRequest{})), zx.ErrNotSupported)
	ref := io.NewNodeClient(w.mustOpen(d, "f", io.FlagsProtocolNode), nil)
	fl, err = ref.GetFlags(ctx)
	w.ok(err)
	want(t, "reference", fl.Flags, io.FlagsProtocolNode|io.FlagsPermGetAttributes)
	want(t, "reference set", status(ref.SetFlags(ctx, &io.NodeSetFlagsRequest{})), zx.ErrNotSupported)
}

func TestAttributes(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{Writable: true}, "f", "d/")
	w.ok(os.Chmod(filepath.Join(dir, "f"), 0o604))
	d, d2020 := w.dir(root), w.dir2020(w.again(root))
	ctx := w.Context()
	stamp := uint64(time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC).UnixNano())
	const all = io.NodeAttributesQuery(math.MaxUint64) & io.NodeAttributesQueryKnown

	f := w.file(w.mustOpen(d, "f", io.FlagsPermGetAttributes|io.FlagsPermSetAttributes))
	mode := uint32(0o640)
	w.ok(f.UpdateAttributes(ctx, &io.MutableNodeAttributes{ModificationTime: &stamp, Mode: &mode}))
	a, err := f.GetAttributes(ctx, &io.NodeGetAttributesRequest{Query: all})
	w.ok(err)
	m, im := a.MutableAttributes, a.ImmutableAttributes
	want(t, "modified", *m.ModificationTime, stamp)
	want(t, "mode", *m.Mode, io.ModeTypeFile|0o640)
	want(t, "uid", *m.Uid, uint32(os.Getuid()))
	want(t, "size", *im.ContentSize, 1)
	want(t, "links", *im.LinkCount, 1)
	want(t, "protocols", *im.Protocols, io.NodeProtocolKindsFile)
	want(t, "abilities", *im.Abilities, io.OperationsReadBytes|io.OperationsWriteBytes|io.OperationsGetAttributes|io.OperationsUpdateAttributes)
	want(t, "what does not apply", im.RootHash == nil && m.Casefold == nil, true)
	want(t, "owner", status(f.UpdateAttributes(ctx, &io.MutableNodeAttributes{Uid: &mode})), zx.ErrNotSupported)
	want(t, "creation", status(f.UpdateAttributes(ctx, &io.MutableNodeAttributes{CreationTime: &stamp})), zx.ErrNotSupported)

	ro := w.file(w.mustOpen(d, "f", io.FlagsPermRead))
	want(t, "set without the right", status(ro.UpdateAttributes(ctx, &io.MutableNodeAttributes{ModificationTime: &stamp})), zx.ErrBadHandle)
	_, err = ro.GetAttributes(ctx, &io.NodeGetAttributesRequest{Query: all})
	want(t, "get without the right", status(err), zx.ErrBadHandle)

	old := w.file2020(w.mustOpen2020(d2020, "f", io1.OpenRightWritable))
	s, err := old.SetAttr(ctx, &io1.NodeSetAttrRequest{Flags: io1.NodeAttributeFlagModificationTime, Attributes: io1.NodeAttributes{ModificationTime: stamp + 1}})
	w.ok(err)
	want(t, "2020 set", s.S, zx.OK)
	g, err := old.GetAttr(ctx)
	w.ok(err)
	want(t, "2020 get", g.S, zx.OK)
	want(t, "2020 modified", g.Attributes.ModificationTime, stamp+1)
	want(t, "2020 mode", g.Attributes.Mode, io1.ModeTypeFile|0o640)
	want(t, "2020 id", g.Attributes.Id, *im.Id)
	s, err = w.file2020(w.mustOpen2020(d2020, "f", io1.OpenRightReadable)).SetAttr(ctx, &io1.NodeSetAttrRequest{Flags: io1.NodeAttributeFlagModificationTime})
	w.ok(err)
	want(t, "2020 set without the right", s.S, zx.ErrBadHandle)

	da, err := w.dir(w.mustOpen(d, "d", io.PermReadable)).DeprecatedGetAttr(ctx)
	w.ok(err)
	want(t, "directory", da.Attributes.Mode&io.ModeTypeMask, io.ModeTypeDirectory)
	ref := io1.NewNodeClient(w.mustOpen2020(d2020, "f", io1.OpenFlagNodeReference), nil)
	g, err = ref.GetAttr(ctx)
	w.ok(err)
	want(t, "2020 reference", g.Attributes.ContentSize, 1)
	fs, err := d.QueryFilesystem(ctx)
	w.ok(err)
	want(t, "file system", fs.S, zx.OK)
	want(t, "longest name", fs.Info.MaxFilenameSize, 255)
	if fs.Info.TotalBytes < fs.Info.UsedBytes || fs.Info.TotalBytes == 0 {
		t.Errorf("file system: %+v", fs.Info)
	}
}

// A clone has its own place in the file, and at most the rights.
func TestClone(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "file", "d/f")
	d, d2020 := w.dir(root), w.dir2020(w.again(root))
	ctx := w.Context()
	f := w.file(w.mustOpen(d, "file", io.FlagsPermRead|io.FlagsFileAppend))
	_, err := f.Seek(ctx, &io.FileSeekRequest{Offset: 3})
	w.ok(err)
	client, server := w.pair()
	w.ok(f.Clone(ctx, &unknown.CloneableCloneRequest{Request: fidl.ServerEnd[unknown.CloneableProtocol]{Handle: server.Take()}}))
	c := fileToday{w, w.file(client)}
	s, st := c.read(4)
	want(t, "clone reads", s, "file")
	want(t, "clone reads", st, zx.OK)
	n, st := c.write("x")
	want(t, "clone writes", n, 0)
	want(t, "clone writes", st, zx.ErrBadHandle)
	fl, err := c.GetFlags(ctx)
	w.ok(err)
	want(t, "flags", fl.Flags, io.FlagsPermRead|io.FlagsProtocolFile|io.FlagsFileAppend)

	old := w.file2020(w.mustOpen2020(d2020, "file", io1.OpenRightReadable))
	for _, tt := range []struct {
		name  string
		flags uint32
		want  string
	}{
		{"same rights", io1.CloneFlagSameRights, "file"},
		{"less", 0, "file"},
		{"the same", io1.OpenRightReadable, "file"},
		{"more", io1.OpenRightWritable, "ZX_ERR_ACCESS_DENIED"},
		{"both", io1.OpenRightReadable | io1.CloneFlagSameRights, "ZX_ERR_INVALID_ARGS"},
	} {
		client, server := w.pair()
		w.ok(old.Clone(ctx, &io1.NodeCloneRequest{Flags: tt.flags | io1.OpenFlagDescribe, Object: fidl.ServerEnd[io1.NodeProtocol]{Handle: server.Take()}}))
		e := &events2020{}
		w.first(io1.NewNodeClient(client, e).Client, &e.status)
		want(t, tt.name, outcome(e.opened), tt.want)
	}
	client, server = w.pair()
	w.ok(f.DeprecatedClone(ctx, &io.NodeDeprecatedCloneRequest{Flags: io.OpenFlagsRightWritable | io.OpenFlagsDescribe, Object: fidl.ServerEnd[io.NodeProtocol]{Handle: server.Take()}}))
	e := &events{}
	w.first(io.NewNodeClient(client, e).Client, &e.status)
	want(t, "deprecated", outcome(e.opened), "ZX_ERR_ACCESS_DENIED")

	// A clone of a directory lists from the start.
	sub := w.dir(w.mustOpen(d, "d", io.PermReadable))
	want(t, "listing", w.list(sub), "./ f")
	client, server = w.pair()
	w.ok(sub.Clone(ctx, &unknown.CloneableCloneRequest{Request: fidl.ServerEnd[unknown.CloneableProtocol]{Handle: server.Take()}}))
	want(t, "listing of the clone", w.list(w.dir(client)), "./ f")
}

func TestMemory(t *testing.T) {
	const (
		read, write, exec = io.VmoFlagsRead, io.VmoFlagsWrite, io.VmoFlagsExecute
		private, shared   = io.VmoFlagsPrivateClone, io.VmoFlagsSharedBuffer
	)
	for _, tt := range []struct {
		name   string
		mount  vfs.Options
		open   io.Flags
		flags  io.VmoFlags
		want   zx.Status
		rights zx.Rights
	}{
		{"package read", vfs.Options{}, io.FlagsPermRead, read, zx.OK, zx.RightRead},
		{"package private", vfs.Options{}, io.FlagsPermRead, read | private, zx.OK, zx.RightRead},
		{"package shared", vfs.Options{}, io.FlagsPermRead, read | shared, zx.OK, zx.RightRead},
		{"both", vfs.Options{}, io.FlagsPermRead, read | private | shared, zx.ErrInvalidArgs, 0},
		{"package execute", vfs.Options{Executable: true}, io.FlagsPermRead | io.FlagsPermExecute, read | exec, zx.OK, zx.RightRead | zx.RightExecute},
		{"execute without the right", vfs.Options{Executable: true}, io.FlagsPermRead, read | exec, zx.ErrAccessDenied, 0},
		{"execute without reading", vfs.Options{Executable: true}, io.FlagsPermExecute, exec, zx.ErrAccessDenied, 0},
		{"read without the right", vfs.Options{Writable: true}, io.FlagsPermWrite, read, zx.ErrAccessDenied, 0},
		{"write without the right", vfs.Options{}, io.FlagsPermRead, read | write | private, zx.ErrAccessDenied, 0},
		{"writable private", vfs.Options{Writable: true}, io.FlagsPermRead | io.FlagsPermWrite, read | write | private, zx.OK, zx.RightRead | zx.RightWrite},
		{"writable read", vfs.Options{Writable: true}, io.FlagsPermRead, read, zx.OK, zx.RightRead},
		{"writable shared", vfs.Options{Writable: true}, io.FlagsPermRead | io.FlagsPermWrite, read | write | shared, zx.ErrNotSupported, 0},
		{"writable in place", vfs.Options{Writable: true}, io.FlagsPermRead | io.FlagsPermWrite, read | write, zx.ErrNotSupported, 0},
	} {
		for _, content := range []string{"file", ""} {
			w := newWorld(t)
			dir, root := w.host(tt.mount)
			w.ok(os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644))
			f := w.file(w.mustOpen(w.dir(root), "file", tt.open))
			m, err := f.GetBackingMemory(w.Context(), &io.FileGetBackingMemoryRequest{Flags: tt.flags})
			want(t, tt.name, status(err), tt.want)
			if err != nil {
				continue
			}
			v := zx.VMOFromHandle(m.Vmo)
			t.Cleanup(func() { v.Close() })
			info, err := v.BasicInfo()
			w.ok(err)
			want(t, tt.name, info.Rights, zx.RightsBasic|zx.RightMap|zx.RightsProperty|tt.rights)
			n, err := v.ContentSize()
			w.ok(err)
			want(t, tt.name, n, uint64(len(content)))
			b := make([]byte, n)
			w.ok(v.Read(b, 0))
			want(t, tt.name, string(b), content)
			if tt.rights&zx.RightWrite != 0 && n > 0 {
				w.ok(v.Write([]byte("X"), 0))
				s, _ := fileToday{w, f}.readAt(1, 0)
				want(t, tt.name+": the file stays", s, content[:1])
			}
		}
	}
}

// What is written later does not show in the copy that a client has.
func TestMemoryOfFilesThatChange(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "file")
	f := fileToday{w, w.file(w.mustOpen(w.dir(root), "file", io.FlagsPermRead|io.FlagsPermWrite))}
	m, err := f.GetBackingMemory(w.Context(), &io.FileGetBackingMemoryRequest{Flags: io.VmoFlagsRead})
	w.ok(err)
	v := zx.VMOFromHandle(m.Vmo)
	defer v.Close()
	want(t, "cut", f.resize(0), zx.OK)
	b := make([]byte, 4)
	w.ok(v.Read(b, 0))
	want(t, "content", string(b), "file")
}
