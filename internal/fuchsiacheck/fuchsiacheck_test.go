package fuchsiacheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// packages are the program for Fuchsia and what its clients in Go use.
var packages = []string{"cmd/launcherd", "fdio"}

// goPackage is a package of the build, as go list describes it.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string // without those that use cgo
	CgoFiles   []string
	SFiles     []string
	Imports    []string
	ImportMap  map[string]string
	Standard   bool
	Module     *struct{ Path, Dir string }
}

// files are the paths of the Go files.
func (p *goPackage) files() []string {
	var fs []string
	for _, f := range append(p.GoFiles, p.CgoFiles...) {
		fs = append(fs, filepath.Join(p.Dir, f))
	}
	return fs
}

// ours says whether the package is of this repository.
func (p *goPackage) ours() bool {
	return p.Module != nil && (p.Module.Path == module || p.Module.Path == fidlModule)
}

const (
	module     = "go.fuchsia.dev/launcherd"
	fidlModule = "go.fuchsia.dev/fidl-go"
)

// declared are the packages of Fuchsia's toolchain that testdata declares.
var declared = []string{"syscall/zx", "syscall/zx/fdio"}

// arches are the architectures that Fuchsia runs on.
var arches = []string{"amd64", "arm64", "riscv64"}

// builds are the packages of the build for each architecture of arches.
var builds = sync.OnceValues(func() ([][]*goPackage, error) {
	var all [][]*goPackage
	for _, arch := range arches {
		ps, err := load(arch)
		if err != nil {
			return nil, err
		}
		all = append(all, ps)
	}
	return all, nil
})

// load lists the packages of the build for Fuchsia, each after those that it
// imports.
func load(arch string) ([]*goPackage, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, err
	}
	root, err := exec.Command(goTool, "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	replace := map[string]string{}
	for _, d := range declared {
		from, err := filepath.Abs(filepath.Join("testdata", d, filepath.Base(d)+".go"))
		if err != nil {
			return nil, err
		}
		replace[filepath.Join(strings.TrimSpace(string(root)), "src", d, filepath.Base(d)+".go")] = from
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "overlay-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(overlay)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	args := []string{"list", "-deps", "-json", "-tags", "fuchsia", "-overlay", f.Name()}
	for _, p := range packages {
		args = append(args, "../../"+p)
	}
	cmd := exec.Command(goTool, args...)
	// go does not know GOOS=fuchsia. This system has no file of its own here, as
	// Fuchsia has none but those with the tag.
	cmd.Env = append(os.Environ(), "GOOS=openbsd", "GOARCH="+arch, "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	var ps []*goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(goPackage)
		if err := d.Decode(p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		for _, path := range declared {
			if p.ImportPath == path {
				p.Dir = filepath.Join("testdata", path)
			}
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func list(t *testing.T) [][]*goPackage {
	t.Helper()
	ps, err := builds()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no go command to list the build with")
	}
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// TestTypes type-checks every package of the build from its source.
func TestTypes(t *testing.T) {
	for i, ps := range list(t) {
		t.Run(arches[i], func(t *testing.T) {
			t.Parallel()
			check(t, arches[i], ps)
		})
	}
}

func check(t *testing.T, arch string, ps []*goPackage) {
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	fset := token.NewFileSet()
	for _, p := range ps {
		if p.ImportPath == "unsafe" {
			continue
		}
		var files []*ast.File
		for _, name := range p.files() {
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		conf := types.Config{
			Importer: importer(func(path string) (*types.Package, error) {
				if mapped, ok := p.ImportMap[path]; ok {
					path = mapped
				}
				if pkg := checked[path]; pkg != nil {
					return pkg, nil
				}
				return nil, fmt.Errorf("%s is not in the build", path)
			}),
			Sizes: types.SizesFor("gc", arch),
			// Of other people's packages the declarations are enough.
			IgnoreFuncBodies: !p.ours(),
			FakeImportC:      true,
			Error: func(err error) {
				if p.ours() {
					t.Error(err)
				}
			},
		}
		pkg, err := conf.Check(p.ImportPath, fset, files, nil)
		if pkg == nil {
			t.Fatal(err)
		}
		checked[p.ImportPath] = pkg
	}
	if p := checked[module+"/cmd/launcherd"]; p == nil || p.Scope().Lookup("main") == nil {
		t.Error("the program was not checked")
	}
}

type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }

// TestImports checks that nothing of another system comes along: Fuchsia's
// package syscall has none of the others' names, and no module but those of
// BUILD.gn is there.
func TestImports(t *testing.T) {
	for _, p := range slices.Concat(list(t)...) {
		if strings.HasPrefix(p.ImportPath, module+"/internal/zircon") {
			t.Fatalf("the build has the hosted kernel: %s (a file of cmd/launcherd without //go:build !fuchsia?)", p.ImportPath)
		}
		if !p.ours() {
			continue
		}
		for _, i := range p.Imports {
			if i == "syscall" || i == "os/signal" || i == "net" || strings.HasPrefix(i, "golang.org/x/sys") {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
		if len(p.SFiles) > 0 {
			t.Errorf("%s has %v", p.ImportPath, p.SFiles)
		}
	}
}

// TestDeclarations compares the declared system calls with the headers of a
// real SDK, by the rules that testdata/syscall/zx gives, and compiles the C
// functions that the build uses.
func TestDeclarations(t *testing.T) {
	sdk := os.Getenv("FUCHSIA_SDK")
	if sdk == "" {
		t.Skip("FUCHSIA_SDK is not set")
	}
	sysroot := filepath.Join(sdk, "arch", "x64", "sysroot")
	header, err := os.ReadFile(filepath.Join(sysroot, "include/zircon/syscalls/internal/cdecls.inc"))
	if err != nil {
		t.Fatal(err)
	}
	c := signatures(string(header))
	f, err := parser.ParseFile(token.NewFileSet(), "testdata/syscall/zx/zx.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		name, isCall := "", false
		if ok {
			name, isCall = strings.CutPrefix(fn.Name.Name, "Sys_")
		}
		if !isCall || c[name] == "" && slices.Contains(newer, name) {
			continue
		}
		var params []string
		for _, p := range fn.Type.Params.List {
			for range p.Names {
				params = append(params, types.ExprString(p.Type))
			}
		}
		got := fmt.Sprintf("(%s) %s", strings.Join(params, ", "), types.ExprString(fn.Type.Results.List[0].Type))
		if got != c[name] {
			t.Errorf("%s: declared as %s, in C %s", name, got, c[name])
		}
	}

	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("no clang")
	}
	const source = `#include <zircon/process.h>
zx_handle_t (*take)(uint32_t) = zx_take_startup_handle;
zx_handle_t (*job)(void) = zx_job_default;
`
	cmd := exec.Command(clang, "--target=x86_64-unknown-fuchsia", "--sysroot="+sysroot, "-Werror", "-fsyntax-only", "-x", "c", "-")
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// newer are system calls that SDKs of 2020 do not have.
var newer = []string{"socket_set_disposition"}

// goTypes are the types that the toolchain has for C's.
var goTypes = map[string]string{
	"void*": "unsafe.Pointer", "char": "byte", "size_t": "uint", "uintptr_t": "uintptr",
	"uint32_t": "uint32", "uint64_t": "uint64",
	"zx_handle_t": "Handle", "zx_status_t": "Status", "zx_rights_t": "Rights", "zx_signals_t": "Signals",
	"zx_time_t": "Time", "zx_duration_t": "Duration", "zx_vaddr_t": "Vaddr", "zx_koid_t": "uint64",
	"zx_vm_option_t": "uint32", "zx_clock_t": "uint32",
	"zx_wait_item_t": "WaitItem", "zx_handle_info_t": "HandleInfo", "zx_handle_disposition_t": "HandleDisposition",
	"zx_channel_call_args_t": "ChannelCallArgs", "zx_port_packet_t": "PortPacket",
}

var (
	declaration = regexp.MustCompile(`(?s)_ZX_SYSCALL_DECL\((\w+), (\w+),[^,]*, \d+,\s*\([^)]*\), \((.*?)\)\)\n\n`)
	annotation  = regexp.MustCompile(`_ZX_SYSCALL_ANNO\([^)]*\)\)?|\bconst\b`)
	parameter   = regexp.MustCompile(`^(\w+ ?\*?) ?\w+(\[[^\]]*\])?$`)
)

// signatures gives the Go signatures of the system calls in a header.
func signatures(header string) map[string]string {
	all := map[string]string{}
	for _, m := range declaration.FindAllStringSubmatch(header+"\n", -1) {
		var params []string
		for _, p := range strings.Split(annotation.ReplaceAllString(m[3], ""), ",") {
			if p = strings.TrimSpace(p); p != "" && p != "void" {
				params = append(params, goType(p))
			}
		}
		all[m[1]] = fmt.Sprintf("(%s) %s", strings.Join(params, ", "), goTypes[m[2]])
	}
	return all
}

// goType gives the Go type of a parameter.
func goType(p string) string {
	m := parameter.FindStringSubmatch(strings.Join(strings.Fields(p), " "))
	if m == nil {
		return "?" + p
	}
	c := strings.ReplaceAll(m[1], " ", "")
	if g, ok := goTypes[c]; ok {
		return g
	}
	if element, ok := strings.CutSuffix(c, "*"); ok && goTypes[element] != "" {
		return "*" + goTypes[element]
	}
	return "?" + p
}
