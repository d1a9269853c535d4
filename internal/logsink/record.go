package logsink

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"go.fuchsia.dev/fidl-go/fuchsia/diagnostics/types"
	"go.fuchsia.dev/fidl-go/fuchsia/logger"

	"go.fuchsia.dev/launcherd/zx"
)

// The structured log encoding, by Fuchsia's page "Encoding structured records":
// words of 8 bytes, little endian. A record is a header, a time, and arguments;
// an argument is a header, a name and a value. Names and strings are padded with
// zeros to whole words.

// Types of records and arguments, in the lowest four bits of a header.
const (
	typeRecord  = 9
	typeInt64   = 3
	typeUint64  = 4
	typeFloat64 = 5
	typeString  = 6
	typeBool    = 9
)

const (
	wordSize = 8
	// A size is twelve bits of words, a string's length fifteen bits of bytes.
	maxWords  = 1<<12 - 1
	maxRecord = min(int(logger.MaxDatagramLenBytes), maxWords*wordSize)
	// inlineString is the bit of a string's reference that says that the string
	// follows; the empty string's reference is 0.
	inlineString = 1 << 15
)

// record is a log record being written. What does not fit is left out.
type record struct{ b []byte }

// begin begins a record with its time.
func (r *record) begin(severity types.Severity, t zx.Time) {
	r.b = r.word(r.b[:0], typeRecord|uint64(severity)<<56)
	r.b = r.word(r.b, uint64(t))
}

// finish gives the record with its size.
func (r *record) finish() []byte {
	r.setSize(0, 0)
	return r.b
}

func (*record) word(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// setSize adds the size of what begins at off, and further bits, to its header.
func (r *record) setSize(off int, bits uint64) {
	words := uint64(len(r.b)-off) / wordSize
	h := binary.LittleEndian.Uint64(r.b[off:]) | words<<4 | bits
	binary.LittleEndian.PutUint64(r.b[off:], h)
}

// argument begins an argument whose value will take size bytes; false when there
// is no room for it. The names are ours and short, or those of fields.
func (r *record) argument(t uint64, name string, size int) (off int, ok bool) {
	if name = valid(name); name == "" {
		name = "_" // every argument has a name
	}
	if len(r.b)+wordSize+padded(len(name))+padded(size) > maxRecord {
		return 0, false
	}
	off = len(r.b)
	r.b = r.word(r.b, t|reference(name)<<16)
	r.text(name)
	return off, true
}

func (r *record) number(t uint64, name string, v uint64) {
	if off, ok := r.argument(t, name, wordSize); ok {
		r.b = r.word(r.b, v)
		r.setSize(off, 0)
	}
}

func (r *record) int64(name string, v int64)     { r.number(typeInt64, name, uint64(v)) }
func (r *record) uint64(name string, v uint64)   { r.number(typeUint64, name, v) }
func (r *record) float64(name string, v float64) { r.number(typeFloat64, name, math.Float64bits(v)) }

func (r *record) bool(name string, v bool) {
	if off, ok := r.argument(typeBool, name, 0); ok {
		var bit uint64
		if v {
			bit = 1 << 32
		}
		r.setSize(off, bit)
	}
}

// string writes a string, cut to what there is room for less reserve bytes.
func (r *record) string(name, v string, reserve int) {
	v = valid(v)
	room := maxRecord - len(r.b) - wordSize - padded(len(name)) - reserve
	v = cut(v, room&^(wordSize-1))
	if off, ok := r.argument(typeString, name, len(v)); ok {
		r.text(v)
		r.setSize(off, reference(v)<<32)
	}
}

// text writes s and pads it.
func (r *record) text(s string) {
	r.b = append(r.b, s...)
	r.b = append(r.b, make([]byte, wordSize)[:padded(len(s))-len(s)]...)
}

// reference is the reference to a string that follows.
func reference(s string) uint64 {
	if s == "" {
		return 0
	}
	return inlineString | uint64(len(s))
}

func padded(n int) int { return (n + wordSize - 1) &^ (wordSize - 1) }

// valid gives s as UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ellipsis ends what was cut.
const ellipsis = "..."

// cut gives s if it takes at most n bytes, and else its beginning and "...".
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len(ellipsis)
	if n <= 0 {
		return ""
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + ellipsis
}
