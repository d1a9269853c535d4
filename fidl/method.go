package fidl

import (
	"errors"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// Method describes one method or event of a protocol to the runtime.
type Method struct {
	// Name is "library/Protocol.Method".
	Name string
	// Ordinal is the first 8 bytes of the SHA-256 of the selector, little
	// endian, without the top bit.
	Ordinal uint64
	// Format is what requests and events are sent in.
	Format WireFormat
	// TwoWay: a response follows. Flexible: the peer may not know it.
	TwoWay, Flexible bool
	// HasError: the response is a result with an application error.
	HasError bool
	// KnownError says whether the code is a member of a strict error enum; nil
	// admits all.
	KnownError func(code uint32) bool
}

// result says whether responses are wrapped in a result union.
func (m *Method) result() bool { return m.HasError || m.Flexible && m.TwoWay }

// Members of a result union.
const (
	resultOK        = 1
	resultError     = 2
	resultFramework = 3

	frameworkUnknownMethod = ^uint32(1) // -2: ZX_ERR_NOT_SUPPORTED
)

// ErrorCode is an application error of a method whose error type is a plain
// int32 or uint32.
type ErrorCode uint32

func (e ErrorCode) Error() string { return "fidl: application error " + zx.Status(e).String() }

// send writes one message; it consumes m's handles whatever the outcome.
func send(t Transport, h Header, m Message) error {
	e := newEncoder(h.Format)
	defer e.free()
	h.put(e.b[:e.alloc(HeaderSize)+HeaderSize])
	if m != nil {
		e.body(m)
	}
	return e.sendTo(t)
}

func (e *Encoder) sendTo(t Transport) error {
	if err := e.finish(); err != nil {
		e.closeHandles(t)
		return err
	}
	return t.WriteMsg(e.b, e.h)
}

// sendResult writes a response wrapped in a result union: for resultOK with
// the payload m (nil: an empty struct), for the others with code.
func sendResult(t Transport, h Header, arm uint64, m Message, code uint32) error {
	e := newEncoder(h.Format)
	defer e.free()
	h.put(e.b[:e.alloc(HeaderSize)+HeaderSize])
	off := e.alloc(8 + e.EnvelopeSize())
	e.Union(off, arm)
	size := 4
	if arm == resultOK {
		size = 1
		if m != nil {
			size = m.SizeFIDL(h.Format)
		}
	}
	if v, ok := e.BeginEnvelope(off+8, size); ok {
		switch {
		case arm != resultOK:
			e.Uint32(v.Off, code)
		case m != nil:
			m.MarshalFIDL(e, v.Off)
		}
		e.EndEnvelope(v)
	}
	return e.sendTo(t)
}

// SendEvent sends an event from a server, in the format that the peer speaks.
// It consumes the handles of ev whatever the outcome.
func SendEvent(t Transport, f WireFormat, m *Method, ev Message) error {
	return send(t, Header{Format: f, Flexible: m.Flexible, Ordinal: m.Ordinal}, ev)
}

// SendEpitaph tells the peer why the server will close the connection. The
// caller closes it.
func SendEpitaph(t Transport, f WireFormat, s zx.Status) error {
	return send(t, Header{Format: f, Ordinal: ordinalEpitaph}, epitaph(s))
}

// epitaph is the body of an epitaph.
type epitaph zx.Status

func (s epitaph) MarshalFIDL(e *Encoder, off int) { e.Uint32(off, uint32(s)) }
func (s epitaph) UnmarshalFIDL(*Decoder, int)     {}
func (s epitaph) SizeFIDL(WireFormat) int         { return 4 }

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// decodeBody decodes the body b of a message into m; nil means that there must
// be none. The handles are consumed.
func decodeBody(m Message, b []byte, h []zx.HandleInfo, f WireFormat, ops HandleOps) error {
	d := decoders.Get().(*Decoder)
	*d = Decoder{b: b, h: h, format: f, ops: ops}
	defer func() { *d = Decoder{}; decoders.Put(d) }()
	if m == nil {
		return d.finish()
	}
	return d.body(m)
}

// decodeResult decodes a result union: the payload into m (nil: an empty
// struct), or the error code of arm resultError or resultFramework.
func (m *Method) decodeResult(rep Message, b []byte, h []zx.HandleInfo, f WireFormat, ops HandleOps) (arm uint64, code uint32, err error) {
	d := decoders.Get().(*Decoder)
	*d = Decoder{b: b, h: h, format: f, ops: ops}
	defer func() { *d = Decoder{}; decoders.Put(d) }()
	off, ok := d.alloc(0, 8+d.EnvelopeSize())
	if !ok {
		return 0, 0, d.finish()
	}
	arm, ok = d.Union(off, false)
	if !ok {
		return 0, 0, d.finish()
	}
	size := 4
	switch {
	case arm == resultOK:
		size = 1
		if rep != nil {
			size = rep.SizeFIDL(f)
		}
	case arm == resultError && m.HasError, arm == resultFramework && m.Flexible:
	default:
		d.Fail(off, ErrUnion)
		return 0, 0, d.finish()
	}
	if v, ok := d.BeginEnvelope(off+8, size); ok {
		switch {
		case arm != resultOK:
			code = d.Uint32(v.Off)
			if arm == resultFramework && code != frameworkUnknownMethod ||
				arm == resultError && m.KnownError != nil && !m.KnownError(code) {
				d.Fail(v.Off, ErrEnum)
			}
		case rep != nil:
			rep.UnmarshalFIDL(d, v.Off)
		default:
			d.Zero(v.Off, 1)
		}
		d.EndEnvelope(v)
	}
	return arm, code, d.finish()
}

// buffer is room for one message as a transport delivers it.
type buffer struct {
	b [zx.ChannelMaxMsgBytes]byte
	h [zx.ChannelMaxMsgHandles]zx.HandleInfo
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// statusOf is the status to put on the wire for err.
func statusOf(err error) zx.Status {
	var s zx.Status
	if errors.As(err, &s) && s != zx.OK {
		return s
	}
	return zx.ErrInternal
}
