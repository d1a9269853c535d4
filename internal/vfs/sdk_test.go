//go:build linux && amd64

package vfs_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// TestSDKPrograms runs C programs that check the file system through the SDK's
// libc and libfdio. Their return code is the number of checks that failed.
func TestSDKPrograms(t *testing.T) {
	sdk := os.Getenv("FUCHSIA_SDK")
	if sdk == "" {
		t.Skip("FUCHSIA_SDK is not set")
	}
	for _, name := range []string{"stdio", "posix", "memory", "spawn"} {
		t.Run(name, func(t *testing.T) {
			pkg, tmp := t.TempDir(), t.TempDir()
			exe := compile(t, sdk, name, filepath.Join(pkg, "bin"))
			w := &world{t, vfs.New(zap.NewNop())}
			t.Cleanup(w.fs.Close)
			program, err := os.ReadFile(exe)
			w.ok(err)
			w.ok(os.WriteFile(filepath.Join(pkg, "bin", "script"), []byte("#!/pkg/bin/spawn interpret\n"), 0o644))
			w.ok(os.WriteFile(filepath.Join(tmp, "spawn"), program, 0o755))
			w.ok(os.Mkdir(filepath.Join(pkg, "data"), 0o755))
			w.ok(os.WriteFile(filepath.Join(pkg, "data", "file"), []byte("in the package\n"), 0o644))
			w.ok(os.Symlink("data/file", filepath.Join(pkg, "inside")))
			w.ok(os.Symlink("/etc", filepath.Join(pkg, "outside")))

			out, code := w.run(sdk, exe, map[string]vfs.Node{
				"/pkg": w.node(pkg, vfs.Options{Executable: true}),
				"/tmp": w.node(tmp, vfs.Options{Writable: true}),
				"/svc": w.services(),
			})
			if code != 0 {
				t.Errorf("return code %d:\n%s", code, out)
			}
			if name == "stdio" {
				b, err := os.ReadFile(filepath.Join(tmp, "result"))
				w.ok(err)
				want(t, "left behind", string(b), "left behind")
			}
		})
	}
}

// compile builds a program of testdata against the SDK.
func compile(t *testing.T, sdk, name, dir string) string {
	t.Helper()
	for _, tool := range []string{"clang", "ld.lld"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	arch := filepath.Join(sdk, "arch", "x64")
	root := filepath.Join(arch, "sysroot")
	exe := filepath.Join(dir, name)
	obj := filepath.Join(t.TempDir(), name+".o")
	for _, args := range [][]string{
		{"clang", "--target=x86_64-unknown-fuchsia", "--sysroot=" + root, "-I" + filepath.Join(sdk, "pkg", "fdio", "include"),
			"-fPIE", "-O1", "-Wall", "-Werror", "-c", filepath.Join("testdata", name+".c"), "-o", obj},
		{"ld.lld", "-pie", "--dynamic-linker=ld.so.1", filepath.Join(root, "lib", "Scrt1.o"), obj,
			"-L" + filepath.Join(root, "lib"), "-L" + filepath.Join(arch, "dist"), "-lfdio", "-lc", "-lzircon", "-o", exe},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	return exe
}

func (w *world) node(dir string, o vfs.Options) vfs.Node {
	w.Helper()
	n, err := vfs.Host(dir, o)
	w.ok(err)
	w.Cleanup(n.Close)
	return n
}

// services are the Launcher, and an Echo that sends a message back.
func (w *world) services() vfs.Node {
	d := vfs.NewDir()
	w.ok(d.Add(process.LauncherName, vfs.Service(func(server zx.Channel) { go w.launcher(&server) })))
	w.ok(d.Add("fuchsia.test.Echo", vfs.Service(func(server zx.Channel) {
		go func() {
			defer server.Close()
			b := make([]byte, 64)
			if _, err := server.Wait(w.Context(), zx.ChannelReadable, zx.InfiniteFuture); err != nil {
				return
			}
			n, _, err := server.Read(b, nil)
			if err == nil {
				_ = server.Write(b[:n], nil)
			}
		}()
	})))
	return d
}

// launcher serves the Launcher protocol.
func (w *world) launcher(server *zx.Channel) {
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	_ = s.Serve(w.Context(), server) // clients come and go
}

// run runs a program with a namespace, and gives its output and return code.
func (w *world) run(sdk, exe string, ns map[string]vfs.Node) (string, int64) {
	w.Helper()
	f, err := os.Open(exe)
	w.ok(err)
	defer f.Close()
	vmo, err := zx.VMOFromFile(f, true)
	w.ok(err)
	p := &fdio.Program{Executable: vmo, Args: []string{exe}}
	defer p.Close()
	job, err := zx.DefaultJob().CreateJob()
	w.ok(err)
	defer job.Close()
	defer job.Kill()
	p.Job = &job
	own, err := job.Duplicate(zx.RightSameRights)
	w.ok(err)
	p.AddHandle(processargs.DefaultJob, 0, own.Take())
	libs, err := ldsvc.New([]string{filepath.Join(sdk, "arch/x64/sysroot/dist/lib"), filepath.Join(sdk, "arch/x64/dist")}, zap.NewNop())
	w.ok(err)
	defer libs.Close()
	p.Loader, err = libs.Connect()
	w.ok(err)
	out, theirs, err := zx.NewSocket(zx.SocketStream)
	w.ok(err)
	defer out.Close()
	err2, err := theirs.Duplicate(zx.RightSameRights)
	w.ok(err)
	p.AddHandle(processargs.FileDescriptor, 1, theirs.Take())
	p.AddHandle(processargs.FileDescriptor, 2, err2.Take())
	for path, n := range ns {
		ch, err := w.fs.Connect(n)
		w.ok(err)
		p.Namespace = append(p.Namespace, fdio.NamespaceEntry{Path: path, Directory: ch})
	}

	client, server := w.pair()
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.launcher(&server)
	}()
	proc, err := fdio.Spawn(w.Context(), process.NewLauncherClient(client), p)
	client.Close()
	<-served
	w.ok(err)
	defer proc.Close()
	// A program that hangs is ended, and then its output says how far it came.
	stop := time.AfterFunc(time.Minute, func() { job.Kill() })
	defer stop.Stop()
	var text strings.Builder
	_, _ = io.Copy(&text, &out)
	_, err = proc.Wait(w.Context(), zx.ProcessTerminated, zx.InfiniteFuture)
	w.ok(err)
	info, err := proc.Info()
	w.ok(err)
	return text.String(), info.ReturnCode
}
