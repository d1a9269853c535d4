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
func (b *Bridge) importChannel(fd int, within bool) (zx.Object, error) {
	p, err := packetsFromFD(fd)
	if err != nil {
		return zx.Object{}, err
	}
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		p.close()
		return zx.Object{}, err
	}
	if !within {
		t := &Transport{b, p, true}
		err = b.copyAhead(&ours, t, p.readable)
	}
	if err == nil && !b.pumpChannel(&ours, p) {
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
// first messages that are there already are in the socket when it returns.
func (b *Bridge) exportChannel(c zx.Channel) (int, error) {
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
	err = b.copyAhead(&Transport{b, p, false}, &c, func() bool {
		_, err := c.Wait(context.Background(), zx.ChannelReadable, zx.InfinitePast)
		return err == nil
	})
	if err == nil && !b.pumpChannel(&c, p) {
		err = errBridgeClosed
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
// taken.
func (b *Bridge) pumpChannel(c *zx.Channel, p *packets) bool {
	t := &Transport{b, p, false}
	return b.spawn(func(ctx context.Context) {
		defer t.Close()
		defer c.Close()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// A send waits for the reader whatever the context says.
		defer context.AfterFunc(ctx, func() { _ = p.f.SetDeadline(past) })()
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
	})
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

// copyAhead copies the first messages, as long as there are any. An end is not
// an error: the pump comes upon it again.
func (b *Bridge) copyAhead(dst, src messages, readable func() bool) error {
	var c *copier
	for range ahead {
		if !readable() {
			return nil
		}
		if c == nil {
			c = new(copier)
		}
		if err := c.copy(b.ctx, dst, src); err != nil {
			if errors.Is(err, zx.ErrPeerClosed) {
				return nil
			}
			return fmt.Errorf("a message in a channel: %w", err)
		}
	}
	return nil
}
