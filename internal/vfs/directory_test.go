//go:build linux

package vfs_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// entries reads a listing, with a mark for what is no file.
func (w *world) entries(b []byte) []string {
	w.Helper()
	var out []string
	for len(b) > 0 {
		n := int(b[8])
		mark, ok := map[io.DirentType]string{
			io.DirentTypeFile: "", io.DirentTypeDirectory: "/", io.DirentTypeService: "@", io.DirentTypeUnknown: "?",
		}[io.DirentType(b[9])]
		if !ok {
			w.Errorf("entry of type %d", b[9])
		}
		if binary.LittleEndian.Uint64(b) == 0 {
			w.Error("entry without an id")
		}
		out = append(out, string(b[10:10+n])+mark)
		b = b[10+n:]
	}
	return out
}

// list lists what is left of a directory, sorted.
func (w *world) list(d *io.DirectoryClient) string {
	w.Helper()
	var all []string
	for {
		r, err := d.ReadDirents(w.Context(), &io.DirectoryReadDirentsRequest{MaxBytes: io.MaxBuf})
		w.ok(err)
		want(w, "list", r.S, zx.OK)
		if len(r.Dirents) == 0 {
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		all = append(all, w.entries(r.Dirents)...)
	}
}

func TestReadDirents(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{Writable: true}, "f", "d/")
	w.ok(os.Symlink("f", filepath.Join(dir, "link")))
	w.ok(os.Symlink("d", filepath.Join(dir, "dirlink")))
	w.ok(os.Symlink("/etc", filepath.Join(dir, "out")))
	pipe(t, filepath.Join(dir, "pipe"))
	w.write(dir, "not\xffUTF-8") // cannot be said
	d := w.dir(root)
	const all = "./ d/ dirlink/ f link out? pipe?"
	want(t, "all", w.list(d), all)
	want(t, "at the end", w.list(d), "")
	r, err := d.Rewind(w.Context())
	w.ok(err)
	want(t, "rewind", r.S, zx.OK)
	want(t, "again", w.list(d), all)

	// The entry that does not fit comes next.
	_, err = d.Rewind(w.Context())
	w.ok(err)
	var got []string
	for limit := uint64(0); ; limit++ {
		r, err := d.ReadDirents(w.Context(), &io.DirectoryReadDirentsRequest{MaxBytes: limit})
		w.ok(err)
		if r.S == zx.ErrBufferTooSmall {
			continue
		}
		want(t, "small", r.S, zx.OK)
		if len(r.Dirents) == 0 {
			break
		}
		got = append(got, w.entries(r.Dirents)...)
		limit = 0
	}
	slices.Sort(got)
	want(t, "in small pieces", strings.Join(got, " "), all)
	r2, err := d.ReadDirents(w.Context(), &io.DirectoryReadDirentsRequest{MaxBytes: io.MaxBuf + 1})
	w.ok(err)
	want(t, "too much", r2.S, zx.ErrBadHandle)

	for i := range 500 {
		w.write(dir, fmt.Sprintf("many/a-rather-long-name-%03d", i))
	}
	many := w.dir2020(w.mustOpen2020(w.dir2020(w.again(root)), "many", io1.OpenRightReadable))
	got = nil
	for {
		r, err := many.ReadDirents(w.Context(), &io1.DirectoryReadDirentsRequest{MaxBytes: 1000})
		w.ok(err)
		if len(r.Dirents) == 0 {
			break
		}
		got = append(got, w.entries(r.Dirents)...)
	}
	slices.Sort(got)
	want(t, "many", len(slices.Compact(got)), 501)

	gone := w.dir(w.mustOpen(d, "d", io.PermReadable))
	w.ok(os.Remove(filepath.Join(dir, "d")))
	r2, err = gone.ReadDirents(w.Context(), &io.DirectoryReadDirentsRequest{MaxBytes: io.MaxBuf})
	w.ok(err)
	want(t, "of a directory that was removed", strings.Join(w.entries(r2.Dirents), " "), "./")

	made := vfs.NewDir()
	w.ok(made.Add("s", vfs.Service(func(server zx.Channel) { server.Close() })))
	w.ok(made.Add("d", vfs.NewDir()))
	want(t, "made up", w.list(w.dir(w.connect(made))), "./ d/ s@")
}

func TestUnlink(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{Writable: true}, "f", "g", "d/", "full/f")
	w.ok(os.Symlink("full", filepath.Join(dir, "link")))
	d, d2020 := w.dir(root), w.dir2020(w.again(root))
	mustBeDir := io.UnlinkFlagsMustBeDirectory
	for _, tt := range []struct {
		name  string
		flags *io.UnlinkFlags
		want  zx.Status
	}{
		{"nothing", nil, zx.ErrNotFound},
		{"full", nil, zx.ErrNotEmpty},
		{"f", &mustBeDir, zx.ErrNotDir},
		{"f", nil, zx.OK},
		{"f", nil, zx.ErrNotFound},
		{"d", &mustBeDir, zx.OK},
		{"link", nil, zx.OK},
		{"", nil, zx.ErrInvalidArgs},
		{".", nil, zx.ErrInvalidArgs},
		{"..", nil, zx.ErrInvalidArgs},
		{"full/f", nil, zx.ErrInvalidArgs},
		{"g\x00", nil, zx.ErrInvalidArgs},
	} {
		err := d.Unlink(w.Context(), &io.DirectoryUnlinkRequest{Name: tt.name, Options: io.UnlinkOptions{Flags: tt.flags}})
		want(t, tt.name, status(err), tt.want)
	}
	w.write(dir, "d/")
	for _, tt := range []struct {
		name string
		want zx.Status
	}{
		{"g/", zx.ErrNotDir},
		{"g", zx.OK},
		{"d/", zx.OK},
		{".", zx.ErrUnavailable},
		{"", zx.ErrInvalidArgs},
		{"..", zx.ErrInvalidArgs},
		{"full/f", zx.ErrInvalidArgs},
		{strings.Repeat("n", 256), zx.ErrBadPath},
	} {
		r, err := d2020.Unlink(w.Context(), &io1.DirectoryUnlinkRequest{Path: tt.name})
		w.ok(err)
		want(t, "2020 "+tt.name, r.S, tt.want)
	}
	want(t, "left", w.list(d), "./ full/")
	ro := w.dir(w.mustOpen(d, "full", io.PermReadable))
	want(t, "without the right", status(ro.Unlink(w.Context(), &io.DirectoryUnlinkRequest{Name: "f"})), zx.ErrBadHandle)
	made := vfs.NewDir()
	w.ok(made.Add("d", vfs.NewDir()))
	want(t, "made up", status(w.dir(w.connect(made)).Unlink(w.Context(), &io.DirectoryUnlinkRequest{Name: "d"})), zx.ErrNotSupported)
}

func (w *world) token(d *io.DirectoryClient) zx.Handle {
	w.Helper()
	r, err := d.GetToken(w.Context())
	w.ok(err)
	want(w, "token", r.S, zx.OK)
	return r.Token
}

func TestRenameAndLink(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{Writable: true}, "a/f", "a/g", "a/d/", "b/h", "b/full/f")
	r := w.dir(root)
	const rw = io.PermReadable | io.PermWritable
	a, b := w.dir(w.mustOpen(r, "a", rw)), w.dir(w.mustOpen(r, "b", rw))
	ro := w.dir(w.mustOpen(r, "b", io.PermReadable))
	rename := func(from *io.DirectoryClient, src string, token zx.Handle, dst string) zx.Status {
		return status(from.Rename(w.Context(), &io.DirectoryRenameRequest{Src: src, DstParentToken: token, Dst: dst}))
	}
	link := func(from *io.DirectoryClient, src string, token zx.Handle, dst string) zx.Status {
		r, err := from.Link(w.Context(), &io.DirectoryLinkRequest{Src: src, DstParentToken: token, Dst: dst})
		w.ok(err)
		return r.S
	}
	event, err := zx.NewEvent()
	w.ok(err)
	_, foreignRoot := w.host(vfs.Options{Writable: true}, "x")
	foreign := w.dir(foreignRoot)
	for _, tt := range []struct {
		name      string
		got, want zx.Status
	}{
		{"within", rename(a, "f", w.token(a), "f2"), zx.OK},
		{"to another", rename(a, "f2", w.token(b), "f3"), zx.OK},
		{"over a file", rename(a, "g", w.token(b), "h"), zx.OK},
		{"to itself", rename(b, "h", w.token(b), "h"), zx.OK},
		{"nothing", rename(a, "none", w.token(b), "x"), zx.ErrNotFound},
		{"file over directory", rename(b, "h", w.token(a), "d"), zx.ErrNotFile},
		{"directory over file", rename(a, "d", w.token(b), "h"), zx.ErrNotDir},
		{"over a full directory", rename(a, "d", w.token(b), "full"), zx.ErrNotEmpty},
		{"into itself", rename(r, "b", w.token(w.dir(w.mustOpen(r, "b/full", rw))), "b"), zx.ErrInvalidArgs},
		{"file as directory", rename(b, "h/", w.token(b), "i"), zx.ErrNotDir},
		{"file to directory name", rename(b, "h", w.token(b), "i/"), zx.ErrNotDir},
		{"path", rename(r, "b/h", w.token(a), "h"), zx.ErrInvalidArgs},
		{"to a path", rename(b, "h", w.token(r), "a/h"), zx.ErrInvalidArgs},
		{"dot", rename(b, ".", w.token(a), "h"), zx.ErrUnavailable},
		{"to dot", rename(b, "h", w.token(a), "."), zx.ErrInvalidArgs},
		{"dot dot", rename(b, "..", w.token(a), "h"), zx.ErrInvalidArgs},
		{"empty", rename(b, "", w.token(a), "h"), zx.ErrInvalidArgs},
		{"no token of ours", rename(b, "h", event.Take(), "i"), zx.ErrNotFound},
		{"another file system", rename(b, "h", w.token(foreign), "i"), zx.ErrInvalidArgs},
		{"without the right", rename(ro, "h", w.token(a), "i"), zx.ErrBadHandle},

		{"link", link(b, "h", w.token(a), "l"), zx.OK},
		{"link to what is there", link(b, "h", w.token(a), "l"), zx.ErrAlreadyExists},
		{"link nothing", link(b, "none", w.token(a), "m"), zx.ErrNotFound},
		{"link a directory", link(b, "full", w.token(a), "m"), zx.ErrNotFile},
		{"link with slash", link(b, "h/", w.token(a), "m"), zx.ErrNotDir},
		{"link without the right", link(ro, "h", w.token(a), "m"), zx.ErrBadHandle},
	} {
		want(t, tt.name, tt.got, tt.want)
	}
	want(t, "a", w.list(a), "./ d/ l")
	want(t, "b", w.list(b), "./ f3 full/ h")
	got, err := os.ReadFile(filepath.Join(dir, "a", "l"))
	w.ok(err)
	want(t, "content moved along", string(got), "a/g")

	// Who moves a node to where it may have more rights needs them all.
	weakDir := w.dir(w.mustOpen(r, "b", io.FlagsPermEnumerate|io.FlagsPermModify|io.FlagsPermRead|io.FlagsPermTraverse))
	want(t, "weak within", rename(weakDir, "f3", w.token(b), "f4"), zx.OK)
	want(t, "weak to another", rename(weakDir, "f4", w.token(a), "f4"), zx.ErrAccessDenied)
	want(t, "weak link", link(weakDir, "f4", w.token(a), "f4"), zx.ErrBadHandle)
	noTraverse := w.dir(w.mustOpen(r, "b", rw&^io.FlagsPermTraverse))
	want(t, "directory without traverse", rename(noTraverse, "full", w.token(a), "full"), zx.ErrAccessDenied)
	want(t, "file without traverse", rename(noTraverse, "f4", w.token(a), "f4"), zx.OK)

	f := w.file(w.mustOpen(b, "h", io.FlagsPermRead|io.FlagsPermWrite|io.FlagsPermGetAttributes|io.FlagsPermSetAttributes))
	into := func(f *io.FileClient, token zx.Handle, dst string) zx.Status {
		return status(f.LinkInto(w.Context(), &io.LinkableLinkIntoRequest{DstParentToken: token, Dst: dst}))
	}
	want(t, "link into", into(f, w.token(a), "n"), zx.OK)
	want(t, "link into what is there", into(f, w.token(a), "n"), zx.ErrAlreadyExists)
	want(t, "link into no name", into(f, w.token(a), "x/y"), zx.ErrInvalidArgs)
	want(t, "link into another file system", into(f, w.token(foreign), "n"), zx.ErrInvalidArgs)
	weak := w.file(w.mustOpen(b, "h", io.FlagsPermRead))
	want(t, "link into without the right", into(weak, w.token(a), "o"), zx.ErrAccessDenied)

	tok, err := ro.GetToken(w.Context())
	w.ok(err)
	want(t, "token without the right", tok.S, zx.ErrBadHandle)
	want(t, "no token", tok.Token, zx.HandleInvalid)

	// A token is worth no more than its connection.
	dead := w.token(a)
	w.ok(a.Close(w.Context()))
	want(t, "after close", rename(b, "h", dead, "x"), zx.ErrNotFound)
}

func TestRename2020(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "a/f", "b/")
	r := w.dir2020(root)
	const rw = io1.OpenRightReadable | io1.OpenRightWritable
	a, b := w.dir2020(w.mustOpen2020(r, "a", rw)), w.dir2020(w.mustOpen2020(r, "b", rw))
	token := func() zx.Handle {
		r, err := b.GetToken(w.Context())
		w.ok(err)
		want(t, "token", r.S, zx.OK)
		return r.Token
	}
	l, err := a.Link(w.Context(), &io1.DirectoryLinkRequest{Src: "f", DstParentToken: token(), Dst: "l"})
	w.ok(err)
	want(t, "link", l.S, zx.OK)
	m, err := a.Rename(w.Context(), &io1.DirectoryRenameRequest{Src: "f", DstParentToken: token(), Dst: "m"})
	w.ok(err)
	want(t, "rename", m.S, zx.OK)
	event, err := zx.NewEvent()
	w.ok(err)
	m, err = b.Rename(w.Context(), &io1.DirectoryRenameRequest{Src: "m", DstParentToken: event.Take(), Dst: "n"})
	w.ok(err)
	want(t, "no token of ours", m.S, zx.ErrInvalidArgs)
	want(t, "left", w.list(w.dir(w.again(b.Transport().(*zx.Channel)))), "./ l m")
	fs, err := r.QueryFilesystem(w.Context())
	w.ok(err)
	want(t, "file system", fs.S, zx.OK)
	u, err := r.Unmount(w.Context())
	w.ok(err)
	want(t, "unmount", u.S, zx.ErrAccessDenied)
}

// A reference can be asked about its node and nothing else.
func TestReferences(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f", "d/f")
	r2020 := w.dir2020(root)
	ctx := w.Context()
	d := w.dir2020(w.mustOpen2020(r2020, "d", io1.OpenFlagNodeReference))
	want(t, "open", outcome(w.open2020(d, "f", io1.OpenRightReadable, 0)), "ZX_ERR_BAD_HANDLE")
	l, err := d.ReadDirents(ctx, &io1.DirectoryReadDirentsRequest{MaxBytes: 100})
	w.ok(err)
	want(t, "list", l.S, zx.ErrBadHandle)
	tok, err := d.GetToken(ctx)
	w.ok(err)
	want(t, "token", tok.S, zx.ErrBadHandle)
	f := w.file2020(w.mustOpen2020(r2020, "f", io1.OpenFlagNodeReference))
	rd, err := f.Read(ctx, &io1.FileReadRequest{Count: 1})
	w.ok(err)
	want(t, "read", rd.S, zx.ErrBadHandle)
	sk, err := f.Seek(ctx, &io1.FileSeekRequest{})
	w.ok(err)
	want(t, "seek", sk.S, zx.ErrBadHandle)
	sy, err := f.Sync(ctx)
	w.ok(err)
	want(t, "sync", sy.S, zx.ErrBadHandle)
	fl, err := f.GetFlags(ctx)
	w.ok(err)
	want(t, "flags", fl.Flags, io1.OpenFlagNodeReference)
	gb, err := f.GetBuffer(ctx, &io1.FileGetBufferRequest{Flags: io1.VmoFlagRead})
	w.ok(err)
	want(t, "buffer", gb.S, zx.ErrBadHandle)
	ds, err := f.Describe(ctx)
	w.ok(err)
	want(t, "describe", ds.Info.Tag, io1.NodeInfoTagService)

	// Today it speaks Node alone: another protocol ends the connection.
	now := w.file(w.mustOpen(w.dir(w.again(root)), "f", io.FlagsProtocolNode))
	_, err = now.Read(ctx, &io.ReadableReadRequest{Count: 1})
	want(t, "read today", status(err), zx.ErrNotSupported)
}

// What is not there is refused by name.
func TestNotSupported(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f")
	d := w.dir(root)
	ctx := w.Context()
	f := w.file(w.mustOpen(d, "f", io.FlagsPermRead|io.FlagsPermWrite))
	client, server := w.pair()
	w.ok(f.ListExtendedAttributes(ctx, &io.NodeListExtendedAttributesRequest{Iterator: fidl.ServerEnd[io.ExtendedAttributeIteratorProtocol]{Handle: server.Take()}}))
	_, err := io.NewExtendedAttributeIteratorClient(client).GetNext(ctx)
	want(t, "list extended attributes", status(err), zx.ErrNotSupported)
	_, err = f.GetExtendedAttribute(ctx, &io.NodeGetExtendedAttributeRequest{Name: []byte("n")})
	want(t, "get extended attribute", status(err), zx.ErrNotSupported)
	vmo, err := zx.NewVMO(4096, 0)
	w.ok(err)
	err = f.SetExtendedAttribute(ctx, &io.NodeSetExtendedAttributeRequest{Name: []byte("n"), Value: io.ExtendedAttributeValueWithBuffer(vmo.Take()), Mode: io.SetExtendedAttributeModeSet})
	want(t, "set extended attribute", status(err), zx.ErrNotSupported)
	want(t, "remove extended attribute", status(f.RemoveExtendedAttribute(ctx, &io.NodeRemoveExtendedAttributeRequest{Name: []byte("n")})), zx.ErrNotSupported)
	want(t, "lock", status(f.AdvisoryLock(ctx, &io.AdvisoryLockingAdvisoryLockRequest{})), zx.ErrNotSupported)
	want(t, "allocate", status(f.Allocate(ctx, &io.FileAllocateRequest{})), zx.ErrNotSupported)
	want(t, "verity", status(f.EnableVerity(ctx, &io.FileEnableVerityRequest{})), zx.ErrNotSupported)
	_, server = w.pair()
	err = d.CreateSymlink(ctx, &io.DirectoryCreateSymlinkRequest{Name: "l", Target: []byte("f"), Connection: fidl.ServerEnd[io.SymlinkProtocol]{Handle: server.Take()}})
	want(t, "symlink", status(err), zx.ErrNotSupported)
}

func TestAdminOf2020(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f")
	d := w.dir2020(root)
	ctx := w.Context()
	client, server := w.pair()
	defer server.Close()
	m, err := d.Mount(ctx, &io1.DirectoryAdminMountRequest{Remote: fidl.ClientEnd[io1.DirectoryProtocol]{Handle: client.Take()}})
	w.ok(err)
	want(t, "mount", m.S, zx.ErrAccessDenied)
	client, server2 := w.pair()
	defer server2.Close()
	mc, err := d.MountAndCreate(ctx, &io1.DirectoryAdminMountAndCreateRequest{Remote: fidl.ClientEnd[io1.DirectoryProtocol]{Handle: client.Take()}, Name: "m"})
	w.ok(err)
	want(t, "mount and create", mc.S, zx.ErrAccessDenied)
	un, err := d.UnmountNode(ctx)
	w.ok(err)
	want(t, "unmount node", un.S, zx.ErrAccessDenied)
	p, err := d.GetDevicePath(ctx)
	w.ok(err)
	want(t, "device path", p.S, zx.ErrAccessDenied)
	sf, err := d.NodeSetFlags(ctx, &io1.NodeNodeSetFlagsRequest{})
	w.ok(err)
	want(t, "set flags", sf.S, zx.ErrNotSupported)
	rw, err := d.Rewind(ctx)
	w.ok(err)
	want(t, "rewind", rw.S, zx.OK)
	cl, err := d.Close(ctx)
	w.ok(err)
	want(t, "close", cl.S, zx.OK)
	_, err = d.Rewind(ctx)
	want(t, "after close", status(err), zx.ErrPeerClosed)
}

// A made-up directory stays as it is, even for who has all rights to it.
func TestMadeUpDirectoriesDoNotChange(t *testing.T) {
	w := newWorld(t)
	made := vfs.NewDir()
	w.ok(made.Add("d", vfs.NewDir()))
	w.ok(made.Add("e", vfs.NewDir()))
	d := w.dir(w.connect(made))
	ctx := w.Context()
	stamp := uint64(1)
	ln, err := d.Link(ctx, &io.DirectoryLinkRequest{Src: "d", DstParentToken: w.token(d), Dst: "f"})
	w.ok(err)
	for _, tt := range []struct {
		name string
		got  zx.Status
	}{
		{"rename", status(d.Rename(ctx, &io.DirectoryRenameRequest{Src: "d", DstParentToken: w.token(d), Dst: "f"}))},
		{"link", ln.S},
		{"unlink", status(d.Unlink(ctx, &io.DirectoryUnlinkRequest{Name: "d"}))},
		{"attributes", status(d.UpdateAttributes(ctx, &io.MutableNodeAttributes{ModificationTime: &stamp}))},
		{"sync", status(d.Sync(ctx))},
	} {
		want(t, tt.name, tt.got, zx.ErrNotSupported)
	}
	fs, err := d.QueryFilesystem(ctx)
	w.ok(err)
	want(t, "file system", fs.S, zx.ErrNotSupported)
	want(t, "listing", w.list(d), "./ d/ e/")
}

func TestHostDirectoryMustBe(t *testing.T) {
	w := newWorld(t)
	dir := w.TempDir()
	w.write(dir, "f")
	for path, st := range map[string]zx.Status{"none": zx.ErrNotFound, "f": zx.ErrNotDir, "f/g": zx.ErrNotDir} {
		_, err := vfs.Host(filepath.Join(dir, path), vfs.Options{})
		want(t, path, status(err), st)
	}
}
