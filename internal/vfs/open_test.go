//go:build linux

package vfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// outcome is what an open comes to: a kind, or a status.
func outcome(o opened) string {
	if o.status != zx.OK {
		return o.status.String()
	}
	return o.kind
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{}, "f", "d/f", "d/e/")
	w.ok(os.Symlink("d/f", filepath.Join(dir, "in")))
	w.ok(os.Symlink("../f", filepath.Join(dir, "d", "up")))
	w.ok(os.Symlink(filepath.Join(dir, "f"), filepath.Join(dir, "absolute")))
	w.ok(os.Symlink("../../../../../../etc", filepath.Join(dir, "out")))
	w.ok(os.Symlink("loop", filepath.Join(dir, "loop")))
	w.ok(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	pipe(t, filepath.Join(dir, "pipe"))
	d, d2020 := w.dir(root), w.dir2020(w.again(root))
	for _, tt := range []struct{ path, want string }{
		{"f", "file"},
		{"/f", "file"},
		{".", "dir"},
		{"/", "dir"},
		{"d", "dir"},
		{"d/", "dir"},
		{"d/f", "file"},
		{"d/e", "dir"},
		{"", "ZX_ERR_INVALID_ARGS"},
		{"..", "ZX_ERR_INVALID_ARGS"},
		{"d/..", "ZX_ERR_INVALID_ARGS"},
		{"d/../f", "ZX_ERR_INVALID_ARGS"},
		{"./f", "ZX_ERR_INVALID_ARGS"},
		{"d/.", "ZX_ERR_INVALID_ARGS"},
		{"d//f", "ZX_ERR_INVALID_ARGS"},
		{"//", "ZX_ERR_INVALID_ARGS"},
		{"f\x00", "ZX_ERR_INVALID_ARGS"},
		{"f/", "ZX_ERR_NOT_DIR"},
		{"f/g", "ZX_ERR_NOT_DIR"},
		{"nothing", "ZX_ERR_NOT_FOUND"},
		{"nothing/f", "ZX_ERR_NOT_FOUND"},
		{strings.Repeat("n", 255), "ZX_ERR_NOT_FOUND"},
		{strings.Repeat("n", 256), "ZX_ERR_BAD_PATH"},
		{strings.Repeat("d/", 2047) + "d", "ZX_ERR_NOT_FOUND"},
		{"in", "file"},
		{"d/up", "file"},
		{"absolute", "ZX_ERR_ACCESS_DENIED"},
		{"out", "ZX_ERR_ACCESS_DENIED"},
		{"out/passwd", "ZX_ERR_ACCESS_DENIED"},
		{"loop", "ZX_ERR_ACCESS_DENIED"},
		{"dangling", "ZX_ERR_NOT_FOUND"},
		{"pipe", "ZX_ERR_NOT_SUPPORTED"},
	} {
		want(t, "today "+tt.path, outcome(w.open(d, tt.path, io.FlagsPermRead, io.Options{})), tt.want)
		want(t, "deprecated "+tt.path, outcome(w.openOld(d, tt.path, io.OpenFlagsRightReadable)), tt.want)
		want(t, "2020 "+tt.path, outcome(w.open2020(d2020, tt.path, io1.OpenRightReadable, 0)), tt.want)
	}
	// The longest path of 2020 counts a NUL that is not sent.
	long := strings.Repeat("d/", 2048)
	want(t, "2020 too long", outcome(w.open2020(d2020, long, io1.OpenRightReadable, 0)), "ZX_ERR_BAD_PATH")
}

// A link may not lead out of the directory that the connection is to, even if it
// stays in the one that is served.
func TestLinksStayInTheirDirectory(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{}, "f", "d/")
	w.ok(os.Symlink("../f", filepath.Join(dir, "d", "up")))
	r := w.dir(root)
	want(t, "from above", outcome(w.open(r, "d/up", io.FlagsPermRead, io.Options{})), "file")
	d := w.dir(w.mustOpen(r, "d", io.PermReadable))
	want(t, "from within", outcome(w.open(d, "up", io.FlagsPermRead, io.Options{})), "ZX_ERR_ACCESS_DENIED")
}

func TestOpenFlags(t *testing.T) {
	w := newWorld(t)
	const (
		read, write = io.FlagsPermRead, io.FlagsPermWrite
		isDir       = io.FlagsProtocolDirectory
		isFile      = io.FlagsProtocolFile
		isLink      = io.FlagsProtocolSymlink
		isService   = io.FlagsProtocolService
		node        = io.FlagsProtocolNode
		maybe, must = io.FlagsFlagMaybeCreate, io.FlagsFlagMustCreate
	)
	for _, tt := range []struct {
		name, path string
		flags      io.Flags
		want       string
	}{
		{"nothing asked", "f", 0, "file"},
		{"file", "f", read | isFile, "file"},
		{"file or directory", "d", read | isFile | isDir, "dir"},
		{"directory as file", "d", read | isFile, "ZX_ERR_NOT_FILE"},
		{"file as directory", "f", read | isDir, "ZX_ERR_NOT_DIR"},
		{"file as link", "f", read | isLink, "ZX_ERR_WRONG_TYPE"},
		{"directory as file or link", "d", read | isFile | isLink, "ZX_ERR_WRONG_TYPE"},
		{"file as service", "f", isService, "ZX_ERR_WRONG_TYPE"},
		{"reference to a file", "f", node, "node"},
		{"reference to a directory", "d", node | isDir, "node"},
		{"reference to a file as a directory", "f", node | isDir, "ZX_ERR_NOT_DIR"},
		{"reference to a directory as a file", "d", node | isFile, "ZX_ERR_NOT_FILE"},
		{"reference and truncate", "f", node | io.FlagsFileTruncate, "ZX_ERR_INVALID_ARGS"},
		{"create what is there", "f", write | isFile | maybe, "file"},
		{"create what is there exclusively", "f", write | isFile | must, "ZX_ERR_ALREADY_EXISTS"},
		{"create a directory that is there", "d", read | isDir | maybe, "dir"},
		{"create a file where a directory is", "d", read | isFile | maybe, "ZX_ERR_NOT_FILE"},
		{"create a directory where a file is", "f", read | isDir | maybe, "ZX_ERR_NOT_DIR"},
		{"create a file", "new", write | isFile | must, "file"},
		{"create a file below", "d/new", write | isFile | maybe, "file"},
		{"create without rights", "new2", isFile | must, "file"},
		{"create a directory", "newdir", read | isDir | must, "dir"},
		{"create below nothing", "x/y", read | isFile | must, "ZX_ERR_NOT_FOUND"},
		{"create below a file", "f/y", read | isFile | must, "ZX_ERR_NOT_DIR"},
		{"create with slash", "slash/", read | isFile | must, "ZX_ERR_NOT_FILE"},
		{"create what has no kind", "new3", read | must, "ZX_ERR_INVALID_ARGS"},
		{"create what has two kinds", "new3", read | must | isDir | isFile, "ZX_ERR_INVALID_ARGS"},
		{"create a service", "new3", must | isService, "ZX_ERR_NOT_SUPPORTED"},
		{"create a link", "new3", must | isLink, "ZX_ERR_NOT_SUPPORTED"},
		{"create self", ".", read | must | isDir, "ZX_ERR_ALREADY_EXISTS"},
		{"self as a file", ".", read | isFile, "ZX_ERR_INVALID_ARGS"},
		{"truncate", "f", write | io.FlagsFileTruncate, "file"},
		{"truncate without write", "f", read | io.FlagsFileTruncate, "ZX_ERR_INVALID_ARGS"},
		{"truncate a directory", "d", write | io.FlagsFileTruncate, "ZX_ERR_INVALID_ARGS"},
		{"append", "f", write | io.FlagsFileAppend, "file"},
		{"append to a directory", "d", write | io.FlagsFileAppend, "ZX_ERR_INVALID_ARGS"},
		{"execute", "f", read | io.FlagsPermExecute, "ZX_ERR_ACCESS_DENIED"},
		{"execute if possible", "d", read | io.FlagsPermInheritExecute, "dir"},
	} {
		dir, root := w.host(vfs.Options{Writable: true}, "f", "d/f")
		d := w.dir(root)
		want(t, tt.name, outcome(w.open(d, tt.path, tt.flags, io.Options{})), tt.want)
		if strings.HasPrefix(tt.name, "truncate") {
			st, err := os.Stat(filepath.Join(dir, "f"))
			w.ok(err)
			want(t, tt.name+": empty", st.Size() == 0, tt.want == "file")
		}
	}
}

func TestOpenFlags2020(t *testing.T) {
	w := newWorld(t)
	const (
		read, write = io1.OpenRightReadable, io1.OpenRightWritable
		isDir       = io1.OpenFlagDirectory
		notDir      = io1.OpenFlagNotDirectory
		create      = io1.OpenFlagCreate
		exclusive   = io1.OpenFlagCreate | io1.OpenFlagCreateIfAbsent
		node        = io1.OpenFlagNodeReference
		dirMode     = io1.ModeTypeDirectory
		fileMode    = io1.ModeTypeFile
	)
	for _, tt := range []struct {
		name, path  string
		flags, mode uint32
		want        string
	}{
		{"nothing asked", "f", 0, 0, "file"},
		{"directory", "d", read | isDir, 0, "dir"},
		{"file as directory", "f", read | isDir, 0, "ZX_ERR_NOT_DIR"},
		{"directory as file", "d", read | notDir, 0, "ZX_ERR_NOT_FILE"},
		{"both", "f", read | isDir | notDir, 0, "ZX_ERR_INVALID_ARGS"},
		{"self as a file", ".", read | notDir, 0, "ZX_ERR_INVALID_ARGS"},
		{"reference", "f", node, 0, "node"},
		{"reference to a directory", "d", node | isDir, 0, "node"},
		{"reference and create", "f", node | create, 0, "ZX_ERR_INVALID_ARGS"},
		{"create what is there", "f", write | create, fileMode, "file"},
		{"create a file where a directory is", "d", read | create, fileMode, "dir"},
		{"exclusively", "f", write | exclusive, fileMode, "ZX_ERR_ALREADY_EXISTS"},
		{"absent without create", "f", write | io1.OpenFlagCreateIfAbsent, 0, "ZX_ERR_INVALID_ARGS"},
		{"create a file", "new", write | exclusive, fileMode | 0o600, "file"},
		{"create a directory by mode", "new", read | exclusive, dirMode | 0o700, "dir"},
		{"create a directory by flag", "new", read | create | isDir, 0, "dir"},
		{"create a directory by slash", "new/", read | create, 0, "dir"},
		{"create a file as a directory", "new", read | create | isDir, fileMode, "ZX_ERR_INVALID_ARGS"},
		{"create a directory as a file", "new", read | create | notDir, dirMode, "ZX_ERR_INVALID_ARGS"},
		{"create self", ".", read | exclusive, dirMode, "ZX_ERR_ALREADY_EXISTS"},
		{"truncate without write", "f", read | io1.OpenFlagTruncate, 0, "ZX_ERR_INVALID_ARGS"},
		{"same rights", "f", io1.CloneFlagSameRights, 0, "ZX_ERR_INVALID_ARGS"},
		{"administer", "d", read | io1.OpenRightAdmin, 0, "ZX_ERR_ACCESS_DENIED"},
		{"execute", "f", read | io1.OpenRightExecutable, 0, "ZX_ERR_ACCESS_DENIED"},
		{"posix", "d", read | io1.OpenFlagPosix, 0, "dir"},
		{"mounts", "f", read | io1.OpenFlagNoRemote, 0, "file"},
	} {
		_, root := w.host(vfs.Options{Writable: true}, "f", "d/f")
		want(t, tt.name, outcome(w.open2020(w.dir2020(root), tt.path, tt.flags, tt.mode)), tt.want)
	}
}

// A connection gives no more than it has, by any way of opening and cloning.
func TestRightsOnlyShrink(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true, Executable: true}, "f", "d/f")
	r := w.dir(root)

	ro := w.dir(w.mustOpen(r, "d", io.PermReadable))
	for _, tt := range []struct {
		name  string
		flags io.Flags
		want  string
	}{
		{"read", io.FlagsPermRead, "file"},
		{"write", io.FlagsPermWrite, "ZX_ERR_ACCESS_DENIED"},
		{"execute", io.FlagsPermExecute, "ZX_ERR_ACCESS_DENIED"},
		{"set attributes", io.FlagsPermSetAttributes, "ZX_ERR_ACCESS_DENIED"},
		{"inherit", io.FlagsPermRead | io.FlagsPermInheritWrite | io.FlagsPermInheritExecute, "file"},
		{"create", io.FlagsFlagMustCreate | io.FlagsProtocolFile, "ZX_ERR_ACCESS_DENIED"},
	} {
		want(t, tt.name, outcome(w.open(ro, "f", tt.flags, io.Options{})), tt.want)
	}
	want(t, "deprecated write", outcome(w.openOld(ro, "f", io.OpenFlagsRightWritable)), "ZX_ERR_ACCESS_DENIED")
	want(t, "deprecated create", outcome(w.openOld(ro, "g", io.OpenFlagsRightReadable|io.OpenFlagsCreate)), "ZX_ERR_ACCESS_DENIED")

	rights := func(d *io.DirectoryClient) io.Operations {
		info, err := d.GetConnectionInfo(w.Context())
		w.ok(err)
		return *info.Rights
	}
	const posix = io.OpenFlagsPosixWritable | io.OpenFlagsPosixExecutable
	for _, tt := range []struct {
		name string
		got  io.Operations
		want io.Operations
	}{
		{"as asked", rights(ro), io.RStarDir},
		{"inherited", rights(w.dir(w.mustOpen(r, "d", io.PermReadable|io.FlagsPermInheritWrite|io.FlagsPermInheritExecute))), io.RStarDir | io.WStarDir | io.XStarDir},
		{"nothing to inherit", rights(w.dir(w.mustOpen(ro, ".", io.PermReadable|io.FlagsPermInheritWrite))), io.RStarDir},
		{"expanded", rights(w.dir(w.openOld(r, "d", io.OpenFlagsRightReadable|posix).ch)), io.RStarDir | io.WStarDir | io.XStarDir},
		{"nothing to expand", rights(w.dir(w.openOld(ro, ".", io.OpenFlagsRightReadable|posix).ch)), io.RStarDir},
		{"2020 expanded", rights(w.dir(w.open2020(w.dir2020(w.again(root)), "d", io1.OpenRightReadable|io1.OpenFlagPosix, 0).ch)), io.RStarDir | io.WStarDir | io.XStarDir},
		// An old flag stands for several rights; one that is missing does not come back.
		{"partial", rights(w.dir(w.openOld(w.dir(w.mustOpen(r, "d", io.FlagsPermRead|io.FlagsPermTraverse)), ".", io.OpenFlagsRightReadable).ch)),
			io.OperationsReadBytes | io.OperationsTraverse | io.OperationsGetAttributes},
	} {
		want(t, tt.name, tt.got, tt.want)
	}

	noTraverse := w.dir(w.mustOpen(r, "d", io.FlagsPermRead|io.FlagsPermModify))
	want(t, "without traverse", outcome(w.open(noTraverse, "f", io.FlagsPermRead, io.Options{})), "ZX_ERR_ACCESS_DENIED")
	want(t, "create without traverse", outcome(w.open(noTraverse, "g", io.FlagsProtocolFile|io.FlagsFlagMustCreate, io.Options{})), "ZX_ERR_ACCESS_DENIED")
}

// A mount within a made-up directory limits what is below it.
func TestMountsLimitRights(t *testing.T) {
	w := newWorld(t)
	dir := w.TempDir()
	w.write(dir, "f")
	ro, err := vfs.Host(dir, vfs.Options{})
	w.ok(err)
	root := vfs.NewDir()
	t.Cleanup(root.Close)
	w.ok(root.Add("ro", ro))
	d := w.dir(w.connect(root))
	want(t, "write", outcome(w.open(d, "ro/f", io.FlagsPermWrite, io.Options{})), "ZX_ERR_ACCESS_DENIED")
	want(t, "execute", outcome(w.open(d, "ro/f", io.FlagsPermExecute, io.Options{})), "ZX_ERR_ACCESS_DENIED")
	want(t, "create", outcome(w.open(d, "ro/g", io.FlagsPermRead|io.FlagsProtocolFile|io.FlagsFlagMustCreate, io.Options{})), "ZX_ERR_ACCESS_DENIED")
	want(t, "writable directory", outcome(w.open(d, "ro", io.PermWritable, io.Options{})), "ZX_ERR_ACCESS_DENIED")
	want(t, "2020 write", outcome(w.open2020(w.dir2020(w.connect(root)), "ro/f", io1.OpenRightWritable, 0)), "ZX_ERR_ACCESS_DENIED")
	info, err := w.dir(w.mustOpen(d, "ro", io.PermReadable|io.FlagsPermInheritWrite)).GetConnectionInfo(w.Context())
	w.ok(err)
	want(t, "inherited", *info.Rights, io.RStarDir)
	if _, err := os.Stat(filepath.Join(dir, "g")); err == nil {
		t.Error("a file was made in a read-only directory")
	}
}

func TestOpenTellsAttributes(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f")
	d := w.dir(root)
	q := io.NodeAttributesQueryContentSize | io.NodeAttributesQueryProtocols | io.NodeAttributesQueryMode
	o := w.open(d, "f", io.FlagsPermRead, io.Options{Attributes: &q})
	want(t, "status", o.status, zx.OK)
	want(t, "size", *o.attrs.ImmutableAttributes.ContentSize, 1)
	want(t, "protocols", *o.attrs.ImmutableAttributes.Protocols, io.NodeProtocolKindsFile)
	want(t, "what was not asked for", o.attrs.ImmutableAttributes.Id == nil, true)

	blind := w.dir(w.mustOpen(d, ".", io.FlagsPermRead|io.FlagsPermTraverse))
	want(t, "without the right", w.open(blind, "f", io.FlagsPermRead, io.Options{Attributes: &q}).status, zx.ErrAccessDenied)

	mode := uint32(0o640)
	created := io.Options{CreateAttributes: &io.MutableNodeAttributes{Mode: &mode}}
	o = w.open(d, "new", io.FlagsPermWrite|io.FlagsProtocolFile|io.FlagsFlagMustCreate, created)
	want(t, "create with a mode", o.status, zx.OK)
	at, err := w.file(w.mustOpen(d, "new", io.PermReadable)).GetAttributes(w.Context(), &io.NodeGetAttributesRequest{Query: q})
	w.ok(err)
	want(t, "mode", *at.MutableAttributes.Mode&0o777, 0o640)
	want(t, "attributes of nothing created", w.open(d, "f", io.FlagsPermRead, created).status, zx.ErrInvalidArgs)
}

func TestServices(t *testing.T) {
	w := newWorld(t)
	connected := make(chan zx.Channel, 8)
	svc := vfs.NewDir()
	t.Cleanup(svc.Close)
	w.ok(svc.Add("fuchsia.test.Echo", vfs.Service(func(server zx.Channel) { connected <- server })))
	below := vfs.NewDir()
	w.ok(svc.Add("below", below))
	w.ok(below.Add("s", vfs.Service(func(server zx.Channel) { connected <- server })))

	// arrives checks that what the client's end sends comes out at the service.
	arrives := func(name string, client *zx.Channel) {
		t.Helper()
		server := <-connected
		defer server.Close()
		w.ok(client.Write([]byte(name), nil))
		b := make([]byte, 64)
		n, _, err := server.Read(b, nil)
		w.ok(err)
		want(t, name, string(b[:n]), name)
	}
	d, d2020 := w.dir(w.connect(svc)), w.dir2020(w.connect(svc))
	for _, path := range []string{"fuchsia.test.Echo", "below/s"} {
		client, server := w.pair()
		w.ok(d.Open(w.Context(), &io.DirectoryOpenRequest{Path: path, Flags: io.FlagsProtocolService, Object: server.Take()}))
		arrives("today", client)

		// What fdio_service_connect asked for in 2020.
		o := w.open2020(d2020, path, io1.OpenRightReadable|io1.OpenRightWritable, 0)
		want(t, "2020", outcome(o), "node")
		arrives("2020", o.ch)

		o = w.openOld(d, path, io.OpenFlagsNotDirectory)
		want(t, "deprecated", outcome(o), "node")
		arrives("deprecated", o.ch)
	}
	const name = "fuchsia.test.Echo"
	want(t, "with rights", w.open(d, name, io.FlagsPermRead, io.Options{}).status, zx.ErrInvalidArgs)
	want(t, "deprecated with rights", w.openOld(d, name, io.OpenFlagsRightReadable).status, zx.ErrInvalidArgs)
	want(t, "as a directory", w.openOld(d, name, io.OpenFlagsDirectory).status, zx.ErrNotDir)
	want(t, "below a service", w.open(d, name+"/x", io.FlagsPermRead, io.Options{}).status, zx.ErrNotDir)
	want(t, "nothing", w.open(d, "x", io.FlagsPermRead, io.Options{}).status, zx.ErrNotFound)
	want(t, "create", w.open(d, "x", io.FlagsPermRead|io.FlagsProtocolFile|io.FlagsFlagMustCreate, io.Options{}).status, zx.ErrNotSupported)
	want(t, "create what is there", w.open(d, "below", io.FlagsPermRead|io.FlagsProtocolDirectory|io.FlagsFlagMustCreate, io.Options{}).status, zx.ErrAlreadyExists)

	o := w.open(d, name, io.FlagsProtocolNode, io.Options{})
	want(t, "reference", outcome(o), "node")
	n := io.NewNodeClient(o.ch, nil)
	a, err := n.DeprecatedGetAttr(w.Context())
	w.ok(err)
	want(t, "mode", a.Attributes.Mode&io.ModeTypeMask, io.ModeTypeService)
	q, err := n.Query(w.Context())
	w.ok(err)
	want(t, "protocol", string(q.Protocol), io.NodeProtocolName)
	if len(connected) != 0 {
		t.Error("a service was connected to that nobody asked for")
	}

	want(t, "taken", status(svc.Add(name, below)), zx.ErrAlreadyExists)
	want(t, "no name", status(svc.Add("a/b", below)), zx.ErrInvalidArgs)
}
