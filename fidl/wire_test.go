package fidl_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fidltest"
	"go.fuchsia.dev/fidl-go/internal/gentest/test/wire"
	"go.fuchsia.dev/fidl-go/zx"
)

// hx reads hex; spaces set words apart, "*n" repeats the word before it, and
// "~" is a presence marker.
func hx(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for _, w := range strings.Fields(s) {
		w = strings.ReplaceAll(w, "~", "ffffffffffffffff")
		b, err := hex.DecodeString(w)
		if err != nil {
			t.Fatalf("%q: %v", w, err)
		}
		out = append(out, b...)
	}
	return out
}

// newOf makes a zero value of m's type.
func newOf(m fidl.Message) fidl.Message {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(fidl.Message)
}

// infos turns what was encoded into what a channel would deliver.
func infos(t *fidltest.Handles, ds []zx.HandleDisposition) []zx.HandleInfo {
	out := []zx.HandleInfo{}
	for _, d := range ds {
		out = append(out, t.Info(d.Handle))
	}
	return out
}

const both = "" // v1 is as v2

// Vectors: a value, and its one encoding in v2 and v1.
func TestVectors(t *testing.T) {
	var hs fidltest.Handles
	any1 := hs.New(zx.ObjTypeEvent, zx.RightsAll)
	any2 := hs.New(zx.ObjTypeTimer, zx.RightsAll)
	vmo := hs.New(zx.ObjTypeVMO, zx.RightRead|zx.RightMap)
	sock := hs.New(zx.ObjTypeSocket, zx.RightsBasic)
	ch := hs.New(zx.ObjTypeChannel, zx.RightTransfer|zx.RightWait|zx.RightInspect|zx.RightsIO|zx.RightSignal|zx.RightSignalPeer)

	vectors := []struct {
		name    string
		value   fidl.Message
		v2      string
		v1      string // both: as v2
		handles []zx.Handle
	}{
		{"primitives", &wire.Prims{B: true, I8: -1, I16: -2, I32: -3, I64: -4, U8: 1, U16: 2, U32: 3, U64: 4, F32: 1.5, F64: -2},
			"01ff feff fdffffff fcffffffffffffff 01 00 0200 03000000 0400000000000000 0000c03f 00000000 00000000000000c0", both, nil},
		{"empty struct", &wire.Empty{}, "0000000000000000", both, nil},
		{"empty struct inside", &wire.EmptyInside{N: 7}, "00 000000 07000000", both, nil},
		{"bits and enums", &wire.Values{Sb: wire.StrictBitsB, Fb: 0x8001, Se: wire.StrictEnumNeg, Fe: 200},
			"80 00 0180 ffffffff c8 000000 00000000", both, nil},
		{"strings", &wire.Strings{S: "héy", O: fidl.Ptr("")},
			"0400000000000000 ~ 0000000000000000 ~ 68c3a97900000000", both, nil},
		{"absent string", &wire.Strings{}, "0000000000000000 ~ 0000000000000000 0000000000000000", both, nil},
		{"vectors", &wire.Vectors{B: []byte{1, 2, 3}, N: []uint32{4, 5}, O: []uint16{6}, S: []string{"a", ""}},
			`0300000000000000 ~ 0200000000000000 ~ 0100000000000000 ~ 0200000000000000 ~
			 010203 0000000000 04000000 05000000 0600 000000000000
			 0100000000000000 ~ 0000000000000000 ~ 61 00000000000000`, both, nil},
		{"empty and absent vectors", &wire.Vectors{B: []byte{}, N: []uint32{}, S: []string{}},
			"0000000000000000 ~ 0000000000000000 ~ 0000000000000000 0000000000000000 0000000000000000 ~", both, nil},
		{"arrays", &wire.Arrays{A: [3]byte{1, 2, 3}, B: [2]uint16{4, 5}, S: [2]string{"x", "yz"}, C: [5]byte{'h', 'i'}, N: [2][2]byte{{6, 7}, {8, 9}}},
			`010203 00 04000500 0100000000000000 ~ 0200000000000000 ~ 6869000000 06070809 00000000000000
			 78 00000000000000 797a 000000000000`, both, nil},
		{"boxes", &wire.Boxes{P: &wire.Point{X: 1, Y: 2}}, "~ 0000000000000000 01 000000 02000000", both, nil},
		{"vector of structs", &wire.Points{V: []wire.Point{{X: 1, Y: 2}, {X: 3, Y: 4}}},
			"0200000000000000 ~ 01 000000 02000000 03 000000 04000000", both, nil},
		{"recursion", &wire.Node{Next: &wire.Node{Next: &wire.Node{}}}, "~ ~ 0000000000000000", both, nil},

		{"empty table", &wire.Small{}, "0000000000000000 ~", both, nil},
		{"table with inlined members", &wire.Small{A: fidl.Ptr[uint8](5), B: fidl.Ptr[uint32](6)},
			`0300000000000000 ~ 05 000000 0000 0100 0000000000000000 06000000 0000 0100`,
			`0300000000000000 ~ 08000000 00000000 ~ 0000000000000000 0000000000000000 08000000 00000000 ~
			 05 00000000000000 06000000 00000000`, nil},
		{"table with members out of line", &wire.Table{
			S: fidl.Ptr("abc"), V: []uint32{1}, T: &wire.Small{A: fidl.Ptr[uint8](2)}, H: vmo,
			P: &wire.Point{X: 3, Y: 4}, U: fidl.Ptr(wire.StrictUnionWithN(5)), Big: fidl.Ptr[uint64](6)},
			`0900000000000000 ~
			 0000000000000000
			 18000000 0000 0000
			 0000000000000000
			 18000000 0000 0000
			 18000000 0000 0000
			 ffffffff 0100 0100
			 08000000 0000 0000
			 10000000 0000 0000
			 08000000 0000 0000
			 0300000000000000 ~ 616263 0000000000
			 0100000000000000 ~ 01000000 00000000
			 0100000000000000 ~ 02 000000 0000 0100
			 03 000000 04000000
			 0100000000000000 05000000 0000 0100
			 0600000000000000`,
			`0900000000000000 ~
			 0000000000000000 0000000000000000
			 18000000 00000000 ~
			 0000000000000000 0000000000000000
			 18000000 00000000 ~
			 28000000 00000000 ~
			 08000000 01000000 ~
			 08000000 00000000 ~
			 20000000 00000000 ~
			 08000000 00000000 ~
			 0300000000000000 ~ 616263 0000000000
			 0100000000000000 ~ 01000000 00000000
			 0100000000000000 ~ 08000000 00000000 ~ 02 00000000000000
			 ffffffff 00000000
			 03 000000 04000000
			 0100000000000000 08000000 00000000 ~ 05000000 00000000
			 0600000000000000`, []zx.Handle{vmo}},
		{"table: array, enum, false", &wire.Table{Arr: &[4]byte{1, 2, 3, 4}, E: fidl.Ptr(wire.FlexEnum(9)), B: fidl.Ptr(false)},
			`0c00000000000000 ~
			 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000
			 0000000000000000 0000000000000000 0000000000000000 0000000000000000
			 01020304 0000 0100 09 000000 0000 0100 00 000000 0000 0100`,
			"-", nil},
		{"table with empty vector", &wire.Table{V: []uint32{}},
			"0400000000000000 ~ 0000000000000000 0000000000000000 0000000000000000 10000000 0000 0000 0000000000000000 ~", "-", nil},

		{"unions", &wire.Unions{A: wire.StrictUnionWithS("q"), O: fidl.Ptr(wire.StrictUnionWithB(true))},
			`0200000000000000 18000000 0000 0000 0600000000000000 01 000000 0000 0100
			 0100000000000000 ~ 71 00000000000000`,
			`0200000000000000 18000000 00000000 ~ 0600000000000000 08000000 00000000 ~
			 0100000000000000 ~ 71 00000000000000 01 00000000000000`, nil},
		{"union of empty struct, absent union", &wire.Unions{A: wire.StrictUnionWithE(wire.Empty{})},
			"0300000000000000 00 000000 0000 0100 0000000000000000 0000000000000000",
			"0300000000000000 08000000 00000000 ~ 0000000000000000 0000000000000000 0000000000000000 00 00000000000000", nil},
		{"vector of unions", &wire.VecUnions{V: []wire.StrictUnion{wire.StrictUnionWithBig(1), wire.StrictUnionWithN(2)}, Tail: 9},
			`0200000000000000 ~ 09 00000000000000
			 0500000000000000 08000000 0000 0000 0100000000000000 02000000 0000 0100 0100000000000000`,
			`0200000000000000 ~ 09 00000000000000
			 0500000000000000 08000000 00000000 ~ 0100000000000000 08000000 00000000 ~ 0100000000000000 02000000 00000000`, nil},
		{"unions between others", &wire.ManyPads{A: 1, U: wire.FlexUnionWithN(2), B: 3, C: 4},
			`01 00000000000000 0100000000000000 02000000 0000 0100 0300 000000000000
			 0000000000000000 0000000000000000 04 00000000000000`,
			`01 00000000000000 0100000000000000 08000000 00000000 ~ 0300 000000000000
			 0000000000000000 0000000000000000 0000000000000000 04 00000000000000 02000000 00000000`, nil},

		{"handles", &wire.Handles{Any: any1, Vmo: vmo, Opt: sock}, "ffffffff ffffffff ffffffff 00000000", both, []zx.Handle{any1, vmo, sock}},
		{"absent handle", &wire.Handles{Any: any1, Vmo: vmo}, "ffffffff ffffffff 00000000 00000000", both, []zx.Handle{any1, vmo}},
		{"endpoints", &wire.Endpoints{C: fidl.ClientEnd[wire.EchoProtocol]{Handle: ch}}, "ffffffff 00000000", both, []zx.Handle{ch}},
		{"handles in a vector", &wire.HandleVec{V: []zx.Handle{any1, any2}}, "0200000000000000 ~ ffffffff ffffffff", both, []zx.Handle{any1, any2}},
		{"union of a handle", &wire.Flexes{R: fidl.Ptr(wire.ResUnionWithH(any1))},
			"0000000000000000 0000000000000000 0100000000000000 ffffffff 0100 0100",
			"0000000000000000 0000000000000000 0000000000000000 0100000000000000 08000000 01000000 ~ ffffffff 00000000", []zx.Handle{any1}},
		{"union of handles", &wire.Flexes{R: fidl.Ptr(wire.ResUnionWithHs([]zx.Handle{any1, any2}))},
			"0000000000000000 0000000000000000 0200000000000000 18000000 0200 0000 0200000000000000 ~ ffffffff ffffffff",
			"0000000000000000 0000000000000000 0000000000000000 0200000000000000 18000000 02000000 ~ 0200000000000000 ~ ffffffff ffffffff", []zx.Handle{any1, any2}},

		{"unknown union member, inline", &wire.Flexes{F: &wire.FlexUnion{Tag: 77, Unknown: &fidl.UnknownData{Ordinal: 77, Inline: true, Bytes: []byte{1, 2, 3, 4}}}},
			"4d00000000000000 01020304 0000 0100 0000000000000000 0000000000000000", "-", nil},
		{"unknown union member with a handle", &wire.Flexes{R: &wire.ResUnion{Tag: 77, Unknown: &fidl.UnknownData{Ordinal: 77,
			Bytes: bytes.Repeat([]byte{0xab}, 8), Handles: []zx.HandleInfo{hs.Info(any1)}}}},
			"0000000000000000 0000000000000000 4d00000000000000 08000000 0100 0000 abababababababab", "-", []zx.Handle{any1}},
		{"unknown table members", &wire.Small{A: fidl.Ptr[uint8](1), Unknown: []fidl.UnknownData{
			{Ordinal: 2, Inline: true, Bytes: []byte{9, 9, 9, 9}}, {Ordinal: 5, Bytes: bytes.Repeat([]byte{8}, 16)}}},
			`0500000000000000 ~ 01 000000 0000 0100 09090909 0000 0100 0000000000000000 0000000000000000 10000000 0000 0000
			 0808080808080808 0808080808080808`, "-", nil},
	}
	for _, v := range vectors {
		for f, want := range map[fidl.WireFormat]string{fidl.V2: v.v2, fidl.V1: v.v1} {
			if want == "-" {
				continue
			}
			if f == fidl.V1 && want == both {
				want = v.v2
			}
			t.Run(v.name+"/"+f.String(), func(t *testing.T) {
				b, ds, err := fidl.Marshal(v.value, f)
				if err != nil {
					t.Fatal(err)
				}
				if want := hx(t, want); !bytes.Equal(b, want) {
					t.Fatalf("encoded\n%s\nwant\n%s", hex.Dump(b), hex.Dump(want))
				}
				var got []zx.Handle
				for _, d := range ds {
					got = append(got, d.Handle)
				}
				if diff := cmp.Diff(v.handles, got); diff != "" {
					t.Errorf("handles: %s", diff)
				}
				back := newOf(v.value)
				if err := fidl.Unmarshal(back, b, infos(&hs, ds), f, &hs); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(v.value, back); diff != "" {
					t.Errorf("decoded: %s", diff)
				}
			})
		}
	}
}

// What a message makes of itself in memory is bounded by its size.
func TestDecodeAllocates(t *testing.T) {
	const n = zx.ChannelMaxMsgBytes
	unions := make([]byte, 16, n) // vector of unions that are not there
	binary.LittleEndian.PutUint64(unions, (n-16)/16)
	unknown := make([]byte, 16, n) // table of inlined members that nobody knows
	binary.LittleEndian.PutUint64(unknown, (n-16)/8)
	for i := range 8 {
		unions[8+i], unknown[8+i] = 0xff, 0xff
	}
	for len(unknown) < n {
		unknown = append(unknown, 1, 0, 0, 0, 0, 0, 1, 0)
	}
	for _, c := range []struct {
		name string
		m    func() fidl.Message
		b    []byte
		want error
	}{
		{"unions", func() fidl.Message { return new(wire.VecLarge) }, unions[:n], fidl.ErrAbsent},
		{"unknown members", func() fidl.Message { return new(wire.ValueTable) }, unknown, nil},
	} {
		m := c.m()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := fidl.Unmarshal(m, c.b, nil, fidl.V2, nil)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: a message of %d bytes makes %d", c.name, n, got)
		}
	}
}

// A union that says that it holds what it does not cannot be encoded.
func TestEncodeHollowUnion(t *testing.T) {
	for _, u := range []wire.LargeUnion{{Tag: wire.LargeUnionTagA}, {Tag: wire.LargeUnionTagT}, {Tag: wire.LargeUnionTagS}} {
		if _, _, err := fidl.Marshal(&u, fidl.V2); !errors.Is(err, fidl.ErrAbsent) {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

// chain is n tables, one in another, of which the last has the given members.
func chain(n int, last wire.Chain) *wire.Chain {
	for range n - 1 {
		next := last
		last = wire.Chain{Next: &next}
	}
	return &last
}

// unionChain is n unions, one in another, each one level deeper.
func unionChain(n int) *wire.ChainUnionBox {
	u := wire.ChainUnionWithN(1)
	for range n - 1 {
		inner := u
		u = wire.ChainUnionWithNext(wire.ChainUnionBox{U: &inner})
	}
	return &wire.ChainUnionBox{U: &u}
}

// 32 levels of indirection are allowed: boxes, vectors, strings, tables (two
// levels) and envelopes, but not inlined ones.
func TestDepth(t *testing.T) {
	boxes := func(n int) *wire.Node {
		var next *wire.Node
		for range n {
			next = &wire.Node{Next: next}
		}
		return &wire.Node{Next: next}
	}
	future := []fidl.UnknownData{{Ordinal: 9, Bytes: make([]byte, 8)}}
	for _, c := range []struct {
		name string
		m    fidl.Message
		ok   bool
	}{
		{"32 boxes", boxes(32), true},
		{"33 boxes", boxes(33), false},
		{"16 tables", chain(16, wire.Chain{}), true}, // the last one is at level 31
		{"17 tables", chain(17, wire.Chain{}), false},
		{"a member inline at level 31", chain(16, wire.Chain{N: fidl.Ptr[uint8](1)}), true},
		{"an unknown member at level 32", chain(16, wire.Chain{Unknown: future}), true},
		{"a string at level 33", chain(16, wire.Chain{S: fidl.Ptr("")}), false},
		{"a string at level 31", chain(15, wire.Chain{S: fidl.Ptr("x")}), true},
		{"33 unions, the last one inline", unionChain(33), true},
		{"34 unions", unionChain(34), false},
	} {
		b, _, err := fidl.Marshal(c.m, fidl.V2)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, fidl.ErrDepth) {
			t.Errorf("encode %s: %v", c.name, err)
		}
		if !c.ok {
			continue
		}
		if err := fidl.Unmarshal(newOf(c.m), b, nil, fidl.V2, nil); err != nil {
			t.Errorf("decode %s: %v", c.name, err)
		}
	}
	// The last levels, by hand: what is one too deep is refused.
	tables := func(n int, last string) string {
		var s strings.Builder
		for i := range n - 1 { // each says how long all that follows is
			size := 16 + 24*(n-2-i) + len(hx(t, last)) - 16
			fmt.Fprintf(&s, "0100000000000000 ~ %02x%02x0000 0000 0000 ", size&0xff, size>>8)
		}
		return s.String() + last
	}
	for _, c := range []struct {
		name, bytes string
		want        error
	}{
		{"16 tables", tables(16, "0000000000000000 ~"), nil},
		{"17 tables", tables(17, "0000000000000000 ~"), fidl.ErrDepth},
		{"an unknown member at level 32", tables(16, "0500000000000000 ~ 0000000000000000 0000000000000000 0000000000000000 0000000000000000 08000000 0000 0000 0000000000000000"), nil},
		{"an empty string at level 33", tables(16, "0200000000000000 ~ 0000000000000000 10000000 0000 0000 0000000000000000 ~"), fidl.ErrDepth},
	} {
		if err := fidl.Unmarshal(&wire.Chain{}, hx(t, c.bytes), nil, fidl.V2, nil); !errors.Is(err, c.want) {
			t.Errorf("decode %s: %v, want %v", c.name, err, c.want)
		}
	}
}

// What is UTF-8: shortest forms of scalar values, to U+10FFFF. Bounds count bytes.
func TestUTF8(t *testing.T) {
	for s, ok := range map[string]bool{
		"\x00": true, "\x7f": true, "\u0080": true, "\uffff": true, "\ufeff": true, "\U0010ffff": true, "\ud7ff": true, "\ue000": true,
		"\x80": false, "\xc0\x80": false, "\xc1\xbf": false, "\xe0\x9f\xbf": false, "\xf0\x8f\xbf\xbf": false, // overlong
		"\xed\xa0\x80": false, "\xed\xbf\xbf": false, // surrogates
		"\xf4\x90\x80\x80": false, "\xf5\x80\x80\x80": false, "\xfe": false, // too large
		"\xc3": false, "\xe2\x82": false, "a\xf0\x9f\x98": false, // cut short
	} {
		b := make([]byte, 40)
		b[0] = byte(len(s))
		for i := range 8 {
			b[8+i] = 0xff
		}
		copy(b[32:], s)
		if err := fidl.Unmarshal(&wire.Strings{}, b, nil, fidl.V2, nil); ok != (err == nil) || err != nil && !errors.Is(err, fidl.ErrUTF8) {
			t.Errorf("decode %q: %v", s, err)
		}
		if _, _, err := fidl.Marshal(&wire.Strings{S: s}, fidl.V2); ok != (err == nil) || err != nil && !errors.Is(err, fidl.ErrUTF8) {
			t.Errorf("encode %q: %v", s, err)
		}
	}
}

// Floats keep every bit pattern.
func TestFloatBits(t *testing.T) {
	nan := math.Float64frombits(0x7ff800000000beef)
	b, _, err := fidl.Marshal(&wire.Prims{F64: nan}, fidl.V2)
	if err != nil {
		t.Fatal(err)
	}
	var back wire.Prims
	if err := fidl.Unmarshal(&back, b, nil, fidl.V2, nil); err != nil {
		t.Fatal(err)
	}
	if got := math.Float64bits(back.F64); got != 0x7ff800000000beef {
		t.Errorf("NaN came back as %#x", got)
	}
}

// Refusals: messages that must not be accepted, and why.
func TestDecodeRefuses(t *testing.T) {
	const v2, v1 = fidl.V2, fidl.V1
	long := strings.Repeat("00", 65544)
	for _, c := range []struct {
		name    string
		format  fidl.WireFormat
		into    fidl.Message
		bytes   string
		handles []zx.ObjType
		want    error
	}{
		{"no bytes", v2, &wire.Empty{}, "", nil, fidl.ErrTooShort},
		{"primary object cut", v2, &wire.Boxes{}, "0000000000000000", nil, fidl.ErrTooShort},
		{"primary object without padding", v2, &wire.Points{}, "0000000000000000 ffffffff", nil, fidl.ErrTooShort},
		{"bytes left over", v2, &wire.Empty{}, "0000000000000000 0000000000000000", nil, fidl.ErrExtraBytes},
		{"handles left over", v2, &wire.Empty{}, "0000000000000000", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrExtraHandles},
		{"message too large", v2, &wire.Empty{}, long, nil, fidl.ErrTooLarge},
		{"more than 64 handles", v2, &wire.Empty{}, "0000000000000000", make([]zx.ObjType, 65), fidl.ErrTooManyHandles},

		{"bool of 2", v2, &wire.Prims{}, "02 00*47", nil, fidl.ErrBool},
		{"padding between fields", v2, &wire.EmptyInside{}, "00 000001 00000000", nil, fidl.ErrPadding},
		{"padding after the object", v2, &wire.Handles{}, "ffffffff ffffffff 00000000 00000001", []zx.ObjType{zx.ObjTypeEvent, zx.ObjTypeVMO}, fidl.ErrPadding},
		{"empty struct is not 0", v2, &wire.Empty{}, "0100000000000000", nil, fidl.ErrPadding},
		{"padding out of line", v2, &wire.Strings{}, "0100000000000000 ~ 0000000000000000 0000000000000000 61 00000000000001", nil, fidl.ErrPadding},
		{"unknown bit", v2, &wire.Values{}, "02 00 0000 01000000 00 000000 00000000", nil, fidl.ErrBits},
		{"unknown enum value", v2, &wire.Values{}, "00 00 0000 02000000 00 000000 00000000", nil, fidl.ErrEnum},

		{"string absent", v2, &wire.Strings{}, "0000000000000000*4", nil, fidl.ErrAbsent},
		{"string presence", v2, &wire.Strings{}, "0000000000000000 0100000000000000 0000000000000000*2", nil, fidl.ErrPresence},
		{"absent string with length", v2, &wire.Strings{}, "0000000000000000 ~ 0100000000000000 0000000000000000", nil, fidl.ErrAbsentCount},
		{"string too long", v2, &wire.Strings{}, "0500000000000000 ~ 0000000000000000*2 6161616161 000000", nil, fidl.ErrBound},
		{"string not UTF-8", v2, &wire.Strings{}, "0100000000000000 ~ 0000000000000000*2 ff 00000000000000", nil, fidl.ErrUTF8},
		{"surrogate", v2, &wire.Strings{}, "0300000000000000 ~ 0000000000000000*2 eda080 0000000000", nil, fidl.ErrUTF8},
		{"overlong UTF-8", v2, &wire.Strings{}, "0200000000000000 ~ 0000000000000000*2 c080 000000000000", nil, fidl.ErrUTF8},
		{"string beyond the message", v2, &wire.Strings{}, "0400000000000000 ~ 0000000000000000*2", nil, fidl.ErrTooShort},
		{"vector longer than its bound", v2, &wire.Vectors{}, "0000000000000000 ~ 0300000000000000 ~ 0000000000000000*4", nil, fidl.ErrBound},
		{"vector beyond the message", v2, &wire.Points{}, "0200000000000000 ~ 0000000000000000", nil, fidl.ErrTooShort},
		{"count of 2^32", v2, &wire.Points{}, "0000000001000000 ~ 0000000000000000", nil, fidl.ErrCount},
		{"count of 2^64-1", v2, &wire.Points{}, "~ ~ 0000000000000000", nil, fidl.ErrCount},
		{"count that overflows when multiplied", v2, &wire.Points{}, "ffffffff00000000 ~ 0000000000000000", nil, fidl.ErrTooShort},
		{"box presence", v2, &wire.Boxes{}, "0200000000000000 0000000000000000", nil, fidl.ErrPresence},
		{"box beyond the message", v2, &wire.Boxes{}, "~ 0000000000000000", nil, fidl.ErrTooShort},
		{"33 levels", v2, &wire.Node{}, "~*33 0000000000000000", nil, fidl.ErrDepth},

		{"table absent", v2, &wire.Small{}, "0000000000000000*2", nil, fidl.ErrAbsent},
		{"table presence", v2, &wire.Small{}, "0000000000000000 0200000000000000", nil, fidl.ErrPresence},
		{"table beyond the message", v2, &wire.Small{}, "0200000000000000 ~ 0100000000000100", nil, fidl.ErrTooShort},
		{"table of 2^32 members", v2, &wire.Small{}, "0000000001000000 ~", nil, fidl.ErrCount},
		{"table ends in an absent member", v2, &wire.Small{}, "0200000000000000 ~ 01 000000 0000 0100 0000000000000000", nil, fidl.ErrTableEnd},
		{"small member out of line", v2, &wire.Small{}, "0100000000000000 ~ 08000000 0000 0000 0100000000000000", nil, fidl.ErrEnvelopeInline},
		{"large member inline", v2, &wire.StrictUnion{}, "0200000000000000 01000000 0000 0100", nil, fidl.ErrEnvelopeInline},
		{"inline flag of 2", v2, &wire.Small{}, "0100000000000000 ~ 01000000 0000 0200", nil, fidl.ErrEnvelopeInline},
		{"inline flag of 3", v2, &wire.Small{}, "0100000000000000 ~ 01000000 0000 0300", nil, fidl.ErrEnvelopeInline},
		{"padding in an inline envelope", v2, &wire.Small{}, "0100000000000000 ~ 01 000001 0000 0100", nil, fidl.ErrPadding},
		{"envelope says too little", v2, &wire.StrictUnion{}, "0200000000000000 10000000 0000 0000 0100000000000000 ~ 6100000000000000", nil, fidl.ErrEnvelopeSize},
		{"envelope says too much", v2, &wire.Unions{}, "0500000000000000 10000000 0000 0000 0500000000000000 08000000 0000 0000 0000000000000000*2", nil, fidl.ErrEnvelopeSize},
		{"envelope says more than there is", v2, &wire.StrictUnion{}, "0500000000000000 10000000 0000 0000 0000000000000000", nil, fidl.ErrEnvelopeSize},
		{"envelope size is no multiple of 8", v2, &wire.StrictUnion{}, "0500000000000000 09000000 0000 0000 0000000000000000*2", nil, fidl.ErrEnvelopeSize},
		{"envelope of 0 bytes with handles", v2, &wire.StrictUnion{}, "0500000000000000 00000000 0100 0000 0000000000000000", nil, fidl.ErrEnvelopeSize},
		{"envelope says too many handles", v2, &wire.Flexes{}, "0000000000000000*2 0100000000000000 ffffffff 0200 0100", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrEnvelopeHandle},
		{"envelope says too few handles", v2, &wire.Flexes{}, "0000000000000000*2 0100000000000000 ffffffff 0000 0100", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrEnvelopeHandle},
		{"v1: sizes of an absent envelope", v1, &wire.Small{}, "0100000000000000 ~ 08000000 00000000 0000000000000000", nil, fidl.ErrEnvelopeSize},
		{"v1: envelope presence", v1, &wire.Small{}, "0100000000000000 ~ 08000000 00000000 0100000000000000 0000000000000000", nil, fidl.ErrPresence},
		{"v1: envelope present, size 0", v1, &wire.Small{}, "0100000000000000 ~ 00000000 00000000 ~ 0100000000000000", nil, fidl.ErrEnvelopeSize},
		{"v1: v2 envelope", v1, &wire.Small{}, "0100000000000000 ~ 01 000000 0000 0100", nil, fidl.ErrTooShort},

		{"union absent", v2, &wire.StrictUnion{}, "0000000000000000*2", nil, fidl.ErrAbsent},
		{"absent union with content", v2, &wire.Flexes{}, "0000000000000000 01000000 0000 0100 0000000000000000*2", nil, fidl.ErrEmptyUnion},
		{"union without content", v2, &wire.Flexes{}, "0100000000000000 0000000000000000 0000000000000000*2", nil, fidl.ErrAbsent},
		{"unknown member of a strict union", v2, &wire.StrictUnion{}, "0400000000000000 01000000 0000 0100", nil, fidl.ErrUnion},
		{"unknown member with too few handles", v2, &wire.Flexes{}, "0000000000000000*2 0900000000000000 ffffffff 0100 0100", nil, fidl.ErrTooFewHandles},
		{"unknown member of odd size", v2, &wire.Flexes{}, "0900000000000000 0c000000 0000 0000 0000000000000000*4", nil, fidl.ErrEnvelopeSize},

		{"handle absent", v2, &wire.HandleVec{}, "0100000000000000 ~ 00000000 00000000", nil, fidl.ErrAbsent},
		{"handle presence", v2, &wire.HandleVec{}, "0100000000000000 ~ 01000000 00000000", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrPresence},
		{"too few handles", v2, &wire.HandleVec{}, "0200000000000000 ~ ffffffff ffffffff", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrTooFewHandles},
		{"handle of another type", v2, &wire.Handles{}, "ffffffff ffffffff 00000000 00000000", []zx.ObjType{zx.ObjTypeEvent, zx.ObjTypeEvent}, fidl.ErrObjType},
		{"endpoint that is no channel", v2, &wire.Endpoints{}, "ffffffff 00000000", []zx.ObjType{zx.ObjTypeEvent}, fidl.ErrObjType},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hs fidltest.Handles
			var hi []zx.HandleInfo
			for _, o := range c.handles {
				hi = append(hi, hs.Info(hs.New(o, zx.RightsAll)))
			}
			err := fidl.Unmarshal(c.into, hx(t, repeat(c.bytes)), hi, c.format, &hs)
			if !errors.Is(err, c.want) || !errors.Is(err, zx.ErrInvalidArgs) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			hs.Check(t)
		})
	}
}

// Values of types that hold no handles are decoded, whatever their unknown
// members hold; those handles are closed.
func TestUnknownHandlesOfValues(t *testing.T) {
	event := []zx.ObjType{zx.ObjTypeEvent}
	for _, c := range []struct {
		name    string
		into    fidl.Message
		bytes   string
		handles []zx.ObjType
		want    fidl.Message
	}{
		{"union, inline", &wire.FlexUnion{}, "0900000000000000 ffffffff 0100 0100", event, &wire.FlexUnion{Tag: 9}},
		{"union", &wire.FlexUnion{}, "0900000000000000 08000000 0200 0000 ffffffff ffffffff", append(event, event...), &wire.FlexUnion{Tag: 9}},
		{"table", &wire.ValueTable{}, "0300000000000000 ~ 07 000000 0000 0100 ffffffff 0100 0100 09 000000 0000 0100", event,
			&wire.ValueTable{N: fidl.Ptr[uint8](7), Unknown: []fidl.UnknownData{{Ordinal: 3, Inline: true, Bytes: []byte{9, 0, 0, 0}}}}},
		{"table, out of line", &wire.ValueTable{}, "0200000000000000 ~ 0000000000000000 08000000 0100 0000 ffffffff 00000000", event, &wire.ValueTable{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hs fidltest.Handles
			var hi []zx.HandleInfo
			for _, o := range c.handles {
				hi = append(hi, hs.Info(hs.New(o, zx.RightsAll)))
			}
			if err := fidl.Unmarshal(c.into, hx(t, c.bytes), hi, fidl.V2, &hs); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.into); diff != "" {
				t.Error(diff)
			}
			hs.Check(t)
		})
	}
	// A message that is refused after that closes each handle once.
	var hs fidltest.Handles
	hi := []zx.HandleInfo{hs.Info(hs.New(zx.ObjTypeEvent, 0)), hs.Info(hs.New(zx.ObjTypeEvent, 0))}
	err := fidl.Unmarshal(&wire.FlexUnion{}, hx(t, "0900000000000000 ffffffff 0100 0100"), hi, fidl.V2, &hs)
	if !errors.Is(err, fidl.ErrExtraHandles) {
		t.Errorf("got %v", err)
	}
	hs.Check(t)
	if _, _, err := fidl.Marshal(&wire.FlexUnion{Tag: 9}, fidl.V2); !errors.Is(err, fidl.ErrAbsent) {
		t.Errorf("got %v", err)
	}
}

// repeat writes out words with "*n" at their end.
func repeat(s string) string {
	var out []string
	for _, w := range strings.Fields(s) {
		word, n, ok := strings.Cut(w, "*")
		count := 1
		if ok {
			count = 0
			for _, c := range n {
				count = count*10 + int(c-'0')
			}
		}
		for range count {
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}

// What cannot be sent is refused, and its handles are the caller's.
func TestEncodeRefuses(t *testing.T) {
	deep := &wire.Node{}
	for n, i := deep, 0; i < 33; i++ {
		n.Next = &wire.Node{}
		n = n.Next
	}
	for _, c := range []struct {
		name  string
		value fidl.Message
		want  error
	}{
		{"string too long", &wire.Strings{S: "12345"}, fidl.ErrBound},
		{"string not UTF-8", &wire.Strings{S: "\xff"}, fidl.ErrUTF8},
		{"vector too long", &wire.Vectors{N: []uint32{1, 2, 3}}, fidl.ErrBound},
		{"message too large", &wire.Points{V: make([]wire.Point, 9000)}, fidl.ErrTooLarge},
		{"no handle", &wire.Handles{}, fidl.ErrAbsent},
		{"no endpoint", &wire.Endpoints{}, fidl.ErrAbsent},
		{"too many handles", &wire.HandleVec{V: fill(65, 3)}, fidl.ErrTooManyHandles},
		{"too deep", deep, fidl.ErrDepth},
		{"unknown bit", &wire.Values{Sb: 4, Se: 1}, fidl.ErrBits},
		{"unknown enum value", &wire.Values{}, fidl.ErrEnum},
		{"empty strict union", &wire.Unions{}, fidl.ErrUnion},
		{"empty flexible union", &wire.FlexUnion{}, fidl.ErrAbsent},
		{"unknown data of v1 in v2", &wire.FlexUnion{Tag: 9, Unknown: &fidl.UnknownData{Ordinal: 9, Format: fidl.V1, Bytes: make([]byte, 8)}}, fidl.ErrUnknownFormat},
		{"unknown data of odd size", &wire.FlexUnion{Tag: 9, Unknown: &fidl.UnknownData{Ordinal: 9, Bytes: make([]byte, 7)}}, fidl.ErrEnvelopeSize},
		{"unknown inline data of 5 bytes", &wire.FlexUnion{Tag: 9, Unknown: &fidl.UnknownData{Ordinal: 9, Inline: true, Bytes: make([]byte, 5)}}, fidl.ErrEnvelopeInline},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := fidl.Marshal(c.value, fidl.V2)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	_, ds, err := fidl.Marshal(&wire.Handles{Any: 3, Opt: 7}, fidl.V2)
	if err == nil || len(ds) != 2 {
		t.Errorf("got %d handles and %v, want both handles and an error", len(ds), err)
	}
}

func fill(n int, h zx.Handle) []zx.Handle {
	out := make([]zx.Handle, n)
	for i := range out {
		out[i] = h
	}
	return out
}

// A handle with too many rights is given those that FIDL names; one with too
// few is refused.
func TestHandleRights(t *testing.T) {
	var hs fidltest.Handles
	b := hx(t, "ffffffff ffffffff 00000000 00000000")
	event := hs.New(zx.ObjTypeEvent, zx.RightsBasic)
	vmo := hs.New(zx.ObjTypeVMO, zx.RightRead|zx.RightMap|zx.RightWrite)
	var got wire.Handles
	if err := fidl.Unmarshal(&got, b, []zx.HandleInfo{hs.Info(event), hs.Info(vmo)}, fidl.V2, &hs); err != nil {
		t.Fatal(err)
	}
	if r := hs.Info(got.Vmo).Rights; r != zx.RightRead|zx.RightMap {
		t.Errorf("VMO has rights %#x", r)
	}
	if got.Any != event {
		t.Error("an unconstrained handle was replaced")
	}
	hs.CloseHandles(got.Any, got.Vmo)

	event = hs.New(zx.ObjTypeEvent, zx.RightsBasic)
	vmo = hs.New(zx.ObjTypeVMO, zx.RightMap|zx.RightWrite)
	err := fidl.Unmarshal(new(wire.Handles), b, []zx.HandleInfo{hs.Info(event), hs.Info(vmo)}, fidl.V2, &hs)
	if !errors.Is(err, fidl.ErrRights) {
		t.Errorf("got %v, want %v", err, fidl.ErrRights)
	}
	hs.Check(t)

	ds := mustMarshal(t, &wire.Handles{Any: 3, Vmo: 7})
	want := []zx.HandleDisposition{
		{Handle: 3, Rights: zx.RightSameRights},
		{Handle: 7, Type: zx.ObjTypeVMO, Rights: zx.RightRead | zx.RightMap},
	}
	if diff := cmp.Diff(want, ds); diff != "" {
		t.Error(diff)
	}
}

func mustMarshal(t *testing.T, m fidl.Message) []zx.HandleDisposition {
	t.Helper()
	_, ds, err := fidl.Marshal(m, fidl.V2)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// 32 levels are allowed.
func TestDepthLimit(t *testing.T) {
	var n wire.Node
	if err := fidl.Unmarshal(&n, hx(t, repeat("~*32 0000000000000000")), nil, fidl.V2, nil); err != nil {
		t.Error(err)
	}
}

// Constants and the strings of values.
func TestGeneratedValues(t *testing.T) {
	for _, c := range []struct{ got, want any }{
		{wire.Pi, 3.25}, {wire.Name, "aé\"\n"}, {wire.Yes, true}, {wire.Minus, int8(-128)},
		{wire.Both, wire.StrictBits(0x81)}, {wire.None, wire.StrictBits(0)}, {wire.Which, wire.StrictEnum(-1)},
		{wire.Both.String(), "A|B"}, {wire.FlexBits(0x11).String(), "A|0x10"}, {wire.StrictBits(0).String(), "0x0"},
		{wire.FlexEnum(1).String(), "A"}, {wire.FlexEnum(9).String(), "9"},
		{wire.EchoErrorEmpty.Error(), "test.wire/EchoError EMPTY"},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}
