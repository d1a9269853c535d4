//go:build linux && amd64

// Package bench times what users wait for, each beside what they would use
// instead, in the same run:
//
//	go test -bench . ./bench
package bench

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

func TestMain(m *testing.M) {
	if err := zircon.Configure(zircon.Config{Pool: 4}); err != nil {
		panic(err)
	}
	code := m.Run()
	zircon.Close()
	os.Exit(code)
}

// connect gives a client of a Launcher in this process.
func connect(b *testing.B) *process.LauncherClient {
	b.Helper()
	client, server, err := zx.NewChannel()
	if err != nil {
		b.Fatal(err)
	}
	s := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(context.Background(), &server) }()
	l := process.NewLauncherClient(&client)
	b.Cleanup(func() { l.Close(); <-done })
	return l
}

// run runs a program to its end and gives its output.
func run(b *testing.B, l *process.LauncherClient, vmo *zx.VMO, args ...string) string {
	exe, err := vmo.Duplicate(zx.RightSameRights)
	if err != nil {
		b.Fatal(err)
	}
	out, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	p := &fdio.Program{Executable: exe, Args: args, Job: zx.DefaultJob()}
	p.AddHandle(processargs.FileDescriptor, 1, theirs.Take())
	proc, err := fdio.Spawn(context.Background(), l, p)
	if err != nil {
		b.Fatal(err)
	}
	defer proc.Close()
	if _, err := proc.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		b.Fatal(err)
	}
	info, err := proc.Info()
	if err != nil || info.ReturnCode != 0 {
		b.Fatalf("return code %d, %v", info.ReturnCode, err)
	}
	buf := make([]byte, 4096)
	n, err := out.ReadNow(0, buf)
	if err != nil {
		b.Fatal(err)
	}
	return string(buf[:n])
}

func open(b *testing.B, path string) *zx.VMO {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	vmo, err := zx.VMOFromFile(f, true)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { vmo.Close() })
	return &vmo
}

// BenchmarkLaunch is a program from start to end: hello through the Launcher
// protocol, and a static Linux program by posix_spawn's way of vfork and exec.
func BenchmarkLaunch(b *testing.B) {
	b.Run("hello", func(b *testing.B) {
		l, vmo := connect(b), open(b, "../examples/hello")
		b.ResetTimer()
		for range b.N {
			run(b, l, vmo, "hello")
		}
	})
	b.Run("posix_spawn", func(b *testing.B) {
		exe := linuxProgram(b)
		b.ResetTimer()
		for range b.N {
			pid, err := syscall.ForkExec(exe, []string{exe}, &syscall.ProcAttr{})
			if err != nil {
				b.Fatal(err)
			}
			var ws syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 7 {
				b.Fatalf("exit status %d, %v", ws.ExitStatus(), err)
			}
		}
	})
}

// linuxProgram writes the least static Linux program: it exits with 7.
func linuxProgram(b *testing.B) string {
	code := []byte{0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}
	const base, headers = 0x400000, 64 + 56
	var img []byte
	img, _ = binary.Append(img, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64),
		Version: 1, Entry: base + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	})
	size := uint64(headers + len(code))
	img, _ = binary.Append(img, binary.LittleEndian, elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000,
	})
	path := filepath.Join(b.TempDir(), "exit7")
	if err := os.WriteFile(path, append(img, code...), 0o755); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkSyscall is a call into the kernel that does nothing:
// zx_handle_close(ZX_HANDLE_INVALID) in a launched program, and getppid.
func BenchmarkSyscall(b *testing.B) {
	// The program measures itself; its start is not part of it.
	null := func(b *testing.B, args ...string) {
		l, vmo := connect(b), open(b, "../testdata/null")
		out := run(b, l, vmo, append([]string{"null"}, append(args, strconv.Itoa(b.N))...)...)
		ns, err := strconv.ParseFloat(strings.Fields(out)[0], 64)
		if err != nil {
			b.Fatalf("output %q: %v", out, err)
		}
		b.ReportMetric(ns, "ns/op")
	}
	b.Run("null", func(b *testing.B) { null(b) })
	b.Run("channel", func(b *testing.B) { null(b, "channel") })
	b.Run("getppid", func(b *testing.B) {
		for range b.N {
			syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
		}
	})
}
