package fuchsiacheck

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the libraries in BUILD.gn")

const (
	buildFile = "../../BUILD.gn"
	// marker begins the part of BUILD.gn that is rewritten.
	marker = "# What follows is written by: go test ./internal/fuchsiacheck -update\n"
)

// TestBuildGN checks that BUILD.gn has a library for each package of the build,
// with its files for all architectures and its imports.
func TestBuildGN(t *testing.T) {
	b, err := os.ReadFile(buildFile)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(b), marker)
	if !ok {
		t.Fatalf("%s lacks the line %q", buildFile, marker)
	}
	all := slices.Concat(list(t)...)
	modules := map[string]string{} // of packages
	for _, p := range all {
		if p.Module != nil {
			modules[p.ImportPath] = p.Module.Path
		}
	}
	libraries := map[string]*library{}
	for _, p := range all {
		if !p.ours() {
			continue
		}
		if libraries[p.ImportPath] == nil {
			libraries[p.ImportPath] = &library{sources: map[string]bool{}, deps: map[string]bool{}}
		}
		libraries[p.ImportPath].add(t, p, modules)
	}
	var want strings.Builder
	for _, path := range slices.Sorted(maps.Keys(libraries)) {
		want.WriteString(libraries[path].gn(path))
	}
	if *update {
		if err := os.WriteFile(buildFile, []byte(head+marker+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want.String() {
		t.Error("BUILD.gn is not that of the build: go test ./internal/fuchsiacheck -update rewrites it")
	}
}

// library is a go_library.
type library struct {
	dir           string // below the repository
	sources, deps map[string]bool
}

func (l *library) add(t *testing.T, p *goPackage, modules map[string]string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if l.dir, err = filepath.Rel(root, p.Dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range p.files() {
		l.sources[filepath.Base(f)] = true
	}
	for _, i := range p.Imports {
		if m := modules[i]; m != "" { // else it is the toolchain's
			l.deps[label(m, i)] = true
		}
	}
}

// label is the GN label of a package. A module of others is one target.
func label(mod, path string) string {
	switch mod {
	case module:
		return ":" + target(strings.TrimPrefix(path, module+"/"))
	case fidlModule:
		return ":" + target("fidl"+strings.TrimPrefix(path, fidlModule))
	}
	return "//third_party/golibs:" + mod
}

func target(dir string) string { return strings.ReplaceAll(dir, "/", "_") }

func (l *library) gn(path string) string {
	deps := ""
	if len(l.deps) > 0 {
		deps = "  deps = " + array(l.deps)
	}
	return fmt.Sprintf("\ngo_library(%q) {\n  importpath = %q\n  source_dir = %q\n%s  sources = %s}\n",
		target(l.dir), path, l.dir, deps, array(l.sources))
}

// array is a list as gn format has it.
func array(set map[string]bool) string {
	all := slices.Sorted(maps.Keys(set))
	if len(all) == 1 {
		return fmt.Sprintf("[ %q ]\n", all[0])
	}
	// Labels of the same file come first.
	slices.SortStableFunc(all, func(a, b string) int { return rank(a) - rank(b) })
	var b strings.Builder
	b.WriteString("[\n")
	for _, s := range all {
		fmt.Fprintf(&b, "    %q,\n", s)
	}
	return b.String() + "  ]\n"
}

func rank(label string) int {
	if strings.HasPrefix(label, "//") {
		return 1
	}
	return 0
}
