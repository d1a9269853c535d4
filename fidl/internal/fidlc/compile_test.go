package fidlc

import (
	"go/constant"
	"strings"
	"testing"
)

const zxSource = `library zx;
alias Status = int32;
type ObjType = strict enum : uint32 { NONE = 0; VMO = 3; CHANNEL = 4; };
type Rights = strict bits : uint32 { READ = 4; WRITE = 8; };
resource_definition Handle : uint32 { properties { subtype ObjType; rights Rights; }; };
`

// compile compiles one file of library t, beside zx.
func compile(text string, level Level) (*Library, error) {
	opt := Options{}
	if level != 0 {
		opt.Levels = map[string]Level{"t": level}
	}
	libs, err := Compile([]Source{{"zx.fidl", zxSource}, {"t.fidl", text}}, opt)
	if err != nil {
		return nil, err
	}
	return libs[len(libs)-1], nil
}

// Mistakes, and where they are said to be. The library's header is line 1.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		// Words and signs.
		{"type S = struct { a uint8 };", "2:27: expected ';', found '}'"},
		{"const A string = \"x", "2:18: string literal does not end"},
		{"const A string = \"\\q\";", "2:19: unknown escape '\\q'"},
		{"const A string = \"\\u{110000}\";", "2:19: bad unicode escape: no such code point"},
		{"const A string = \"\\u{}\";", "2:19: bad unicode escape: \\u{1 to 6 hex digits} is meant"},
		{"const A uint8 = 0x;", "2:17: '0x' is not a number"},
		{"const A uint8 = 012;", "2:17: '012': a decimal number does not begin with 0"},
		{"const a_ uint8 = 1;", "2:7: identifier 'a_' begins or ends with an underscore"},
		{"type S = struct { ä uint8; };", "2:19: unexpected character 'ä'"},
		{"nonsense;", "2:9: expected a name, found ';'"},
		{"nonsense a;", "2:1: expected a declaration, found 'nonsense'"},
		{"type S = struct {", "2:18: expected a member's name, found end of file"},
		{"/// nothing follows", "2:1: attribute or doc comment belongs to nothing"},
		{"type A = struct {}; using zx;", "2:21: 'using' must come before all declarations"},
		{"@a @a type S = struct {};", "2:4: attribute 'a' is given twice"},
		{"strict type S = struct {};", "2:1: modifier 'strict' cannot stand before 'type'"},

		// Names.
		{"type S = struct { a nope; };", "2:21: 'nope' is not declared"},
		{"type S = struct { a zx.Status; };", "2:21: 'zx.Status' is not declared"},
		{"type S = struct {}; type S = struct {};", "2:26: 'S' is declared at t.fidl:2:6 already"},
		{"type FooBar = struct {}; type Foo_Bar = struct {};", "'Foo_Bar' is the same as 'FooBar'"},
		{"type S = struct { a uint8; a uint8; };", "2:28: member 'a' is declared at t.fidl:2:19 already"},
		{"const A uint8 = 1; type S = struct { a A; };", "2:40: 'A' is a const, not a type"},
		{"using nolib;", "2:1: there is no source of library 'nolib'"},
		{"using t;", "2:1: library 't' uses itself"},
		{"const A uint8 = B; const B uint8 = A;", "2:7: the definition of 'A' needs itself"},
		{"alias A = B; alias B = A;", "the definition of 'A' needs itself"},

		// Types.
		{"type S = uint8;", "2:10: 'type' declares a layout; 'alias' names a type"},
		{"type S = struct { a vector; };", "2:21: 'vector' takes 1 parameter(s) in '<>', has 0"},
		{"type S = struct { a array<uint8>; };", "2:21: 'array' takes 2 parameter(s) in '<>', has 1"},
		{"type S = struct { a array<uint8, 0>; };", "2:34: an array has at least one element"},
		{"type S = struct { a vector<3>; };", "2:28: expected a type, found a constant"},
		{"type S = struct { a array<uint8, uint8>; };", "2:34: 'uint8' is not declared"},
		{"type S = struct { a string:-1; };", "-1 does not fit a uint32"},
		{"type S = struct { a uint8:optional; };", "2:27: this type cannot be optional"},
		{"type S = struct { a uint8:3; };", "2:27: this type takes no constraint"},
		{"type S = struct { a string:<3, 4>; };", "2:32: has a bound already"},
		{"type S = struct { a string:<optional, 3>; };", "2:29: 'optional' comes last"},
		{"alias O = string:optional; type S = struct { a O:optional; };", "is optional already"},
		{"type S = struct { a box<uint8>; };", "2:25: only a struct can be boxed"},
		{"type S = struct { a client_end; };", "2:21: 'client_end' needs a protocol"},
		{"type S = resource struct { a client_end:S; };", "2:41: 'S' is not a protocol"},
		{"type S = struct { a S; };", "2:6: 'S' contains itself without an end"},
		{"type S = struct { a U; }; type U = strict union { 1: s S; };", "contains itself without an end"},
		{"type S = struct { a array<array<uint64, 4294967295>, 4294967295>; };", "array is too large for any message"},
		{"type S = resource struct { h zx.Handle; };", "'zx.Handle' is not declared"},

		// Layouts.
		{"type T = table { 0: a uint8; };", "2:18: ordinals begin at 1"},
		{"type T = table { 65: a uint8; };", "2:18: a table has at most 64 members"},
		{"type T = table { 1: a uint8; 1: b uint8; };", "2:33: ordinal 1 is used at t.fidl:2:21 already"},
		{"type T = table { 1: a string:optional; };", "a member of a table cannot be optional"},
		{"type T = table { a uint8; };", "2:18: expected a member's ordinal, found 'a'"},
		{"type U = strict union {};", "2:6: a strict union needs a member"},
		{"type U = strict flexible union { 1: a uint8; };", "modifiers exclude each other"},
		{"type S = strict struct {};", "2:10: modifier 'strict' cannot stand here"},
		{"type E = enum : float32 { A = 1; };", "enum cannot have this underlying type"},
		{"type B = bits : int8 { A = 1; };", "bits cannot have this underlying type"},
		{"type B = bits { A = 3; };", "2:17: a member of bits must be a power of two"},
		{"type E = enum : uint8 { A = 256; };", "2:29: 256 does not fit a uint8"},
		{"type E = enum { A = 1; B = 1; };", "2:24: member 'B' has the value of 'A'"},
		{"type E = strict enum {};", "strict enum need a member"},

		// Constants.
		{"const A uint8 = 256;", "2:17: 256 does not fit a uint8"},
		{"const A string:2 = \"abc\";", "string is longer than its bound of 2"},
		{"const A uint8 = \"a\";", "2:17: a is not a constant of the type that is wanted"},
		{"const A bool = 1;", "is not a constant of the type that is wanted"},
		{"const A float32 = 1.0e400;", "2:19:"},
		{"const A int8 = 1 | 2;", "2:16: '|' is for bits and unsigned integers"},
		{"type E = enum { A = 1; }; const B E = E.B;", "enum 'E' has no member 'B'"},
		{"type E = enum { A = 1; }; type F = enum { A = 1; }; const B E = F.A;", "'F.A' is not a constant of the type that is wanted"},

		// Protocols.
		{"closed protocol P { flexible M(); };", "2:30: a flexible method needs a protocol that is open"},
		{"ajar protocol P { flexible M() -> (); };", "a flexible method needs a protocol that is open"},
		{"protocol P { M(); M(); };", "2:19: method 'M' is declared at t.fidl:2:14 already"},
		{"protocol P { A(); @selector(\"A\") B(); };", "2:34: methods 'B' and 'A' have the same ordinal"},
		{"protocol P { @selector(\"a/b/c\") A(); };", "@selector takes"},
		{"protocol P { A(uint8); };", "2:16: parameters are a struct, a table or a union"},
		{"protocol P { A(struct {}); };", "2:16: no parameters are written as '()'"},
		{"protocol P { A() -> () error uint8; };", "2:30: an error is an int32, a uint32 or an enum of them"},
		{"protocol P { -> A() error int32; };", "events have no error"},
		{"closed protocol P { compose Q; }; open protocol Q {};", "2:29: protocol 'P' is less open than 'Q'"},
		{"protocol P { compose S; }; type S = struct {};", "'S' is not a protocol"},
		{"protocol P { compose P; };", "the definition of 'P' needs itself"},
		{"@transport(\"Pigeon\") protocol P {};", "2:1: there is no transport 'Pigeon'"},
		{"protocol P { compose Q; }; @transport(\"Driver\") protocol Q {};", "2:22: protocol 'Q' is of transport Driver, not Channel"},
		{"protocol P { compose Q; compose Q; }; protocol Q {};", "2:33: protocol 'Q' is composed already"},
		{"protocol P { Get_it(); GetIt(); };", "2:24: method 'GetIt' is the same as 'Get_it', declared at t.fidl:2:14, but for its spelling"},
		{"protocol P { @selector(\"a b\") A(); };", "@selector takes"},
		{"protocol P { @selector(NAME) A(); };", "2:24: 'NAME' is not declared"},

		{"type S = struct { v vector<S>; };", "2:6: 'S' contains itself without an end"},
		{"type S = struct { a array<uint8, 65536>; };", "2:19: array is too large for any message"},
		{"type S = struct { a array<uint64, 8000>; b array<uint64, 800>; };", "2:42: 'S' is too large for any message"},
		{"type U = union { 4294967296: a uint8; };", "2:18: ordinals have 32 bits"},
		{"const A uint32 = MAX;", "2:18: 'MAX' is not declared"},
		{"const A float32 = B; const B uint8 = 1;", "2:19: 'B' is not a constant of the type that is wanted"},
		{"type E = flexible enum : int8 { A = 127; };", "2:33: the greatest value of a flexible enum"},
		{"resource_definition R : uint32 { properties { subtype uint32; }; };", "2:47: the subtype of a resource is an enum"},
		{"resource_definition R : uint32 { properties { rights uint32; }; };", "2:21: a resource needs the property 'subtype'"},
		{"resource_definition R : uint8 { properties { rights uint32; }; };", "2:21: a resource is a uint32"},

		// Names that are one but for their spelling.
		{"type HTTPServer = struct {}; type HttpServer = table {};", "2:35: 'HttpServer' is the same as 'HTTPServer'"},
		{"const A_B uint8 = 1; type AB = struct {}; alias aB = uint8;", "2:49: 'aB' is the same as 'A_B'"},
		{"service V { a client_end:P; A client_end:P; }; protocol P {};", "2:29: member 'A' is the same as 'a'"},

		// Attributes.
		{"@selector(\"A\") protocol P {};", "2:1: attribute 'selector' cannot stand on a protocol"},
		{"@generated_name(\"A\") type S = struct {};", "2:1: attribute 'generated_name' cannot stand on a struct"},
		{"type S = @doc(\"x\") struct {};", "2:10: attribute 'doc' of a declared type stands before 'type'"},
		{"type E = strict enum { @unknown A = 1; };", "2:24: a strict enum has no unknown member"},
		{"@unknown type U = union {};", "2:1: attribute 'unknown' cannot stand on a union"},
		{"@discoverable(1) protocol P {};", "2:15: @discoverable takes a string"},
		{"@discoverable(nam=\"a\") protocol P {};", "2:15: @discoverable has no argument 'nam'"},
		{"@no_doc(\"x\") const A uint8 = 1;", "2:9: @no_doc takes no arguments"},
		{"@doc const A uint8 = 1;", "2:1: @doc needs an argument"},
		{"@x(a=1, A=2) const A uint8 = 1;", "2:9: argument 'A' is given twice"},
		{"@x(1, a=2) const A uint8 = 1;", "2:4: one of several arguments needs a name"},
		{"@x @X const A uint8 = 1;", "2:4: attribute 'X' is given twice"},
		{"@x(NAME) const A uint8 = 1;", "2:4: 'NAME' is not declared"},

		// Defaults.
		{"type S = struct { a uint8 = 1; };", "2:29: a default needs @allow_deprecated_struct_defaults"},
		{"@allow_deprecated_struct_defaults type S = struct { a uint8 = 256; };", "2:63: 256 does not fit a uint8"},
		{"@allow_deprecated_struct_defaults type S = struct { a vector<uint8> = 1; };", "2:71: a member of this type cannot have a default"},
		{"type T = table { 1: a uint8 = 1; };", "2:29: expected ';', found '='"},
		{"service V { a uint8; };", "2:15: a service's members are client ends"},

		// Availability.
		{"@available(removed=2) type S = struct {}; @available(added=2) type S = table {};", "2:1: 'S' is replaced at t.fidl:2:68, not removed"},
		{"@available(replaced=3) type S = struct {}; @available(added=2) type S = table {};", "2:69: 'S' is declared at t.fidl:2:29 already"},
		{"@available(added=2, removed=4) type S = struct { @available(added=4) a uint8; };", "2:61: 'added=4' lies outside"},
		{"@available(added=2, removed=4) type S = struct { @available(replaced=4) a uint8; };", "2:61: 'replaced=4' lies outside"},
		{"@available(deprecated=3) type S = struct { @available(deprecated=4) a uint8; };", "2:55: 'deprecated=4' lies outside"},
		{"type S = strict(removed=3) flexible(added=2) enum { A = 1; };", "2:28: modifiers exclude each other: 'strict' and 'flexible'"},
		{"type S = struct { a @available(added=2) struct {}; };", "2:21: attribute 'available' cannot stand on a layout"},
		{"@available(added=2147483648) type S = struct {};", "2:18: '2147483648' is not an API level"},
		{"@available(added=HEAD, removed=1) type S = struct {};", "is removed before it is added"},
		{"@available(since=3) type S = struct {};", "@available has no argument 'since'"},
		{"@available(added=0) type S = struct {};", "'0' is not an API level"},
		{"@available type S = struct {};", "@available needs arguments"},
		{"@available(added=3) type S = struct { @available(added=2) a uint8; };", "'added=2' lies outside"},
		{"@available(removed=3, replaced=3) type S = struct {};", "exclude each other"},
		{"@available(platform=\"x\") type S = struct {};", "only a library has a platform"},
	} {
		_, err := compile("library t;\n"+c.src, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.src, err, c.want)
		} else if !strings.HasPrefix(err.Error(), "t.fidl:") {
			t.Errorf("%s\n%v does not say where", c.src, err)
		}
	}
	for _, c := range []struct{ src, want string }{
		{"using zx;", "2:1: library 'zx' is not used in this file"},
		{"using zx; using zx as z; alias H = zx.Handle;", "2:11: library 'zx' is used at t.fidl:2:1 already"},
		{"using zx; type zx = struct { h zx.Handle; };", "2:16: 'zx' is the name of a library that the file uses"},
	} {
		if _, err := compile("library t;\n"+c.src, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.src, err, c.want)
		}
	}
	_, err := compile("library t;\nusing zx;\ntype S = struct { h zx.Handle; };", 0)
	if want := "t.fidl:3:19: member 'h' may hold handles, so 'S' must be a resource struct"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Compile([]Source{{"a.fidl", "library a;\nusing b;"}, {"b.fidl", "library b;\nusing a;"}}, Options{}); err == nil ||
		!strings.Contains(err.Error(), "use each other") {
		t.Errorf("got %v", err)
	}
}

func find(t *testing.T, l *Library, name string) *Decl {
	t.Helper()
	for _, d := range l.Decls {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

// Sizes, offsets and alignments, as the wire format specification has them.
func TestLayout(t *testing.T) {
	l, err := compile(`library t;
using zx;
type A = struct { a int32; b int8; };
type B = struct { a bool; b string; };
type C = struct { a bool; b uint8; c uint8; };
type E = struct {};
type U = strict union { 1: a uint8; };
type V = struct { a uint8; u U; b uint16; o U:optional; c uint8; };
type W = struct { v array<V, 2>; h uint8; };
type T = table {};
type X = struct { b box<A>; t T; e E; v vector<A>; };
type Y = resource struct { a uint8; h zx.Handle; };
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		size   [2]int
		align  int
		last   [2]int // offset of the last member
		number int
	}{
		{"A", [2]int{8, 8}, 4, [2]int{4, 4}, 2},
		{"B", [2]int{24, 24}, 8, [2]int{8, 8}, 2},
		{"C", [2]int{3, 3}, 1, [2]int{2, 2}, 3},
		{"E", [2]int{1, 1}, 1, [2]int{}, 0},
		{"V", [2]int{56, 72}, 8, [2]int{48, 64}, 5},
		{"W", [2]int{120, 152}, 8, [2]int{112, 144}, 2},
		{"X", [2]int{48, 48}, 8, [2]int{32, 32}, 4},
		{"Y", [2]int{8, 8}, 4, [2]int{4, 4}, 2},
		{"U", [2]int{16, 24}, 8, [2]int{}, 1},
		{"T", [2]int{16, 16}, 8, [2]int{}, 0},
	} {
		d := find(t, l, c.name)
		var last [2]int
		if n := len(d.Members); n > 0 {
			last = d.Members[n-1].Offset
		}
		if d.Size != c.size || d.Align != c.align || last != c.last || len(d.Members) != c.number {
			t.Errorf("%s: size %v align %d last at %v, want %v %d %v", c.name, d.Size, d.Align, last, c.size, c.align, c.last)
		}
	}
}

func TestProtocols(t *testing.T) {
	l, err := compile(`library t;
using zx;
@discoverable protocol P {
    compose Q;
    strict Both(struct { a uint8; }) -> (struct { b struct { c uint8; }; }) error zx.Status;
    flexible OneWay();
    strict -> OnEvent(table { 1: a uint8; });
    @selector("other/Proto.Name") strict Renamed();
    strict open();
};
@discoverable(name="x.Y") ajar protocol Q { @selector("Z") strict Composed(); };
closed protocol strict {};
service S { p client_end:P; };
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := find(t, l, "P")
	if p.Openness != Open || p.Discoverable != "t.P" || find(t, l, "Q").Discoverable != "x.Y" || find(t, l, "Q").Openness != Ajar {
		t.Errorf("%+v", p)
	}
	for i, want := range []struct {
		selector string
		flexible bool
		twoWay   bool
		event    bool
		err      bool
	}{
		{"t/Q.Z", false, false, false, false},
		{"t/P.Both", false, true, false, true},
		{"t/P.OneWay", true, false, false, false},
		{"t/P.OnEvent", false, false, true, false},
		{"other/Proto.Name", false, false, false, false},
		{"t/P.open", false, false, false, false},
	} {
		m := p.Methods[i]
		if m.Ordinal != Ordinal(want.selector) || m.Flexible != want.flexible || m.TwoWay != want.twoWay || m.Event != want.event || (m.Err != nil) != want.err {
			t.Errorf("%s: %+v", want.selector, m)
		}
	}
	for _, name := range []string{"PBothRequest", "PBothResponse", "B", "POnEventRequest"} { // anonymous layouts
		find(t, l, name)
	}
	// What ld.so.1 of the SDK sends.
	if o := Ordinal("fuchsia.ldsvc/Loader.Done"); o != 0x63ba6b76d3671001 {
		t.Errorf("%#x", o)
	}
}

func TestConstants(t *testing.T) {
	l, err := compile(`library t;
using zx as z;
const A uint64 = 0xFFFF_FFFF_FFFF_FFFF;
const B int8 = -0x80;
const C uint8 = 0b101;
const D string = "\u{1F600}\\";
const E z.Rights = z.Rights.READ | z.Rights.WRITE;
const F uint32 = A_SMALL | 8;
const A_SMALL uint16 = 7;
const G uint16 = ((BITS.A | BITS.B) | (BITS.A));
type BITS = bits : uint8 { A = 1; B = 2; };
const H float32 = 1;
const I bool = false;
type S = struct { a array<uint8, F>; b string:A_SMALL; c vector<fidl.uint8>:<MAX, fidl.optional>; d fidl.array<fidl.bool, 2>; };
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"A": "18446744073709551615", "B": "-128", "C": "5", "D": `"😀\\"`, "E": "12", "F": "15", "G": "3", "H": "1", "I": "false",
	} {
		if got := find(t, l, name).Value.ExactString(); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	s := find(t, l, "S")
	if s.Size[0] != 56 || s.Members[1].Type.Count != 7 || s.Members[2].Type.Count != Unbounded || !s.Members[2].Type.Optional {
		t.Errorf("%v", s)
	}
}

func TestHandleConstraints(t *testing.T) {
	l, err := compile(`library t;
using zx;
alias Vmo = zx.Handle:VMO;
type S = resource struct {
    a zx.Handle;
    b zx.Handle:optional;
    c zx.Handle:<VMO, zx.Rights.READ | zx.Rights.WRITE, optional>;
    d Vmo:optional;
    e zx.Handle:zx.ObjType.CHANNEL;
    f zx.Handle:zx.Rights.READ;
};
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	type handle struct {
		obj, rights uint32
		optional    bool
	}
	const same = 1 << 31
	for i, want := range []handle{{0, same, false}, {0, same, true}, {3, 12, true}, {3, same, true}, {4, same, false}, {0, 4, false}} {
		m := find(t, l, "S").Members[i].Type
		if got := (handle{m.ObjType, m.Rights, m.Optional}); got != want {
			t.Errorf("member %d: %v, want %v", i, got, want)
		}
	}
}

// Ways of writing that the platform's own libraries have.
func TestIdioms(t *testing.T) {
	l, err := compile(`@available(added=11)
library t;
using zx;
const MAX_LENGTH uint64 = 50;
alias name = string:MAX_LENGTH;
alias Token = zx.Handle:VMO;
type Payload = flexible resource union {
    1: unit @generated_name("Unit") struct {};
    2: handle OneShot;
    3: string string:MAX_LENGTH;
    4: int64 int64;
    5: directory client_end:Directory;
    @available(removed=20)
    6: old name;
};
type OneShot = resource struct { token Token; bytes vector<byte>:<MAX_LENGTH, optional>; };
type Event = resource table { 1: name name; 2: payload Payload; 4: reserved; };
@discoverable(client="platform", server="platform")
@available(added=20)
open protocol Directory {
    @available(added=HEAD)
    flexible Insert(Event) -> () error flexible enum { NOT_FOUND = 1; };
    strict GetNext() -> (resource struct { events vector<Event>:MAX; });
    flexible(added=22) strict(removed=22) Drain(resource struct { iterator server_end:<Directory, optional>; });
    @available(replaced=21) strict Old() -> ();
    @available(added=21) strict Old() -> (struct { n uint8; });
};
`, Head)
	if err != nil {
		t.Fatal(err)
	}
	var methods []string
	for _, m := range find(t, l, "Directory").Methods {
		methods = append(methods, m.Name)
	}
	if got := strings.Join(methods, " "); got != "Insert GetNext Drain Old" {
		t.Error(got)
	}
	if p := find(t, l, "Payload"); len(p.Members) != 5 || p.Members[2].Type.Count != 50 {
		t.Errorf("%+v", p)
	}
	if b := find(t, l, "OneShot").Members[1].Type; b.Elem.Prim != "uint8" || b.Count != 50 || !b.Optional {
		t.Errorf("%+v", b)
	}
	find(t, l, "Unit")
	find(t, l, "DirectoryInsertError")
}

// What exists depends on the level.
func TestAvailability(t *testing.T) {
	const src = `@available(added=2)
library t;
@available(replaced=5) type S = struct { old uint8; };
@available(added=5) type S = struct { new uint16; @available(added=HEAD) head uint8; };
@available(deprecated=3, note="use another") const OLD uint8 = 1;
@available(added=NEXT) alias Soon = uint8;
closed(removed=7) open(added=7) protocol P {
    strict(removed=7) flexible(added=7) M();
    @available(removed=4) strict Gone();
};
`
	for _, c := range []struct {
		level      Level
		names      string
		member     string
		deprecated string
		openness   Openness
		methods    int
		flexible   bool
	}{
		{1, "", "", "", 0, 0, false},
		{2, "S OLD P", "old", "", Closed, 2, false},
		{4, "S OLD P", "old", "use another", Closed, 1, false},
		{7, "S OLD P", "new", "use another", Open, 1, true},
		{Next, "S OLD Soon P", "new", "use another", Open, 1, true},
		{Head, "S OLD Soon P", "new head", "use another", Open, 1, true},
	} {
		l, err := compile(src, c.level)
		if err != nil {
			t.Fatal(err)
		}
		var names, members []string
		for _, d := range l.Decls {
			names = append(names, d.Name)
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("level %d: %s, want %s", c.level, got, c.names)
		}
		if c.names == "" {
			continue
		}
		for _, m := range find(t, l, "S").Members {
			members = append(members, m.Name)
		}
		p := find(t, l, "P")
		if got := strings.Join(members, " "); got != c.member || find(t, l, "OLD").Deprecated != c.deprecated ||
			p.Openness != c.openness || len(p.Methods) != c.methods || p.Methods[0].Flexible != c.flexible {
			t.Errorf("level %d: %s %v %+v", c.level, got, find(t, l, "OLD"), p)
		}
	}
}

func TestDocComments(t *testing.T) {
	l, err := compile(`/// The library.
library t;
/// One.
///
/// Two.
type S = struct {
    /// A member.
    a uint8;
    //// Not a doc comment.
    b @generated_name("Inner") struct {};
};
@doc("By attribute.")
const A uint8 = 1;
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := find(t, l, "S")
	if l.Doc != "The library." || s.Doc != "One.\n\nTwo." || s.Members[0].Doc != "A member." || s.Members[1].Doc != "" ||
		find(t, l, "A").Doc != "By attribute." {
		t.Errorf("%q %q %q", l.Doc, s.Doc, s.Members[0].Doc)
	}
	find(t, l, "Inner")
}

func TestCamel(t *testing.T) {
	for in, want := range map[string]string{
		"root_vmar": "RootVmar", "MAX_PATH": "MaxPath", "LaunchInfo": "LaunchInfo", "NodeAttributes2": "NodeAttributes2",
		"ID": "Id", "x": "X", "OnOpen": "OnOpen", "SHA256": "Sha256", "i8": "I8", "B": "B",
	} {
		if got := Camel(in); got != want {
			t.Errorf("%s gives %s, want %s", in, got, want)
		}
	}
}

// FuzzCompile: any text compiles or is refused with a place.
func FuzzCompile(f *testing.F) {
	f.Add("type S = struct { a array<vector<uint8>:3, 4>; };")
	f.Add("protocol P { -> E(union { 1: a uint8; }); M() -> () error int32; };")
	f.Add("type T = resource table { 1: h zx.Handle:<VMO, optional>; };")
	f.Add("@available(added=3) strict(removed=4) x")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := compile("library t;\nusing zx;\n"+text, 0)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatal(err)
			}
			return
		}
		for _, d := range l.Decls {
			if d.Kind == KindConst && d.Value.Kind() == constant.Unknown {
				t.Fatal(d.Name)
			}
		}
	})
}
