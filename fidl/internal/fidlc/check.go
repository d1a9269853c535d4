package fidlc

import (
	"slices"
	"strings"
)

// This file checks what holds at every API level: that attributes stand where
// they may, and that availabilities agree.

// attrRule is what the language says of an attribute that it knows.
type attrRule struct {
	on    []string // kinds of elements; nil: any
	names []string // of arguments; a single unnamed one is the first of them
	need  bool     // the first argument
}

var attrRules = map[string]attrRule{
	"allow_deprecated_struct_defaults": {on: []string{"struct", "struct member"}},
	"available":                        {names: []string{"added", "removed", "replaced", "renamed", "deprecated", "note", "legacy", "platform"}},
	"discoverable":                     {on: []string{"protocol"}, names: []string{"name", "client", "server"}},
	"doc":                              {names: []string{"value"}, need: true},
	"generated_name":                   {on: []string{"layout"}, names: []string{"value"}, need: true},
	"go_type":                          {on: []string{"alias", "resource"}, names: []string{"value"}, need: true},
	"no_doc":                           {},
	"selector":                         {on: []string{"method"}, names: []string{"value"}, need: true},
	"serializable":                     {on: []string{"struct", "table", "union"}, names: []string{"read", "write"}},
	"transport":                        {on: []string{"protocol"}, names: []string{"value"}, need: true},
	"unknown":                          {on: []string{"enum member"}},
	"wire":                             {on: []string{"library"}, names: []string{"value"}, need: true},
}

// checkAttrs checks the attributes of one element.
func checkAttrs(as attrs, kind string) {
	for i := range as {
		a := &as[i]
		for j := range a.args {
			g := &a.args[j]
			if g.name == "" && len(a.args) > 1 {
				fail(g.pos, "one of several arguments needs a name")
			}
			if slices.ContainsFunc(a.args[:j], func(o attrArg) bool { return canonical(o.name) == canonical(g.name) }) {
				fail(g.pos, "argument '%s' is given twice", g.name)
			}
		}
		r, known := attrRules[a.name]
		if !known {
			continue
		}
		if r.on != nil && !slices.Contains(r.on, kind) {
			fail(a.pos, "attribute '%s' cannot stand on a %s", a.name, kind)
		}
		if a.name == "available" {
			continue // readAvail does the rest
		}
		if r.need && len(a.args) == 0 {
			fail(a.pos, "@%s needs an argument", a.name)
		}
		for _, g := range a.args {
			switch {
			case len(r.names) == 0:
				fail(g.pos, "@%s takes no arguments", a.name)
			case g.name != "" && !slices.Contains(r.names, g.name):
				fail(g.pos, "@%s has no argument '%s'", a.name, g.name)
			case g.value.kind == tokNumber:
				fail(g.value.pos, "@%s takes a string", a.name)
			}
		}
	}
}

// element is something that has a name for a part of all levels.
type element struct {
	name string
	pos  Pos
	at   *attr
	avail
}

// checkHistory checks that elements by one name follow one another; what is
// the word for them.
func checkHistory(what string, es []element) {
	byName := map[string][]element{}
	for _, e := range es {
		n := canonical(e.name)
		for _, o := range byName[n] {
			switch {
			case e.added < o.removed && o.added < e.removed && e.name == o.name:
				fail(e.pos, "%s'%s' is declared at %s already", what, e.name, o.pos)
			case e.added < o.removed && o.added < e.removed:
				fail(e.pos, "%s'%s' is the same as '%s', declared at %s, but for its spelling", what, e.name, o.name, o.pos)
			case e.name != o.name:
			case o.removed == e.added && o.at.has("removed") && !o.at.has("renamed"):
				fail(o.at.pos, "%s'%s' is replaced at %s, not removed", what, o.name, e.pos)
			case e.removed == o.added && e.at.has("removed") && !e.at.has("renamed"):
				fail(e.at.pos, "%s'%s' is replaced at %s, not removed", what, e.name, o.pos)
			}
		}
		byName[n] = append(byName[n], e)
	}
}

func (a *attr) has(arg string) bool {
	return a != nil && slices.ContainsFunc(a.args, func(g attrArg) bool { return g.name == arg })
}

func mustAvail(at *attr, parent avail, library bool) avail {
	a, err := readAvail(at, parent, library)
	if err != nil {
		panic(bail{err.(*Error)})
	}
	return a
}

// check checks l, which exists as root says.
func check(l *Library, root avail) {
	var decls []element
	var available *attr
	for _, f := range l.files {
		checkAttrs(f.attrs, "library")
		for i := range f.attrs {
			for _, g := range f.attrs[i].args {
				if g.value.kind == tokIdent && f.attrs[i].name != "available" && g.value.text != "true" && g.value.text != "false" {
					fail(g.value.pos, "an attribute of a library cannot name a constant")
				}
			}
		}
		if at := f.attrs.get("available"); at != nil {
			if available != nil {
				fail(at.pos, "the library has @available at %s already", available.pos)
			}
			available = at
		}
		checkUsings(f)
		for _, d := range f.decls {
			for _, u := range f.usings {
				if canonical(d.name) == canonical(u.local()) {
					fail(d.pos, "'%s' is the name of a library that the file uses", d.name)
				}
			}
			a := mustAvail(d.attrs.get("available"), root, false)
			decls = append(decls, element{d.name, d.pos, d.attrs.get("available"), a})
			checkDecl(d, a)
		}
	}
	checkHistory("", decls)
}

// checkUsings checks that the libraries that a file uses have names of their
// own, and are used.
func checkUsings(f *file) {
	for i, u := range f.usings {
		for _, o := range f.usings[:i] {
			switch {
			case o.library == u.library:
				fail(u.pos, "library '%s' is used at %s already", u.library, o.pos)
			case canonical(o.local()) == canonical(u.local()):
				fail(u.pos, "library '%s' has the name of the one at %s", u.library, o.pos)
			}
		}
		if !slices.ContainsFunc(f.names, func(n string) bool { return strings.HasPrefix(n, u.local()+".") }) {
			fail(u.pos, "library '%s' is not used in this file", u.library)
		}
	}
}

func checkDecl(d *decl, a avail) {
	kind := [...]string{declConst: "const", declType: "type", declAlias: "alias", declProtocol: "protocol",
		declService: "service", declResource: "resource"}[d.kind]
	if d.kind == declType && d.typ.layout != nil {
		kind = d.typ.layout.kind
		if as := d.typ.layout.attrs; len(as) > 0 {
			fail(as[0].pos, "attribute '%s' of a declared type stands before 'type'", as[0].name)
		}
	}
	checkAttrs(d.attrs, kind)
	checkMods(d.mods, a)
	var es []element
	for _, m := range d.members {
		ma := mustAvail(m.attrs.get("available"), a, false)
		k := map[declKind]string{declService: "service member", declResource: "property"}[d.kind]
		switch {
		case d.kind == declProtocol && m.kind == memberCompose:
			k = "compose"
		case d.kind == declProtocol:
			k = "method"
		}
		checkAttrs(m.attrs, k)
		checkMods(m.mods, ma)
		for _, t := range []*typeExpr{m.typ, m.request, m.response, m.err} {
			checkType(t, ma)
		}
		if k != "compose" {
			es = append(es, element{m.name, m.pos, m.attrs.get("available"), ma})
		}
	}
	if d.kind == declProtocol {
		checkHistory("method ", es)
	} else {
		checkHistory("member ", es)
	}
	if d.typ != nil && d.typ.layout != nil {
		checkLayout(d.typ.layout, a)
		return
	}
	checkType(d.typ, a)
}

func checkMods(ms []modifier, a avail) {
	var es []element
	for _, m := range ms {
		ma := mustAvail(m.avail, a, false)
		es = append(es, element{m.word, m.pos, nil, ma})
	}
	checkHistory("modifier ", es)
	for i, e := range es {
		for _, o := range es[:i] {
			if e.added < o.removed && o.added < e.removed && exclusive(e.name, o.name) {
				fail(e.pos, "modifiers exclude each other: '%s' and '%s'", o.name, e.name)
			}
		}
	}
}

func exclusive(a, b string) bool {
	set := func(w string) int {
		switch w {
		case "strict", "flexible":
			return 1
		case "open", "ajar", "closed":
			return 2
		}
		return 0
	}
	return a != b && set(a) != 0 && set(a) == set(b)
}

func checkType(t *typeExpr, a avail) {
	if t == nil {
		return
	}
	for _, p := range t.params {
		checkType(p, a)
	}
	if t.layout != nil {
		if at := t.layout.attrs.get("available"); at != nil {
			fail(at.pos, "attribute 'available' cannot stand on a layout")
		}
		as := slices.DeleteFunc(slices.Clone(t.layout.attrs), func(a attr) bool { return a.name != "generated_name" })
		checkAttrs(as, "layout")
		as = slices.DeleteFunc(slices.Clone(t.layout.attrs), func(a attr) bool { return a.name == "generated_name" })
		checkAttrs(as, t.layout.kind)
		checkLayout(t.layout, a)
	}
}

func checkLayout(l *layoutExpr, a avail) {
	checkMods(l.mods, a)
	var es []element
	for _, m := range l.members {
		ma := mustAvail(m.attrs.get("available"), a, false)
		checkAttrs(m.attrs, l.kind+" member")
		checkType(m.typ, ma)
		if m.name != "" {
			es = append(es, element{m.name, m.pos, m.attrs.get("available"), ma})
		}
	}
	checkHistory("member ", es)
}

// canonical is the form in which two names of a scope must differ: lower case,
// words parted by underscores. HTTPServer and http_server are one name.
func canonical(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if isUpper(c) && i > 0 && name[i-1] != '_' && (!isUpper(name[i-1]) || i+1 < len(name) && isLower(name[i+1])) {
			b.WriteByte('_')
		}
		if c == '_' && i > 0 && name[i-1] == '_' {
			continue
		}
		if isUpper(c) {
			c |= 0x20
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
