package fidlc

// The syntax tree, one type per rule of the grammar that matters later.

type file struct {
	library string
	pos     Pos
	attrs   attrs
	usings  []using
	decls   []*decl
	names   []string // all compound names, to tell unused libraries
}

type using struct {
	pos     Pos
	library string
	as      string // empty: none
}

// local is the name by which the file knows the library.
func (u using) local() string {
	if u.as != "" {
		return u.as
	}
	return u.library
}

// attr is one @attribute; a doc comment is the attribute "doc".
type attr struct {
	pos  Pos
	name string
	args []attrArg
}

type attrArg struct {
	pos   Pos
	name  string // empty: the only, unnamed argument
	value *constExpr
}

type attrs []attr

func (as attrs) get(name string) *attr {
	for i := range as {
		if as[i].name == name {
			return &as[i]
		}
	}
	return nil
}

// str gives the attribute's string argument.
func (a *attr) str() string {
	if a != nil && len(a.args) > 0 {
		return a.args[0].value.text
	}
	return ""
}

type declKind int

const (
	declConst declKind = iota
	declType
	declAlias
	declProtocol
	declService
	declResource
)

type decl struct {
	kind  declKind
	pos   Pos
	name  string
	attrs attrs
	mods  []modifier

	typ     *typeExpr // const, type, alias, resource's underlying type
	value   *constExpr
	members []*member // protocol's, service's, resource's properties
}

// modifier is strict, flexible, resource, open, ajar or closed. With
// availability arguments it holds for some levels only.
type modifier struct {
	pos   Pos
	word  string
	avail *attr
}

type memberKind int

const (
	memberField memberKind = iota
	memberMethod
	memberEvent
	memberCompose
)

// member is a field, a value of bits or an enum, a method, an event or a
// compose.
type member struct {
	kind    memberKind
	pos     Pos
	name    string
	attrs   attrs
	mods    []modifier
	ordinal *constExpr // tables and unions
	typ     *typeExpr
	value   *constExpr // bits and enums; a struct member's default

	hasRequest, hasResponse bool
	request, response, err  *typeExpr
}

type layoutExpr struct {
	pos     Pos
	attrs   attrs
	mods    []modifier
	kind    string // struct, table, union, bits, enum
	subtype *typeExpr
	members []*member
}

type typeExpr struct {
	pos         Pos
	name        string // compound; empty when layout is set
	layout      *layoutExpr
	params      []*typeExpr // array<T, 3>: a constant is a typeExpr with value
	value       *constExpr
	constraints []*constExpr
	constrPos   Pos
}

type constExpr struct {
	pos  Pos
	kind tokenKind // tokIdent, tokNumber, tokString
	text string
	or   *constExpr // the rest of a | b | c
}
