// Package arrows keeps the imports of the repository pointing one way.
package arrows

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "go.fuchsia.dev/launcherd/"
	fidl   = "go.fuchsia.dev/fidl-go"
	host   = "internal/zircon"
)

// layers are the packages of the repository from the top down. A package
// imports only from layers below its own, or from its own folder.
var layers = [][]string{
	{"cmd"},
	{"fdio", "internal/hostlink", "internal/monitor", "internal/outgoing"},
	{"launcher", "resolver"},
	{"builder"},
	{"elf", "processargs", "internal/ldsvc", "internal/logsink", "internal/vfs"},
	{"zx"},
	{host},
	{host + "/platform", host + "/syscalls"},
	{host + "/object", host + "/vdso"},
	{host + "/vm"},
}

// mayImportHost are the packages above zx that may know the hosted kernel.
var mayImportHost = []string{"zx", "cmd/launcherd"}

// system is what only the platform may import: the ways into Linux.
var system = []string{"syscall", "golang.org/x/sys/unix"}

func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if rel == ".git" || d.Name() == "testdata" {
			return filepath.SkipDir
		}
		for _, imp := range imports(t, p) {
			checkImport(t, rel, imp)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imports gives what the non-test files of a folder import.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			s, _ := strconv.Unquote(i.Path.Value)
			all = append(all, s)
		}
	}
	return all
}

func checkImport(t *testing.T, pkg, imp string) {
	t.Helper()
	if pkg == "fidl" || strings.HasPrefix(pkg, "fidl/") {
		if strings.HasPrefix(imp, module) {
			t.Errorf("%s imports %s: fidl stands alone", pkg, imp)
		}
		return
	}
	if slices.Contains([]string{host + "/object", host + "/vm", host + "/syscalls", host + "/vdso"}, pkg) && slices.Contains(system, imp) {
		t.Errorf("%s imports %s: only the platform knows Linux", pkg, imp)
	}
	below, ok := strings.CutPrefix(imp, module)
	if !ok {
		return
	}
	if (below == host || strings.HasPrefix(below, host+"/")) && !strings.HasPrefix(pkg, host) && !slices.Contains(mayImportHost, pkg) {
		t.Errorf("%s imports %s: only zx reaches the hosted kernel", pkg, below)
	}
	from, fromFolder := find(pkg)
	to, toFolder := find(below)
	if from < 0 || to < 0 {
		t.Errorf("%s imports %s: not in the list of layers", pkg, below)
	} else if from >= to && fromFolder != toFolder {
		t.Errorf("%s imports %s: the arrow points up", pkg, below)
	}
}

// find gives the longest listed folder that holds pkg, and its index in layers;
// -1 for none.
func find(pkg string) (index int, folder string) {
	index = -1
	for i, l := range layers {
		for _, f := range l {
			if (pkg == f || strings.HasPrefix(pkg, f+"/")) && len(f) > len(folder) {
				index, folder = i, f
			}
		}
	}
	return index, folder
}
