//go:build amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// It takes no more than an ordinary user, with nothing in the environment.
func TestOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("every other test is by an ordinary user")
	}
	dir, err := os.MkdirTemp("", "user")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	self, err := os.Executable()
	must(t, err)
	must(t, os.Mkdir(filepath.Join(dir, "bin"), 0o755))
	for name, from := range map[string]string{"launcherd": self, "bin/spawn": "../../testdata/spawn", "bin/hello": "../../examples/hello"} {
		b, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o755))
	}
	cmd := exec.Command(filepath.Join(dir, "launcherd"), "run", filepath.Join(dir, "bin/spawn"), "run", "/pkg/bin/hello", "--return=4")
	cmd.Env = []string{"LAUNCHERD_TEST_MAIN=1"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if code := exitStatus(t, err); code != 4 || string(out) != "arg[0]=/pkg/bin/hello\narg[1]=--return=4\n" {
		t.Errorf("exit code %d, output %q", code, out)
	}
}
