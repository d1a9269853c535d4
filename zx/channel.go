package zx

import (
	"context"
)

// Channel is an end of a channel: messages of at most ChannelMaxMsgBytes bytes
// and ChannelMaxMsgHandles handles, in order, both ways. A *Channel is a FIDL
// transport.
type Channel struct{ Object }

// ChannelFromHandle makes a Channel that owns h.
func ChannelFromHandle(h Handle) Channel { return Channel{Object{h}} }

// NewChannel makes a channel and gives its two ends (zx_channel_create).
func NewChannel() (Channel, Channel, error) {
	h0, h1, st := sysChannelCreate(0)
	return ChannelFromHandle(h0), ChannelFromHandle(h1), st.Err()
}

// Write sends a message (zx_channel_write). The handles are consumed whether or
// not it succeeds.
func (c *Channel) Write(b []byte, hs []Handle) error {
	return sysChannelWrite(c.Handle(), 0, b, hs).Err()
}

// Read takes the next message (zx_channel_read): ErrShouldWait when there is
// none, ErrPeerClosed when there will be none, ErrBufferTooSmall, with the sizes
// it needs, when it does not fit and stays. The caller owns the handles.
func (c *Channel) Read(b []byte, hs []Handle) (nb, nh int, err error) {
	n, m, st := sysChannelRead(c.Handle(), 0, b, hs)
	return int(n), int(m), st.Err()
}

// Call sends a message whose first four bytes are for a transaction id that the
// kernel gives, and waits for the answer with that id (zx_channel_call). The
// handles of the request are consumed; the caller owns those of the answer.
func (c *Channel) Call(ctx context.Context, deadline Time, wb []byte, wh []Handle, rb []byte, rh []Handle) (nb, nh int, err error) {
	n, m, st := sysChannelCall(ctx.Done(), c.Handle(), 0, deadline, wb, wh, rb, rh)
	return int(n), int(m), waitErr(ctx, st)
}

// ReadMsg waits for the next message and takes it. It is fidl.Transport's.
func (c *Channel) ReadMsg(ctx context.Context, b []byte, h []HandleInfo) (nb, nh int, err error) {
	for {
		n, m, st := sysChannelReadEtc(c.Handle(), 0, b, h)
		if st != ErrShouldWait {
			if st != OK {
				return 0, 0, st
			}
			return int(n), int(m), nil
		}
		if _, err := c.Wait(ctx, ChannelReadable|ChannelPeerClosed, InfiniteFuture); err != nil {
			return 0, 0, err
		}
	}
}

// WriteMsg sends a message. The handles are consumed whether or not it
// succeeds. It is fidl.Transport's.
func (c *Channel) WriteMsg(b []byte, h []HandleDisposition) error {
	return sysChannelWriteEtc(c.Handle(), 0, b, h).Err()
}

// CloseHandles closes handles. It is fidl.Transport's.
func (c *Channel) CloseHandles(h ...Handle) { CloseAll(h...) }

// ReplaceHandle gives h with rights r, consuming h. It is fidl.Transport's.
func (c *Channel) ReplaceHandle(h Handle, r Rights) (Handle, error) {
	n, st := sysHandleReplace(h, r)
	return n, st.Err()
}
