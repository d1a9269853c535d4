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
	"io"
	"os"
	"os/exec"
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
// protocol, and static Linux programs by posix_spawn's way of vfork and exec.
func BenchmarkLaunch(b *testing.B) {
	b.Run("hello", func(b *testing.B) {
		l, vmo := connect(b), open(b, "../examples/hello")
		b.ResetTimer()
		for range b.N {
			run(b, l, vmo, "hello")
		}
	})
	spawn := func(b *testing.B, exe string) {
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
	}
	b.Run("posix_spawn-static-libc", func(b *testing.B) { spawn(b, staticProgram(b)) })
	b.Run("posix_spawn-no-libc", func(b *testing.B) { spawn(b, leastProgram(b)) })
}

// staticProgram compiles a static Linux program with the host's C library.
func staticProgram(b *testing.B) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		b.Skip("no C compiler")
	}
	dir := b.TempDir()
	src, exe := filepath.Join(dir, "exit7.c"), filepath.Join(dir, "exit7")
	if err := os.WriteFile(src, []byte("int main(void) { return 7; }\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command(cc, "-O2", "-static", "-o", exe, src).CombinedOutput(); err != nil {
		b.Skipf("no static C library: %v: %s", err, out)
	}
	return exe
}

// leastProgram writes the least Linux program that can be: it exits with 7, by
// three instructions.
func leastProgram(b *testing.B) string {
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

// BenchmarkRoundTrip is a message to another process and its answer: by a
// channel to a launched program, and by a pair of pipes to a Linux process.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("channel", func(b *testing.B) {
		l, vmo := connect(b), open(b, "../examples/channel_echo")
		exe, err := vmo.Duplicate(zx.RightSameRights)
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs, err := zx.NewChannel()
		if err != nil {
			b.Fatal(err)
		}
		p := &fdio.Program{Executable: exe, Args: []string{"channel_echo"}, Job: zx.DefaultJob()}
		p.AddHandle(processargs.User0, 0, theirs.Take())
		proc, err := fdio.Spawn(context.Background(), l, p)
		if err != nil {
			b.Fatal(err)
		}
		defer proc.Close()
		msg := make([]byte, 32)
		b.ResetTimer()
		for range b.N {
			if err := ours.Write(msg, nil); err != nil {
				b.Fatal(err)
			}
			if _, err := ours.Wait(context.Background(), zx.ChannelReadable|zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
				b.Fatal(err)
			}
			if _, _, err := ours.Read(msg, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		ours.Close()
		proc.Wait(context.Background(), zx.ProcessTerminated, zx.InfiniteFuture)
	})
	b.Run("pipe", func(b *testing.B) {
		cmd := exec.Command("cat")
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Skip(err)
		}
		msg := make([]byte, 32)
		b.ResetTimer()
		for range b.N {
			if _, err := in.Write(msg); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(out, msg); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		in.Close()
		cmd.Wait()
	})
}
