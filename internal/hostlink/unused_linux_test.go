package hostlink

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// passThrough sends a channel to the link, has use do something with what the
// link got, and sends it back.
func passThrough(t *testing.T, l *Link, tr *Transport, c zx.Channel, use func(h zx.Handle)) zx.Channel {
	t.Helper()
	if err := tr.WriteMsg([]byte("a channel"), move(c.Take())); err != nil {
		t.Fatal(err)
	}
	h := receive(t, l, "a channel", zx.ObjTypeNone)
	use(h)
	if err := l.WriteMsg([]byte("it is yours"), move(h)); err != nil {
		t.Fatal(err)
	}
	return zx.ChannelFromHandle(receive(t, tr, "it is yours", zx.ObjTypeChannel))
}

// A channel that a Linux program passes on without using it is the same channel
// afterwards: nothing is in between.
func TestUnusedChannelComesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		use  func(t *testing.T, l *Link, h zx.Handle, ours *zx.Channel)
		same bool
	}{
		"not used": {func(*testing.T, *Link, zx.Handle, *zx.Channel) {}, true},
		"with a message by another copy of it": {func(t *testing.T, l *Link, h zx.Handle, _ *zx.Channel) {
			// The pump may have begun when it comes back; either way the
			// message is not lost.
			say(t, l, h, "before")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := bridge(t)
			l, tr := connect(t, b)
			ours, theirs, err := zx.NewChannel()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			koid, err := theirs.Koid()
			if err != nil {
				t.Fatal(err)
			}
			back := passThrough(t, l, tr, theirs, func(h zx.Handle) { tt.use(t, l, h, &ours) })
			defer back.Close()
			if k, err := back.Koid(); err != nil || tt.same && k != koid {
				t.Errorf("koid %d (%v), want %d", k, err, koid)
			}
			if !tt.same {
				receiveBytes(t, &ours, "before")
			}
			for from, to := range map[*zx.Channel]*zx.Channel{&ours: &back, &back: &ours} {
				if err := from.WriteMsg([]byte("hello"), nil); err != nil {
					t.Fatal(err)
				}
				receiveBytes(t, to, "hello")
			}
		})
	}
}

// say sends a message by a second descriptor of a channel's socket.
func say(t *testing.T, l *Link, h zx.Handle, message string) {
	t.Helper()
	l.mu.Lock()
	fd := l.fds[h]
	l.mu.Unlock()
	if err := unix.Sendmsg(fd, []byte(message), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
}

// What was sent by a channel's socket before it comes back is in the channel, as
// long as nothing else has taken it there.
func TestReclaimForwards(t *testing.T) {
	b := bridge(t)
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	a, z, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		t.Fatal(err)
	}
	p, err := packetsFromFD(a)
	if err != nil {
		t.Fatal(err)
	}
	id, err := cookie(z)
	if err != nil {
		t.Fatal(err)
	}
	// As pumpOnceUsed leaves it when it is reclaimed before it looks.
	u := &unused{c: theirs, p: p, stop: func() {}, stopped: make(chan struct{})}
	close(u.stopped)
	b.unused[id] = u
	for _, m := range []string{"one", "two"} {
		if err := unix.Sendmsg(z, []byte(m), nil, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	back := zx.ChannelFromHandle(importAs(t, b, z, zx.ObjTypeChannel))
	defer back.Close()
	receiveBytes(t, &ours, "one")
	receiveBytes(t, &ours, "two")
	if _, ok := b.reclaim(z); ok {
		t.Error("it was given back twice")
	}
}

// A channel that nobody uses ends when one side does.
func TestUnusedChannelEnds(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	for name, end := range map[string]func(ours *zx.Channel, h zx.Handle){
		"by the Linux program": func(_ *zx.Channel, h zx.Handle) { l.CloseHandles(h) },
		"by the other":         func(ours *zx.Channel, _ zx.Handle) { ours.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs, err := zx.NewChannel()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			if err := tr.WriteMsg([]byte("a channel"), move(theirs.Take())); err != nil {
				t.Fatal(err)
			}
			h := receive(t, l, "a channel", zx.ObjTypeNone)
			end(&ours, h)
			if ours.IsValid() {
				_, err = ours.Wait(testContext(t), zx.ChannelPeerClosed, zx.InfiniteFuture)
			} else {
				var c *Link
				if c, err = l.Channel(h); err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, _, err = c.ReadMsg(testContext(t), make([]byte, 1), nil); errors.Is(err, zx.ErrPeerClosed) {
					err = nil
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
