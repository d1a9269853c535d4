package monitor_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The bindings are what monitor.fidl gives.
func TestBindingsAreFresh(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to run fidlgen with")
	}
	src, err := os.ReadFile("generate.go")
	must(t, err)
	m := regexp.MustCompile(`(?m)^//go:generate sh -c "(.*)"$`).FindSubmatch(src)
	if m == nil {
		t.Fatal("generate.go generates nothing")
	}
	out := t.TempDir()
	command := strings.Replace(string(m[1]), "-out bindings ", "-out "+out+" ", 1)
	if b, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, b)
	}
	const file = "launcherd/monitor/monitor.fidl.go"
	want, err := os.ReadFile(filepath.Join(out, file))
	must(t, err)
	got, err := os.ReadFile(filepath.Join("bindings", file))
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("bindings are not those of monitor.fidl: run go generate")
	}
}
