package hostlink

import (
	"context"
	"errors"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// importChannel makes a channel of a SEQPACKET socket, which it consumes.
func (b *Bridge) importChannel(fd int) (zx.Object, error) {
	p, err := packetsFromFD(fd)
	if err != nil {
		return zx.Object{}, err
	}
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		p.close()
		return zx.Object{}, err
	}
	if !b.pumpChannel(&ours, p) {
		theirs.Close()
		return zx.Object{}, errBridgeClosed
	}
	return zx.ObjectFromHandle(theirs.Take()), nil
}

// exportChannel makes a SEQPACKET socket of a channel, which it consumes.
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
	if !b.pumpChannel(&c, p) {
		unix.Close(theirs)
		return -1, errBridgeClosed
	}
	return theirs, nil
}

// pumpChannel copies messages between c and p, both of which it consumes, until
// one of them ends. false: the Bridge is closed.
func (b *Bridge) pumpChannel(c *zx.Channel, p *packets) bool {
	t := &Transport{b, p}
	ok := b.spawn(func(ctx context.Context) {
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
	if !ok {
		c.Close()
		t.Close()
	}
	return ok
}

// messages is a channel or a Transport.
type messages interface {
	ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error)
	WriteMsg(b []byte, h []zx.HandleDisposition) error
}

// copyMessages copies until src or dst ends.
func (b *Bridge) copyMessages(ctx context.Context, what string, dst, src messages) {
	buf := make([]byte, zx.ChannelMaxMsgBytes)
	var in [maxFDs]zx.HandleInfo
	var out [maxFDs]zx.HandleDisposition
	for {
		nb, nh, err := src.ReadMsg(ctx, buf, in[:])
		if err == nil {
			for i, h := range in[:nh] {
				out[i] = zx.HandleDisposition{Handle: h.Handle, Type: h.Type, Rights: h.Rights}
			}
			err = dst.WriteMsg(buf[:nb], out[:nh])
		}
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, zx.ErrPeerClosed) {
				b.log.Warn("a channel across the link ended", zap.String("copying", what), zap.Error(err))
			}
			return
		}
	}
}
