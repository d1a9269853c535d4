//go:build linux && amd64

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startProgram runs a program that prints a line and then goes on forever, and
// gives launcherd once the line is there.
func startProgram(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := launcherd(append([]string{"run", program}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the program says nothing: %v", err)
	}
	return cmd
}

// shellsOf gives the Linux processes that are children of pid.
func shellsOf(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(strings.Fields(string(b))[0])
			pids = append(pids, child)
		}
	}
	return pids
}

// gone waits until none of pids runs.
func gone(t *testing.T, pids []int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var left []string
		for _, p := range pids {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
			if err == nil && !strings.Contains(string(b), ") Z ") {
				left = append(left, string(b))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still there: %v", left)
		}
	}
}

// Each signal that asks launcherd to end kills the program, and nothing is left.
func TestSignalsEndTheProgram(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := startProgram(t, "../../testdata/spin")
			shells := shellsOf(t, cmd.Process.Pid)
			if len(shells) == 0 {
				t.Fatal("no Linux process runs the program")
			}
			cmd.Process.Signal(sig)
			if code := exitStatus(t, cmd.Wait()); code != exitKilled {
				t.Errorf("exit code %d, want %d", code, exitKilled)
			}
			gone(t, shells)
		})
	}
}

// A launcherd that is killed takes its processes along.
func TestDeathOfLauncherd(t *testing.T) {
	cmd := startProgram(t, "../../testdata/spin")
	shells := shellsOf(t, cmd.Process.Pid)
	if len(shells) == 0 {
		t.Fatal("no Linux process runs the program")
	}
	cmd.Process.Kill()
	cmd.Wait()
	gone(t, shells)
}

// The end of a run leaves no process and no directory behind.
func TestNothingIsLeft(t *testing.T) {
	tmp := t.TempDir()
	cmd := launcherd("run", "../../examples/hello", "--return=3")
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	if code := exitStatus(t, cmd.Run()); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	if shells := shellsOf(t, cmd.Process.Pid); len(shells) != 0 {
		t.Errorf("left running: %v", shells)
	}
}
