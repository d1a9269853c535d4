package ldsvc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	bindings "go.fuchsia.dev/fidl-go/fuchsia/ldsvc"

	"go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts the kernel before all tests: what it keeps is no leak.
func TestMain(m *testing.M) {
	zx.DefaultJob()
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// write makes files, each with its own path as content, below a new directory.
func write(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		full := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func serve(t *testing.T, dirs ...string) (*ldsvc.Service, *bindings.LoaderClient) {
	t.Helper()
	s, err := ldsvc.New(dirs, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ch, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	c := bindings.NewLoaderClient(&ch)
	t.Cleanup(func() { c.Close() })
	return s, c
}

// load gives the content of an object and the status.
func load(t *testing.T, c *bindings.LoaderClient, name string) (string, zx.Status) {
	t.Helper()
	rep, err := c.LoadObject(t.Context(), &bindings.LoaderLoadObjectRequest{ObjectName: name})
	if err != nil {
		t.Fatal(err)
	}
	v := zx.VMOFromHandle(rep.Object)
	defer v.Close()
	if rep.Rv != zx.OK {
		if v.IsValid() {
			t.Errorf("%s: %v, and a VMO", name, rep.Rv)
		}
		return "", rep.Rv
	}
	n, err := v.ContentSize()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if err := v.Read(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b), zx.OK
}

func TestLoadObject(t *testing.T) {
	first := write(t, "a", "asan/b", "sub/c")
	second := write(t, "a", "b", "d", "asan/d")
	for path, content := range map[string]string{"d": "second d", "asan/d": "second asan/d", "b": "second b"} {
		if err := os.WriteFile(filepath.Join(second, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(first, "link")); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": "/etc/passwd", "up": "../../etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(first, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(first, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, c := serve(t, first, second)
	for _, tt := range []struct {
		config, name string
		want         string
		status       zx.Status
	}{
		{name: "a", want: "a"},
		{name: "b", want: "second b"},
		{name: "sub/c", want: "sub/c"},
		{name: "link", want: "a"},
		{name: "c", status: zx.ErrNotFound},
		{name: "", status: zx.ErrNotFound},
		{name: ".", status: zx.ErrNotFound},
		{name: "sub", status: zx.ErrNotFound},
		{name: "/a", status: zx.ErrNotFound},
		{name: "../" + filepath.Base(second) + "/d", status: zx.ErrNotFound},
		{name: "sub/../../" + filepath.Base(second) + "/d", status: zx.ErrNotFound},
		{name: "out", status: zx.ErrNotFound},
		{name: "up", status: zx.ErrNotFound},
		{name: "pipe", status: zx.ErrNotFound},
		{name: "a\x00", status: zx.ErrNotFound},
		{name: strings.Repeat("x", 1024), status: zx.ErrNotFound},

		{config: "asan", name: "b", want: "asan/b"},
		{config: "asan", name: "a", want: "a"}, // not in a subdirectory
		{config: "asan", name: "d", want: "second asan/d"},
		{config: "asan!", name: "a", status: zx.ErrNotFound},
		{config: "asan!", name: "b", want: "asan/b"},
		{config: "asan!", name: "d", want: "second asan/d"},
		{config: "none", name: "d", want: "second d"},
		{config: "", name: "d", want: "second d"},
	} {
		t.Run(tt.config+":"+tt.name, func(t *testing.T) {
			rep, err := c.Config(t.Context(), &bindings.LoaderConfigRequest{Config: tt.config})
			if err != nil || rep.Rv != zx.OK {
				t.Fatal(rep, err)
			}
			if got, st := load(t, c, tt.name); got != tt.want || st != tt.status {
				t.Errorf("%q, %v, want %q, %v", got, st, tt.want, tt.status)
			}
			if tt.status != zx.OK && s.Missing() != tt.name {
				t.Errorf("missing %q, want %q", s.Missing(), tt.name)
			}
		})
	}
}

// What is given can be mapped as code and passed on, and not be written.
func TestRights(t *testing.T) {
	_, c := serve(t, write(t, "lib"))
	rep, err := c.LoadObject(t.Context(), &bindings.LoaderLoadObjectRequest{ObjectName: "lib"})
	if err != nil || rep.Rv != zx.OK {
		t.Fatal(rep, err)
	}
	v := zx.VMOFromHandle(rep.Object)
	defer v.Close()
	info, err := v.BasicInfo()
	if err != nil {
		t.Fatal(err)
	}
	const need = zx.RightRead | zx.RightExecute | zx.RightMap | zx.RightTransfer | zx.RightDuplicate | zx.RightGetProperty
	if info.Rights&need != need || info.Rights&zx.RightWrite != 0 {
		t.Errorf("rights %#x, want %#x and not to write", info.Rights, need)
	}
}

func TestConfigRefuses(t *testing.T) {
	_, c := serve(t, write(t, "a"))
	for _, config := range []string{"a/b", "/", "..", "..!", ".", "a\x00"} {
		rep, err := c.Config(t.Context(), &bindings.LoaderConfigRequest{Config: config})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Rv != zx.ErrInvalidArgs {
			t.Errorf("Config(%q): %v, want %v", config, rep.Rv, zx.ErrInvalidArgs)
		}
	}
}

// A clone is a connection of its own, without a configuration, that outlives
// the first.
func TestClone(t *testing.T) {
	_, c := serve(t, write(t, "a", "asan/b"))
	if _, err := c.Config(t.Context(), &bindings.LoaderConfigRequest{Config: "asan!"}); err != nil {
		t.Fatal(err)
	}
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := c.Clone(t.Context(), &bindings.LoaderCloneRequest{Loader: fidl.ServerEnd[bindings.LoaderProtocol]{Handle: server.Take()}})
	if err != nil || rep.Rv != zx.OK {
		t.Fatal(rep, err)
	}
	if err := c.Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.LoadObject(t.Context(), &bindings.LoaderLoadObjectRequest{ObjectName: "a"}); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("after Done: %v, want %v", err, zx.ErrPeerClosed)
	}
	clone := bindings.NewLoaderClient(&client)
	defer clone.Close()
	if got, st := load(t, clone, "a"); got != "a" || st != zx.OK {
		t.Errorf("%q, %v", got, st)
	}
}

// Close ends connections; there are no more after it.
func TestClose(t *testing.T) {
	s, c := serve(t, write(t, "a"))
	s.Close()
	if _, err := c.LoadObject(t.Context(), &bindings.LoaderLoadObjectRequest{ObjectName: "a"}); err == nil {
		t.Error("a closed service answers")
	}
	if _, err := s.Connect(); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("Connect: %v, want %v", err, zx.ErrBadState)
	}
}

// A library that this process has no descriptor for is not one that is missing.
func TestNoDescriptors(t *testing.T) {
	s, _ := serve(t, write(t, "a"))
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: l.Max}); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open("a", ""); !errors.Is(err, zx.ErrNoResources) {
		f.Close()
		t.Errorf("%v, want %v", err, zx.ErrNoResources)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := ldsvc.New([]string{filepath.Join(t.TempDir(), "none")}, zap.NewNop()); err == nil {
		t.Error("a directory that is not there")
	}
}
