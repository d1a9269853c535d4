package fidlc

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"go/constant"
	gotoken "go/token"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// Source is one file.
type Source struct {
	Name, Text string
}

// Options of a compilation.
type Options struct {
	// Levels are the API levels by platform ("fuchsia"). Default: HEAD.
	Levels map[string]Level
}

// Compile compiles libraries: all their files, and those of all the libraries
// that they use. The result is in order of dependence. The error is an *Error.
func Compile(sources []Source, opt Options) (libs []*Library, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(bail)
			if !ok {
				panic(r)
			}
			libs, err = nil, b.err
		}
	}()
	c := &compiler{opt: opt, libs: map[string]*Library{}}
	var names []string
	for _, s := range sources {
		f, err := parse(s.Name, s.Text)
		if err != nil {
			return nil, err
		}
		l := c.libs[f.library]
		if l == nil {
			l = &Library{Name: f.library, scope: map[string]*Decl{}, spelled: map[string]*Decl{}, camel: map[string]bool{}}
			c.libs[f.library] = l
			names = append(names, f.library)
		}
		l.files = append(l.files, f)
	}
	done := map[*Library]int{}
	for _, n := range names {
		c.order(c.libs[n], done)
	}
	for _, l := range c.out {
		c.declare(l)
	}
	for _, l := range c.out {
		c.library(l)
	}
	return c.out, nil
}

type compiler struct {
	opt  Options
	libs map[string]*Library
	out  []*Library
}

func fail(p Pos, format string, args ...any) { panic(bail{errf(p, format, args...)}) }

// order puts l after the libraries that it uses.
func (c *compiler) order(l *Library, done map[*Library]int) {
	if done[l] == 2 {
		return
	}
	done[l] = 1
	for _, f := range l.files {
		for _, u := range f.usings {
			d := c.libs[u.library]
			switch {
			case d == nil:
				fail(u.pos, "there is no source of library '%s'", u.library)
			case d == l:
				fail(u.pos, "library '%s' uses itself", u.library)
			case done[d] == 1:
				fail(u.pos, "libraries '%s' and '%s' use each other", l.Name, d.Name)
			}
			c.order(d, done)
			if !slices.Contains(l.Uses, d) {
				l.Uses = append(l.Uses, d)
			}
		}
	}
	done[l] = 2
	c.out = append(c.out, l)
}

func (c *compiler) level(l *Library) Level {
	if l, ok := c.opt.Levels[l.platform()]; ok {
		return l
	}
	return Head
}

func (c *compiler) avail(l *Library, as attrs, parent avail) (avail, bool) {
	a := mustAvail(as.get("available"), parent, false)
	return a, a.at(c.level(l))
}

// declare enters every name of l that exists at the level into its scope.
func (c *compiler) declare(l *Library) {
	root := mustAvail(l.available(), avail{removed: never, deprecated: never}, true)
	check(l, root)
	for _, f := range l.files {
		if doc := f.attrs.get("doc").str(); l.Doc == "" {
			l.Doc = doc
		}
		if w := f.attrs.get("wire"); w != nil {
			if w.str() != "v1" {
				fail(w.pos, "@wire takes \"v1\"")
			}
			l.V1 = true
		}
		for _, s := range f.decls {
			a, ok := c.avail(l, s.attrs, root)
			if !ok {
				continue
			}
			d := &Decl{Lib: l, Name: s.name, Doc: s.attrs.get("doc").str(), Pos: s.pos, syn: s, avail: a,
				Deprecated: a.deprecatedAt(c.level(l))}
			switch s.kind {
			case declConst:
				d.Kind = KindConst
			case declAlias:
				d.Kind = KindAlias
				d.GoType = s.attrs.get("go_type").str()
			case declProtocol:
				d.Kind = KindProtocol
			case declService:
				d.Kind = KindService
			case declResource:
				d.Kind = KindResource
				d.GoType = s.attrs.get("go_type").str()
			case declType:
				if s.typ.layout == nil {
					fail(s.typ.pos, "'type' declares a layout; 'alias' names a type")
				}
				d.layout = s.typ.layout
				d.setKind(d.layout)
			}
			c.enter(d)
			l.Decls = append(l.Decls, d)
		}
	}
}

func (c *compiler) enter(d *Decl) {
	if o := d.Lib.scope[d.Name]; o != nil {
		fail(d.Pos, "'%s' is declared at %s already", d.Name, o.Pos)
	}
	if o := d.Lib.spelled[canonical(d.Name)]; o != nil {
		fail(d.Pos, "'%s' is the same as '%s', declared at %s, but for its spelling", d.Name, o.Name, o.Pos)
	}
	d.Lib.camel[Camel(d.Name)] = true
	d.Lib.scope[d.Name], d.Lib.spelled[canonical(d.Name)] = d, d
}

// setKind sets the kind, and the shape where that follows from it.
func (d *Decl) setKind(l *layoutExpr) {
	switch l.kind {
	case "struct":
		d.Kind = KindStruct
	case "table":
		d.Kind, d.Size, d.Align = KindTable, [2]int{16, 16}, 8
	case "union":
		d.Kind, d.Size, d.Align = KindUnion, [2]int{16, 24}, 8
	case "bits":
		d.Kind = KindBits
	case "enum":
		d.Kind = KindEnum
	}
}

// scope is where names are looked up: a file of a library.
type scope struct {
	c   *compiler
	lib *Library
	f   *file
}

func (c *compiler) scopeOf(d *Decl) scope {
	for _, f := range d.Lib.files {
		if f.pos.File == d.Pos.File {
			return scope{c, d.Lib, f}
		}
	}
	panic("declaration without a file")
}

func (c *compiler) library(l *Library) {
	top := l.Decls
	for _, d := range top {
		c.compile(d)
	}
	// Anonymous layouts go where they are.
	l.Decls = nil
	var walk func(*Decl)
	walk = func(d *Decl) {
		l.Decls = append(l.Decls, d)
		for _, i := range d.inline {
			walk(i)
		}
	}
	for _, d := range top {
		walk(d)
	}
	for _, d := range l.Decls {
		c.shape(d)
	}
	for _, d := range l.Decls {
		c.checkResource(d)
	}
}

// compile compiles d once; references may call it early for constants and aliases.
func (c *compiler) compile(d *Decl) {
	switch d.state {
	case 1:
		fail(d.Pos, "the definition of '%s' needs itself", d.Name)
	case 2:
		return
	}
	d.state = 1
	s := c.scopeOf(d)
	if d.syn != nil {
		s.constants(d.syn.attrs)
		for _, m := range d.syn.members {
			s.constants(m.attrs)
		}
	}
	switch d.Kind {
	case KindConst:
		d.Type = s.typ(d, d.syn.typ, d.Name)
		d.Value = s.value(d.syn.value, d.Type)
	case KindAlias:
		d.Type = s.typ(d, d.syn.typ, d.Name)
	case KindProtocol:
		s.protocol(d)
	case KindService:
		s.service(d)
	case KindResource:
		d.Type = s.typ(d, d.syn.typ, d.Name)
		for _, m := range d.syn.members {
			d.Members = append(d.Members, &Member{Name: m.name, Type: s.typ(d, m.typ, m.name), Pos: m.pos})
		}
		s.checkResourceDefinition(d)
	default:
		s.layout(d)
	}
	d.state = 2
}

// constants checks that the constants that attributes name exist.
func (s scope) constants(as attrs) {
	for _, a := range as {
		for _, g := range a.args {
			if v := g.value; a.name != "available" && v.kind == tokIdent && v.text != "true" && v.text != "false" {
				s.lookup(v.pos, v.text)
			}
		}
	}
}

func (s scope) checkResourceDefinition(d *Decl) {
	if d.Type.Kind != TypePrim || d.Type.Prim != "uint32" {
		fail(d.Pos, "a resource is a uint32")
	}
	subtype := false
	for _, m := range d.Members {
		switch t := m.Type; m.Name {
		case "subtype":
			subtype = true
			if t.Kind != TypeDecl || t.Decl.Kind != KindEnum {
				fail(m.Pos, "the subtype of a resource is an enum")
			}
		case "rights":
			if (t.Kind != TypeDecl || t.Decl.Kind != KindBits) && (t.Kind != TypePrim || t.Prim != "uint32") {
				fail(m.Pos, "the rights of a resource are bits or a uint32")
			}
		}
	}
	if !subtype {
		fail(d.Pos, "a resource needs the property 'subtype'")
	}
}

// modifiers gives the modifiers that hold at the level.
func (s scope) modifiers(ms []modifier, a avail, allowed ...string) map[string]bool {
	out := map[string]bool{}
	for _, m := range ms {
		if !slices.Contains(allowed, m.word) {
			fail(m.pos, "modifier '%s' cannot stand here", m.word)
		}
		if m.avail != nil {
			if !mustAvail(m.avail, a, false).at(s.c.level(s.lib)) {
				continue
			}
		}
		out[m.word] = true
	}
	return out
}

// ints are the ranges of the integer types.
var ints = map[string][2]constant.Value{
	"int8":   {constant.MakeInt64(math.MinInt8), constant.MakeInt64(math.MaxInt8)},
	"int16":  {constant.MakeInt64(math.MinInt16), constant.MakeInt64(math.MaxInt16)},
	"int32":  {constant.MakeInt64(math.MinInt32), constant.MakeInt64(math.MaxInt32)},
	"int64":  {constant.MakeInt64(math.MinInt64), constant.MakeInt64(math.MaxInt64)},
	"uint8":  {constant.MakeInt64(0), constant.MakeInt64(math.MaxUint8)},
	"uint16": {constant.MakeInt64(0), constant.MakeInt64(math.MaxUint16)},
	"uint32": {constant.MakeInt64(0), constant.MakeInt64(math.MaxUint32)},
	"uint64": {constant.MakeInt64(0), constant.MakeUint64(math.MaxUint64)},
}

// layout compiles a struct, table, union, bits or enum.
func (s scope) layout(d *Decl) {
	l := d.layout
	allowed := map[Kind][]string{
		KindBits: {"strict", "flexible"}, KindEnum: {"strict", "flexible"},
		KindStruct: {"resource"}, KindTable: {"resource"}, KindUnion: {"strict", "flexible", "resource"},
	}[d.Kind]
	mods := s.modifiers(l.mods, d.avail, allowed...)
	d.Strict, d.Resource = mods["strict"], mods["resource"]
	if d.syn != nil && d.syn.attrs.get("doc") == nil {
		d.Doc = l.attrs.get("doc").str()
	}
	if d.Kind == KindBits || d.Kind == KindEnum {
		d.Type = &Type{Kind: TypePrim, Prim: "uint32"}
		if l.subtype != nil {
			d.Type = s.typ(d, l.subtype, "")
		}
		_, isInt := ints[d.Type.Prim]
		if !isInt || d.Kind == KindBits && d.Type.Prim[0] != 'u' {
			fail(l.pos, "%s cannot have this underlying type", d.Kind)
		}
	}
	names := map[string]Pos{}
	for _, m := range l.members {
		a, ok := s.c.avail(s.lib, m.attrs, d.avail)
		if !ok || m.name == "" { // reserved
			continue
		}
		if o, dup := names[Camel(m.name)]; dup {
			fail(m.pos, "member '%s' is declared at %s already", m.name, o)
		}
		names[Camel(m.name)] = m.pos
		out := &Member{Name: m.name, Doc: m.attrs.get("doc").str(), Deprecated: a.deprecatedAt(s.c.level(s.lib)), Pos: m.pos}
		if m.ordinal != nil {
			out.Ordinal = s.ordinal(d, m.ordinal)
		}
		if m.typ != nil {
			out.Type = s.typ(d, m.typ, Camel(m.name))
			if d.Kind != KindStruct && out.Type.Optional {
				fail(m.typ.pos, "a member of a %s cannot be optional", d.Kind)
			}
		}
		switch {
		case d.Kind == KindStruct && m.value != nil:
			s.defaultValue(d, m, out)
		case m.value != nil:
			out.Value = s.value(m.value, d.Type)
			u := m.attrs.get("unknown")
			if u != nil && d.Strict {
				fail(u.pos, "a strict enum has no unknown member")
			}
			out.Unknown = u != nil
			s.checkValue(d, out)
		}
		d.Members = append(d.Members, out)
	}
	if d.Kind == KindEnum && !d.Strict && !slices.ContainsFunc(d.Members, func(m *Member) bool { return m.Unknown }) {
		for _, m := range d.Members {
			if constant.Compare(m.Value, gotoken.EQL, ints[d.Type.Prim][1]) {
				fail(m.Pos, "the greatest value of a flexible enum stands for unknown ones, unless a member is @unknown")
			}
		}
	}
	switch {
	case d.Kind == KindUnion && d.Strict && len(d.Members) == 0:
		fail(d.Pos, "a strict union needs a member")
	case d.Kind == KindBits && d.Strict && len(d.Members) == 0, d.Kind == KindEnum && d.Strict && len(d.Members) == 0:
		fail(d.Pos, "strict %s need a member", d.Kind)
	case d.Kind == KindTable || d.Kind == KindUnion:
		sort.Slice(d.Members, func(i, j int) bool { return d.Members[i].Ordinal < d.Members[j].Ordinal })
		for i := 1; i < len(d.Members); i++ {
			if d.Members[i].Ordinal == d.Members[i-1].Ordinal {
				fail(d.Members[i].Pos, "ordinal %d is used at %s already", d.Members[i].Ordinal, d.Members[i-1].Pos)
			}
		}
	}
}

// defaultValue checks the default of a struct's member. FIDL gives defaults to
// constructors, of which Go has none; so it is documentation.
func (s scope) defaultValue(d *Decl, m *member, out *Member) {
	const permit = "allow_deprecated_struct_defaults"
	if m.attrs.get(permit) == nil && d.layout.attrs.get(permit) == nil && (d.syn == nil || d.syn.attrs.get(permit) == nil) {
		fail(m.value.pos, "a default needs @%s", permit)
	}
	switch t := out.Type; {
	case t.Optional, t.Kind != TypePrim && t.Kind != TypeString && (t.Kind != TypeDecl || t.Decl.Kind != KindBits && t.Decl.Kind != KindEnum):
		fail(m.value.pos, "a member of this type cannot have a default")
	}
	out.Value = s.value(m.value, out.Type)
}

func (s scope) ordinal(d *Decl, e *constExpr) uint64 {
	v := s.value(e, &Type{Kind: TypePrim, Prim: "uint64"})
	n, _ := constant.Uint64Val(v)
	if n == 0 {
		fail(e.pos, "ordinals begin at 1")
	}
	switch {
	case d.Kind == KindTable && n > 64:
		fail(e.pos, "a table has at most 64 members")
	case n > math.MaxUint32:
		fail(e.pos, "ordinals have 32 bits")
	}
	return n
}

func (s scope) checkValue(d *Decl, m *Member) {
	if d.Kind == KindBits {
		n, _ := constant.Uint64Val(m.Value)
		if n == 0 || n&(n-1) != 0 {
			fail(m.Pos, "a member of bits must be a power of two")
		}
	}
	for _, o := range d.Members {
		if constant.Compare(o.Value, gotoken.EQL, m.Value) {
			fail(m.Pos, "member '%s' has the value of '%s'", m.Name, o.Name)
		}
	}
}

// lookup finds what a compound name means: a declaration, and the rest of the
// name, which is a member's.
func (s scope) lookup(pos Pos, name string) (*Decl, string) {
	try := func(l *Library, name string) (*Decl, string) {
		first, rest, _ := strings.Cut(name, ".")
		return l.scope[first], rest
	}
	if d, rest := try(s.lib, name); d != nil {
		return d, rest
	}
	if n, ok := strings.CutPrefix(name, s.lib.Name+"."); ok {
		if d, rest := try(s.lib, n); d != nil {
			return d, rest
		}
	}
	var best *Decl
	var bestRest string
	longest := -1
	for _, u := range s.f.usings {
		n := u.local()
		if local, ok := strings.CutPrefix(name, n+"."); ok && len(n) > longest {
			if d, rest := try(s.c.libs[u.library], local); d != nil {
				best, bestRest, longest = d, rest, len(n)
			}
		}
	}
	if best == nil {
		fail(pos, "'%s' is not declared", name)
	}
	return best, bestRest
}

var prims = map[string]bool{"bool": true, "float32": true, "float64": true}

func init() {
	for n := range ints {
		prims[n] = true
	}
}

// typ resolves a type. Anonymous layouts in it are called name and belong to owner.
func (s scope) typ(owner *Decl, e *typeExpr, name string) *Type {
	if e.value != nil {
		fail(e.pos, "expected a type, found a constant")
	}
	if e.layout != nil {
		return s.constrain(e, &Type{Kind: TypeDecl, Decl: s.anonymous(owner, e, name)})
	}
	params := func(n int) {
		if len(e.params) != n {
			fail(e.pos, "'%s' takes %d parameter(s) in '<>', has %d", e.name, n, len(e.params))
		}
	}
	builtin, qualified := strings.CutPrefix(e.name, "fidl.")
	if _, local := s.lib.scope[e.name]; !local && (!qualified || s.c.libs["fidl"] == nil) {
		switch e := (&typeExpr{pos: e.pos, name: builtin, params: e.params, constraints: e.constraints}); {
		case prims[e.name]:
			params(0)
			return s.constrain(e, &Type{Kind: TypePrim, Prim: e.name})
		case e.name == "byte":
			params(0)
			return s.constrain(e, &Type{Kind: TypePrim, Prim: "uint8"})
		case e.name == "string":
			params(0)
			return s.constrain(e, &Type{Kind: TypeString, Count: Unbounded})
		case e.name == "vector":
			params(1)
			return s.constrain(e, &Type{Kind: TypeVector, Count: Unbounded, Elem: s.typ(owner, e.params[0], name)})
		case e.name == "array":
			params(2)
			return s.constrain(e, &Type{Kind: TypeArray, Elem: s.typ(owner, e.params[0], name), Count: s.size(e.params[1])})
		case e.name == "string_array":
			params(1)
			return s.constrain(e, &Type{Kind: TypeStringArray, Count: s.size(e.params[0])})
		case e.name == "box":
			params(1)
			t := s.typ(owner, e.params[0], name)
			if t.Kind != TypeDecl || t.Decl.Kind != KindStruct {
				fail(e.params[0].pos, "only a struct can be boxed; other types have ':optional'")
			}
			return s.constrain(e, &Type{Kind: TypeBox, Elem: t, Optional: true})
		case e.name == "client_end":
			params(0)
			return s.constrain(e, &Type{Kind: TypeClientEnd})
		case e.name == "server_end":
			params(0)
			return s.constrain(e, &Type{Kind: TypeServerEnd})
		}
	}
	params(0)
	d, rest := s.lookup(e.pos, e.name)
	if rest != "" {
		fail(e.pos, "'%s' is not a type", e.name)
	}
	switch d.Kind {
	case KindAlias:
		s.c.compile(d)
		t := *d.Type
		if d.GoType != "" {
			t.Alias = d
		}
		return s.constrain(e, &t)
	case KindResource:
		s.c.compile(d)
		return s.constrain(e, &Type{Kind: TypeHandle, Resource: d, Rights: 1 << 31})
	case KindConst, KindProtocol, KindService:
		fail(e.pos, "'%s' is a %s, not a type", e.name, d.Kind)
	}
	return s.constrain(e, &Type{Kind: TypeDecl, Decl: d})
}

// anonymous declares a layout that stands where a type is wanted.
func (s scope) anonymous(owner *Decl, e *typeExpr, name string) *Decl {
	l := e.layout
	if g := l.attrs.get("generated_name"); g != nil {
		name = g.str()
		if name == "" {
			fail(g.pos, "@generated_name needs a name")
		}
	}
	d := &Decl{Lib: s.lib, Name: name, Doc: l.attrs.get("doc").str(), Pos: l.pos,
		layout: l, avail: owner.avail}
	d.setKind(l)
	s.c.enter(d)
	owner.inline = append(owner.inline, d)
	d.state = 1
	s.layout(d)
	d.state = 2
	return d
}

func (s scope) size(e *typeExpr) uint32 {
	c := e.value
	if c == nil {
		if e.layout != nil || len(e.params) > 0 || len(e.constraints) > 0 {
			fail(e.pos, "expected a size")
		}
		c = &constExpr{pos: e.pos, kind: tokIdent, text: e.name}
	}
	n := s.bound(c)
	if n == 0 {
		fail(e.pos, "an array has at least one element")
	}
	return n
}

// bound computes a size, or MAX.
func (s scope) bound(c *constExpr) uint32 {
	if _, local := s.lib.scope["MAX"]; c.kind == tokIdent && c.or == nil && (c.text == "MAX" && !local || c.text == "fidl.MAX") {
		return Unbounded
	}
	n, _ := constant.Uint64Val(s.value(c, &Type{Kind: TypePrim, Prim: "uint32"}))
	return uint32(n)
}

// constrain applies the constraints of e to t, which is a fresh copy.
func (s scope) constrain(e *typeExpr, t *Type) *Type {
	cs := e.constraints
	if len(cs) == 0 {
		switch t.Kind {
		case TypeClientEnd, TypeServerEnd:
			if t.Decl == nil {
				fail(e.pos, "'%s' needs a protocol, as in '%s:Echo'", e.name, e.name)
			}
		}
		return t
	}
	rights := false
	for i, c := range cs {
		if c.kind == tokIdent && (c.text == "optional" || c.text == "fidl.optional") && c.or == nil {
			canBe := t.Kind == TypeString || t.Kind == TypeVector || t.Kind == TypeHandle || t.Kind == TypeClientEnd ||
				t.Kind == TypeServerEnd || t.Kind == TypeDecl && t.Decl.Kind == KindUnion
			switch {
			case !canBe:
				fail(c.pos, "this type cannot be optional")
			case t.Optional:
				fail(c.pos, "is optional already")
			case i != len(cs)-1:
				fail(c.pos, "'optional' comes last")
			}
			t.Optional = true
			continue
		}
		switch t.Kind {
		case TypeString, TypeVector:
			if t.bounded {
				fail(c.pos, "has a bound already")
			}
			t.Count, t.bounded = s.bound(c), true
		case TypeClientEnd, TypeServerEnd:
			if t.Decl != nil || c.kind != tokIdent || c.or != nil {
				fail(c.pos, "expected a protocol")
			}
			d, rest := s.lookup(c.pos, c.text)
			if rest != "" || d.Kind != KindProtocol {
				fail(c.pos, "'%s' is not a protocol", c.text)
			}
			t.Decl = d
		case TypeHandle:
			if sub := s.property(t.Resource, "subtype"); sub != nil && t.ObjType == 0 && !rights {
				if v, ok := s.subtype(c, sub); ok {
					t.ObjType = v
					continue
				}
			}
			r := s.property(t.Resource, "rights")
			if r == nil || rights {
				fail(c.pos, "unexpected constraint")
			}
			n, _ := constant.Uint64Val(s.value(c, r))
			t.Rights, rights = uint32(n), true
		default:
			fail(c.pos, "this type takes no constraint")
		}
	}
	if (t.Kind == TypeClientEnd || t.Kind == TypeServerEnd) && t.Decl == nil {
		fail(e.pos, "'%s' needs a protocol", e.name)
	}
	return t
}

func (s scope) property(r *Decl, name string) *Type {
	for _, m := range r.Members {
		if m.Name == name {
			return m.Type
		}
	}
	return nil
}

// subtype reads VMO or zx.ObjType.VMO.
func (s scope) subtype(c *constExpr, t *Type) (uint32, bool) {
	if c.kind != tokIdent || c.or != nil || t.Kind != TypeDecl {
		return 0, false
	}
	name := c.text
	if strings.Contains(name, ".") {
		d, rest := s.lookup(c.pos, name)
		if d != t.Decl {
			return 0, false
		}
		name = rest
	}
	s.c.compile(t.Decl)
	for _, m := range t.Decl.Members {
		if m.Name == name {
			n, _ := constant.Uint64Val(m.Value)
			return uint32(n), true
		}
	}
	return 0, false
}

// value computes a constant and checks it against t.
func (s scope) value(e *constExpr, t *Type) constant.Value {
	v := s.term(e, t)
	if e.or == nil {
		return v
	}
	unsigned := t.Kind == TypePrim && strings.HasPrefix(t.Prim, "uint") || t.Kind == TypeDecl && t.Decl.Kind == KindBits
	if !unsigned {
		fail(e.pos, "'|' is for bits and unsigned integers")
	}
	return constant.BinaryOp(v, gotoken.OR, s.value(e.or, t))
}

func (s scope) term(e *constExpr, t *Type) constant.Value {
	if e.kind == tokIdent {
		return s.ident(e, t)
	}
	var v constant.Value
	switch {
	case e.kind == tokString:
		v = constant.MakeString(e.text)
	default:
		v = number(e)
	}
	return s.fit(e, v, t)
}

// decimal keeps exponents small, which a literal of a few bytes could make cost
// hours.
var decimal = regexp.MustCompile(`^[0-9_]+(\.[0-9]+(e[0-9]{1,3})?)?$`)

func number(e *constExpr) constant.Value {
	text, neg := strings.CutPrefix(e.text, "-")
	kind := gotoken.INT
	if strings.Contains(text, ".") {
		kind = gotoken.FLOAT
	}
	hex := strings.HasPrefix(strings.ToLower(text), "0x") || strings.HasPrefix(strings.ToLower(text), "0b")
	if !hex && len(text) > 1 && text[0] == '0' && kind == gotoken.INT && text[1] >= '0' && text[1] <= '9' {
		fail(e.pos, "'%s': a decimal number does not begin with 0", e.text)
	}
	if len(text) > 100 || !hex && !decimal.MatchString(text) {
		fail(e.pos, "'%s' is not a number", e.text)
	}
	v := constant.MakeFromLiteral(text, kind, 0)
	if v.Kind() == constant.Unknown {
		fail(e.pos, "'%s' is not a number", e.text)
	}
	if neg {
		v = constant.UnaryOp(gotoken.SUB, v, 0)
	}
	return v
}

// fit checks a literal or a value of a primitive constant against t.
func (s scope) fit(e *constExpr, v constant.Value, t *Type) constant.Value {
	prim := ""
	switch t.Kind {
	case TypePrim:
		prim = t.Prim
	case TypeString:
		if v.Kind() == constant.String {
			if len(constant.StringVal(v)) > int(t.Count) {
				fail(e.pos, "string is longer than its bound of %d", t.Count)
			}
			return v
		}
	case TypeDecl:
		if n, ok := constant.Int64Val(v); ok && n == 0 && t.Decl.Kind == KindBits && v.Kind() == constant.Int {
			return v
		}
	}
	switch {
	case prim == "bool" && v.Kind() == constant.Bool:
		return v
	case strings.HasPrefix(prim, "float") && (v.Kind() == constant.Int || v.Kind() == constant.Float):
		f := constant.ToFloat(v)
		if x, _ := constant.Float64Val(f); math.IsInf(x, 0) || prim == "float32" && math.Abs(x) > math.MaxFloat32 {
			fail(e.pos, "%s does not fit a %s", e.text, prim)
		}
		return f
	case v.Kind() == constant.Int:
		if r, ok := ints[prim]; ok {
			if constant.Compare(v, gotoken.LSS, r[0]) || constant.Compare(v, gotoken.GTR, r[1]) {
				fail(e.pos, "%s does not fit a %s", v, prim)
			}
			return v
		}
	}
	fail(e.pos, "%s is not a constant of the type that is wanted", e.text)
	return nil
}

func (s scope) ident(e *constExpr, t *Type) constant.Value {
	if _, local := s.lib.scope[e.text]; !local {
		switch e.text {
		case "true", "false":
			return s.fit(e, constant.MakeBool(e.text == "true"), t)
		}
	}
	d, rest := s.lookup(e.pos, e.text)
	if rest != "" {
		if d.Kind != KindBits && d.Kind != KindEnum {
			fail(e.pos, "'%s' has no members that are constants", d.Name)
		}
		if d.state == 0 {
			s.c.compile(d)
		}
		for _, m := range d.Members {
			if m.Name == rest {
				if t.Kind == TypeDecl && t.Decl == d {
					return m.Value
				}
				if t.Kind == TypePrim {
					return s.fit(e, m.Value, t)
				}
				fail(e.pos, "'%s' is not a constant of the type that is wanted", e.text)
			}
		}
		fail(e.pos, "%s '%s' has no member '%s'", d.Kind, d.Name, rest)
	}
	if d.Kind != KindConst {
		fail(e.pos, "'%s' is not a constant", e.text)
	}
	s.c.compile(d)
	if d.Type.Kind == TypeDecl {
		if t.Kind == TypeDecl && t.Decl == d.Type.Decl {
			return d.Value
		}
		fail(e.pos, "'%s' is not a constant of the type that is wanted", e.text)
	}
	if d.Value.Kind() != constant.String && (d.Value.Kind() == constant.Float) != strings.HasPrefix(t.Prim, "float") {
		fail(e.pos, "'%s' is not a constant of the type that is wanted", e.text)
	}
	return s.fit(e, d.Value, t)
}

// protocol compiles a protocol.
func (s scope) protocol(d *Decl) {
	mods := s.modifiers(d.syn.mods, d.avail, "open", "ajar", "closed")
	d.Openness = Open
	switch {
	case mods["closed"]:
		d.Openness = Closed
	case mods["ajar"]:
		d.Openness = Ajar
	}
	d.Transport = "Channel"
	if t := d.syn.attrs.get("transport"); t != nil {
		d.Transport = t.str()
		if !slices.Contains([]string{"Channel", "Driver", "Banjo", "Syscall"}, d.Transport) {
			fail(t.pos, "there is no transport '%s'", d.Transport)
		}
	}
	if a := d.syn.attrs.get("discoverable"); a != nil {
		d.Discoverable = d.Lib.Name + "." + d.Name
		for _, g := range a.args {
			if g.name == "" || g.name == "name" {
				d.Discoverable = g.value.text
			}
		}
	}
	composed := map[*Decl]bool{}
	add := func(m *Method, pos Pos) {
		for _, o := range d.Methods {
			if o == m { // composed on two ways
				return
			}
			if canonical(o.Name) == canonical(m.Name) {
				fail(pos, "method '%s' is declared at %s already", m.Name, o.Pos)
			}
			if o.Ordinal == m.Ordinal {
				fail(pos, "methods '%s' and '%s' have the same ordinal; @selector can change one", m.Name, o.Name)
			}
		}
		d.Methods = append(d.Methods, m)
	}
	for _, m := range d.syn.members {
		a, ok := s.c.avail(s.lib, m.attrs, d.avail)
		if !ok {
			continue
		}
		if m.kind == memberCompose {
			o, rest := s.lookup(m.pos, m.name)
			if rest != "" || o.Kind != KindProtocol {
				fail(m.pos, "'%s' is not a protocol", m.name)
			}
			if composed[o] {
				fail(m.pos, "protocol '%s' is composed already", o.Name)
			}
			composed[o] = true
			s.c.compile(o)
			if o.Transport != d.Transport {
				fail(m.pos, "protocol '%s' is of transport %s, not %s", o.Name, o.Transport, d.Transport)
			}
			if o.Openness > d.Openness {
				fail(m.pos, "protocol '%s' is less open than '%s', which it composes", d.Name, o.Name)
			}
			for _, om := range o.Methods {
				add(om, m.pos)
			}
			continue
		}
		add(s.method(d, m, a), m.pos)
	}
}

func (s scope) method(d *Decl, m *member, a avail) *Method {
	mods := s.modifiers(m.mods, a, "strict", "flexible")
	out := &Method{Name: m.name, Doc: m.attrs.get("doc").str(), Owner: d, Event: m.kind == memberEvent,
		Flexible: !mods["strict"], TwoWay: m.kind == memberMethod && m.hasResponse, Pos: m.pos,
		Deprecated: a.deprecatedAt(s.c.level(s.lib))}
	if out.Flexible && (d.Openness == Closed || out.TwoWay && d.Openness == Ajar) {
		fail(m.pos, "a flexible method needs a protocol that is open, or, for one-way methods and events, ajar")
	}
	name := Camel(d.Name) + Camel(m.name)
	payload := func(e *typeExpr, name string, empty bool) *Decl {
		if e == nil {
			return nil
		}
		t := s.typ(d, e, name)
		if t.Kind != TypeDecl || t.Optional || t.Decl.Kind != KindStruct && t.Decl.Kind != KindTable && t.Decl.Kind != KindUnion {
			fail(e.pos, "parameters are a struct, a table or a union")
		}
		if t.Decl.Kind == KindStruct && t.Decl.layout != nil && len(t.Decl.layout.members) == 0 && !empty {
			fail(e.pos, "no parameters are written as '()'")
		}
		return t.Decl
	}
	if out.Event {
		out.Response = payload(m.response, name+"Request", false)
		if m.err != nil {
			fail(m.err.pos, "events have no error")
		}
	} else {
		out.Request = payload(m.request, name+"Request", false)
		out.Response = payload(m.response, name+"Response", m.err != nil)
	}
	if m.err != nil {
		out.Err = s.typ(d, m.err, name+"Error")
		t := out.Err
		if t.Kind == TypeDecl && t.Decl.Kind == KindEnum {
			if t.Decl.state == 0 {
				s.c.compile(t.Decl)
			}
			t.Decl.IsError = true
			t = t.Decl.Type
		}
		if t.Kind != TypePrim || t.Prim != "int32" && t.Prim != "uint32" {
			fail(m.err.pos, "an error is an int32, a uint32 or an enum of them")
		}
	}
	out.Ordinal = s.methodOrdinal(d, m)
	return out
}

var selector = regexp.MustCompile(`^([a-zA-Z][\w.]*/[a-zA-Z]\w*\.)?[a-zA-Z]\w*$`)

// methodOrdinal hashes the selector: what @selector says, or the method's name
// in its protocol.
func (s scope) methodOrdinal(d *Decl, m *member) uint64 {
	sel := m.name
	if a := m.attrs.get("selector"); a != nil {
		sel = constant.StringVal(s.value(a.args[0].value, &Type{Kind: TypeString, Count: Unbounded}))
		if !selector.MatchString(sel) {
			fail(a.pos, "@selector takes \"Method\" or \"library/Protocol.Method\"")
		}
	}
	if !strings.Contains(sel, "/") {
		sel = d.Lib.Name + "/" + d.Name + "." + sel
	}
	return Ordinal(sel)
}

// Ordinal computes a method's ordinal from its selector,
// "library/Protocol.Method".
func Ordinal(selector string) uint64 {
	h := sha256.Sum256([]byte(selector))
	return binary.LittleEndian.Uint64(h[:8]) & math.MaxInt64
}

func (s scope) service(d *Decl) {
	for _, m := range d.syn.members {
		if _, ok := s.c.avail(s.lib, m.attrs, d.avail); !ok {
			continue
		}
		t := s.typ(d, m.typ, m.name)
		if t.Kind != TypeClientEnd || t.Optional {
			fail(m.typ.pos, "a service's members are client ends")
		}
		for _, o := range d.Members {
			if o.Name == m.name {
				fail(m.pos, "member '%s' is declared at %s already", m.name, o.Pos)
			}
		}
		d.Members = append(d.Members, &Member{Name: m.name, Doc: m.attrs.get("doc").str(), Type: t, Pos: m.pos})
	}
}

// checkResource refuses handles in value types.
func (c *compiler) checkResource(d *Decl) {
	if d.Resource || d.Kind != KindStruct && d.Kind != KindTable && d.Kind != KindUnion {
		return
	}
	for _, m := range d.Members {
		if m.Type.IsResource() {
			fail(m.Pos, "member '%s' may hold handles, so '%s' must be a resource %s", m.Name, d.Name, d.Kind)
		}
	}
}

// IsResource says whether a value of the type may hold handles.
func (t *Type) IsResource() bool {
	switch t.Kind {
	case TypeHandle, TypeClientEnd, TypeServerEnd:
		return true
	case TypeVector, TypeArray, TypeBox:
		return t.Elem.IsResource()
	case TypeDecl:
		return t.Decl.Resource
	}
	return false
}

// Camel turns a FIDL name into CamelCase: root_vmar and ROOT_VMAR give
// RootVmar, LaunchInfo stays.
func Camel(name string) string {
	var b strings.Builder
	for _, w := range strings.Split(name, "_") {
		if w == "" {
			continue
		}
		rest := w[1:]
		if strings.ToUpper(w) == w && (strings.Contains(name, "_") || len(w) > 1) {
			rest = strings.ToLower(rest)
		}
		fmt.Fprintf(&b, "%s%s", strings.ToUpper(w[:1]), rest)
	}
	return b.String()
}
