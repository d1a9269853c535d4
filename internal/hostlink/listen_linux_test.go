package hostlink

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

func listen(t *testing.T, path string, allow ...uint32) *Listener {
	t.Helper()
	l, err := Listen(path, allow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestListen(t *testing.T) {
	b := bridge(t)
	// Whatever is left open to others by default, the socket is not.
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(t.TempDir(), "dir", "socket")
	l := listen(t, path)
	for name, want := range map[string]fs.FileMode{path: fs.ModeSocket | 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		if st, err := os.Stat(name); err != nil || st.Mode() != want {
			t.Errorf("%s: mode %v (%v), want %v", name, st.Mode(), err, want)
		}
	}
	c, err := Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tr, peer, err := l.Accept(b)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if want := (Peer{int32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid())}); peer != want {
		t.Errorf("peer %+v, want %+v", peer, want)
	}
	if err := c.WriteMsg([]byte("hello"), nil); err != nil {
		t.Fatal(err)
	}
	receiveBytes(t, tr, "hello")
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, _, err := l.Accept(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want %v", err, net.ErrClosed)
	}
}

func TestListenWhereSomethingIs(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "socket")
	first := listen(t, path)
	if l, err := Listen(path, nil); !errors.Is(err, unix.EADDRINUSE) {
		l.Close()
		t.Errorf("beside another daemon: %v, want %v", err, unix.EADDRINUSE)
	}
	// As a daemon that was killed leaves it.
	first.l.SetUnlinkOnClose(false)
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	listen(t, path)

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, "", "@abstract", "\x00abstract"} {
		if l, err := Listen(bad, nil); err == nil {
			l.Close()
			t.Errorf("listening on %q", bad)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "precious" {
		t.Errorf("the file became %q (%v)", got, err)
	}
}

// Another user is refused, unless allowed.
func TestPeerUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to be another user takes root")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("the other user's program is python3's")
	}
	const nobody = 65534
	// No transaction, version 2, magic number 1, ordinal -1; ACCESS_DENIED.
	const epitaph = "00000000" + "02000001" + "ffffffffffffffff" + "e2ffffff00000000 -30"
	for _, allowed := range []bool{false, true} {
		b := bridge(t)
		// Below a directory that all can enter: t.TempDir's are our own.
		dir, err := os.MkdirTemp("", "hostlink")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "made", "socket")
		var allow []uint32
		if allowed {
			allow = append(allow, nobody)
		}
		l := listen(t, path, allow...)
		if !allowed { // so that more than the file's mode keeps others out
			if err := errors.Join(os.Chmod(path, 0o666), os.Chmod(filepath.Dir(path), 0o711)); err != nil {
				t.Fatal(err)
			}
		}
		python, err := exec.LookPath("/usr/bin/python3")
		if err != nil {
			t.Skip("no python3 that others can run")
		}
		cmd := exec.Command(python, "-c", `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
b = s.recv(100)
print(b.hex(), len(b[16:]) and int.from_bytes(b[16:20], "little", signed=True))
if sys.argv[2] == "true":
    socket.send_fds(s, [b"the root directory"], [os.open("/", os.O_PATH)])
s.recv(1)`, path, fmt.Sprint(allowed))
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.Dir = "/"
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		tr, peer, err := l.Accept(b)
		switch {
		case peer.UID != nobody:
			t.Errorf("peer %+v, want the user %d", peer, nobody)
		case allowed && err != nil:
			t.Errorf("an allowed user: %v", err)
		case !allowed && !errors.Is(err, ErrNotAllowed):
			t.Errorf("%v, want %v", err, ErrNotAllowed)
		}
		if tr != nil {
			if err := tr.WriteMsg([]byte("x"), nil); err != nil {
				t.Error(err)
			}
			// Its directories are not opened in the name of this process's user.
			c := zx.ChannelFromHandle(receive(t, tr, "the root directory", zx.ObjTypeChannel))
			checkDead(t, &c)
			tr.Close()
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if want := map[bool]string{true: "78 0\n", false: epitaph + "\n"}[allowed]; out.String() != want {
			t.Errorf("the other user's program said %q, want %q", out.String(), want)
		}
	}
}

func TestListenerFromFile(t *testing.T) {
	b := bridge(t)
	dir := t.TempDir()
	socket := func(domain, kind int, name string, listen bool) *os.File {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if domain == unix.AF_UNIX && name != "" {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
		}
		if err == nil && listen {
			err = unix.Listen(fd, 8)
		}
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), name)
	}
	path := filepath.Join(dir, "good")
	l, err := ListenerFromFile(socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, path, true), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	tr, _, err := l.Accept(b)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, _, err := tr.ReadMsg(testContext(t), make([]byte, 8), nil); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("%v, want PEER_CLOSED", err)
	}
	tr.Close()
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("systemd's socket was removed: %v", err)
	}

	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{
		"stream":        socket(unix.AF_UNIX, unix.SOCK_STREAM, filepath.Join(dir, "stream"), true),
		"not listening": socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, filepath.Join(dir, "not"), false),
		"internet":      socket(unix.AF_INET, unix.SOCK_STREAM, "", true),
		"abstract":      socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, "@hostlink"+filepath.Base(dir), true),
		"no socket":     null,
	} {
		if l, err := ListenerFromFile(f, nil); err == nil {
			l.Close()
			t.Errorf("%s: taken", name)
		}
	}
}
