//go:build linux && amd64

package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Of a program that hangs one sees in which call, and then how it was ended.
func TestTraceOfHang(t *testing.T) {
	cmd := launcherd("run", "--trace", filepath.Join("..", "..", "testdata", "sleep"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	var seen string
	expect := func(re string) {
		t.Helper()
		for lines.Scan() {
			seen += lines.Text() + "\n"
			if regexp.MustCompile(re).MatchString(lines.Text()) {
				return
			}
		}
		t.Fatalf("no line %s in\n%s", re, seen)
	}
	expect(`^\[sleep \d+:\d+\] zx_nanosleep\(deadline=ZX_TIME_INFINITE <unfinished \.\.\.>$`)
	cmd.Process.Signal(os.Interrupt)
	expect(`^\[sleep \d+\] \+\+\+ killed, ZX_TASK_RETCODE_SYSCALL_KILL \+\+\+$`)
}
