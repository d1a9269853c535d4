package gogen

import (
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/internal/fidlc"
)

func generate(t *testing.T, text string) (string, error) {
	t.Helper()
	libs, err := fidlc.Compile([]fidlc.Source{{Name: "t.fidl", Text: text}}, fidlc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	src, err := Generate(libs[0], Options{Prefix: "example.com/x"})
	return string(src), err
}

// Names that are two in FIDL, one in Go, and part of other packages' view of
// this one, are refused, not written.
func TestNameClash(t *testing.T) {
	_, err := generate(t, "library t;\nprotocol Echo {};\nprotocol NewEcho {};\n")
	if want := "t.fidl:3:10: gives the Go name 'NewEchoClient', as what is at t.fidl:2:10 does"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// What cannot be named in Go as in FIDL is named otherwise.
func TestRenames(t *testing.T) {
	src, err := generate(t, `library t;
protocol P { Client(); };
type U = union { 1: tag uint8; 2: unknown uint8; };
@available(added=1, deprecated=2, note="use U") type S = struct { x float32; };
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"func (c *PClient) Client_(ctx context.Context) error",
		"Tag_ ", "Unknown_ ", "// Deprecated: use U\ntype S struct",
	} {
		if !strings.Contains(src, want) {
			t.Errorf("there is no %q in\n%s", want, src)
		}
	}
}

// Packages whose names are taken get others.
func TestImportNames(t *testing.T) {
	libs, err := fidlc.Compile([]fidlc.Source{
		{Name: "a.fidl", Text: "library a.types;\ntype T = struct {};\n"},
		{Name: "b.fidl", Text: "library b.types;\ntype T = struct {};\n"},
		{Name: "x.fidl", Text: "library b.x;\ntype T = struct {};\n"},
		{Name: "t.fidl", Text: "library t;\nusing a.types;\nusing b.types;\nusing b.x;\ntype T = struct { a a.types.T; b b.types.T; c b.x.T; };\n"},
	}, fidlc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	src, err := Generate(libs[len(libs)-1], Options{Prefix: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`types2 "example.com/b/types"`, `x2 "example.com/b/x"`, "A types.T\n\tB types2.T\n\tC x2.T"} {
		if !strings.Contains(string(src), want) {
			t.Errorf("there is no %q in\n%s", want, src)
		}
	}
}

func TestImportPath(t *testing.T) {
	o := Options{Prefix: "example.com/x", Paths: map[string]string{"a.b": "example.com/other"}}
	for lib, want := range map[string]string{
		"zx": Module + "/zx", "fuchsia.process.lifecycle": "example.com/x/fuchsia/process/lifecycle", "a.b": "example.com/other",
	} {
		if got := o.ImportPath(lib); got != want {
			t.Errorf("%s is %s, want %s", lib, got, want)
		}
	}
}
