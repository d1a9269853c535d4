package fidl

import (
	"context"
	"errors"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// Client is the client's end of a connection. Its methods may be called from
// several goroutines, and many calls may be in flight.
//
// It runs no goroutine: whoever waits for a response, or for events, reads on
// behalf of all. So a Client needs no more than Close, and even that only to
// give the transport back.
type Client struct {
	t Transport
	// events runs the handler of an event; false when the protocol does not
	// have it. nil: the protocol has none.
	events   func(*Event) bool
	openness Openness

	reading chan struct{} // holds a token while someone reads

	mu      sync.Mutex // guards what follows
	txid    uint32
	pending map[uint32]*waiter
	err     error // why the connection ended
	closing sync.Once
}

// waiter is a call in flight. Whoever takes it out of pending fills it and
// closes done; nil means that its caller gave up.
type waiter struct {
	m    *Method
	rep  Message
	arm  uint64
	code uint32
	err  error
	done chan struct{}
}

// NewClient makes a client that owns t. Generated code calls it; events is nil
// for a protocol without events.
func NewClient(t Transport, o Openness, events func(*Event) bool) *Client {
	return &Client{t: t, events: events, openness: o, reading: make(chan struct{}, 1), pending: map[uint32]*waiter{}}
}

// Transport is what the client was made with.
func (c *Client) Transport() Transport { return c.t }

// Close closes the connection. Calls in flight end with ErrClosed.
func (c *Client) Close() error {
	c.end(ErrClosed)
	var err error
	c.closing.Do(func() { err = c.t.Close() })
	return err
}

// end ends every call with err; the first call decides.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	for id, w := range c.pending {
		delete(c.pending, id)
		if w != nil {
			w.err = err
			close(w.done)
		}
	}
}

// ended says why the connection ended, nil when it has not.
func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection from our side.
func (c *Client) fail(err error) error {
	c.end(err)
	c.closing.Do(func() { _ = c.t.Close() })
	return c.ended()
}

// Send makes a one-way call. It consumes req's handles whatever the outcome.
func (c *Client) Send(ctx context.Context, m *Method, req Message) error {
	return c.send(ctx, m, 0, req)
}

func (c *Client) send(ctx context.Context, m *Method, txid uint32, req Message) error {
	if err := c.ended(); err != nil {
		Discard(c.t, req)
		return err
	}
	err := send(c.t, Header{Txid: txid, Format: m.Format, Flexible: m.Flexible, Ordinal: m.Ordinal}, req)
	if err == nil {
		return nil
	}
	// The connection may have ended meanwhile, and the transport been closed.
	if ended := c.ended(); ended != nil {
		return ended
	}
	if !errors.Is(err, zx.ErrPeerClosed) {
		return err
	}
	// The server may have said why. What it sent is still there to be read.
	for err == nil || errors.Is(err, zx.ErrPeerClosed) {
		if ended := c.ended(); ended != nil {
			return ended
		}
		select {
		case c.reading <- struct{}{}:
			err = c.read(ctx)
			<-c.reading
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Call makes a two-way call: it sends req (nil: no body) and waits for the
// response into rep (nil: none or empty). failed says that the server answered
// with the application error code. When ctx ends first the response is dropped
// as it comes. Call consumes req's handles whatever the outcome.
func (c *Client) Call(ctx context.Context, m *Method, req, rep Message) (code uint32, failed bool, err error) {
	w := &waiter{m: m, rep: rep, done: make(chan struct{})}
	c.mu.Lock()
	for {
		// The upper half belongs to the kernel's zx_channel_call, zero to
		// one-way messages.
		c.txid = (c.txid + 1) & 0x7fffffff
		if _, used := c.pending[c.txid]; c.txid != 0 && !used {
			break
		}
	}
	txid := c.txid
	c.pending[txid] = w
	c.mu.Unlock()

	if err := c.send(ctx, m, txid, req); err != nil {
		c.mu.Lock()
		delete(c.pending, txid)
		c.mu.Unlock()
		return 0, false, err
	}
	for {
		select {
		case <-w.done:
			return w.result()
		case c.reading <- struct{}{}:
			select {
			case <-w.done:
			default:
				_ = c.read(ctx) // an end of ctx shows below, any other reaches w
			}
			<-c.reading
		case <-ctx.Done():
		}
		if ctx.Err() == nil {
			continue
		}
		c.mu.Lock()
		_, waiting := c.pending[txid]
		if waiting {
			c.pending[txid] = nil
		}
		c.mu.Unlock()
		if waiting {
			return 0, false, ctx.Err()
		}
		<-w.done // being filled just now
		return w.result()
	}
}

func (w *waiter) result() (code uint32, failed bool, err error) {
	switch {
	case w.err != nil:
		return 0, false, w.err
	case w.arm == resultError:
		return w.code, true, nil
	case w.arm == resultFramework:
		return 0, false, ErrUnknownMethod
	}
	return 0, false, nil
}

// HandleEvents reads until the connection ends or ctx does, and runs event
// handlers meanwhile. It returns why it stopped: an *EpitaphError, an error
// that is zx.ErrPeerClosed, ErrClosed, a context error. A handler must not
// wait for a response on the same client.
func (c *Client) HandleEvents(ctx context.Context) error {
	for {
		if err := c.HandleOne(ctx); err != nil {
			return err
		}
	}
}

// HandleOne reads one message, an event or a response, and deals with it.
func (c *Client) HandleOne(ctx context.Context) error {
	select {
	case c.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.reading }()
	if err := c.ended(); err != nil {
		return err
	}
	return c.read(ctx)
}

// read reads one message and deals with it. The caller holds the token.
func (c *Client) read(ctx context.Context) error {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	nb, nh, err := c.t.ReadMsg(ctx, buf.b[:], buf.h[:])
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		return c.fail(err)
	}
	b, h := buf.b[:nb], buf.h[:nh]
	hdr, err := ParseHeader(b)
	if err != nil {
		closeInfos(c.t, h)
		return c.fail(err)
	}
	if hdr.Txid == 0 {
		return c.event(&Event{c: c, hdr: hdr, b: b[HeaderSize:], h: h})
	}
	return c.response(hdr, b[HeaderSize:], h)
}

func (c *Client) response(hdr Header, b []byte, h []zx.HandleInfo) error {
	c.mu.Lock()
	w, ok := c.pending[hdr.Txid]
	delete(c.pending, hdr.Txid)
	c.mu.Unlock()
	switch {
	case !ok:
		closeInfos(c.t, h)
		return c.fail(ErrUnexpected)
	case w == nil: // its caller gave up
		closeInfos(c.t, h)
		return nil
	case hdr.Ordinal != w.m.Ordinal:
		closeInfos(c.t, h)
		w.err = c.fail(ErrUnexpected)
	case w.m.result():
		w.arm, w.code, w.err = w.m.decodeResult(w.rep, b, h, hdr.Format, c.t)
	default:
		w.err = decodeBody(w.rep, b, h, hdr.Format, c.t)
	}
	err := w.err
	close(w.done)
	if err != nil {
		return c.fail(err)
	}
	return nil
}

// Event is an event that arrived.
type Event struct {
	c   *Client
	hdr Header
	b   []byte
	h   []zx.HandleInfo
	err error
}

// Ordinal is the event's.
func (ev *Event) Ordinal() uint64 { return ev.hdr.Ordinal }

// Decode reads the event into m, nil for an event without parameters. On false
// it was refused and the handler must not run.
func (ev *Event) Decode(m Message) bool {
	ev.err = decodeBody(m, ev.b, ev.h, ev.hdr.Format, ev.c.t)
	return ev.err == nil
}

// Drop closes the event's handles. It stands in for Decode when nobody wants
// the event.
func (ev *Event) Drop() { closeInfos(ev.c.t, ev.h) }

func (c *Client) event(ev *Event) error {
	if ev.hdr.Ordinal == ordinalEpitaph {
		return c.epitaph(ev)
	}
	if c.events != nil && c.events(ev) {
		if ev.err != nil {
			return c.fail(ev.err)
		}
		return nil
	}
	ev.Drop()
	if !ev.hdr.Flexible || c.openness == Closed {
		return c.fail(ErrOrdinal)
	}
	return nil
}

func (c *Client) epitaph(ev *Event) error {
	d := Decoder{b: ev.b, h: ev.h, format: ev.hdr.Format, ops: c.t}
	var s zx.Status
	if off, ok := d.alloc(0, 4); ok {
		s = zx.Status(d.Uint32(off))
	}
	if err := d.finish(); err != nil {
		return c.fail(err)
	}
	return c.fail(&EpitaphError{Status: s})
}
