//go:build linux

package vfs_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts the kernel before all tests: what it keeps is no leak.
func TestMain(m *testing.M) {
	zx.DefaultJob()
	os.Exit(m.Run())
}

// world is a file system being served; at its end nothing may be left of it.
type world struct {
	*testing.T
	fs *vfs.FS
}

func newWorld(t *testing.T) *world {
	t.Helper()
	files, objects := descriptors(t), zircon.Kernel().LiveObjects()
	routines := goleak.IgnoreCurrent()
	w := &world{t, vfs.New(zap.NewNop())}
	t.Cleanup(func() {
		w.fs.Close()
		goleak.VerifyNone(t, routines)
		if n := descriptors(t); n > files { // fewer: those of an earlier test's processes
			t.Errorf("%d descriptors before, %d after", files, n)
		}
		if o := zircon.Kernel().LiveObjects(); !maps.Equal(o, objects) {
			t.Errorf("kernel objects before: %v, after: %v", objects, o)
		}
	})
	return w
}

func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}

// ok ends the test unless err is nil.
func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// host serves a new directory of the host with these files, whose content is
// their path; a path that ends in "/" is a directory.
func (w *world) host(o vfs.Options, paths ...string) (dir string, root *zx.Channel) {
	w.Helper()
	dir = w.TempDir()
	for _, p := range paths {
		w.write(dir, p)
	}
	n, err := vfs.Host(dir, o)
	w.ok(err)
	w.Cleanup(n.Close)
	return dir, w.connect(n)
}

func (w *world) write(dir, p string) {
	w.Helper()
	full := filepath.Join(dir, p)
	if p[len(p)-1] == '/' {
		w.ok(os.MkdirAll(full, 0o755))
		return
	}
	w.ok(os.MkdirAll(filepath.Dir(full), 0o755))
	w.ok(os.WriteFile(full, []byte(p), 0o644))
}

func (w *world) connect(n vfs.Node) *zx.Channel {
	w.Helper()
	ch, err := w.fs.Connect(n)
	w.ok(err)
	return w.own(ch)
}

// own has ch closed at the end of the test.
func (w *world) own(ch zx.Channel) *zx.Channel {
	w.Cleanup(func() { ch.Close() })
	return &ch
}

func (w *world) dir(ch *zx.Channel) *io.DirectoryClient {
	return io.NewDirectoryClient(ch, nil)
}

func (w *world) file(ch *zx.Channel) *io.FileClient { return io.NewFileClient(ch, nil) }

func (w *world) dir2020(ch *zx.Channel) *io1.DirectoryAdminClient {
	return io1.NewDirectoryAdminClient(ch, nil)
}

func (w *world) file2020(ch *zx.Channel) *io1.FileClient { return io1.NewFileClient(ch, nil) }

// opened is how an open went, as the client was told.
type opened struct {
	status zx.Status
	kind   string // node, dir or file
	attrs  *io.NodeAttributes2
	ch     *zx.Channel
}

// events receives what comes first on a connection.
type events struct{ opened }

func (e *events) OnRepresentation(r *io.Representation) {
	switch r.Tag {
	case io.RepresentationTagDirectory:
		e.kind, e.attrs = "dir", r.Directory.Attributes
	case io.RepresentationTagFile:
		e.kind, e.attrs = "file", r.File.Attributes
	case io.RepresentationTagConnector:
		e.kind, e.attrs = "node", r.Connector.Attributes
	}
}

func (e *events) OnOpen(ev *io.NodeOnOpenRequest) {
	if e.status = ev.S; ev.Info == nil {
		return
	}
	switch ev.Info.Tag {
	case io.NodeInfoDeprecatedTagDirectory:
		e.kind = "dir"
	case io.NodeInfoDeprecatedTagFile:
		e.kind = "file"
	case io.NodeInfoDeprecatedTagService:
		e.kind = "node"
	}
}

// events2020 is the same for 2020.
type events2020 struct{ opened }

func (e *events2020) OnOpen(ev *io1.NodeOnOpenRequest) {
	if e.status = ev.S; ev.Info == nil {
		return
	}
	switch ev.Info.Tag {
	case io1.NodeInfoTagDirectory:
		e.kind = "dir"
	case io1.NodeInfoTagFile:
		e.kind = "file"
	case io1.NodeInfoTagService:
		e.kind = "node"
	}
}

// first waits for the first event, or the epitaph, of a connection.
func (w *world) first(c *fidl.Client, status *zx.Status) {
	w.Helper()
	err := c.HandleOne(w.Context())
	var epitaph *fidl.EpitaphError
	if errors.As(err, &epitaph) {
		*status = epitaph.Status
	} else {
		w.ok(err)
	}
}

// pair makes a channel, whose server's end is to be given away.
func (w *world) pair() (client *zx.Channel, server zx.Channel) {
	w.Helper()
	c, server, err := zx.NewChannel()
	w.ok(err)
	return w.own(c), server
}

// open opens a path as programs of today do.
func (w *world) open(d *io.DirectoryClient, path string, fl io.Flags, o io.Options) opened {
	w.Helper()
	client, server := w.pair()
	w.ok(d.Open(w.Context(), &io.DirectoryOpenRequest{Path: path, Flags: fl | io.FlagsFlagSendRepresentation, Options: o, Object: server.Take()}))
	e := &events{}
	w.first(io.NewNodeClient(client, e).Client, &e.status)
	e.ch = client
	return e.opened
}

// openOld opens a path as programs did before those of today.
func (w *world) openOld(d *io.DirectoryClient, path string, fl io.OpenFlags) opened {
	w.Helper()
	client, server := w.pair()
	w.ok(d.DeprecatedOpen(w.Context(), &io.DirectoryDeprecatedOpenRequest{Path: path, Flags: fl | io.OpenFlagsDescribe,
		Object: fidl.ServerEnd[io.NodeProtocol]{Handle: server.Take()}}))
	e := &events{}
	w.first(io.NewNodeClient(client, e).Client, &e.status)
	e.ch = client
	return e.opened
}

// open2020 opens a path as programs of 2020 did.
func (w *world) open2020(d *io1.DirectoryAdminClient, path string, fl, mode uint32) opened {
	w.Helper()
	client, server := w.pair()
	w.ok(d.Open(w.Context(), &io1.DirectoryOpenRequest{Path: path, Flags: fl | io1.OpenFlagDescribe, Mode: mode,
		Object: fidl.ServerEnd[io1.NodeProtocol]{Handle: server.Take()}}))
	e := &events2020{}
	w.first(io1.NewNodeClient(client, e).Client, &e.status)
	e.ch = client
	return e.opened
}

// mustOpen is open of what is there.
func (w *world) mustOpen(d *io.DirectoryClient, path string, fl io.Flags) *zx.Channel {
	w.Helper()
	o := w.open(d, path, fl, io.Options{})
	if o.status != zx.OK {
		w.Fatalf("open %q: %v", path, o.status)
	}
	return o.ch
}

func (w *world) mustOpen2020(d *io1.DirectoryAdminClient, path string, fl uint32) *zx.Channel {
	w.Helper()
	o := w.open2020(d, path, fl, 0)
	if o.status != zx.OK {
		w.Fatalf("open %q: %v", path, o.status)
	}
	return o.ch
}

// status gives the status of a call.
func status(err error) zx.Status { return zx.StatusOf(err) }

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// again gives one more connection to what ch is connected to.
func (w *world) again(ch *zx.Channel) *zx.Channel {
	w.Helper()
	client, server := w.pair()
	d := io1.NewNodeClient(ch, nil)
	w.ok(d.Clone(w.Context(), &io1.NodeCloneRequest{Flags: io1.CloneFlagSameRights, Object: fidl.ServerEnd[io1.NodeProtocol]{Handle: server.Take()}}))
	return client
}

func pipe(t *testing.T, name string) {
	t.Helper()
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}
