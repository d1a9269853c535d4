package fuchsiacheck

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.fuchsia.dev/fidl-go/fuchsia/process"
)

// manifest is what of a component manifest launcherd's has.
type manifest struct {
	Include []string
	Program struct {
		Runner      string
		Binary      string
		Lifecycle   map[string]string
		RawProcess  string `json:"job_policy_create_raw_processes"`
		AmbientExec string `json:"ambient_mark_vmo_exec"`
	}
	Capabilities []struct{ Protocol string }
	Expose       []struct{ Protocol, From string }
}

var (
	comment       = regexp.MustCompile(`(?m)^\s*//.*$`)
	key           = regexp.MustCompile(`([{,]\s*)(\w+):`)
	trailingComma = regexp.MustCompile(`,(\s*[}\]])`)
)

// TestManifest checks that meta/launcherd.cml agrees with BUILD.gn and with what
// the program does.
func TestManifest(t *testing.T) {
	b, err := os.ReadFile("../../meta/launcherd.cml")
	if err != nil {
		t.Fatal(err)
	}
	// JSON5, of which the manifest uses comments, bare keys and last commas.
	s := comment.ReplaceAllString(string(b), "")
	s = trailingComma.ReplaceAllString(key.ReplaceAllString(s, `$1"$2":`), "$1")
	var m manifest
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	gn, err := os.ReadFile(buildFile)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := strings.CutPrefix(m.Program.Binary, "bin/")
	if m.Program.Runner != "elf" || !strings.Contains(string(gn), `output_name = "`+name+`"`) {
		t.Errorf("%q by runner %q is not what BUILD.gn makes", m.Program.Binary, m.Program.Runner)
	}
	if m.Program.RawProcess != "true" || m.Program.AmbientExec != "" || m.Program.Lifecycle["stop_event"] != "notify" {
		t.Errorf("program: %+v", m.Program)
	}
	if len(m.Include) != 1 || m.Include[0] != "syslog/client.shard.cml" {
		t.Errorf("include: %v", m.Include)
	}
	if len(m.Capabilities) != 1 || m.Capabilities[0].Protocol != process.LauncherName {
		t.Errorf("capabilities: %v", m.Capabilities)
	}
	if len(m.Expose) != 1 || m.Expose[0].Protocol != process.LauncherName || m.Expose[0].From != "self" {
		t.Errorf("expose: %v", m.Expose)
	}
}
