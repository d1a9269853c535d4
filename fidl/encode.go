package fidl

import (
	"encoding/binary"
	"math"
	"sync"
	"unicode/utf8"

	"go.fuchsia.dev/fidl-go/zx"
)

const (
	maxDepth      = 32
	present       = math.MaxUint64
	handlePresent = math.MaxUint32
)

// Encoder writes one message. Generated code drives it; the zero value is not
// of use to others.
//
// Errors stick: the first is kept and encoding goes on, so that every handle
// of the value ends in the Encoder, where it has one owner. Handles more than
// 32 levels deep, which no message can hold, are not reached and stay where
// they are.
type Encoder struct {
	b      []byte
	h      []zx.HandleDisposition
	format WireFormat
	depth  int
	err    error
}

var encoders = sync.Pool{New: func() any {
	return &Encoder{b: make([]byte, 0, 4096), h: make([]zx.HandleDisposition, 0, zx.ChannelMaxMsgHandles)}
}}

func newEncoder(f WireFormat) *Encoder {
	e := encoders.Get().(*Encoder)
	e.b, e.h, e.format, e.depth, e.err = e.b[:0], e.h[:0], f, 0, nil
	return e
}

func (e *Encoder) free() {
	if cap(e.b) <= 2*zx.ChannelMaxMsgBytes {
		encoders.Put(e)
	}
}

func (e *Encoder) body(m Message) { m.MarshalFIDL(e, e.alloc(m.SizeFIDL(e.format))) }

// finish checks the limits of a whole message.
func (e *Encoder) finish() error {
	if len(e.b) > zx.ChannelMaxMsgBytes {
		e.Fail(0, ErrTooLarge)
	}
	if len(e.h) > zx.ChannelMaxMsgHandles {
		e.Fail(0, ErrTooManyHandles)
	}
	return e.err
}

func (e *Encoder) closeHandles(ops HandleOps) {
	for i := range e.h {
		if h := e.h[i].Handle; h != zx.HandleInvalid {
			ops.CloseHandles(h)
		}
	}
	e.h = e.h[:0]
}

// Fail records an error at byte off. The first one wins.
func (e *Encoder) Fail(off int, reason error) {
	if e.err == nil {
		e.err = &WireError{Encode: true, Offset: off, Reason: reason}
	}
}

// Sel gives v2 or v1, by the message's format.
func (e *Encoder) Sel(v2, v1 int) int {
	if e.format == V1 {
		return v1
	}
	return v2
}

// alloc appends a zeroed object of n bytes, padded to 8, and gives its offset.
func (e *Encoder) alloc(n int) int {
	off := len(e.b)
	end := off + (n+7)&^7
	if end > cap(e.b) {
		nb := make([]byte, off, max(2*cap(e.b), end, 256))
		copy(nb, e.b)
		e.b = nb
	}
	e.b = e.b[:end]
	clear(e.b[off:])
	return off
}

// enter steps through an indirection; it says whether to go on.
func (e *Encoder) enter(off int) bool {
	if e.depth == maxDepth {
		e.Fail(off, ErrDepth)
		return false
	}
	e.depth++
	return true
}

// Leave ends what Vector, Box or BeginEnvelope began.
func (e *Encoder) Leave() { e.depth-- }

// Bool writes v at off.
func (e *Encoder) Bool(off int, v bool) {
	if v {
		e.b[off] = 1
	}
}

// Uint8 writes v at off.
func (e *Encoder) Uint8(off int, v uint8) { e.b[off] = v }

// Uint16 writes v at off.
func (e *Encoder) Uint16(off int, v uint16) { binary.LittleEndian.PutUint16(e.b[off:], v) }

// Uint32 writes v at off.
func (e *Encoder) Uint32(off int, v uint32) { binary.LittleEndian.PutUint32(e.b[off:], v) }

// Uint64 writes v at off.
func (e *Encoder) Uint64(off int, v uint64) { binary.LittleEndian.PutUint64(e.b[off:], v) }

// Float32 writes v at off.
func (e *Encoder) Float32(off int, v float32) { e.Uint32(off, math.Float32bits(v)) }

// Float64 writes v at off.
func (e *Encoder) Float64(off int, v float64) { e.Uint64(off, math.Float64bits(v)) }

// Handle moves h to the message, asking for type t and rights r; optional
// admits none.
func (e *Encoder) Handle(off int, h zx.Handle, t zx.ObjType, r zx.Rights, optional bool) {
	if h == zx.HandleInvalid {
		if !optional {
			e.Fail(off, ErrAbsent)
		}
		return
	}
	e.Uint32(off, handlePresent)
	e.h = append(e.h, zx.HandleDisposition{Handle: h, Type: t, Rights: r})
}

// Endpoint moves a channel's end to the message.
func (e *Encoder) Endpoint(off int, h zx.Handle, optional bool) {
	e.Handle(off, h, zx.ObjTypeChannel, endpointRights, optional)
}

// Vector begins a vector of n elements of size bytes each, at most bound, and
// gives the offset of the first. When ok is false there is nothing to write;
// otherwise Leave ends the vector.
func (e *Encoder) Vector(off, n, size int, bound uint32) (first int, ok bool) {
	if uint64(n) > uint64(bound) {
		e.Fail(off, ErrBound)
	}
	e.Uint64(off, uint64(n))
	e.Uint64(off+8, present)
	if !e.enter(off) {
		return 0, false
	}
	return e.alloc(n * size), true
}

// Bytes writes a vector<uint8>.
func (e *Encoder) Bytes(off int, v []byte, bound uint32) {
	if o, ok := e.Vector(off, len(v), 1, bound); ok {
		copy(e.b[o:], v)
		e.Leave()
	}
}

// String writes a string.
func (e *Encoder) String(off int, v string, bound uint32) {
	if !utf8.ValidString(v) {
		e.Fail(off, ErrUTF8)
	}
	if o, ok := e.Vector(off, len(v), 1, bound); ok {
		copy(e.b[o:], v)
		e.Leave()
	}
}

// Array copies v to off.
func (e *Encoder) Array(off int, v []byte) { copy(e.b[off:], v) }

// Box begins a present box whose content has the given size. Leave ends it.
func (e *Encoder) Box(off, size int) (content int, ok bool) {
	e.Uint64(off, present)
	if !e.enter(off) {
		return 0, false
	}
	return e.alloc(size), true
}

// EnvelopeSize is the size of an envelope's header: 8, or 16 in v1.
func (e *Encoder) EnvelopeSize() int { return envelopeSize(e.format) }

func envelopeSize(f WireFormat) int {
	if f == V1 {
		return 16
	}
	return 8
}

// Table begins a table whose last present member has ordinal n and gives the
// offset of its first envelope. Leave ends it.
func (e *Encoder) Table(off, n int) (first int, ok bool) {
	return e.Vector(off, n, e.EnvelopeSize(), math.MaxUint32)
}

// Envelope is an envelope that is being written or read.
type Envelope struct {
	// Off is where its content is.
	Off int

	header  int // of the envelope itself
	next    int // end of the message when it began
	handles int // handles when it began
	nb, nh  uint32
	inline  bool
}

// BeginEnvelope begins a present envelope at off, for content whose inline
// part has the given size. When ok is true EndEnvelope ends it.
func (e *Encoder) BeginEnvelope(off, size int) (v Envelope, ok bool) {
	v = Envelope{header: off, handles: len(e.h)}
	if e.format == V2 && size <= 4 {
		v.inline, v.Off = true, off
		return v, true
	}
	if !e.enter(off) {
		return v, false
	}
	v.Off = e.alloc(size)
	return v, true
}

// EndEnvelope writes the envelope's header.
func (e *Encoder) EndEnvelope(v Envelope) {
	nh := len(e.h) - v.handles
	if v.inline {
		e.Uint16(v.header+4, uint16(nh))
		e.Uint16(v.header+6, 1)
		return
	}
	e.Leave()
	e.Uint32(v.header, uint32(len(e.b)-v.Off))
	if e.format == V1 {
		e.Uint32(v.header+4, uint32(nh))
		e.Uint64(v.header+8, present)
		return
	}
	e.Uint16(v.header+4, uint16(nh))
}

// UnknownData is the content of a table or union member that the receiver's
// sources do not name. It is kept as it came, so that it can be passed on. Its
// handles belong to whoever holds the value.
//
// Content with handles that came for a type that is no resource is not kept,
// and its handles are closed. A table is then without the member; a union has
// its ordinal for a Tag and nothing in Unknown, and cannot be encoded.
type UnknownData struct {
	// Ordinal is the member's.
	Ordinal uint64
	// Format is that of Bytes; the data can be encoded in this format only.
	Format WireFormat
	// Inline: Bytes are the four bytes of an inlined envelope.
	Inline bool
	// Bytes is the encoded content, without the envelope's header.
	Bytes []byte
	// Handles are in the order of the content.
	Handles []zx.HandleInfo
}

// Unknown writes u as an envelope at off.
func (e *Encoder) Unknown(off int, u *UnknownData) {
	handles := len(e.h)
	for _, h := range u.Handles {
		e.h = append(e.h, zx.HandleDisposition{Handle: h.Handle, Rights: zx.RightSameRights})
	}
	if u.Format != e.format {
		e.Fail(off, ErrUnknownFormat)
		return
	}
	if u.Inline {
		if len(u.Bytes) != 4 || e.format == V1 {
			e.Fail(off, ErrEnvelopeInline)
			return
		}
		copy(e.b[off:], u.Bytes)
		e.EndEnvelope(Envelope{header: off, handles: handles, inline: true})
		return
	}
	if len(u.Bytes) == 0 || len(u.Bytes)%8 != 0 {
		e.Fail(off, ErrEnvelopeSize)
		return
	}
	if e.enter(off) {
		o := e.alloc(len(u.Bytes))
		copy(e.b[o:], u.Bytes)
		e.EndEnvelope(Envelope{Off: o, header: off, handles: handles})
	}
}

// TableEnd gives the highest ordinal of a table: the known one, or that of its
// last unknown member.
func TableEnd(known int, unknown []UnknownData) int {
	for i := range unknown {
		if o := unknown[i].Ordinal; o <= zx.ChannelMaxMsgBytes {
			known = max(known, int(o))
		}
	}
	return known
}

// UnknownMembers writes the unknown members with ordinals from lo to hi of a
// table whose first envelope is at first.
func (e *Encoder) UnknownMembers(first int, lo, hi uint64, unknown []UnknownData) {
	for i := range unknown {
		if u := &unknown[i]; u.Ordinal >= lo && u.Ordinal <= hi {
			e.Unknown(first+int(u.Ordinal-1)*e.EnvelopeSize(), u)
		}
	}
}

// Union begins a union at off whose member has the given ordinal; its envelope
// is at off+8.
func (e *Encoder) Union(off int, ordinal uint64) { e.Uint64(off, ordinal) }
