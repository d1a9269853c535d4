//go:build linux

package vfs_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"unicode/utf8"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// Close ends connections, and leaves nothing of them, whatever they were doing.
func TestClose(t *testing.T) {
	w := newWorld(t)
	dir := w.TempDir()
	w.write(dir, "f")
	n, err := vfs.Host(dir, vfs.Options{Writable: true})
	w.ok(err)
	fs := vfs.New(zap.NewNop())
	ch, err := fs.Connect(n)
	w.ok(err)
	defer ch.Close()
	d := w.dir(&ch)
	zx.CloseAll(w.token(d))
	zx.CloseAll(w.token(d))
	w.watch(d, watchAll)
	w.list(d)
	f := w.file(w.mustOpen(d, "f", io.FlagsPermRead))
	n.Close() // connections live on
	s, st := fileToday{w, f}.read(1)
	want(t, "after the node was closed", s, "f")
	want(t, "after the node was closed", st, zx.OK)

	fs.Close()
	_, err = f.Read(context.Background(), &io.ReadableReadRequest{Count: 1})
	want(t, "file", status(err), zx.ErrPeerClosed)
	_, err = d.Rewind(context.Background())
	want(t, "directory", status(err), zx.ErrPeerClosed)
	_, err = fs.Connect(vfs.NewDir())
	want(t, "connect", status(err), zx.ErrBadState)
	_, err = fs.Connect(vfs.Service(func(server zx.Channel) { t.Error("connected"); server.Close() }))
	want(t, "connect to a service", status(err), zx.ErrBadState)
	fs.Close()
}

// A host directory is released when nothing of it is in use any more.
func TestReleased(t *testing.T) {
	w := newWorld(t)
	dir := w.TempDir()
	w.write(dir, "sub/f")
	released := make(chan struct{})
	n, err := vfs.Host(dir, vfs.Options{Released: func() { close(released) }})
	w.ok(err)
	root := w.connect(n)
	n.Close()
	f := w.file(w.mustOpen(w.dir(root), "sub/f", io.FlagsPermRead))
	w.ok(w.dir(root).Close(context.Background()))
	root.Close()
	s, st := fileToday{w, f}.read(1)
	want(t, "a file below", s, "s") // its content is its path
	want(t, "a file below", st, zx.OK)
	select {
	case <-released:
		t.Fatal("released while a file is open")
	default:
	}
	w.ok(f.Client.Close())
	<-released
}

// A client that ends without a word takes all that it had with it.
func TestClientsLeaveNothing(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f")
	files := descriptors(t)
	d := w.dir(root)
	for range 20 {
		sub := w.dir(w.mustOpen(d, ".", io.PermReadable|io.PermWritable))
		zx.CloseAll(w.token(sub))
		f := w.file(w.mustOpen(sub, "f", io.FlagsPermRead|io.FlagsPermWrite))
		w.list(sub)
		ch := w.watch(sub, watchAll)
		for _, c := range []*zx.Channel{sub.Transport().(*zx.Channel), f.Transport().(*zx.Channel), ch} {
			c.Close()
		}
	}
	// The FS waits for the connections that end; only what is open stays.
	for descriptors(t) > files+2 { // inotify and its poller
		w.list(d)
		_, err := d.Rewind(w.Context())
		w.ok(err)
	}
}

// What is no message of the protocol ends the connection and nothing else.
func TestMalformedMessages(t *testing.T) {
	w := newWorld(t)
	_, root := w.host(vfs.Options{Writable: true}, "f")
	header := func(ordinal uint64) []byte {
		b := []byte{1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		for i := range 8 {
			b[8+i] = byte(ordinal >> (8 * i))
		}
		return b
	}
	for _, tt := range []struct {
		name string
		msg  []byte
	}{
		{"empty", nil},
		{"short", []byte("short")},
		{"no such method", header(0x1234567812345678)},
		{"open without arguments", header(io.DirectoryOpenOrdinal)},
		{"open with nonsense", append(header(io.DirectoryOpenOrdinal), bytes.Repeat([]byte{0xff}, 64)...)},
		{"read of a directory", header(io.ReadableReadOrdinal)},
	} {
		ch := w.again(root)
		event, err := zx.NewEvent()
		w.ok(err)
		w.ok(ch.Write(tt.msg, []zx.Handle{event.Take()}))
		if _, err := ch.Wait(w.Context(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	want(t, "the others go on", w.list(w.dir(root)), "./ f")
}

// FuzzOpen opens anything with any flags in each style. Nothing outside of the
// directory may be reached, and nothing may be left.
func FuzzOpen(f *testing.F) {
	f.Add("f", uint64(io.PermReadable), uint32(0))
	f.Add("d/../../f", uint64(io.FlagsFlagMaybeCreate|io.FlagsProtocolFile), uint32(0x4000))
	f.Add("out/f", uint64(io.FlagsFlagMustCreate|io.FlagsProtocolDirectory), uint32(0x8000))
	f.Add("/d/", uint64(io.FlagsProtocolNode), uint32(0))
	f.Fuzz(func(t *testing.T, path string, flags uint64, mode uint32) {
		w := newWorld(t)
		dir, root := w.host(vfs.Options{Writable: true, Executable: true}, "in/f", "in/d/f", "f")
		w.ok(os.Symlink("..", dir+"/in/out"))
		w.ok(os.Symlink("d", dir+"/in/link"))
		in := w.mustOpen(w.dir(root), "in", io.PermReadable|io.PermWritable|io.PermExecutable)
		d, d2020 := w.dir(in), w.dir2020(w.again(in))
		if len(path) > 4095 {
			return
		}
		if utf8.ValidString(path) {
			fl := io.Flags(flags)
			if fl&io.FlagsProtocolService == 0 {
				w.open(d, path, fl, io.Options{})
			}
			w.openOld(d, path, io.OpenFlags(flags)&io.OpenFlagsKnown)
			w.open2020(d2020, path, uint32(flags), mode)
		}
		if got := w.list(w.dir(w.again(root))); got != "./ f in/" {
			t.Errorf("outside: %s", got)
		}
	})
}
