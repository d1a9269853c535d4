package fidl

import (
	"bytes"
	"encoding/binary"
	"slices"

	"go.fuchsia.dev/fidl-go/zx"
)

// WireFormat is a version of the wire format.
type WireFormat uint8

const (
	// V2 is the current format, and the zero value.
	V2 WireFormat = iota
	// V1 is the format of messages whose header lacks the v2 flag.
	V1
)

// String gives "v2" or "v1".
func (f WireFormat) String() string {
	if f == V1 {
		return "v1"
	}
	return "v2"
}

// HeaderSize is the size of a transactional message's header in bytes.
const HeaderSize = 16

const (
	// MagicInitial is the only magic number there has been.
	MagicInitial = 1

	atRestV2        = 0x02 // at-rest flags, byte 0: wire format v2
	atRestXUnion    = 0x01 // at-rest flags, byte 0, before v2: unions are extensible
	dynamicFlexible = 0x80 // dynamic flags: the method is flexible

	ordinalEpitaph = 0xffffffffffffffff
)

// Header is the header of a transactional message.
type Header struct {
	// Txid pairs a response with its request; 0 for one-way requests and events.
	Txid uint32
	// Format is from the at-rest flags.
	Format WireFormat
	// Flexible is the dynamic flag: the receiver may tolerate not knowing the method.
	Flexible bool
	// Ordinal names the method.
	Ordinal uint64
}

func (h Header) put(b []byte) {
	binary.LittleEndian.PutUint32(b, h.Txid)
	b[4], b[5], b[6], b[7] = atRestV2, 0, 0, MagicInitial
	if h.Format == V1 {
		b[4] = atRestXUnion
	}
	if h.Flexible {
		b[6] = dynamicFlexible
	}
	binary.LittleEndian.PutUint64(b[8:], h.Ordinal)
}

// ParseHeader reads the header of the message b. It fails with ErrHeader when
// b is too short, the magic number is unknown or the ordinal is zero.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || b[7] != MagicInitial {
		return Header{}, ErrHeader
	}
	h := Header{
		Txid:     binary.LittleEndian.Uint32(b),
		Flexible: b[6]&dynamicFlexible != 0,
		Ordinal:  binary.LittleEndian.Uint64(b[8:]),
	}
	if b[4]&atRestV2 == 0 {
		h.Format = V1
	}
	if h.Ordinal == 0 {
		return Header{}, ErrHeader
	}
	return h, nil
}

// Message is a value that FIDL can encode: a generated struct, table or union.
type Message interface {
	// MarshalFIDL writes the value's inline part at off, and what is out of
	// line after what the Encoder holds.
	MarshalFIDL(e *Encoder, off int)
	// UnmarshalFIDL is the reverse. The receiver must be a zero value.
	UnmarshalFIDL(d *Decoder, off int)
	// SizeFIDL is the size of the inline part in bytes.
	SizeFIDL(f WireFormat) int
}

// Marshal encodes m without a header. The handles move to the result; when it
// fails they are the caller's again to close, all of them in the result.
func Marshal(m Message, f WireFormat) ([]byte, []zx.HandleDisposition, error) {
	e := newEncoder(f)
	defer e.free()
	e.body(m)
	err := e.finish()
	return bytes.Clone(e.b), slices.Clone(e.h), err
}

// Unmarshal decodes a message without a header into m, which must be a zero
// value. It consumes h: on success the handles are in m, on failure they are
// closed through ops, which may be nil when h is empty. It keeps neither b nor h.
func Unmarshal(m Message, b []byte, h []zx.HandleInfo, f WireFormat, ops HandleOps) error {
	return decodeBody(m, b, h, f, ops)
}

// Discard closes the handles that m holds. m may be nil.
func Discard(ops HandleOps, m Message) {
	if m == nil {
		return
	}
	e := newEncoder(V2)
	defer e.free()
	e.body(m)
	e.closeHandles(ops)
}

// Ptr gives a pointer to v, for members of tables.
func Ptr[T any](v T) *T { return &v }
