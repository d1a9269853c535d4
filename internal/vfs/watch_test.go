//go:build linux

package vfs_test

import (
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

const watchAll = io.WatchMaskKnown

// watch watches a directory and gives the client's end of the watcher.
func (w *world) watch(d *io.DirectoryClient, mask io.WatchMask) *zx.Channel {
	w.Helper()
	client, server := w.pair()
	r, err := d.Watch(w.Context(), &io.DirectoryWatchRequest{Mask: mask, Watcher: fidl.ServerEnd[io.DirectoryWatcherProtocol]{Handle: server.Take()}})
	w.ok(err)
	want(w, "watch", r.S, zx.OK)
	return client
}

// next waits for the next message of a watcher, and gives its events as text.
func (w *world) next(ch *zx.Channel) []string {
	w.Helper()
	if _, err := ch.Wait(w.Context(), zx.ChannelReadable, zx.InfiniteFuture); err != nil {
		w.Fatal(err)
	}
	b := make([]byte, zx.ChannelMaxMsgBytes)
	n, _, err := ch.Read(b, nil)
	w.ok(err)
	want(w, "message fits", n <= int(io.MaxBuf), true)
	var out []string
	for b = b[:n]; len(b) > 0; {
		size := int(b[1])
		out = append(out, io.WatchEvent(b[0]).String()+" "+string(b[2:2+size]))
		b = b[2+size:]
	}
	return out
}

func (w *world) expect(ch *zx.Channel, events ...string) {
	w.Helper()
	for _, e := range events {
		want(w, "event", strings.Join(w.next(ch), ","), e)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{Writable: true}, "f", "d/", "e/")
	d := w.dir(root)
	ctx := w.Context()
	ch := w.watch(d, watchAll)
	got := w.next(ch)
	want(t, "idle comes last", got[len(got)-1], "IDLE ")
	slices.Sort(got)
	want(t, "existing", strings.Join(got, ","), "EXISTING .,EXISTING d,EXISTING e,EXISTING f,IDLE ")

	// Changes by clients and by the host, in order.
	w.mustOpen(d, "new", io.FlagsPermWrite|io.FlagsProtocolFile|io.FlagsFlagMustCreate)
	w.expect(ch, "ADDED new")
	w.mustOpen(d, "newdir", io.PermReadable|io.FlagsProtocolDirectory|io.FlagsFlagMustCreate)
	w.expect(ch, "ADDED newdir")
	w.ok(d.Rename(ctx, &io.DirectoryRenameRequest{Src: "new", DstParentToken: w.token(d), Dst: "newer"}))
	w.expect(ch, "REMOVED new", "ADDED newer")
	w.ok(d.Unlink(ctx, &io.DirectoryUnlinkRequest{Name: "newer"}))
	w.expect(ch, "REMOVED newer")
	w.ok(os.WriteFile(filepath.Join(dir, "not\xffUTF-8"), nil, 0o644)) // is not told of
	w.ok(os.WriteFile(filepath.Join(dir, "host"), nil, 0o644))
	w.expect(ch, "ADDED host")
	w.ok(os.Remove(filepath.Join(dir, "host")))
	w.expect(ch, "REMOVED host")
	sub := w.dir(w.mustOpen(d, "d", io.PermReadable|io.PermWritable))
	r, err := d.Link(ctx, &io.DirectoryLinkRequest{Src: "f", DstParentToken: w.token(sub), Dst: "below"})
	w.ok(err)
	want(t, "link", r.S, zx.OK)
	w.ok(sub.Rename(ctx, &io.DirectoryRenameRequest{Src: "below", DstParentToken: w.token(d), Dst: "up"}))
	w.expect(ch, "ADDED up") // and nothing of what was below

	// A mask holds back the rest; several watchers do not disturb each other.
	removed := w.watch(d, io.WatchMaskRemoved)
	idle := w.watch(d, io.WatchMaskIdle|io.WatchMaskAdded)
	w.expect(idle, "IDLE ")
	w.ok(d.Rename(ctx, &io.DirectoryRenameRequest{Src: "up", DstParentToken: w.token(d), Dst: "up2"}))
	w.expect(removed, "REMOVED up")
	w.expect(idle, "ADDED up2")
	w.expect(ch, "REMOVED up", "ADDED up2")

	// The directory itself goes.
	gone := w.watch(w.dir(w.mustOpen(d, "e", io.PermReadable)), io.WatchMaskDeleted)
	w.ok(d.Unlink(ctx, &io.DirectoryUnlinkRequest{Name: "e"}))
	w.expect(gone, "DELETED .")
	w.expect(ch, "REMOVED e")

	// A client that closes is forgotten, the others are not.
	removed.Close()
	w.ok(d.Unlink(ctx, &io.DirectoryUnlinkRequest{Name: "up2"}))
	w.expect(ch, "REMOVED up2")

	for _, tt := range []struct {
		name          string
		mask, options uint32
	}{
		{"nothing to watch", 0, 0},
		{"unknown events", 1 << 7, 0},
		{"options", io1.WatchMaskAll, 1},
	} {
		client, server := w.pair()
		r, err := w.dir2020(w.again(root)).Watch(ctx, &io1.DirectoryWatchRequest{Mask: tt.mask, Options: tt.options, Watcher: server.Take()})
		w.ok(err)
		want(t, tt.name, r.S, zx.ErrInvalidArgs)
		_, err = client.Wait(ctx, zx.ChannelPeerClosed, zx.InfiniteFuture)
		w.ok(err)
	}
}

// Whatever changes while a watch begins is told once.
func TestWatchBeginsWithoutGaps(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{})
	d := w.dir(root)
	const files = 300
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < files && err == nil; i++ {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), nil, 0o644)
		}
		done <- err
	}()
	ch := w.watch(d, io.WatchMaskExisting|io.WatchMaskAdded)
	seen := map[string]int{}
	for len(seen) < files+1 { // and "."
		for _, e := range w.next(ch) {
			_, name, _ := strings.Cut(e, " ")
			seen[name]++
		}
	}
	w.ok(<-done)
	for name, n := range seen {
		want(t, name, n, 1)
	}
}

// When the host loses events, what changed is found out.
func TestWatchOverflow(t *testing.T) {
	w := newWorld(t)
	dir, root := w.host(vfs.Options{}, "stays", "goes")
	ch := w.watch(w.dir(root), io.WatchMaskIdle|io.WatchMaskAdded|io.WatchMaskRemoved)
	w.expect(ch, "IDLE ")
	w.fs.Deafen()
	w.ok(os.Remove(filepath.Join(dir, "goes")))
	w.write(dir, "comes")
	w.fs.Overflow()
	w.expect(ch, "ADDED comes", "REMOVED goes")
}

func TestWatchMadeUp(t *testing.T) {
	w := newWorld(t)
	made := vfs.NewDir()
	w.ok(made.Add("b", vfs.NewDir()))
	w.ok(made.Add("a", vfs.Service(func(server zx.Channel) { server.Close() })))
	ch := w.watch(w.dir(w.connect(made)), watchAll)
	want(t, "events", strings.Join(w.next(ch), ","), "EXISTING .,EXISTING a,EXISTING b,IDLE ")
}

// More names than one message holds.
func TestWatchMany(t *testing.T) {
	w := newWorld(t)
	made := vfs.NewDir()
	for i := range 200 {
		w.ok(made.Add(fmt.Sprintf("%0250d", i), vfs.NewDir()))
	}
	ch := w.watch(w.dir(w.connect(made)), watchAll)
	var n int
	for {
		events := w.next(ch)
		n += len(events)
		if events[len(events)-1] == "IDLE " {
			break
		}
	}
	want(t, "events", n, 202)
}
