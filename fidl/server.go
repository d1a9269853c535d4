package fidl

import (
	"context"
	"errors"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// Openness says which unknown interactions a protocol tolerates (RFC-0138).
type Openness uint8

const (
	// Closed tolerates none.
	Closed Openness = iota
	// Ajar tolerates flexible one-way methods and events.
	Ajar
	// Open tolerates flexible two-way methods too.
	Open
)

// Dispatcher is a protocol with its implementation. Generated code makes it.
type Dispatcher struct {
	Openness Openness
	// Impl is told of unknown methods when it is an UnknownMethodHandler.
	Impl any
	// Dispatch runs the method that c asks for; false when the protocol does
	// not have it.
	Dispatch func(c *Call) bool
}

// UnknownMethodHandler is for implementations that want to know of calls that
// an open or ajar protocol let pass.
type UnknownMethodHandler interface {
	UnknownMethod(ctx context.Context, ordinal uint64, twoWay bool)
}

// Serve answers the peer of t until the peer closes, a method stops the
// connection, ctx ends or something goes wrong; then it closes t. It returns
// nil in the first two cases. It returns only when every method has.
//
// A message belongs to the first of ds that has its ordinal, so one
// connection can speak several protocols, and several eras of one protocol.
// Methods are called one by one in the order of their messages, and answered
// in that order; what the peer sent before it closed is served. See Call.Detach
// for a method that must wait. The context that
// they are given ends with the connection.
//
// A malformed message, an unknown method that the protocol does not tolerate,
// and an error from a method that the protocol has no room for end the
// connection with an epitaph.
func Serve(ctx context.Context, t Transport, ds ...Dispatcher) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &server{t: t, ds: ds, cancel: cancel}
	for _, d := range ds {
		s.openness = max(s.openness, d.Openness)
	}
	s.loop(ctx)
	s.wg.Wait()
	cancel(nil)
	if err := t.Close(); err != nil && s.err == nil {
		s.err = err
	}
	return s.err
}

type server struct {
	t        Transport
	ds       []Dispatcher
	openness Openness
	cancel   context.CancelCauseFunc
	wg       sync.WaitGroup // detached loops

	mu    sync.Mutex // guards what follows, and orders writes before the end
	ended bool
	err   error // what Serve returns
}

// end ends the connection; the first call decides. A status other than OK goes
// to the peer as an epitaph.
func (s *server) end(err error, f WireFormat, epitaph zx.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	if epitaph != zx.OK {
		_ = SendEpitaph(s.t, f, epitaph) // the peer may be gone; the connection ends all the same
	}
	s.cancel(err)
}

// loop reads and runs calls until the connection ends or a call is detached,
// and then another loop reads.
func (s *server) loop(ctx context.Context) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	c := &Call{Context: ctx, s: s}
	for {
		nb, nh, err := s.t.ReadMsg(ctx, buf.b[:], buf.h[:])
		if err != nil {
			if errors.Is(err, zx.ErrPeerClosed) {
				err = nil
			}
			s.end(err, V2, zx.OK)
			return
		}
		if !c.run(buf.b[:nb], buf.h[:nh]) {
			return
		}
	}
}

// Call is one request being served. It is the context that the method is given.
type Call struct {
	context.Context
	s        *server
	hdr      Header
	b        []byte
	h        []zx.HandleInfo
	detached bool
	stop     bool
}

type callKey struct{}

// Value implements context.Context.
func (c *Call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// CallFrom gives the call that a server method's context belongs to, nil when
// it belongs to none.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Ordinal is the method's.
func (c *Call) Ordinal() uint64 { return c.hdr.Ordinal }

// Format is what the request came in and the answer will go out in.
func (c *Call) Format() WireFormat { return c.hdr.Format }

// Transport is that of the connection: to send events, or close handles of the
// request. It belongs to Serve.
func (c *Call) Transport() Transport { return c.s.t }

// Stop ends the connection, without an epitaph, once the method is answered.
func (c *Call) Stop() { c.stop = true }

// Detach lets the connection go on with the next message while this method
// still runs. Its answer follows when it returns. A method that waits for
// something other than its own work calls it first.
func (c *Call) Detach() {
	if c.detached {
		return
	}
	c.detached = true
	c.s.wg.Add(1)
	go func() {
		defer c.s.wg.Done()
		c.s.loop(c.Context)
	}()
}

// run serves one message; it says whether this loop reads on.
func (c *Call) run(b []byte, h []zx.HandleInfo) bool {
	s := c.s
	var err error
	if c.hdr, err = ParseHeader(b); err != nil {
		closeInfos(s.t, h)
		s.end(err, V2, zx.ErrInvalidArgs)
		return false
	}
	c.b, c.h = b[HeaderSize:], h
	handled := false
	for i := range s.ds {
		if handled = s.ds[i].Dispatch(c); handled {
			break
		}
	}
	if !handled {
		c.unknown()
	}
	if c.stop {
		s.end(nil, c.hdr.Format, zx.OK)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !c.detached && !s.ended
}

// unknown deals with a method that no dispatcher has.
func (c *Call) unknown() {
	closeInfos(c.s.t, c.h)
	twoWay := c.hdr.Txid != 0
	if !c.hdr.Flexible || c.s.openness == Closed || twoWay && c.s.openness != Open {
		c.s.end(ErrOrdinal, c.hdr.Format, zx.ErrNotSupported)
		return
	}
	for _, d := range c.s.ds {
		if u, ok := d.Impl.(UnknownMethodHandler); ok {
			u.UnknownMethod(c, c.hdr.Ordinal, twoWay)
			break
		}
	}
	if twoWay {
		c.write(nil, func(h Header) error {
			return sendResult(c.s.t, h, resultFramework, nil, frameworkUnknownMethod)
		})
	}
}

// Request decodes the request into req, which is nil for a method without
// parameters. On false the message was refused and the method must not run.
func (c *Call) Request(m *Method, req Message) bool {
	if m.TwoWay != (c.hdr.Txid != 0) {
		closeInfos(c.s.t, c.h)
		c.s.end(ErrUnexpected, c.hdr.Format, zx.ErrInvalidArgs)
		return false
	}
	if err := decodeBody(req, c.b, c.h, c.hdr.Format, c.s.t); err != nil {
		c.s.end(err, c.hdr.Format, zx.ErrInvalidArgs)
		return false
	}
	return true
}

// Respond answers a two-way method with rep (nil when the method has nothing
// to return), or ends a one-way method; err other than nil ends the connection.
func (c *Call) Respond(m *Method, rep Message, err error) {
	switch {
	case err != nil && c.Err() != nil && errors.Is(err, c.Err()):
		c.s.end(err, c.hdr.Format, zx.OK) // the method ended because the connection did
	case err != nil:
		c.s.end(err, c.hdr.Format, statusOf(err))
	case !m.TwoWay:
	case m.result():
		c.write(rep, func(h Header) error { return sendResult(c.s.t, h, resultOK, rep, 0) })
	default:
		c.write(rep, func(h Header) error { return send(c.s.t, h, rep) })
	}
}

// RespondError answers with an application error.
func (c *Call) RespondError(m *Method, code uint32) {
	c.write(nil, func(h Header) error { return sendResult(c.s.t, h, resultError, nil, code) })
}

// ErrNoResponse: a server method returned neither a response nor an error.
var ErrNoResponse = errors.New("fidl: server method returned no response")

// write sends an answer by f, or closes the handles of rep when the connection
// has ended.
func (c *Call) write(rep Message, f func(Header) error) {
	c.s.mu.Lock()
	var err error
	if c.s.ended {
		Discard(c.s.t, rep)
	} else {
		err = f(Header{Txid: c.hdr.Txid, Format: c.hdr.Format, Flexible: c.hdr.Flexible, Ordinal: c.hdr.Ordinal})
	}
	c.s.mu.Unlock()
	// A peer that has closed may have sent more, which is served all the same.
	if err != nil && !errors.Is(err, zx.ErrPeerClosed) {
		c.s.end(err, c.hdr.Format, statusOf(err))
	}
}
