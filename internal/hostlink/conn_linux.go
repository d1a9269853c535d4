package hostlink

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/zx"
)

// Conn is a client's connection, the transport of a FIDL server.
type Conn struct {
	*Transport
	// Whole is the ordinal of the method whose requests bring directories with
	// the right to change them, 0 for none. It is set before the first message.
	Whole uint64

	mu       sync.Mutex // guards what follows
	open     int        // requests that were read and not answered
	ending   bool
	answered chan struct{} // holds something once open fell to 0
}

func newConn(t *Transport) *Conn { return &Conn{Transport: t, answered: make(chan struct{}, 1)} }

// ReadMsg is fidl.Transport's. After End it tells of the client's end once all
// requests are answered.
func (c *Conn) ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error) {
	nb, nh, err = c.read(ctx, b, h, c.sender)
	switch {
	case err == nil:
		c.count(b[:nb], 1)
	case errors.Is(err, zx.ErrPeerClosed):
		c.settle(ctx)
	}
	return nb, nh, err
}

// WriteMsg is fidl.Transport's.
func (c *Conn) WriteMsg(b []byte, h []zx.HandleDisposition) error {
	err := c.Transport.WriteMsg(b, h)
	c.count(b, -1)
	return err
}

// sender gives a message's.
func (c *Conn) sender(message []byte) sender {
	from := c.from
	hdr, err := fidl.ParseHeader(message)
	from.whole = err == nil && c.Whole != 0 && hdr.Ordinal == c.Whole
	return from
}

// count counts a message that is a request or an answer.
func (c *Conn) count(message []byte, n int) {
	hdr, err := fidl.ParseHeader(message)
	if err != nil || hdr.Txid == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open += n; c.open > 0 {
		return
	}
	select {
	case c.answered <- struct{}{}:
	default:
	}
}

// settle waits, after End, until all requests are answered or ctx ends.
func (c *Conn) settle(ctx context.Context) {
	for {
		c.mu.Lock()
		done := !c.ending || c.open <= 0
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-c.answered:
		case <-ctx.Done():
			return
		}
	}
}

// End has the connection end: what the client has asked so far is still answered.
func (c *Conn) End() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.p.shutdown(unix.SHUT_RD) // what was sent already can be read
}

// Abort ends answers that wait for the client to read.
func (c *Conn) Abort() { c.p.abort() }
