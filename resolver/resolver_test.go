package resolver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/resolver"
	"go.fuchsia.dev/launcherd/zx"
)

// TestMain starts the kernel before all tests: what it keeps is no leak.
func TestMain(m *testing.M) {
	zx.DefaultJob()
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// packages makes a package with another in it, each file with its path as
// content.
func packages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range []string{"bin/prog", "lib/lib.so", "other/bin/prog", "bare/prog"} {
		full := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "bin/out")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func connect(t *testing.T, r *resolver.Resolver) *process.ResolverClient {
	t.Helper()
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- r.Serve(context.Background(), &server) }()
	c := process.NewResolverClient(&client)
	t.Cleanup(func() {
		c.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestResolve(t *testing.T) {
	r := resolver.New(packages(t), zap.NewNop())
	defer r.Close()
	c := connect(t, r)
	for _, tt := range []struct {
		name   string
		want   string // the executable's content
		loader bool
		status zx.Status
	}{
		{name: "prog", want: "bin/prog", loader: true},
		{name: "fuchsia-pkg://fuchsia.com/any#bin/prog", want: "bin/prog", loader: true},
		{name: "fuchsia-pkg://fuchsia.com/other#bin/prog", want: "other/bin/prog"},
		{name: "fuchsia-pkg://fuchsia.com/bare/0?hash=12#prog", want: "bare/prog"},
		{name: "none", status: zx.ErrNotFound},
		{name: "out", status: zx.ErrNotFound},
		{name: "fuchsia-pkg://fuchsia.com/other#../bin/prog", status: zx.ErrNotFound},
		{name: "fuchsia-pkg://fuchsia.com/any#/etc/passwd", status: zx.ErrNotFound},
		{name: "", status: zx.ErrInvalidArgs},
		{name: "a/b", status: zx.ErrInvalidArgs},
		{name: "fuchsia-pkg://fuchsia.com/any", status: zx.ErrInvalidArgs},
		{name: "fuchsia-pkg://fuchsia.com/..#bin/prog", status: zx.ErrInvalidArgs},
		{name: "fuchsia-pkg://fuchsia.com#bin/prog", status: zx.ErrInvalidArgs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := c.Resolve(t.Context(), &process.ResolverResolveRequest{Name: tt.name})
			if err != nil {
				t.Fatal(err)
			}
			v, ch := zx.VMOFromHandle(rep.Executable), zx.ChannelFromHandle(rep.Ldsvc.Handle)
			defer v.Close()
			defer ch.Close()
			if rep.Status != tt.status || v.IsValid() != (tt.status == zx.OK) || ch.IsValid() != tt.loader {
				t.Fatalf("%+v, want %v and a loader: %v", rep, tt.status, tt.loader)
			}
			if tt.status != zx.OK {
				return
			}
			b := make([]byte, len(tt.want))
			if err := v.Read(b, 0); err != nil || string(b) != tt.want {
				t.Errorf("%q, %v, want %q", b, err, tt.want)
			}
			if info, err := v.BasicInfo(); err != nil || info.Rights&zx.RightExecute == 0 {
				t.Errorf("rights %#x, %v, want EXECUTE", info.Rights, err)
			}
			if !tt.loader {
				return
			}
			l := ldsvc.NewLoaderClient(&ch)
			lib, err := l.LoadObject(t.Context(), &ldsvc.LoaderLoadObjectRequest{ObjectName: "lib.so"})
			if err != nil || lib.Rv != zx.OK {
				t.Errorf("LoadObject: %+v, %v", lib, err)
			} else {
				zx.CloseAll(lib.Object)
			}
		})
	}
}

func TestClose(t *testing.T) {
	r := resolver.New(packages(t), zap.NewNop())
	_, l, err := r.Resolve("prog")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.Close()
	if _, err := l.Wait(t.Context(), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Resolve("prog"); !errors.Is(err, zx.ErrBadState) {
		t.Errorf("%v, want %v", err, zx.ErrBadState)
	}
}

// Close may come at any time.
func TestCloseMeanwhile(t *testing.T) {
	r := resolver.New(packages(t), zap.NewNop())
	var begun, ended sync.WaitGroup
	for range 8 {
		begun.Add(1)
		ended.Add(1)
		go func() {
			defer ended.Done()
			for begin := sync.OnceFunc(begun.Done); ; begin() {
				v, l, err := r.Resolve("prog")
				v.Close()
				l.Close()
				if errors.Is(err, zx.ErrBadState) {
					return
				}
			}
		}()
	}
	begun.Wait()
	r.Close()
	ended.Wait()
}

func TestNoDirectory(t *testing.T) {
	r := resolver.New(filepath.Join(t.TempDir(), "none"), zap.NewNop())
	defer r.Close()
	if _, _, err := r.Resolve("prog"); !errors.Is(err, zx.ErrNotFound) {
		t.Errorf("%v, want %v", err, zx.ErrNotFound)
	}
}
