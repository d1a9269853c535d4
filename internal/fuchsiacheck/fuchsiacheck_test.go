package fuchsiacheck

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packages are those that the program for Fuchsia is made of.
var packages = []string{"zx", "elf", "processargs", "builder", "launcher", "fdio"}

func TestTypes(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to type-check with")
	}
	root, err := exec.Command(goTool, "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	decls, err := os.ReadFile("testdata/syscall/zx/zx.go")
	if err != nil {
		t.Fatal(err)
	}
	// The compiler wants functions with bodies.
	decls = regexp.MustCompile(`(?m)^func .*$`).ReplaceAll(decls, []byte(`$0 { panic("only declared") }`))
	dir := t.TempDir()
	file := filepath.Join(dir, "zx.go")
	if err := os.WriteFile(file, decls, 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(strings.TrimSpace(string(root)), "src", "syscall", "zx", "zx.go"): file,
	}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}

	args := []string{"build", "-o", os.DevNull, "-tags", "fuchsia", "-overlay", overlayFile}
	for _, p := range packages {
		args = append(args, "../../"+p)
	}
	if out, err := exec.Command(goTool, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	// The hosted kernel must not come along.
	args = []string{"list", "-deps", "-tags", "fuchsia", "-overlay", overlayFile}
	for _, p := range packages {
		args = append(args, "../../"+p)
	}
	out, err := exec.Command(goTool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for dep := range bytes.Lines(out) {
		if bytes.Contains(dep, []byte("launcherd/internal/zircon")) {
			t.Errorf("the build for Fuchsia has %s", dep)
		}
	}
}
