//go:build linux && amd64

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startProgram runs a program that prints a line and then goes on forever, and
// gives launcherd once the line is there.
func startProgram(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	return startCommand(t, append([]string{"run", program}, args...)...)
}

// startCommand is startProgram with the whole command.
func startCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := launcherd(args...)
	cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir()) // one that is killed leaves something
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

// Each signal that asks launcherd to end kills the program and what it started, and
// nothing is left.
func TestSignalsEndTheProgram(t *testing.T) {
	programs := map[string][]string{
		"a program":            {"../../testdata/spin"},
		"a program of another": {"--pkg", "../../testdata", "../../testdata/spawn", "run", "/pkg/spin"},
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		for name, args := range programs {
			t.Run(sig.String()+"/"+name, func(t *testing.T) {
				cmd := startProgram(t, args[0], args[1:]...)
				shells := shellsOf(t, cmd.Process.Pid)
				if len(shells) < len(args)/4+1 {
					t.Fatalf("%d Linux processes run it", len(shells))
				}
				cmd.Process.Signal(sig)
				if code := exitStatus(t, cmd.Wait()); code != exitKilled {
					t.Errorf("exit code %d, want %d", code, exitKilled)
				}
				gone(t, shells)
			})
		}
	}
}

// However many signals come, and however late, the end is that of the first.
func TestManySignals(t *testing.T) {
	d := startDaemon(t)
	plain := func(cmd *exec.Cmd) (*os.Process, func() error) { return cmd.Process, cmd.Wait }
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) (p *os.Process, wait func() error)
		want  int
	}{
		{"run", func(t *testing.T) (*os.Process, func() error) {
			return plain(startProgram(t, "../../testdata/spin"))
		}, exitKilled},
		{"spawn", func(t *testing.T) (*os.Process, func() error) {
			return plain(startCommand(t, "spawn", "--connect", "unix:"+d.path, "../../testdata/spin"))
		}, exitKilled},
		{"serve", func(t *testing.T) (*os.Process, func() error) {
			d := startDaemon(t)
			return d.cmd.Process, d.wait
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 5 {
				p, wait := tt.start(t)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for p.Signal(syscall.SIGTERM) == nil {
					}
				}()
				if code := exitStatus(t, wait()); code != tt.want {
					t.Errorf("exit code %d, want %d", code, tt.want)
				}
				<-ended
			}
		})
	}
}

// A signal ends a spawn whose daemon does not answer.
func TestSignalWithStuckDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unixpacket", path)
	must(t, err)
	defer l.Close()
	cmd := launcherd("spawn", "--connect", "unix:"+path, "../../examples/hello")
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c, err := l.Accept()
	must(t, err)
	defer c.Close()
	_, err = c.Read(make([]byte, 1024)) // its first request
	must(t, err)
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if code := exitStatus(t, cmd.Wait()); code != exitKilled {
		t.Errorf("exit code %d, want %d", code, exitKilled)
	}

	// Nor does it keep one whose program runs.
	d := startDaemon(t)
	cmd = startCommand(t, "spawn", "--connect", "unix:"+d.path, "../../testdata/spin")
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	defer d.cmd.Process.Signal(syscall.SIGCONT)
	defer time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }).Stop()
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	if code := exitStatus(t, cmd.Wait()); code != exitKilled {
		t.Errorf("exit code %d, want %d", code, exitKilled)
	}
}

// A reader that has stopped reading does not keep launcherd from ending.
func TestSignalWithStuckOutput(t *testing.T) {
	d := startDaemon(t)
	for name, args := range map[string][]string{
		"run":   {"run"},
		"spawn": {"spawn", "--connect", "unix:" + d.path},
		"trace": {"run", "--trace"},
	} {
		t.Run(name, func(t *testing.T) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			must(t, err)
			must(t, unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096))
			reader, output := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "output")
			defer reader.Close()
			defer output.Close()
			zeros, err := os.Open("/dev/zero")
			must(t, err)
			defer zeros.Close()
			cmd := launcherd(append(args, "../../examples/echo")...)
			cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir())
			cmd.Stdin = zeros
			if name == "trace" {
				cmd.Stderr = output
			} else {
				cmd.Stdout = output
			}
			must(t, cmd.Start())
			defer time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }).Stop()
			for room := 1; room != 0; time.Sleep(5 * time.Millisecond) {
				room, err = unix.Poll([]unix.PollFd{{Fd: int32(fds[1]), Events: unix.POLLOUT}}, 0)
				if err != nil && err != unix.EINTR {
					t.Fatal(err)
				}
			}
			must(t, cmd.Process.Signal(syscall.SIGTERM))
			if code := exitStatus(t, cmd.Wait()); code != exitKilled {
				t.Errorf("exit code %d, want %d", code, exitKilled)
			}
		})
	}
}

// A signal that launcherd was started to ignore, as by nohup, stays ignored.
func TestIgnoredSignal(t *testing.T) {
	run := launcherd("run", "../../examples/echo")
	cmd := exec.Command("sh", append([]string{"-c", `trap '' HUP; exec "$0" "$@"`}, run.Args...)...)
	cmd.Env = run.Env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	r := bufio.NewReader(out)
	for i := range 20 {
		line := fmt.Sprintln("line", i)
		if _, err := in.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); got != line {
			t.Fatalf("%q, %v, want %q", got, err, line)
		}
		cmd.Process.Signal(syscall.SIGHUP)
	}
	in.Close()
	if code := exitStatus(t, cmd.Wait()); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// In the background of a terminal launcherd runs on, though it reads ahead of the
// program, and has the terminal's input once it is in the foreground.
func TestBackground(t *testing.T) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	master := os.NewFile(uintptr(fd), "master")
	defer master.Close()
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	defer terminal.Close()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no shell with job control")
	}
	run := launcherd("run")
	cmd := exec.Command(bash, "-c", `set -m
"$0" run ../../examples/hello in the background &
wait %1; echo "code $?"
"$0" run ../../examples/echo &
echo ready; fg >/dev/null; echo "code $?"`, run.Args[0])
	cmd.Env = run.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	master.SetReadDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(master)
	expect := func(want string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if strings.TrimSpace(line) == want {
				return
			}
			if err != nil {
				t.Fatalf("%v, and no line %q", err, want)
			}
		}
	}
	expect("arg[3]=background")
	expect("code 0")
	expect("ready")
	master.WriteString("typed\n")
	expect("typed") // the terminal's echo
	expect("typed")
	master.WriteString("\x04") // the end of input
	expect("code 0")
}

// A container's file system may be read-only: then /tmp is in memory.
func TestReadOnlyFileSystem(t *testing.T) {
	run := launcherd("run", "../../testdata/spawn", "put", "/tmp/new", "text")
	const readOnly = `mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp && ! touch /tmp/x 2>/dev/null &&
mount -t tmpfs none /dev/shm && unset TMPDIR`
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "sh", "-c", readOnly).CombinedOutput(); err != nil {
		t.Skipf("no mount namespaces here: %v %s", err, out)
	}
	cmd := exec.Command("unshare", append([]string{"--map-root-user", "--mount", "sh", "-c", readOnly + ` && "$0" "$@" && ls /dev/shm`}, run.Args...)...)
	cmd.Env = run.Env
	if out, err := cmd.CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("%v, output (or what is left in memory) %q", err, out)
	}
	cmd = launcherd("run", "../../examples/hello")
	cmd.Env = append(cmd.Env, "TMPDIR=/nonexistent")
	if out, err := cmd.CombinedOutput(); exitStatus(t, err) != exitFailure || !strings.Contains(string(out), "/tmp: stat /nonexistent: no such file") {
		t.Errorf("%v: %s", err, out)
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
