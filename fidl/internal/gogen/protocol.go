package gogen

import (
	"fmt"
	"strings"

	"go.fuchsia.dev/fidl-go/internal/fidlc"
)

var opennessNames = [...]string{fidlc.Closed: "Closed", fidlc.Ajar: "Ajar", fidlc.Open: "Open"}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// method is a method's Go name; Client is what generated clients embed.
func method(m *fidlc.Method) string {
	n := fidlc.Camel(m.Name)
	if n == "Client" {
		n += "_"
	}
	return n
}

// methodVarName is the variable that describes a method of protocol d.
func (g *gen) methodVarName(d *fidlc.Decl, m *fidlc.Method) string {
	return lowerFirst(g.methodName(d, m))
}

// methodName is what the names of a method of protocol d begin with: FooBarBaz
// for Foo.BarBaz, and something else for FooBar.Baz after that.
func (g *gen) methodName(d *fidlc.Decl, m *fidlc.Method) string {
	key := methodKey{d, m}
	n, ok := g.methods[key]
	if !ok {
		n = fidlc.Camel(d.Name) + fidlc.Camel(m.Name)
		for g.taken[n+"Ordinal"] != (fidlc.Pos{}) {
			n += "_"
		}
		g.methods[key] = n
		g.claim(m.Pos, n+"Ordinal")
	}
	return n
}

type methodKey struct {
	protocol *fidlc.Decl
	method   *fidlc.Method
}

// ordinal is the constant of a method's ordinal.
func (g *gen) ordinal(d *fidlc.Decl, m *fidlc.Method) string { return g.methodName(d, m) + "Ordinal" }

func (g *gen) protocol(d *fidlc.Decl) {
	n := g.name(d)
	marker := g.claim(d.Pos, g.derived(d, "%sProtocol"))
	g.doc(marker+" marks endpoints that speak "+full(d)+".", d.Doc, d.Deprecated)
	g.p("type %s struct{}\n", marker)
	if d.Transport != "Channel" {
		return // no messages of ours
	}
	if d.Discoverable != "" {
		name := g.claim(d.Pos, g.derived(d, "%sName"))
		g.p("// %s is where %s is found under /svc.\nconst %s = %q\n", name, n, name, d.Discoverable)
	}
	if len(d.Methods) > 0 {
		g.p("// Ordinals of %s.\nconst (", n)
		for _, m := range d.Methods {
			g.p("%s uint64 = %#016x", g.ordinal(d, m), m.Ordinal)
		}
		g.p(")\n\nvar (")
		for _, m := range d.Methods {
			g.methodVar(d, m)
		}
		g.p(")\n")
	}
	rt := g.rt()
	g.client(d, n, rt)
	g.server(d, n, rt)
}

func (g *gen) methodVar(d *fidlc.Decl, m *fidlc.Method) {
	rt := g.rt()
	var f []string
	f = append(f, fmt.Sprintf("Name: %q", full(m.Owner)+"."+m.Name))
	f = append(f, fmt.Sprintf("Ordinal: %s", g.ordinal(d, m)))
	if g.lib.V1 {
		f = append(f, "Format: "+rt+".V1")
	}
	if m.TwoWay {
		f = append(f, "TwoWay: true")
	}
	if m.Flexible {
		f = append(f, "Flexible: true")
	}
	if m.Err != nil {
		f = append(f, "HasError: true")
		if t := m.Err; t.Kind == fidlc.TypeDecl && t.Decl.Strict {
			f = append(f, fmt.Sprintf("KnownError: func(c uint32) bool { return %s(c).IsKnown() }", g.name(t.Decl)))
		}
	}
	g.p("%s = %s.Method{%s}", g.methodVarName(d, m), rt, strings.Join(f, ", "))
}

func events(d *fidlc.Decl) (out []*fidlc.Method) {
	for _, m := range d.Methods {
		if m.Event {
			out = append(out, m)
		}
	}
	return out
}

// params writes the Go parameters and results of a two-way or one-way method.
func (g *gen) params(m *fidlc.Method) (params, results string) {
	params = "ctx " + g.use("context") + ".Context"
	if m.Request != nil {
		params += ", req *" + g.name(m.Request)
	}
	results = "error"
	if m.Response != nil {
		results = "(*" + g.name(m.Response) + ", error)"
	}
	return params, results
}

// errorType is the Go type of an application error, which is an error.
func (g *gen) errorType(t *fidlc.Type) string {
	if t.Kind == fidlc.TypePrim && t.Alias == nil {
		return g.rt() + ".ErrorCode"
	}
	return g.typ(t)
}

func (g *gen) client(d *fidlc.Decl, n, rt string) {
	evs := events(d)
	client := g.claim(d.Pos, g.derived(d, "%sClient"))
	newClient := g.claim(d.Pos, g.derived(d, "New%sClient"))
	handler := g.derived(d, "%sEventHandler")
	if len(evs) > 0 {
		g.p("// %s receives the events of %s.\ntype %s interface {", g.claim(d.Pos, handler), n, handler)
		for _, m := range evs {
			g.doc("", m.Doc, m.Deprecated)
			g.p("%s(%s)", fidlc.Camel(m.Name), g.eventParam(m))
		}
		g.p("}\n")
	}
	g.p("// %s speaks %s as its client. Its methods may be called from several goroutines.", client, full(d))
	g.p("type %s struct{ *%s.Client }\n", client, rt)
	if len(evs) == 0 {
		g.p("// %s makes a client that owns t.", newClient)
		g.p("func %s(t %s.Transport) *%s {", newClient, rt, client)
		g.p("return &%s{%s.NewClient(t, %s.%s, nil)}\n}\n", client, rt, rt, opennessNames[d.Openness])
	} else {
		g.p("// %s makes a client that owns t. Events go to h while HandleEvents runs or a", newClient)
		g.p("// call waits; when h is nil they are dropped.")
		g.p("func %s(t %s.Transport, h %s) *%s {", newClient, rt, handler, client)
		g.p("return &%s{%s.NewClient(t, %s.%s, func(ev *%s.Event) bool {\nswitch ev.Ordinal() {", client, rt, rt, opennessNames[d.Openness], rt)
		for _, m := range evs {
			g.p("case %s:", g.ordinal(d, m))
			g.p("if h == nil {\nev.Drop()")
			if m.Response == nil {
				g.p("} else if ev.Decode(nil) {\nh.%s()\n}", fidlc.Camel(m.Name))
			} else {
				g.p("} else if m := new(%s); ev.Decode(m) {\nh.%s(m)\n}", g.name(m.Response), fidlc.Camel(m.Name))
			}
		}
		g.p("default:\nreturn false\n}\nreturn true\n})}\n}\n")
	}
	for _, m := range d.Methods {
		if m.Event {
			continue
		}
		g.clientMethod(d, m, client)
	}
}

func (g *gen) eventParam(m *fidlc.Method) string {
	if m.Response == nil {
		return ""
	}
	return "ev *" + g.name(m.Response)
}

func (g *gen) clientMethod(d *fidlc.Decl, m *fidlc.Method, client string) {
	params, results := g.params(m)
	req := "nil"
	if m.Request != nil {
		req = "req"
	}
	note := ""
	if m.Request != nil && m.Request.Resource {
		note = " The handles of req are consumed, whatever the outcome."
	}
	g.doc(method(m)+" calls "+full(m.Owner)+"."+m.Name+"."+note, m.Doc, m.Deprecated)
	g.p("func (c *%s) %s(%s) %s {", client, method(m), params, results)
	v := g.methodVarName(d, m)
	if !m.TwoWay {
		g.p("return c.Client.Send(ctx, &%s, %s)\n}\n", v, req)
		return
	}
	rep, zero := "nil", ""
	if m.Response != nil {
		rep, zero = "rep", "nil, "
		g.p("rep := new(%s)", g.name(m.Response))
	}
	if m.Err == nil {
		g.p("if _, _, err := c.Client.Call(ctx, &%s, %s, %s); err != nil {\nreturn %serr\n}", v, req, rep, zero)
	} else {
		g.p("code, failed, err := c.Client.Call(ctx, &%s, %s, %s)", v, req, rep)
		g.p("if failed {\nreturn %s%s(code)\n}", zero, g.errorType(m.Err))
		g.p("if err != nil {\nreturn %serr\n}", zero)
	}
	if m.Response != nil {
		g.p("return rep, nil\n}\n")
	} else {
		g.p("return nil\n}\n")
	}
}

func (g *gen) server(d *fidlc.Decl, n, rt string) {
	server := g.claim(d.Pos, g.derived(d, "%sServer"))
	serve := g.claim(d.Pos, g.derived(d, "Serve%s"))
	dispatcher := g.claim(d.Pos, g.derived(d, "%sDispatcher"))
	g.p("// %s implements %s. The handles of requests are the method's own; those of", server, full(d))
	g.p("// responses go to the client. fidl.CallFrom(ctx) gives the call: its transport, and")
	g.p("// ways to stop the connection or to answer later.")
	g.p("type %s interface {", server)
	for _, m := range d.Methods {
		if m.Event {
			continue
		}
		doc := m.Doc
		if m.Err != nil {
			if doc != "" {
				doc += "\n\n"
			}
			doc += "An error that is a " + strings.TrimPrefix(g.errorType(m.Err), g.lib.Name) + " is sent to the client."
		}
		g.doc("", doc, m.Deprecated)
		params, results := g.params(m)
		g.p("%s(%s) %s", method(m), params, results)
	}
	g.p("}\n")
	g.p("// %s serves impl on t until the connection ends. See fidl.Serve.", serve)
	g.p("func %s(ctx %s.Context, t %s.Transport, impl %s) error {", serve, g.use("context"), rt, server)
	g.p("return %s.Serve(ctx, t, %s(impl))\n}\n", rt, dispatcher)
	g.p("// %s makes impl servable beside other protocols on one connection.", dispatcher)
	g.p("func %s(impl %s) %s.Dispatcher {", dispatcher, server, rt)
	g.p("return %s.Dispatcher{Openness: %s.%s, Impl: impl, Dispatch: func(c *%s.Call) bool {", rt, rt, opennessNames[d.Openness], rt)
	if g.lib.V1 {
		g.p("if c.Format() != %s.V1 {\nreturn false\n}", rt)
	}
	methods := 0
	for _, m := range d.Methods {
		if !m.Event {
			methods++
		}
	}
	if methods == 0 {
		g.p("return false\n}}\n}\n")
	} else {
		g.p("switch c.Ordinal() {")
		for _, m := range d.Methods {
			if !m.Event {
				g.serverCase(d, m)
			}
		}
		g.p("default:\nreturn false\n}\nreturn true\n}}\n}\n")
	}
	for _, m := range events(d) {
		params, arg := "", "nil"
		if m.Response != nil {
			params, arg = ", "+g.eventParam(m), "ev"
		}
		send := g.claim(m.Pos, g.derived(d, "Send%s"+fidlc.Camel(m.Name)))
		g.doc(send+" sends an event to a client that speaks format f.", m.Doc, m.Deprecated)
		g.p("func %s(t %s.Transport, f %s.WireFormat%s) error {", send, rt, rt, params)
		g.p("return %s.SendEvent(t, f, &%s, %s)\n}\n", rt, g.methodVarName(d, m), arg)
	}
}

func (g *gen) serverCase(d *fidlc.Decl, m *fidlc.Method) {
	v := "&" + g.methodVarName(d, m)
	call := "impl." + method(m) + "(c"
	g.p("case %s:", g.ordinal(d, m))
	if m.Request == nil {
		g.p("if !c.Request(%s, nil) {\nreturn true\n}", v)
	} else {
		g.p("req := new(%s)\nif !c.Request(%s, req) {\nreturn true\n}", g.name(m.Request), v)
		call += ", req"
	}
	call += ")"
	if m.Response == nil {
		g.p("err := %s", call)
	} else {
		g.p("rep, err := %s", call)
	}
	if m.Err != nil {
		t := g.errorType(m.Err)
		g.p("var e %s\nif %s.As(err, &e) {\nc.RespondError(%s, uint32(e))\nreturn true\n}", t, g.use("errors"), v)
	}
	if m.Response == nil {
		g.p("c.Respond(%s, nil, err)", v)
		return
	}
	g.p("if rep == nil && err == nil {\nerr = %s.ErrNoResponse\n}", g.rt())
	g.p("c.Respond(%s, rep, err)", v)
}

func (g *gen) service(d *fidlc.Decl) {
	n, rt := g.name(d), g.rt()
	name := g.claim(d.Pos, g.derived(d, "%sName"))
	g.p("// %s is where instances of %s are found under /svc.\nconst %s = %q\n", name, full(d), name, d.Lib.Name+"."+d.Name)
	g.doc(n+" is one instance of the service "+full(d)+".", d.Doc, d.Deprecated)
	g.p("type %s struct {", n)
	g.p("// Connect opens a member of the instance by its name.")
	g.p("Connect func(member string) (%s.Transport, error)\n}\n", rt)
	for _, m := range d.Members {
		p := m.Type.Decl
		if p.Transport != "Channel" {
			continue // no client of ours
		}
		params, args := "", "t"
		if len(events(p)) > 0 {
			params, args = "h "+g.derived(p, "%sEventHandler"), "t, h"
		}
		// A field Connect is there already.
		method := fidlc.Camel(m.Name)
		if method == "Connect" {
			method += "_"
		}
		g.doc(method+" connects to the member "+m.Name+".", m.Doc, m.Deprecated)
		g.p("func (s %s) %s(%s) (*%s, error) {", n, method, params, g.derived(p, "%sClient"))
		g.p("t, err := s.Connect(%q)\nif err != nil {\nreturn nil, err\n}\nreturn %s(%s), nil\n}\n", m.Name, g.derived(p, "New%sClient"), args)
	}
}
