package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The checked-in bindings are what fidlgen makes of the sources. When this
// fails, run go generate in the module's root.
func TestBindingsAreFresh(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("bindings.go")
	if err != nil {
		t.Fatal(err)
	}
	fresh := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		cmd, ok := strings.CutPrefix(line, `//go:generate sh -c "go run ./cmd/fidlgen `)
		if !ok {
			continue
		}
		tmp, out := t.TempDir(), "."
		var args []string
		words := strings.Fields(strings.TrimSuffix(cmd, `"`))
		for i := 0; i < len(words); i++ {
			switch w := words[i]; {
			case w == "-out":
				i++
				out = words[i]
				args = append(args, "-out", tmp)
			case w == "-registry":
				i++
				args = append(args, w, filepath.Join(tmp, words[i]))
			case strings.Contains(w, "*"):
				files, err := filepath.Glob(w)
				if err != nil || len(files) == 0 {
					t.Fatalf("%s: %v, %v", w, files, err)
				}
				args = append(args, files...)
			default:
				args = append(args, w)
			}
		}
		if err := run(args); err != nil {
			t.Fatal(err)
		}
		for name, b := range tree(t, tmp) {
			fresh[filepath.Join(out, name)] = b
		}
	}
	if len(fresh) < 10 {
		t.Fatalf("only %d files were generated", len(fresh))
	}
	checked := tree(t, ".")
	for name, b := range fresh {
		if !bytes.Equal(b, checked[name]) {
			t.Errorf("%s is not what fidlgen writes", name)
		}
	}
	for name := range checked {
		if _, ok := fresh[name]; !ok {
			t.Errorf("%s is not generated any more", name)
		}
	}
}

// tree reads the bindings below a directory.
func tree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".fidl.go") && !strings.HasSuffix(path, ".fidl_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out[rel] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "a.fidl")
	bad := filepath.Join(dir, "bad.fidl")
	for name, text := range map[string]string{
		src: "library acme.a;\ntype T = struct { x uint8; @available(added=5) y uint8; };\n",
		bad: "library acme.bad;\ntype T = struct {\n    x nope;\n};\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	generated := filepath.Join(dir, "acme/a/a.fidl.go")
	for _, c := range []struct {
		name string
		args []string
		err  string
		has  string // in what is generated
		not  string
	}{
		{"no files", nil, "no .fidl files", "", ""},
		{"no such file", []string{filepath.Join(dir, "x.fidl")}, "no such file", "", ""},
		{"no such library", []string{"-library", "acme.b", src}, "no file is of library acme.b", "", ""},
		{"bad level", []string{"-available", "acme:none", src}, "not an API level", "", ""},
		{"no platform", []string{"-available", "5", src}, "PLATFORM:LEVEL", "", ""},
		{"error with its place", []string{bad}, bad + ":3:7: 'nope' is not declared", "", ""},
		{"at HEAD", []string{src}, "", "Y uint8", "zzz"},
		{"at an older level", []string{"-available", "acme:4", src}, "", "X uint8", "Y uint8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove(generated)
			err := run(slices.Concat([]string{"-out", dir, "-prefix", "example.com"}, c.args))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(generated)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), c.has) || strings.Contains(string(b), c.not) {
				t.Errorf("%s", b)
			}
		})
	}
}
