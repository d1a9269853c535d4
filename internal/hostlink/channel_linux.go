package hostlink

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// ahead is how many messages go along with a channel when it crosses the link.
// Programs read the two of their bootstrap channel without waiting. No more, as
// that many fit the buffer of a socket that nobody reads yet.
const ahead = 2

// importChannel makes a channel of a SEQPACKET socket, which it consumes. Of the
// packets that are there already, the first are in the channel when it returns;
// not so for a channel that is itself in such a packet.
func (b *Bridge) importChannel(fd int, from sender) (zx.Object, error) {
	p, err := packetsFromFD(fd)
	if err != nil {
		return zx.Object{}, err
	}
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		p.close()
		return zx.Object{}, err
	}
	if !from.within {
		t := &Transport{b, p, sender{trusted: from.trusted, within: true}}
		_, err = b.copyAhead(&ours, t, p.readable)
	}
	if err == nil && !b.pumpChannel(&ours, p, from.trusted) {
		err = errBridgeClosed
	}
	if err != nil {
		ours.Close()
		theirs.Close()
		p.close()
		return zx.Object{}, err
	}
	return zx.ObjectFromHandle(theirs.Take()), nil
}

// exportChannel makes a SEQPACKET socket of a channel, which it consumes. The
// first messages that are there already are in the socket when it returns; when
// there are none, the socket stands for the channel until it is used.
func (b *Bridge) exportChannel(c zx.Channel, trusted bool) (int, error) {
	ours, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		c.Close()
		return -1, err
	}
	p, err := packetsFromFD(ours)
	if err != nil {
		c.Close()
		unix.Close(theirs)
		return -1, err
	}
	copied, err := b.copyAhead(&Transport{b, p, sender{trusted: trusted}}, &c, func() bool {
		_, err := c.Wait(context.Background(), zx.ChannelReadable, zx.InfinitePast)
		return err == nil
	})
	if err == nil {
		var ok bool
		if copied == 0 {
			ok = b.pumpOnceUsed(&c, p, theirs, trusted)
		} else {
			ok = b.pumpChannel(&c, p, trusted)
		}
		if !ok {
			err = errBridgeClosed
		}
	}
	if err != nil {
		c.Close()
		unix.Close(theirs)
		p.close()
		return -1, err
	}
	return theirs, nil
}

// pumpChannel copies messages between c and p, both of which it owns from then
// on, until one of them ends. false: the Bridge is closed, and c and p are not
// taken. trusted is of who has the other end of p, as in sender.
func (b *Bridge) pumpChannel(c *zx.Channel, p *packets, trusted bool) bool {
	return b.spawn(func(ctx context.Context) { b.pump(ctx, c, p, trusted) })
}

// pump is pumpChannel in the foreground.
func (b *Bridge) pump(ctx context.Context, c *zx.Channel, p *packets, trusted bool) {
	t := &Transport{b, p, sender{trusted: trusted}}
	defer t.Close()
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A send waits for the reader whatever the context says.
	defer context.AfterFunc(ctx, p.abort)()
	back := make(chan struct{})
	go func() {
		defer close(back)
		defer cancel()
		b.copyMessages(ctx, "from channel to socket", t, c)
	}()
	b.copyMessages(ctx, "from socket to channel", c, t)
	if _, err := c.Wait(ctx, zx.ChannelPeerClosed, zx.InfinitePast); err != nil {
		cancel() // the socket ended; nobody reads what the channel still has
	}
	<-back
}

// unused is a channel that was given away, by which nothing has gone yet. Its
// socket, if it comes back, is the channel itself.
type unused struct {
	c       zx.Channel
	p       *packets
	trusted bool
	stop    context.CancelFunc
	stopped chan struct{} // closed once it is decided whose c and p are
}

// pumpOnceUsed is pumpChannel that begins when one side sends something or ends.
// Until then reclaim can have the channel back by the other end of p, theirs.
func (b *Bridge) pumpOnceUsed(c *zx.Channel, p *packets, theirs int, trusted bool) bool {
	id, err := cookie(theirs)
	if err != nil {
		return b.pumpChannel(c, p, trusted)
	}
	ctx, stop := context.WithCancel(b.ctx)
	u := &unused{c: *c, p: p, trusted: trusted, stop: stop, stopped: make(chan struct{})}
	b.mu.Lock()
	b.unused[id] = u
	b.mu.Unlock()
	ok := b.spawn(func(bctx context.Context) {
		u.wait(ctx)
		mine := b.takeUnused(id) == u
		close(u.stopped)
		if mine {
			stop()
			b.pump(bctx, &u.c, u.p, trusted)
		}
	})
	if !ok {
		stop()
		b.takeUnused(id)
	}
	return ok
}

// wait waits until one side is used or ctx ends.
func (u *unused) wait(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		u.p.wait(ctx)
	}()
	_, _ = u.c.Wait(ctx, zx.ChannelReadable|zx.ChannelPeerClosed, zx.InfiniteFuture)
	cancel()
	<-done
}

// takeUnused gives what is still unused, to one caller alone; nil for none.
func (b *Bridge) takeUnused(id uint64) *unused {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.unused[id]
	delete(b.unused, id)
	return u
}

// reclaim gives back the channel that a socket was made of, with what was sent
// by the socket, if nothing had gone by it yet.
func (b *Bridge) reclaim(fd int) (zx.Channel, bool) {
	id, err := cookie(fd)
	if err != nil {
		return zx.Channel{}, false
	}
	u := b.takeUnused(id)
	if u == nil {
		return zx.Channel{}, false
	}
	u.stop()
	<-u.stopped
	defer u.p.close()
	// Who else has the descriptor can send no more; then comes the end.
	u.p.shutdown(unix.SHUT_RD)
	b.copyMessages(b.ctx, "back to where it was", &u.c, &Transport{b, u.p, sender{trusted: u.trusted}})
	return u.c, true
}

// messages is a channel or a Transport.
type messages interface {
	ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error)
	WriteMsg(b []byte, h []zx.HandleDisposition) error
}

// copier copies messages from one to another.
type copier struct {
	buf [zx.ChannelMaxMsgBytes]byte
	in  [maxFDs]zx.HandleInfo
	out [maxFDs]zx.HandleDisposition
}

func (c *copier) copy(ctx context.Context, dst, src messages) error {
	nb, nh, err := src.ReadMsg(ctx, c.buf[:], c.in[:])
	if err != nil {
		return err
	}
	for i, h := range c.in[:nh] {
		c.out[i] = zx.HandleDisposition{Handle: h.Handle, Type: h.Type, Rights: h.Rights}
	}
	return dst.WriteMsg(c.buf[:nb], c.out[:nh])
}

// copyMessages copies until src or dst ends.
func (b *Bridge) copyMessages(ctx context.Context, what string, dst, src messages) {
	c := new(copier)
	for {
		if err := c.copy(ctx, dst, src); err != nil {
			if ctx.Err() == nil && !errors.Is(err, zx.ErrPeerClosed) {
				b.log.Warn("a channel across the link ended", zap.String("copying", what), zap.Error(err))
			}
			return
		}
	}
}

// copyAhead copies the first messages, as long as there are any, and says how
// many. An end is not an error: the pump comes upon it again.
func (b *Bridge) copyAhead(dst, src messages, readable func() bool) (n int, err error) {
	var c *copier
	for n < ahead && readable() {
		if c == nil {
			c = new(copier)
		}
		if err := c.copy(b.ctx, dst, src); err != nil {
			if errors.Is(err, zx.ErrPeerClosed) {
				return n, nil
			}
			return n, fmt.Errorf("a message in a channel: %w", err)
		}
		n++
	}
	return n, nil
}
