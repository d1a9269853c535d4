package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
)

// The units of init/ are what systemd takes, start launcherd with flags that it
// has, and listen where its clients look.
func TestUnits(t *testing.T) {
	options := map[string]string{}
	dir := t.TempDir()
	for _, name := range []string{"launcherd.socket", "launcherd.service"} {
		b, err := os.ReadFile(filepath.Join("../../init", name))
		must(t, err)
		opts, err := unit.DeserializeOptions(bytes.NewReader(b))
		must(t, err)
		for _, o := range opts {
			options[o.Name] = o.Value
		}
		b = bytes.ReplaceAll(b, []byte("/usr/bin/launcherd"), []byte("/bin/true"))
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}

	args := strings.Fields(options["ExecStart"])
	root := newRoot()
	cmd, flags, err := root.Find(args[1:])
	must(t, err)
	if cmd.Name() != "serve" {
		t.Errorf("ExecStart runs %q", cmd.Name())
	}
	must(t, cmd.ParseFlags(flags))

	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1")
	path, err := socketPath("")
	must(t, err)
	if got := strings.Replace(options["ListenSequentialPacket"], "%t", "/run/user/1", 1); got != path {
		t.Errorf("the socket is at %s, clients look at %s", got, path)
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze to check the units with")
	}
	out, err := exec.Command(analyze, "verify", filepath.Join(dir, "launcherd.socket"), filepath.Join(dir, "launcherd.service")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
}
