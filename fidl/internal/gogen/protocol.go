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

// methodVar is the variable that describes a method of protocol d.
func methodVar(d *fidlc.Decl, m *fidlc.Method) string {
	return lowerFirst(fidlc.Camel(d.Name)) + fidlc.Camel(m.Name)
}

func (g *gen) protocol(d *fidlc.Decl) {
	n, rt := g.name(d), g.rt()
	g.doc(n+"Protocol marks endpoints that speak "+full(d)+".", d.Doc, d.Deprecated)
	g.p("type %sProtocol struct{}\n", n)
	if d.Transport != "Channel" {
		return // no messages of ours
	}
	if d.Discoverable != "" {
		g.p("// %sName is where %s is found under /svc.\nconst %sName = %q\n", n, n, n, d.Discoverable)
	}
	if len(d.Methods) > 0 {
		g.p("// Ordinals of %s.\nconst (", n)
		for _, m := range d.Methods {
			g.p("%s%sOrdinal uint64 = %#016x", n, fidlc.Camel(m.Name), m.Ordinal)
		}
		g.p(")\n\nvar (")
		for _, m := range d.Methods {
			g.methodVar(d, m)
		}
		g.p(")\n")
	}
	g.client(d, n, rt)
	g.server(d, n, rt)
}

func (g *gen) methodVar(d *fidlc.Decl, m *fidlc.Method) {
	rt := g.rt()
	var f []string
	f = append(f, fmt.Sprintf("Name: %q", full(m.Owner)+"."+m.Name))
	f = append(f, fmt.Sprintf("Ordinal: %s%sOrdinal", g.name(d), fidlc.Camel(m.Name)))
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
	g.p("%s = %s.Method{%s}", methodVar(d, m), rt, strings.Join(f, ", "))
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
	if len(evs) > 0 {
		g.p("// %sEventHandler receives the events of %s.\ntype %sEventHandler interface {", n, n, n)
		for _, m := range evs {
			g.doc("", m.Doc, m.Deprecated)
			g.p("%s(%s)", fidlc.Camel(m.Name), g.eventParam(m))
		}
		g.p("}\n")
	}
	g.p("// %sClient speaks %s as its client. Its methods may be called from several goroutines.", n, full(d))
	g.p("type %sClient struct{ *%s.Client }\n", n, rt)
	if len(evs) == 0 {
		g.p("// New%sClient makes a client that owns t.", n)
		g.p("func New%sClient(t %s.Transport) *%sClient {", n, rt, n)
		g.p("return &%sClient{%s.NewClient(t, %s.%s, func(*%s.Event) bool { return false })}\n}\n", n, rt, rt, opennessNames[d.Openness], rt)
	} else {
		g.p("// New%sClient makes a client that owns t. Events go to h while HandleEvents runs or a", n)
		g.p("// call waits; when h is nil they are dropped.")
		g.p("func New%sClient(t %s.Transport, h %sEventHandler) *%sClient {", n, rt, n, n)
		g.p("if h == nil {\nreturn &%sClient{%s.NewClient(t, %s.%s, nil)}\n}", n, rt, rt, opennessNames[d.Openness])
		g.p("return &%sClient{%s.NewClient(t, %s.%s, func(ev *%s.Event) bool {\nswitch ev.Ordinal() {", n, rt, rt, opennessNames[d.Openness], rt)
		for _, m := range evs {
			g.p("case %s%sOrdinal:", n, fidlc.Camel(m.Name))
			if m.Response == nil {
				g.p("if ev.Decode(nil) {\nh.%s()\n}", fidlc.Camel(m.Name))
			} else {
				g.p("m := new(%s)\nif ev.Decode(m) {\nh.%s(m)\n}", g.name(m.Response), fidlc.Camel(m.Name))
			}
		}
		g.p("default:\nreturn false\n}\nreturn true\n})}\n}\n")
	}
	for _, m := range d.Methods {
		if m.Event {
			continue
		}
		g.clientMethod(d, m, n)
	}
}

func (g *gen) eventParam(m *fidlc.Method) string {
	if m.Response == nil {
		return ""
	}
	return "ev *" + g.name(m.Response)
}

func (g *gen) clientMethod(d *fidlc.Decl, m *fidlc.Method, n string) {
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
	g.p("func (c *%sClient) %s(%s) %s {", n, method(m), params, results)
	v := methodVar(d, m)
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
	g.p("// %sServer implements %s. The handles of requests are the method's own; those of", n, full(d))
	g.p("// responses go to the client. fidl.CallFrom(ctx) gives the call: its transport, and")
	g.p("// ways to stop the connection or to answer later.")
	g.p("type %sServer interface {", n)
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
	g.p("// Serve%s serves impl on t until the connection ends. See fidl.Serve.", n)
	g.p("func Serve%s(ctx %s.Context, t %s.Transport, impl %sServer) error {", n, g.use("context"), rt, n)
	g.p("return %s.Serve(ctx, t, %sDispatcher(impl))\n}\n", rt, n)
	g.p("// %sDispatcher makes impl servable beside other protocols on one connection.", n)
	g.p("func %sDispatcher(impl %sServer) %s.Dispatcher {", n, n, rt)
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
				g.serverCase(d, m, n)
			}
		}
		g.p("default:\nreturn false\n}\nreturn true\n}}\n}\n")
	}
	for _, m := range events(d) {
		params, arg := "", "nil"
		if m.Response != nil {
			params, arg = ", "+g.eventParam(m), "ev"
		}
		g.doc("Send"+n+fidlc.Camel(m.Name)+" sends an event to a client that speaks format f.", m.Doc, m.Deprecated)
		g.p("func Send%s%s(t %s.Transport, f %s.WireFormat%s) error {", n, fidlc.Camel(m.Name), rt, rt, params)
		g.p("return %s.SendEvent(t, f, &%s, %s)\n}\n", rt, methodVar(d, m), arg)
	}
}

func (g *gen) serverCase(d *fidlc.Decl, m *fidlc.Method, n string) {
	v := "&" + methodVar(d, m)
	call := "impl." + method(m) + "(c"
	g.p("case %s%sOrdinal:", n, fidlc.Camel(m.Name))
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
	g.p("// %sName is where instances of %s are found under /svc.\nconst %sName = %q\n", n, full(d), n, d.Lib.Name+"."+d.Name)
	g.doc(n+" is one instance of the service "+full(d)+".", d.Doc, d.Deprecated)
	g.p("type %s struct {", n)
	g.p("// Connect opens a member of the instance by its name.")
	g.p("Connect func(member string) (%s.Transport, error)\n}\n", rt)
	for _, m := range d.Members {
		p := m.Type.Decl
		call := "t"
		if len(events(p)) > 0 {
			call = "t, h"
		}
		qual := ""
		pn := fidlc.Camel(p.Name)
		if p.Lib != g.lib {
			qual = g.use(g.opt.ImportPath(p.Lib.Name)) + "."
		}
		g.doc(fidlc.Camel(m.Name)+" connects to the member "+m.Name+".", m.Doc, m.Deprecated)
		params := ""
		if call != "t" {
			params = fmt.Sprintf("h %s%sEventHandler", qual, pn)
		}
		g.p("func (s %s) %s(%s) (*%s%sClient, error) {", n, fidlc.Camel(m.Name), params, qual, pn)
		g.p("t, err := s.Connect(%q)\nif err != nil {\nreturn nil, err\n}\nreturn %sNew%sClient(%s), nil\n}\n", m.Name, qual, pn, call)
	}
}
