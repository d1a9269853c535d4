package fidlc

import "go/constant"

// Library is a compiled library.
type Library struct {
	// Name is dotted, such as "fuchsia.io".
	Name string
	Doc  string
	// V1 says that its protocols are spoken in wire format v1 only: @wire("v1").
	V1 bool
	// Decls are in source order; an anonymous layout follows the declaration
	// that it is in.
	Decls []*Decl
	// Uses are the libraries that it names.
	Uses []*Library

	scope   map[string]*Decl
	spelled map[string]*Decl // by canonical name
	camel   map[string]bool  // the names, in CamelCase
	files   []*file
}

// Declares says whether a declaration has the name n in CamelCase.
func (l *Library) Declares(n string) bool { return l.camel[n] }

// Kind is what a Decl declares.
type Kind int

// Kinds of declarations.
const (
	KindConst Kind = iota
	KindBits
	KindEnum
	KindStruct
	KindTable
	KindUnion
	KindProtocol
	KindService
	KindAlias
	KindResource
)

func (k Kind) String() string {
	return [...]string{"const", "bits", "enum", "struct", "table", "union", "protocol", "service", "alias", "resource"}[k]
}

// Openness of a protocol, as in RFC-0138.
type Openness int

// Closed, Ajar and Open.
const (
	Closed Openness = iota
	Ajar
	Open
)

// Decl is a declaration.
type Decl struct {
	Lib  *Library
	Kind Kind
	Name string
	Doc  string
	// Deprecated is the note of a deprecated declaration, "deprecated" when
	// there is none.
	Deprecated string

	// Strict and Resource are of bits, enums, tables, unions and structs.
	Strict, Resource bool
	// Type is a const's, an alias's target, and the underlying type of bits,
	// enums and resources.
	Type *Type
	// Value is a const's.
	Value constant.Value
	// IsError says of an enum that a method of a compiled library has it as its
	// application error.
	IsError bool
	// GoType is the Go name, in the library's package, that stands for an
	// alias: @go_type("Status").
	GoType string
	// Members are of structs, tables, unions, bits, enums and services, and a
	// resource's properties. Those of tables and unions are by ordinal.
	Members []*Member

	// Openness, Transport, Discoverable (the name, or empty) and Methods are of
	// protocols.
	Openness     Openness
	Transport    string // "Channel", "Driver", "Banjo" or "Syscall"
	Discoverable string
	Methods      []*Method

	// Size and Align are of structs, tables and unions; sizes by wire format, v2
	// first.
	Size  [2]int
	Align int

	// Pos is where the name stands.
	Pos     Pos
	syn     *decl
	layout  *layoutExpr
	inline  []*Decl
	state   int // of lazy compilation: 0 not begun, 1 under way, 2 done
	shaping int // of layout
	avail   avail
}

// Member is a field, a value of bits or an enum, or a service's member.
type Member struct {
	Name       string
	Doc        string
	Deprecated string
	Type       *Type
	Ordinal    uint64
	// Value is of bits and enums; a struct member's default.
	Value constant.Value
	// Unknown: a value of a flexible enum that stands for what is unknown.
	Unknown bool
	// Offset is a struct member's, by wire format.
	Offset [2]int
	Pos    Pos
}

// Method is a method or an event.
type Method struct {
	Name       string
	Doc        string
	Deprecated string
	// Owner is the protocol that declares it, which is not the one it is a
	// member of when it is composed.
	Owner   *Decl
	Ordinal uint64
	// Event: the server sends Response; there is no request.
	Event    bool
	Flexible bool
	// TwoWay: there is a response.
	TwoWay bool
	// Request and Response are the payloads; nil means none.
	Request, Response *Decl
	// Err is the application error's type, nil when there is none.
	Err *Type

	Pos Pos
}

// TypeKind is the kind of a type.
type TypeKind int

// Kinds of types.
const (
	TypePrim TypeKind = iota
	TypeString
	TypeVector
	TypeArray
	TypeStringArray
	TypeBox
	TypeHandle
	TypeClientEnd
	TypeServerEnd
	TypeDecl // bits, enum, struct, table, union
)

// Unbounded is the bound of a vector or string that has none.
const Unbounded = 1<<32 - 1

// Type is a type where it is used.
type Type struct {
	Kind TypeKind
	// Prim is the name of a primitive: bool, int8 … uint64, float32, float64.
	Prim string
	// Elem is of vectors, arrays and boxes.
	Elem *Type
	// Count is an array's size, or a vector's or string's bound.
	Count    uint32
	Optional bool
	// Decl is the declaration, a protocol for endpoints.
	Decl *Decl
	// ObjType and Rights constrain a handle.
	ObjType, Rights uint32
	// Alias is the alias with a GoType that the type was named by, if any.
	Alias *Decl
	// Go is the resource's GoType for handles.
	Resource *Decl

	bounded bool
}
