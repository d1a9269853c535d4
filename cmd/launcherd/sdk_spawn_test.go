//go:build linux && amd64

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSDKSpawn runs the checks of testdata/sdk/spawn.c, where libfdio launches
// programs from inside a launched one.
func TestSDKSpawn(t *testing.T) {
	dir := t.TempDir()
	pkg, packages := filepath.Join(dir, "pkg"), filepath.Join(dir, "packages")
	program, child := filepath.Join(pkg, "bin", "spawn"), filepath.Join(pkg, "bin", "child")
	sdkCompile(t, "spawn", program, "ld.so.1")
	sdkCompile(t, "child", child, "ld.so.1")
	sdkCompile(t, "child", filepath.Join(pkg, "bin", "orphan"), "nowhere.so")
	for to, from := range map[string]string{
		"pkg/bin/hello":            "../../examples/hello",
		"packages/bin/child":       child,
		"packages/lib/ld.so.1":     filepath.Join(sdkArchDir(), "sysroot/dist/lib/ld.so.1"),
		"packages/lib/libfdio.so":  filepath.Join(sdkArchDir(), "dist/libfdio.so"),
		"packages/other/bin/hello": "../../examples/hello",
	} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		putFile(t, filepath.Join(dir, to), string(b))
	}
	for to, text := range map[string]string{
		"pkg/data/empty":      "",
		"pkg/data/text":       "no program\n",
		"pkg/data/script":     "#!/pkg/bin/child report\n",
		"pkg/data/argument":   "#! \t/pkg/bin/hello \t one two  three\nmore\n",
		"pkg/data/endless":    "#!/pkg/bin/hello",
		"pkg/data/nested":     "#!/pkg/data/argument outer\n",
		"pkg/data/loop":       "#!/pkg/data/loop\n",
		"pkg/data/long":       "#!/pkg/bin/" + strings.Repeat("a", 3000) + "\n",
		"pkg/data/nothing":    "#! \n",
		"pkg/data/missing":    "#!/pkg/bin/none\n",
		"pkg/data/resolve":    "#!resolve child\n",
		"pkg/data/url":        "#!resolve fuchsia-pkg://fuchsia.com/other#bin/hello\n",
		"pkg/data/twice":      "#!resolve again\n",
		"pkg/data/unresolved": "#!resolve none\n",
		"pkg/data/mixed":      "#!/pkg/data/resolve\n",
		"pkg/data/mixed2":     "#!resolve script\n",
		"packages/bin/again":  "#!resolve fuchsia-pkg://fuchsia.com/other#bin/hello\n",
		"packages/bin/script": "#!/pkg/bin/hello\n",
	} {
		putFile(t, filepath.Join(dir, to), text)
	}

	for name, with := range map[string]struct{ resolver, none []string }{
		"run":   {[]string{"run", "--packages", packages}, []string{"run"}},
		"spawn": {spawnIn(startDaemon(t, "--packages", packages)), spawnIn(startDaemon(t))},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			run := func(command []string, args ...string) {
				cmd := launcherd(append(command, args...)...)
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if code := exitStatus(t, cmd.Run()); code != 0 {
					t.Errorf("%d checks failed", code)
				}
			}
			run(with.resolver, program)
			run(with.none, program, "no_resolver")

			// A check's line, after what it found.
			checks := regexp.MustCompile(`(?m)^ok (\w+)$`).FindAllStringSubmatch(stdout.String(), -1)
			const want = 46
			if len(checks) != want || strings.Contains(stdout.String(), "FAIL ") {
				t.Errorf("%d checks are good, want %d:\n%s%s", len(checks), want, &stdout, &stderr)
			}
		})
	}
}

// spawnIn gives the command that runs a program in a daemon.
func spawnIn(d *testDaemon) []string { return []string{"spawn", "--connect", "unix:" + d.path} }

func putFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A child that outlives the program ends with the run.
func TestSDKSpawnLeavesNothing(t *testing.T) {
	cmd := launcherd("run", sdkProgram(t, "child"), "leave", "/pkg/bin/child")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	shells := shellsOf(t, cmd.Process.Pid)
	stdin.Close()
	if err := cmd.Wait(); err != nil || line != "left\n" {
		t.Errorf("%v, output %q", err, line)
	}
	if len(shells) < 2 {
		t.Errorf("%d Linux processes ran the program and its child", len(shells))
	}
	gone(t, shells)
}

// A C program's clocks tell the time of the host.
func TestSDKTime(t *testing.T) {
	exe := sdkProgram(t, "child")
	before := time.Now().Unix()
	out, err := launcherd("run", exe, "time").Output()
	after := time.Now().Unix()
	if err != nil {
		t.Fatal(err)
	}
	var seconds, real int64
	if n, err := fmt.Sscan(string(out), &seconds, &real); n != 2 {
		t.Fatalf("%q: %v", out, err)
	}
	for _, s := range []int64{seconds, real} {
		if s < before || s > after {
			t.Errorf("time %d, want within %d and %d", s, before, after)
		}
	}
}
