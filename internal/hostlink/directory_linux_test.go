package hostlink

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/launcherd/zx"
)

// open opens a path below a directory, and gives what comes of it.
func open(t *testing.T, dir *zx.Channel, path string, flags io.Flags) error {
	t.Helper()
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	n := io.NewFileClient(&client, nil)
	defer n.Client.Close()
	d := io.NewDirectoryClient(dir, nil)
	err = d.Open(testContext(t), &io.DirectoryOpenRequest{
		Path: path, Flags: flags | io.FlagsFlagSendRepresentation, Object: server.Take(),
	})
	if err != nil {
		return err
	}
	return n.HandleOne(testContext(t))
}

// sendDirectory sends a descriptor of a directory that is opened with flags.
func sendDirectory(t *testing.T, l *Link, dir string, flags int, message string) {
	t.Helper()
	fd, err := unix.Open(dir, flags|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WriteMsg([]byte(message), move(l.add(fd))); err != nil {
		t.Fatal(err)
	}
}

func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// However a directory is opened, what is in it can be read and executed.
func TestDirectory(t *testing.T) {
	for name, flags := range map[string]int{"read-only": unix.O_RDONLY, "path": unix.O_PATH} {
		t.Run(name, func(t *testing.T) {
			b := bridge(t)
			l, tr := connect(t, b)
			dir := directory(t)
			sendDirectory(t, l, dir, flags, "a directory")
			c := zx.ChannelFromHandle(receive(t, tr, "a directory", zx.ObjTypeChannel))
			defer c.Close()
			if err := open(t, &c, "file", io.PermReadable|io.PermExecutable); err != nil {
				t.Error(err)
			}
			for path, flags := range map[string]io.Flags{
				"file": io.FlagsPermWrite,
				"new":  io.FlagsPermRead | io.FlagsFlagMustCreate | io.FlagsProtocolFile,
				".":    io.PermWritable,
			} {
				if err := open(t, &c, path, flags); !errors.Is(err, zx.ErrAccessDenied) {
					t.Errorf("%s with %v: %v, want ACCESS_DENIED", path, flags, err)
				}
			}
			// It stays what it was, whatever becomes of its name.
			if err := os.Rename(dir, dir+".renamed"); err != nil {
				t.Fatal(err)
			}
			if err := open(t, &c, "file", io.PermReadable); err != nil {
				t.Error(err)
			}
		})
	}
}

// A request of one method brings directories that can be changed, from those
// who may open files in this user's name.
func TestWholeDirectory(t *testing.T) {
	const whole = 0x1234
	for _, tt := range []struct {
		name    string
		ordinal uint64
		trusted bool
		want    zx.Status
	}{
		{"by that method", whole, true, zx.OK},
		{"by another", whole + 1, true, zx.ErrAccessDenied},
		{"from another user", whole, false, zx.ErrAccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bridge(t)
			l, tr := connect(t, b)
			tr.from.trusted = tt.trusted
			c := newConn(tr)
			c.Whole = whole
			sendDirectory(t, l, directory(t), unix.O_PATH, header(1, tt.ordinal))
			d := zx.ChannelFromHandle(receive(t, c, header(1, tt.ordinal), zx.ObjTypeChannel))
			defer d.Close()
			err := open(t, &d, "new", io.FlagsPermWrite|io.FlagsFlagMustCreate|io.FlagsProtocolFile)
			if zx.StatusOf(err) != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// checkDead checks that a channel was closed with ACCESS_DENIED, and closes it.
func checkDead(t *testing.T, c *zx.Channel) {
	t.Helper()
	d := io.NewDirectoryClient(c, nil)
	defer d.Client.Close()
	var ep *fidl.EpitaphError
	if err := d.HandleOne(testContext(t)); !errors.As(err, &ep) || ep.Status != zx.ErrAccessDenied {
		t.Errorf("%v, want the epitaph ACCESS_DENIED", err)
	}
}

// Those who may not open files in this user's name may not by a channel either,
// be it one that they sent or one that was sent to them.
func TestUntrustedByChannel(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	tr.from.trusted = false
	h, inner, err := l.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	sendDirectory(t, inner, "/", unix.O_PATH, "ahead")
	if err := l.WriteMsg([]byte("a channel"), move(h)); err != nil {
		t.Fatal(err)
	}
	c := zx.ChannelFromHandle(receive(t, tr, "a channel", zx.ObjTypeChannel))
	defer c.Close()
	sendDirectory(t, inner, "/", unix.O_PATH, "later")

	ours, theirs, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := tr.WriteMsg([]byte("for you"), move(theirs.Take())); err != nil {
		t.Fatal(err)
	}
	back, err := l.Channel(receive(t, l, "for you", zx.ObjTypeNone))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	sendDirectory(t, back, "/", unix.O_PATH, "back")
	for message, from := range map[string]*zx.Channel{"ahead": &c, "back": &ours} {
		d := zx.ChannelFromHandle(receive(t, from, message, zx.ObjTypeChannel))
		checkDead(t, &d)
	}
	d := zx.ChannelFromHandle(receive(t, &c, "later", zx.ObjTypeChannel))
	checkDead(t, &d)
}
