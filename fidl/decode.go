package fidl

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
	"unsafe"

	"go.fuchsia.dev/fidl-go/zx"
)

// Decoder reads one message. Generated code drives it; the zero value is not
// of use to others.
//
// Errors stick: the first is kept, and what is read after it does not matter.
// Every read is within an object whose bounds were checked when it was entered.
type Decoder struct {
	b      []byte
	h      []zx.HandleInfo
	format WireFormat
	ops    HandleOps
	next   int // where the next out-of-line object begins
	nh     int // the next handle
	depth  int
	err    error
	// arena backs all strings and byte vectors of the message: one
	// allocation. Regions of it never overlap, so that a string stays
	// immutable whatever is done to the byte vectors.
	arena []byte
}

// body decodes the whole of d.b into m.
func (d *Decoder) body(m Message) error {
	if len(d.b) > zx.ChannelMaxMsgBytes {
		d.Fail(0, ErrTooLarge)
	} else if len(d.h) > zx.ChannelMaxMsgHandles {
		d.Fail(0, ErrTooManyHandles)
	} else if off, ok := d.alloc(0, m.SizeFIDL(d.format)); ok {
		m.UnmarshalFIDL(d, off)
	}
	return d.finish()
}

func (d *Decoder) finish() error {
	if d.err == nil && d.next != len(d.b) {
		d.Fail(d.next, ErrExtraBytes)
	}
	if d.err == nil && d.nh != len(d.h) {
		d.Fail(d.next, ErrExtraHandles)
	}
	if d.err != nil {
		closeInfos(d.ops, d.h)
	}
	return d.err
}

func closeInfos(ops HandleOps, h []zx.HandleInfo) {
	for i := range h {
		if h[i].Handle != zx.HandleInvalid {
			ops.CloseHandles(h[i].Handle)
			h[i].Handle = zx.HandleInvalid
		}
	}
}

// Fail records an error at byte off. The first one wins.
func (d *Decoder) Fail(off int, reason error) {
	if d.err == nil {
		d.err = &WireError{Offset: off, Reason: reason}
	}
}

// Sel gives v2 or v1, by the message's format.
func (d *Decoder) Sel(v2, v1 int) int {
	if d.format == V1 {
		return v1
	}
	return v2
}

// alloc takes the next out-of-line object, of n bytes, and checks its padding.
func (d *Decoder) alloc(at, n int) (off int, ok bool) {
	if d.err != nil {
		return 0, false
	}
	off = d.next
	if n > len(d.b)-off || (n+7)&^7 > len(d.b)-off {
		d.Fail(at, ErrTooShort)
		return 0, false
	}
	d.next += (n + 7) &^ 7
	d.Zero(off+n, d.next-off-n)
	return off, d.err == nil
}

// Zero checks that n bytes of padding at off are zero.
func (d *Decoder) Zero(off, n int) {
	for _, c := range d.b[off : off+n] {
		if c != 0 {
			d.Fail(off, ErrPadding)
			return
		}
	}
}

func (d *Decoder) enter(off int) bool {
	if d.depth == maxDepth {
		d.Fail(off, ErrDepth)
		return false
	}
	d.depth++
	return true
}

// Leave ends what Vector or Box began.
func (d *Decoder) Leave() { d.depth-- }

// Bool reads at off.
func (d *Decoder) Bool(off int) bool {
	if d.b[off] > 1 {
		d.Fail(off, ErrBool)
	}
	return d.b[off] == 1
}

// Uint8 reads at off.
func (d *Decoder) Uint8(off int) uint8 { return d.b[off] }

// Uint16 reads at off.
func (d *Decoder) Uint16(off int) uint16 { return binary.LittleEndian.Uint16(d.b[off:]) }

// Uint32 reads at off.
func (d *Decoder) Uint32(off int) uint32 { return binary.LittleEndian.Uint32(d.b[off:]) }

// Uint64 reads at off.
func (d *Decoder) Uint64(off int) uint64 { return binary.LittleEndian.Uint64(d.b[off:]) }

// Float32 reads at off.
func (d *Decoder) Float32(off int) float32 { return math.Float32frombits(d.Uint32(off)) }

// Float64 reads at off.
func (d *Decoder) Float64(off int) float64 { return math.Float64frombits(d.Uint64(off)) }

// Array copies from off to v.
func (d *Decoder) Array(off int, v []byte) { copy(v, d.b[off:]) }

// Handle takes the next handle when the marker at off says so. Its object must
// be of type t (ObjTypeNone: any) and it must have the rights r
// (RightSameRights: any); rights beyond r are dropped.
func (d *Decoder) Handle(off int, t zx.ObjType, r zx.Rights, optional bool) zx.Handle {
	switch d.Uint32(off) {
	case handlePresent:
	case 0:
		if !optional {
			d.Fail(off, ErrAbsent)
		}
		return zx.HandleInvalid
	default:
		d.Fail(off, ErrPresence)
		return zx.HandleInvalid
	}
	if d.nh == len(d.h) {
		d.Fail(off, ErrTooFewHandles)
		return zx.HandleInvalid
	}
	info := &d.h[d.nh]
	d.nh++
	if d.err != nil {
		return zx.HandleInvalid
	}
	if t != zx.ObjTypeNone && info.Type != zx.ObjTypeNone && t != info.Type {
		d.Fail(off, ErrObjType)
		return zx.HandleInvalid
	}
	if r != zx.RightSameRights && info.Rights != zx.RightSameRights && r != info.Rights {
		if r&^info.Rights != 0 {
			d.Fail(off, ErrRights)
			return zx.HandleInvalid
		}
		h, err := d.ops.ReplaceHandle(info.Handle, r)
		info.Handle, info.Rights = h, r
		if err != nil {
			info.Handle = zx.HandleInvalid // consumed
			d.Fail(off, err)
			return zx.HandleInvalid
		}
	}
	return info.Handle
}

// Endpoint takes a channel's end.
func (d *Decoder) Endpoint(off int, optional bool) zx.Handle {
	return d.Handle(off, zx.ObjTypeChannel, endpointRights, optional)
}

// Vector enters a vector of elements of size bytes each, at most bound. ok is
// false when it is absent or refused; otherwise n elements begin at first, and
// Leave ends it.
func (d *Decoder) Vector(off, size int, bound uint32, optional bool) (n, first int, ok bool) {
	count := d.Uint64(off)
	switch d.Uint64(off + 8) {
	case present:
	case 0:
		if !optional {
			d.Fail(off, ErrAbsent)
		} else if count != 0 {
			d.Fail(off, ErrAbsentCount)
		}
		return 0, 0, false
	default:
		d.Fail(off, ErrPresence)
		return 0, 0, false
	}
	switch {
	case count > math.MaxUint32:
		d.Fail(off, ErrCount)
	case count > uint64(bound):
		d.Fail(off, ErrBound)
	case count*uint64(size) > uint64(len(d.b)-d.next):
		d.Fail(off, ErrTooShort)
	}
	if d.err != nil || !d.enter(off) {
		return 0, 0, false
	}
	first, ok = d.alloc(off, int(count)*size)
	return int(count), first, ok
}

// bytes gives a copy of n bytes at off that nothing else refers to.
func (d *Decoder) bytes(off, n int) []byte {
	if n == 0 {
		return []byte{}
	}
	if d.arena == nil {
		// What is left of the message bounds what can still be asked for.
		d.arena = make([]byte, 0, len(d.b)-off)
	}
	start := len(d.arena)
	d.arena = append(d.arena, d.b[off:off+n]...)
	return d.arena[start : start+n : start+n]
}

// Bytes reads a vector<uint8>; nil when absent.
func (d *Decoder) Bytes(off int, bound uint32, optional bool) []byte {
	n, o, ok := d.Vector(off, 1, bound, optional)
	if !ok {
		return nil
	}
	d.Leave()
	return d.bytes(o, n)
}

// String reads a string; ok is false when it is absent or refused.
func (d *Decoder) String(off int, bound uint32, optional bool) (s string, ok bool) {
	n, o, ok := d.Vector(off, 1, bound, optional)
	if !ok {
		return "", false
	}
	d.Leave()
	if !utf8.Valid(d.b[o : o+n]) {
		d.Fail(o, ErrUTF8)
		return "", false
	}
	if n == 0 {
		return "", true
	}
	b := d.bytes(o, n)
	return unsafe.String(&b[0], n), true
}

// Box enters a box whose content has the given size. ok is false when it is
// absent or refused; otherwise Leave ends it.
func (d *Decoder) Box(off, size int) (content int, ok bool) {
	switch d.Uint64(off) {
	case present:
	case 0:
		return 0, false
	default:
		d.Fail(off, ErrPresence)
		return 0, false
	}
	if !d.enter(off) {
		return 0, false
	}
	return d.alloc(off, size)
}

// EnvelopeSize is the size of an envelope's header: 8, or 16 in v1.
func (d *Decoder) EnvelopeSize() int { return envelopeSize(d.format) }

// Table enters a table: n envelopes, the first at first. When ok is true Leave
// ends it.
func (d *Decoder) Table(off int) (n, first int, ok bool) {
	n, first, ok = d.Vector(off, d.EnvelopeSize(), math.MaxUint32, false)
	if ok && n > 0 {
		last := first + (n-1)*d.EnvelopeSize()
		if d.zeroEnvelope(last) {
			d.Fail(last, ErrTableEnd)
			return 0, 0, false
		}
	}
	return n, first, ok
}

func (d *Decoder) zeroEnvelope(off int) bool {
	return d.Uint64(off) == 0 && (d.format == V2 || d.Uint64(off+8) == 0)
}

// envelope reads an envelope's header. ok is false when it is absent or refused.
func (d *Decoder) envelope(off int) (v Envelope, ok bool) {
	if d.err != nil || d.zeroEnvelope(off) {
		return v, false
	}
	v = Envelope{header: off, handles: d.nh, next: d.next, nb: d.Uint32(off)}
	if d.format == V1 {
		v.nh = d.Uint32(off + 4)
		switch d.Uint64(off + 8) {
		case present:
		case 0:
			d.Fail(off, ErrEnvelopeSize) // absent, with sizes
			return v, false
		default:
			d.Fail(off, ErrPresence)
			return v, false
		}
	} else {
		v.nh = uint32(d.Uint16(off + 4))
		switch d.Uint16(off + 6) {
		case 0:
		case 1:
			v.inline = true
			return v, true
		default:
			d.Fail(off, ErrEnvelopeInline)
			return v, false
		}
	}
	if v.nb == 0 || v.nb%8 != 0 || uint64(v.nb) > uint64(len(d.b)-d.next) {
		d.Fail(off, ErrEnvelopeSize)
		return v, false
	}
	return v, true
}

// BeginEnvelope enters the envelope at off, for known content whose inline
// part has the given size. When ok is true EndEnvelope ends it.
func (d *Decoder) BeginEnvelope(off, size int) (v Envelope, ok bool) {
	v, ok = d.envelope(off)
	if !ok {
		return v, false
	}
	if v.inline != (d.format == V2 && size <= 4) {
		d.Fail(off, ErrEnvelopeInline)
		return v, false
	}
	if v.inline {
		v.Off = off
		d.Zero(off+size, 4-size)
		return v, d.err == nil
	}
	if !d.enter(off) {
		return v, false
	}
	v.Off, ok = d.alloc(off, size)
	return v, ok
}

// EndEnvelope checks what the envelope said of its content.
func (d *Decoder) EndEnvelope(v Envelope) {
	if !v.inline {
		d.Leave()
		if d.err == nil && uint64(d.next-v.next) != uint64(v.nb) {
			d.Fail(v.header, ErrEnvelopeSize)
		}
	}
	if d.err == nil && uint64(d.nh-v.handles) != uint64(v.nh) {
		d.Fail(v.header, ErrEnvelopeHandle)
	}
}

// unknown takes the content of the envelope at off; resource says whether the
// type may hold handles. A value type cannot: content with handles is dropped,
// and they are closed. ok says whether there is anything to keep.
func (d *Decoder) unknown(off int, ordinal uint64, resource bool) (u UnknownData, ok bool) {
	u = UnknownData{Ordinal: ordinal, Format: d.format}
	v, ok := d.envelope(off)
	if !ok {
		return u, false
	}
	if uint64(v.nh) > uint64(len(d.h)-d.nh) {
		d.Fail(off, ErrTooFewHandles)
		return u, false
	}
	handles := d.h[d.nh : d.nh+int(v.nh)]
	d.nh += len(handles)
	keep := resource || len(handles) == 0
	if !keep {
		closeInfos(d.ops, handles)
	} else if len(handles) > 0 {
		u.Handles = append(u.Handles, handles...)
	}
	if v.inline {
		if keep {
			u.Inline, u.Bytes = true, d.bytes(off, 4)
		}
		return u, keep
	}
	if d.depth == maxDepth {
		d.Fail(off, ErrDepth)
		return u, false
	}
	o, ok := d.alloc(off, int(v.nb))
	if ok && keep {
		u.Bytes = d.bytes(o, int(v.nb))
	}
	return u, ok && keep
}

// UnknownMembers takes the members with ordinals from lo to hi of a table of n
// envelopes whose first is at first, and appends them to unknown.
func (d *Decoder) UnknownMembers(first, n, lo, hi int, resource bool, unknown []UnknownData) []UnknownData {
	for o := lo; o <= min(n, hi) && d.err == nil; o++ {
		if u, ok := d.unknown(first+(o-1)*d.EnvelopeSize(), uint64(o), resource); ok {
			if unknown == nil { // a slice that grows would cost twice as much
				more := 0
				for p := o; p <= n; p++ {
					if !d.zeroEnvelope(first + (p-1)*d.EnvelopeSize()) {
						more++
					}
				}
				unknown = make([]UnknownData, 0, more)
			}
			unknown = append(unknown, u)
		}
	}
	return unknown
}

// Union reads a union's ordinal, 0 for an absent one, which must be optional.
// ok is false when it is absent or refused.
func (d *Decoder) Union(off int, optional bool) (ordinal uint64, ok bool) {
	ordinal = d.Uint64(off)
	empty := d.zeroEnvelope(off + 8)
	switch {
	case ordinal == 0 && !empty:
		d.Fail(off, ErrEmptyUnion)
	case ordinal == 0 && !optional, ordinal != 0 && empty:
		d.Fail(off, ErrAbsent)
	}
	return ordinal, ordinal != 0 && d.err == nil
}

// UnknownMember takes a flexible union's unknown member.
func (d *Decoder) UnknownMember(off int, ordinal uint64, resource bool) *UnknownData {
	if u, ok := d.unknown(off+8, ordinal, resource); ok {
		return &u
	}
	return nil
}
