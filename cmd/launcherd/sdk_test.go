package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sdkProgram compiles testdata/sdk/name.c with the SDK that FUCHSIA_SDK names,
// for its libc and libfdio, or skips the test.
func sdkProgram(t *testing.T, name string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "bin", name)
	sdkCompile(t, name, exe, "ld.so.1")
	return exe
}

// sdkArchDir is the SDK's directory for this machine.
func sdkArchDir() string { return filepath.Join(os.Getenv("FUCHSIA_SDK"), "arch", "x64") }

// sdkCompile compiles testdata/sdk/name.c to exe, to be loaded by a dynamic
// linker of the given name.
func sdkCompile(t *testing.T, name, exe, linker string) {
	t.Helper()
	if os.Getenv("FUCHSIA_SDK") == "" {
		t.Skip("FUCHSIA_SDK does not name a Fuchsia SDK")
	}
	for _, tool := range []string{"clang", "ld.lld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s to compile with", tool)
		}
	}
	sysroot := filepath.Join(sdkArchDir(), "sysroot")
	if err := os.MkdirAll(filepath.Dir(exe), 0o755); err != nil {
		t.Fatal(err)
	}
	obj := filepath.Join(t.TempDir(), name+".o")
	for _, args := range [][]string{
		{"clang", "--target=x86_64-unknown-fuchsia", "--sysroot=" + sysroot,
			"-I" + filepath.Join(os.Getenv("FUCHSIA_SDK"), "pkg", "fdio", "include"), "-fPIE", "-O1", "-Wall", "-Wextra", "-Werror",
			"-c", filepath.Join("testdata", "sdk", name+".c"), "-o", obj},
		{"ld.lld", "-pie", "--dynamic-linker=" + linker, filepath.Join(sysroot, "lib", "Scrt1.o"), obj,
			"-L" + filepath.Join(sysroot, "lib"), "-L" + filepath.Join(sdkArchDir(), "dist"), "-lfdio", "-lc", "-lzircon", "-o", exe},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// launcherd is this test program as the command.
func launcherd(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "LAUNCHERD_TEST_MAIN=1")
	return cmd
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func TestSDKStdio(t *testing.T) {
	exe := sdkProgram(t, "stdio")
	cmd := launcherd("run", "--env", "NAME=VALUE", exe, "one", "two words")
	cmd.Stdin = strings.NewReader("first\nsecond\n")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if code := exitStatus(t, cmd.Run()); code != 2 {
		t.Errorf("exit code %d, want 2: the lines of input", code)
	}
	want := "arg " + exe + "\narg one\narg two words\nenv NAME=VALUE\nin first\nin second\n"
	if stdout.String() != want {
		t.Errorf("stdout:\n%s\nwant:\n%s", stdout.String(), want)
	}
	if stderr.String() != "an error line\n" {
		t.Errorf("stderr: %q", stderr.String())
	}
}

func TestSDKThreads(t *testing.T) {
	out, err := launcherd("run", sdkProgram(t, "threads")).CombinedOutput()
	if err != nil || string(out) != "total 8000 sum 8000 memory 1 own 0\n" {
		t.Errorf("%v, output %q", err, out)
	}
}

// TestSDKFiles: what ported programs do with files, in a directory of the host
// that PWD makes the working directory, and in /tmp.
func TestSDKFiles(t *testing.T) {
	exe, dir := sdkProgram(t, "files"), t.TempDir()
	for _, args := range [][]string{
		{"--env", "PWD=/data", "--bind", "/data=" + dir + ":rw"},
		{"--env", "PWD=/tmp"},
	} {
		cmd := launcherd(append(append([]string{"run"}, args...), exe)...)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
			t.Errorf("%q: %v, output %q", args, err, out)
		}
	}
	var want bytes.Buffer
	for i := range 1000 {
		fmt.Fprintln(&want, i)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || !bytes.Equal(b, want.Bytes()) {
		t.Errorf("out.txt: %d bytes, %v; want %d", len(b), err, want.Len())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
