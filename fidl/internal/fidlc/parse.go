package fidlc

import "strings"

type parser struct {
	toks  []token
	i     int
	names []string
}

// bail carries an error up through the parser.
type bail struct{ err *Error }

// parse makes the syntax tree of one file.
func parse(name, src string) (f *file, err error) {
	toks, err := lex(name, src)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(bail)
			if !ok {
				panic(r)
			}
			f, err = nil, b.err
		}
	}()
	return (&parser{toks: toks}).file(), nil
}

func (p *parser) fail(pos Pos, format string, args ...any) {
	panic(bail{errf(pos, format, args...)})
}

func (p *parser) peek() token { return p.toks[p.i] }

// ahead gives the token n after the next.
func (p *parser) ahead(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokPunct || t.kind == tokIdent) && t.text == text
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(text string) token {
	if !p.is(text) {
		p.fail(p.peek().pos, "expected '%s', found %s", text, p.peek())
	}
	return p.next()
}

func (p *parser) ident(what string) token {
	if p.peek().kind != tokIdent {
		p.fail(p.peek().pos, "expected %s, found %s", what, p.peek())
	}
	return p.next()
}

func (p *parser) compound(what string) (string, Pos) {
	t := p.ident(what)
	name := t.text
	for p.accept(".") {
		name += "." + p.ident("a name").text
	}
	p.names = append(p.names, name)
	return name, t.pos
}

func (p *parser) file() *file {
	f := &file{}
	f.attrs = p.attrs()
	p.expect("library")
	f.library, f.pos = p.compound("the library's name")
	p.expect(";")
	for {
		as := p.attrs()
		if p.peek().kind == tokEOF {
			if len(as) > 0 {
				p.fail(as[0].pos, "attribute or doc comment belongs to nothing")
			}
			f.names = p.names
			return f
		}
		if len(as) == 0 && len(f.decls) == 0 && p.is("using") {
			u := using{pos: p.next().pos}
			u.library, _ = p.compound("a library's name")
			p.names = p.names[:len(p.names)-1]
			if p.accept("as") {
				u.as = p.ident("a name").text
			}
			p.expect(";")
			f.usings = append(f.usings, u)
			continue
		}
		f.decls = append(f.decls, p.decl(as))
	}
}

// attrs reads attributes and doc comments.
func (p *parser) attrs() attrs {
	var as attrs
	add := func(a attr) {
		for _, o := range as {
			if canonical(o.name) == canonical(a.name) {
				p.fail(a.pos, "attribute '%s' is given twice", a.name)
			}
		}
		as = append(as, a)
	}
	for {
		switch t := p.peek(); {
		case t.kind == tokDoc:
			var lines []string
			for p.peek().kind == tokDoc {
				lines = append(lines, strings.TrimPrefix(p.next().text, " "))
			}
			add(attr{pos: t.pos, name: "doc", args: []attrArg{{pos: t.pos,
				value: &constExpr{pos: t.pos, kind: tokString, text: strings.Join(lines, "\n")}}}})
		case p.is("@"):
			p.next()
			a := attr{pos: t.pos, name: p.ident("an attribute's name").text}
			if p.is("(") {
				a.args = p.attrArgs()
			}
			add(a)
		default:
			return as
		}
	}
}

func (p *parser) attrArgs() (args []attrArg) {
	p.expect("(")
	for {
		arg := attrArg{pos: p.peek().pos}
		if p.peek().kind == tokIdent && p.ahead(1).text == "=" && p.ahead(1).kind == tokPunct {
			arg.name = p.next().text
			p.next()
		}
		arg.value = p.constant()
		args = append(args, arg)
		if p.accept(")") {
			return args
		}
		p.expect(",")
	}
}

func (p *parser) constant() *constExpr {
	t := p.next()
	c := &constExpr{pos: t.pos, kind: t.kind, text: t.text}
	switch {
	case t.kind == tokNumber, t.kind == tokString:
	case t.kind == tokPunct && t.text == "(":
		// The one operator is associative, so (a | b) | c is a | b | c.
		c = p.constant()
		p.expect(")")
		if p.accept("|") {
			last := c
			for last.or != nil {
				last = last.or
			}
			last.or = p.constant()
		}
		return c
	case t.kind == tokIdent:
		p.i--
		c.text, _ = p.compound("a constant")
	default:
		p.fail(t.pos, "expected a constant, found %s", t)
	}
	if p.accept("|") {
		c.or = p.constant()
	}
	return c
}

var modifierWords = map[string]bool{
	"strict": true, "flexible": true, "resource": true, "open": true, "ajar": true, "closed": true,
}

// modifiers reads the words before a declaration; a word that is followed by
// what makes it a name is left alone.
func (p *parser) modifiers() (ms []modifier) {
	for modifierWords[p.peek().text] && p.peek().kind == tokIdent {
		after := p.ahead(1)
		if after.kind == tokPunct && after.text != "(" && after.text != "->" {
			break // a member by that name
		}
		if after.text == "(" && after.kind == tokPunct {
			// strict(removed=5) against a method called strict(
			if p.ahead(3).text != "=" {
				break
			}
		}
		t := p.next()
		m := modifier{pos: t.pos, word: t.text}
		if p.is("(") {
			m.avail = &attr{pos: t.pos, name: "available", args: p.attrArgs()}
		}
		for _, o := range ms {
			if o.word == m.word && o.avail == nil && m.avail == nil {
				p.fail(m.pos, "modifier '%s' is given twice", m.word)
			}
		}
		ms = append(ms, m)
	}
	return ms
}

func (p *parser) decl(as attrs) *decl {
	d := &decl{attrs: as, mods: p.modifiers()}
	t := p.ident("a declaration")
	if len(d.mods) > 0 && t.text != "protocol" {
		p.fail(d.mods[0].pos, "modifier '%s' cannot stand before '%s'", d.mods[0].word, t.text)
	}
	name := p.ident("a name")
	d.name, d.pos = name.text, name.pos
	switch t.text {
	case "const":
		d.kind = declConst
		d.typ = p.typ()
		p.expect("=")
		d.value = p.constant()
	case "type":
		d.kind = declType
		p.expect("=")
		d.typ = p.typ()
	case "alias":
		d.kind = declAlias
		p.expect("=")
		d.typ = p.typ()
	case "protocol":
		d.kind = declProtocol
		d.members = p.members(p.protocolMember)
	case "service":
		d.kind = declService
		d.members = p.members(p.field)
	case "resource_definition":
		d.kind = declResource
		p.expect(":")
		d.typ = p.typ()
		p.expect("{")
		p.expect("properties")
		d.members = p.members(p.field)
		p.expect(";")
		p.expect("}")
	case "using":
		p.fail(t.pos, "'using' must come before all declarations")
	default:
		p.fail(t.pos, "expected a declaration, found %s", t)
	}
	p.expect(";")
	return d
}

func (p *parser) members(one func(attrs) *member) (ms []*member) {
	p.expect("{")
	for {
		as := p.attrs()
		if p.is("}") {
			if len(as) > 0 {
				p.fail(as[0].pos, "attribute or doc comment belongs to nothing")
			}
			p.next()
			return ms
		}
		ms = append(ms, one(as))
		p.expect(";")
	}
}

func (p *parser) field(as attrs) *member {
	t := p.ident("a member's name")
	return &member{pos: t.pos, name: t.text, attrs: as, typ: p.typ()}
}

func (p *parser) structMember(as attrs) *member {
	m := p.field(as)
	if p.accept("=") {
		m.value = p.constant()
	}
	return m
}

func (p *parser) valueMember(as attrs) *member {
	t := p.ident("a member's name")
	p.expect("=")
	return &member{pos: t.pos, name: t.text, attrs: as, value: p.constant()}
}

func (p *parser) ordinalMember(as attrs) *member {
	if p.peek().kind != tokNumber {
		p.fail(p.peek().pos, "expected a member's ordinal, found %s", p.peek())
	}
	ord := p.constant()
	p.expect(":")
	if p.is("reserved") && p.ahead(1).text == ";" {
		t := p.next()
		return &member{pos: t.pos, attrs: as, ordinal: ord}
	}
	m := p.field(as)
	m.ordinal = ord
	return m
}

func (p *parser) protocolMember(as attrs) *member {
	if p.is("compose") && p.ahead(1).kind == tokIdent {
		p.next()
		name, pos := p.compound("a protocol's name")
		return &member{kind: memberCompose, pos: pos, name: name, attrs: as}
	}
	m := &member{kind: memberMethod, attrs: as, mods: p.modifiers()}
	if p.accept("->") {
		m.kind = memberEvent
	}
	t := p.ident("a method's name")
	m.name, m.pos = t.text, t.pos
	payload := p.payload()
	if m.kind == memberEvent {
		m.hasResponse, m.response = true, payload
	} else {
		m.hasRequest, m.request = true, payload
		if p.accept("->") {
			m.hasResponse = true
			m.response = p.payload()
		}
	}
	if m.hasResponse && p.accept("error") {
		m.err = p.typ()
	}
	return m
}

func (p *parser) payload() (t *typeExpr) {
	p.expect("(")
	if !p.is(")") {
		t = p.typ()
	}
	p.expect(")")
	return t
}

func (p *parser) typ() *typeExpr {
	t := &typeExpr{pos: p.peek().pos}
	as := p.attrs()
	mods := p.modifiers()
	isLayout := false
	switch p.peek().text {
	case "struct", "table", "union":
		isLayout = p.ahead(1).text == "{"
	case "bits", "enum":
		isLayout = p.ahead(1).text == "{" || p.ahead(1).text == ":"
	}
	if isLayout {
		t.layout = p.layout(as, mods)
	} else {
		if len(as) > 0 {
			p.fail(as[0].pos, "attribute '%s' cannot stand before the name of a type", as[0].name)
		}
		if len(mods) > 0 {
			p.fail(mods[0].pos, "modifier '%s' cannot stand before the name of a type", mods[0].word)
		}
		t.name, t.pos = p.compound("a type")
		if p.accept("<") {
			for {
				if k := p.peek().kind; k == tokNumber {
					c := p.constant()
					t.params = append(t.params, &typeExpr{pos: c.pos, value: c})
				} else {
					t.params = append(t.params, p.typ())
				}
				if p.accept(">") {
					break
				}
				p.expect(",")
			}
		}
	}
	if p.is(":") {
		t.constrPos = p.next().pos
		if p.accept("<") {
			for {
				t.constraints = append(t.constraints, p.constant())
				if p.accept(">") {
					break
				}
				p.expect(",")
			}
		} else {
			t.constraints = append(t.constraints, p.constant())
		}
	}
	return t
}

func (p *parser) layout(as attrs, mods []modifier) *layoutExpr {
	t := p.next()
	l := &layoutExpr{pos: t.pos, attrs: as, mods: mods, kind: t.text}
	if p.accept(":") {
		l.subtype = &typeExpr{pos: p.peek().pos}
		l.subtype.name, _ = p.compound("a type")
	}
	switch l.kind {
	case "struct":
		l.members = p.members(p.structMember)
	case "table", "union":
		l.members = p.members(p.ordinalMember)
	default:
		l.members = p.members(p.valueMember)
	}
	return l
}
