package hostlink

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/zx"
)

// A file that nobody can write becomes the VMO as it is.
func TestImportReadOnlyFile(t *testing.T) {
	b := bridge(t)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v := zx.VMOFromHandle(importAs(t, b, dup(t, f), zx.ObjTypeVMO))
	defer v.Close()
	checkVMO(t, &v, "content")
	bi, err := v.BasicInfo()
	if err != nil || bi.Rights&zx.RightExecute == 0 || bi.Rights&zx.RightWrite != 0 {
		t.Errorf("rights %#x (%v): want them to execute and not to write", bi.Rights, err)
	}
}

func checkVMO(t *testing.T, v *zx.VMO, want string) {
	t.Helper()
	n, err := v.ContentSize()
	if err != nil || n != uint64(len(want)) {
		t.Fatalf("content size %d (%v), want %d", n, err, len(want))
	}
	got := make([]byte, n)
	if err := v.Read(got, 0); err != nil || string(got) != want {
		t.Fatalf("read %.20q (%v), want %.20q", got, err, want)
	}
}

// What can be written is copied, so that it cannot change under a program.
func TestImportMemfd(t *testing.T) {
	b := bridge(t)
	for _, want := range []string{"", "first", strings.Repeat("0123456789", 100_000)} {
		fd, err := unix.MemfdCreate("m", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "m")
		if _, err := f.WriteString(want); err != nil {
			t.Fatal(err)
		}
		v := zx.VMOFromHandle(importAs(t, b, dup(t, f), zx.ObjTypeVMO))
		if _, err := f.WriteAt([]byte("changed"), 0); err != nil {
			t.Fatal(err)
		}
		checkVMO(t, &v, want)
		v.Close()
		f.Close()
	}
}

// A VMO becomes a memfd that nobody can change, and comes back without a copy.
func TestExportVMO(t *testing.T) {
	b := bridge(t)
	want := strings.Repeat("abc", 200_000)
	v, err := zx.NewVMO(uint64(len(want)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Write([]byte(want), 0); err != nil {
		t.Fatal(err)
	}
	if err := v.SetContentSize(uint64(len(want))); err != nil {
		t.Fatal(err)
	}
	f := exportFile(t, b, v.Take())
	if got := readAll(t, f); got != want {
		t.Errorf("read %d bytes, want %d", len(got), len(want))
	}
	fd := dup(t, f)
	if w, err := os.OpenFile(fmt.Sprint("/proc/self/fd/", fd), os.O_RDWR, 0); err == nil {
		if _, err := w.WriteAt([]byte("x"), 0); err == nil {
			t.Error("the memfd can be written")
		}
		w.Close()
	}
	unix.Close(fd)
	back := zx.VMOFromHandle(importAs(t, b, dup(t, f), zx.ObjTypeVMO))
	defer back.Close()
	checkVMO(t, &back, want)

	noRead, err := zx.NewVMO(4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := noRead.Replace(zx.RightTransfer | zx.RightWrite); err != nil {
		t.Fatal(err)
	}
	if _, err := b.export(zx.ObjectFromHandle(noRead.Take()), true); !errors.Is(err, zx.ErrAccessDenied) {
		t.Errorf("a VMO that cannot be read: %v, want ACCESS_DENIED", err)
	}
}

func TestImportRefuses(t *testing.T) {
	b := bridge(t)
	dir := t.TempDir()
	open := func(name string, flags int) int {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	socket := func(domain, kind int) int {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	listening := func(kind int) int {
		fd := socket(unix.AF_UNIX, kind)
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, fmt.Sprint("s", kind))}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	large := open(filepath.Join(dir, "large"), unix.O_RDWR|unix.O_CREAT)
	if err := unix.Ftruncate(large, CopyLimit+1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		fd   int
		want zx.Status
	}{
		{"path", open(filepath.Join(dir, "large"), unix.O_PATH), zx.ErrNotSupported},
		{"write-only file", open(filepath.Join(dir, "new"), unix.O_WRONLY|unix.O_CREAT), zx.ErrAccessDenied},
		{"file too large to copy", large, zx.ErrNoMemory},
		{"datagram socket", socket(unix.AF_UNIX, unix.SOCK_DGRAM), zx.ErrNotSupported},
		{"listening stream socket", listening(unix.SOCK_STREAM), zx.ErrNotSupported},
		{"listening packet socket", listening(unix.SOCK_SEQPACKET), zx.ErrNotSupported},
		{"epoll", epoll, zx.ErrNotSupported},
		{"closed", 1 << 20, zx.ErrBadHandle},
	} {
		if o, err := b.importFD(tt.fd, sender{trusted: true}); !errors.Is(err, tt.want) {
			o.Close()
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Data that fills every buffer many times over arrives whole and in order, and
// then the end does.
func TestImportPipes(t *testing.T) {
	b := bridge(t)
	want := make([]byte, 3<<20)
	rand.Read(want)

	t.Run("read end", func(t *testing.T) {
		r, w := pipe(t)
		s := zx.SocketFromHandle(importAs(t, b, dup(t, r), zx.ObjTypeSocket))
		defer s.Close()
		r.Close()
		if _, err := s.WriteNow([]byte("x")); !errors.Is(err, zx.ErrBadState) {
			t.Errorf("writing to a pipe's read end: %v, want BAD_STATE", err)
		}
		go func() {
			w.Write(want)
			w.Close()
		}()
		if got := readAll(t, &s); got != string(want) {
			t.Errorf("%d bytes came, or others than the %d sent", len(got), len(want))
		}
	})
	t.Run("write end", func(t *testing.T) {
		r, w := pipe(t)
		s := zx.SocketFromHandle(importAs(t, b, dup(t, w), zx.ObjTypeSocket))
		w.Close()
		if n, err := s.ReadContext(testContext(t), make([]byte, 1)); err != io.EOF {
			t.Errorf("reading a pipe's write end: %d, %v, want EOF", n, err)
		}
		go func() {
			s.Write(want)
			s.Close()
		}()
		if got := readAll(t, r); got != string(want) {
			t.Errorf("%d bytes came, or others than the %d sent", len(got), len(want))
		}
	})
	t.Run("reader gone", func(t *testing.T) {
		r, w := pipe(t)
		s := zx.SocketFromHandle(importAs(t, b, dup(t, w), zx.ObjTypeSocket))
		defer s.Close()
		w.Close()
		r.Close()
		if _, err := s.WriteNow([]byte("x")); err != nil {
			t.Fatal(err)
		}
		seen, err := s.Wait(testContext(t), zx.SocketPeerClosed, zx.InfiniteFuture)
		if err != nil {
			t.Errorf("signals %#x, %v: want PEER_CLOSED", seen, err)
		}
	})
}

// The client's own descriptor does not become non-blocking.
func TestImportLeavesPipeBlocking(t *testing.T) {
	b := bridge(t)
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer closeFDs(fds[:])
	theirs, err := unix.Dup(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	zx.CloseAll(importAs(t, b, theirs, zx.ObjTypeSocket))
	if flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#x (%v)", flags, err)
	}
}

// Nothing is read ahead without bound for a program that does not read.
func TestSlowReaderStopsWriter(t *testing.T) {
	b := bridge(t)
	r, w := pipe(t)
	s := zx.SocketFromHandle(importAs(t, b, dup(t, r), zx.ObjTypeSocket))
	r.Close()
	const attempt = 8 << 20
	wrote := make(chan int64)
	go func() {
		n, _ := io.Copy(w, io.LimitReader(zeroes{}, attempt)) // fails when the reader goes
		wrote <- n
	}()
	// Once the socket is full, the pump holds a chunk, and the pipe fills.
	if _, err := s.Wait(testContext(t), zx.SocketReadable, zx.InfiniteFuture); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n := <-wrote; n >= attempt {
		t.Errorf("all %d bytes were taken from the writer", n)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestImportStreamSocket(t *testing.T) {
	b := bridge(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "client")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := zx.SocketFromHandle(importAs(t, b, fds[1], zx.ObjTypeSocket))
	defer s.Close()
	// Both directions end on their own.
	if _, err := c.Write([]byte("to the program")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, &s); got != "to the program" {
		t.Errorf("got %q", got)
	}
	if _, err := s.Write([]byte("from the program")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetDisposition(zx.DispositionWriteDisabled, zx.DispositionKeep); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, c); got != "from the program" {
		t.Errorf("got %q", got)
	}
}

func TestImportDevice(t *testing.T) {
	b := bridge(t)
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := zx.SocketFromHandle(importAs(t, b, dup(t, f), zx.ObjTypeSocket))
	defer s.Close()
	if got := readAll(t, &s); got != "" {
		t.Errorf("got %q", got)
	}
	if _, err := s.Write(make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
}

// A terminal keeps its settings, and lines go both ways.
func TestImportTerminal(t *testing.T) {
	b := bridge(t)
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
	slave, err := unix.Open(fmt.Sprint("/dev/pts/", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	defer unix.Close(slave)
	term, err := unix.IoctlGetTermios(slave, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	term.Lflag &^= unix.ECHO
	term.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(slave, unix.TCSETS, term); err != nil {
		t.Fatal(err)
	}
	dup, err := unix.FcntlInt(uintptr(slave), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := zx.SocketFromHandle(importAs(t, b, dup, zx.ObjTypeSocket))
	defer s.Close()
	if flags, err := unix.FcntlInt(uintptr(slave), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#x (%v)", flags, err)
	}
	if _, err := master.WriteString("typed\n"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := s.ReadContext(testContext(t), buf); err != nil || string(buf[:n]) != "typed\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if _, err := s.Write([]byte("printed\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := master.Read(buf); err != nil || string(buf[:n]) != "printed\n" {
		t.Errorf("printed %q, %v", buf[:n], err)
	}
	if _, err := master.Write([]byte{4}); err != nil { // end of file
		t.Fatal(err)
	}
	if n, err := s.ReadContext(testContext(t), buf); err != io.EOF {
		t.Errorf("read %q, %v, want the end", buf[:n], err)
	}
}

func TestExportSocket(t *testing.T) {
	b := bridge(t)
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	f := exportFile(t, b, theirs.Take())
	if _, err := ours.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	if got := readAll(t, f); got != "hello" {
		t.Errorf("got %q", got)
	}

	dgram, other, err := zx.NewSocket(zx.SocketDatagram)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := b.export(zx.ObjectFromHandle(dgram.Take()), true); !errors.Is(err, zx.ErrNotSupported) {
		t.Errorf("a datagram socket: %v, want NOT_SUPPORTED", err)
	}
}

// Messages cross with their handles, and those with theirs.
func TestChannels(t *testing.T) {
	b := bridge(t)
	ctx := testContext(t)
	l, tr := connect(t, b)
	h, inner, err := l.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	if err := l.WriteMsg([]byte("take this channel"), move(h)); err != nil {
		t.Fatal(err)
	}
	c := zx.ChannelFromHandle(receive(t, tr, "take this channel", zx.ObjTypeChannel))
	defer c.Close()

	// From the Linux program: a pipe.
	r, w := pipe(t)
	wh, err := inner.Add(w)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := inner.WriteMsg([]byte("write here"), move(wh)); err != nil {
		t.Fatal(err)
	}
	s := zx.SocketFromHandle(receive(t, &c, "write here", zx.ObjTypeSocket))
	if _, err := s.Write([]byte("done")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got := readAll(t, r); got != "done" {
		t.Errorf("got %q", got)
	}

	// To the Linux program: a message as large as can be, an event, and back.
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	koid, _ := e.Koid()
	big := bytes.Repeat([]byte("x"), zx.ChannelMaxMsgBytes)
	if err := c.WriteMsg(big, move(e.Take())); err != nil {
		t.Fatal(err)
	}
	opaque := receive(t, inner, string(big), zx.ObjTypeNone)
	if err := inner.WriteMsg([]byte("it is yours"), move(opaque)); err != nil {
		t.Fatal(err)
	}
	e = zx.EventFromHandle(receive(t, &c, "it is yours", zx.ObjTypeEvent))
	defer e.Close()
	if k, err := e.Koid(); err != nil || k != koid {
		t.Errorf("another object came back: %d (%v), want %d", k, err, koid)
	}

	// What was sent before the end comes before the end.
	if err := c.WriteMsg([]byte("goodbye"), nil); err != nil {
		t.Fatal(err)
	}
	c.Close()
	receiveBytes(t, inner, "goodbye")
	if _, _, err := inner.ReadMsg(ctx, make([]byte, 8), nil); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("%v, want PEER_CLOSED", err)
	}
}

// A channel that only passes through a Linux program has its first messages at
// once: a program reads its bootstrap messages without waiting.
func TestChannelComesBack(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	ours, theirs, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	e, err := zx.NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), zx.ChannelMaxMsgBytes)
	for _, m := range [][]byte{[]byte("first"), large, []byte("third")} {
		if err := ours.WriteMsg(m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := ours.WriteMsg([]byte("an event"), move(e.Take())); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	if err := tr.WriteMsg([]byte("bootstrap"), move(theirs.Take())); err != nil {
		t.Fatal(err)
	}
	if err := l.WriteMsg([]byte("it is yours"), move(receive(t, l, "bootstrap", zx.ObjTypeNone))); err != nil {
		t.Fatal(err)
	}
	back := zx.ChannelFromHandle(receive(t, tr, "it is yours", zx.ObjTypeChannel))
	defer back.Close()
	buf := make([]byte, zx.ChannelMaxMsgBytes)
	for _, want := range [][]byte{[]byte("first"), large} {
		if n, _, err := back.Read(buf, nil); err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("message of %d bytes, %v, want %d", n, err, len(want))
		}
	}
	receiveBytes(t, &back, "third")
	zx.CloseAll(receive(t, &back, "an event", zx.ObjTypeEvent))
	if _, _, err := back.ReadMsg(testContext(t), buf, nil); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("%v, want PEER_CLOSED", err)
	}
}

// A channel that a Linux program closes is closed for its peer.
func TestChannelClosedByLink(t *testing.T) {
	b := bridge(t)
	l, _ := connect(t, b)
	h, inner, err := l.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := l.take(h)
	if err != nil {
		t.Fatal(err)
	}
	c := zx.ChannelFromHandle(importAs(t, b, fd, zx.ObjTypeChannel))
	defer c.Close()
	if err := inner.WriteMsg([]byte("last"), nil); err != nil {
		t.Fatal(err)
	}
	inner.Close()
	receiveBytes(t, &c, "last")
	if _, err := c.Wait(testContext(t), zx.ChannelPeerClosed, zx.InfiniteFuture); err != nil {
		t.Error(err)
	}
}

func move(hs ...zx.Handle) []zx.HandleDisposition {
	ds := make([]zx.HandleDisposition, len(hs))
	for i, h := range hs {
		ds[i] = zx.HandleDisposition{Handle: h, Rights: zx.RightSameRights}
	}
	return ds
}

// receive reads a message with one handle.
func receive(t *testing.T, m messages, want string, typ zx.ObjType) zx.Handle {
	t.Helper()
	hs := receiveBytes(t, m, want)
	if len(hs) != 1 || hs[0].Type != typ {
		t.Fatalf("handles %v, want a %v", hs, typ)
	}
	return hs[0].Handle
}

func receiveBytes(t *testing.T, m messages, want string) []zx.HandleInfo {
	t.Helper()
	b := make([]byte, zx.ChannelMaxMsgBytes)
	h := make([]zx.HandleInfo, zx.ChannelMaxMsgHandles)
	nb, nh, err := m.ReadMsg(testContext(t), b, h)
	if err != nil || string(b[:nb]) != want {
		t.Fatalf("message of %d bytes %.20q (%v), want %d bytes %.20q", nb, b[:nb], err, len(want), want)
	}
	return h[:nh]
}

// Descriptors that cannot be taken end the connection, with the reason, and are
// all closed.
func TestTransportRefuses(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	r, w := pipe(t)
	datagram, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	bad, err := datagram.File()
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	var hs []zx.Handle
	for _, f := range []*os.File{w, bad, w} {
		h, err := l.Add(f)
		if err != nil {
			t.Fatal(err)
		}
		hs = append(hs, h)
	}
	w.Close()
	if err := l.WriteMsg([]byte("message"), move(hs...)); err != nil {
		t.Fatal(err)
	}
	in := make([]zx.HandleInfo, 64)
	if _, _, err := tr.ReadMsg(testContext(t), make([]byte, 100), in); !errors.Is(err, zx.ErrNotSupported) {
		t.Errorf("%v, want NOT_SUPPORTED", err)
	}
	tr.Close()
	if got := readAll(t, r); got != "" { // ends: no one has the other end
		t.Errorf("got %q", got)
	}
	c := fidl.NewClient(l, fidl.Closed, nil)
	var ep *fidl.EpitaphError
	if err := c.HandleOne(testContext(t)); !errors.As(err, &ep) || ep.Status != zx.ErrNotSupported {
		t.Errorf("%v, want the epitaph NOT_SUPPORTED", err)
	}
}

func TestPacketLimits(t *testing.T) {
	b := bridge(t)
	r, w := pipe(t)
	tooMany := func(n int) []int {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = dup(t, w)
		}
		return fds
	}
	for _, tt := range []struct {
		name  string
		bytes int
		fds   []int
	}{
		{"a byte too many", zx.ChannelMaxMsgBytes + 1, tooMany(3)},
		{"a descriptor too many", 8, tooMany(maxFDs + 1)},
		{"as many descriptors as Linux lets pass", 8, tooMany(253)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, tr := connect(t, b)
			if err := l.p.send(make([]byte, tt.bytes), tt.fds); err != nil {
				t.Fatal(err)
			}
			closeFDs(tt.fds)
			in := make([]zx.HandleInfo, zx.ChannelMaxMsgHandles)
			if _, _, err := tr.ReadMsg(testContext(t), make([]byte, zx.ChannelMaxMsgBytes), in); !errors.Is(err, zx.ErrInvalidArgs) {
				t.Errorf("%v, want INVALID_ARGS", err)
			}
		})
	}
	w.Close()
	if got := readAll(t, r); got != "" {
		t.Errorf("got %q", got)
	}
	l, tr := connect(t, b)
	if err := l.WriteMsg(nil, nil); !errors.Is(err, zx.ErrInvalidArgs) {
		t.Errorf("a packet without bytes: %v, want INVALID_ARGS", err)
	}
	full := tooManyLinks(t, l)
	if err := l.WriteMsg(make([]byte, zx.ChannelMaxMsgBytes), move(full...)); err != nil {
		t.Fatal(err)
	}
	in := receiveBytes(t, tr, string(make([]byte, zx.ChannelMaxMsgBytes)))
	if len(in) != maxFDs {
		t.Errorf("%d handles, want %d", len(in), maxFDs)
	}
	for _, h := range in {
		zx.CloseAll(h.Handle)
	}
}

// tooManyLinks gives handles for as many pipes as fit a message.
func tooManyLinks(t *testing.T, l *Link) []zx.Handle {
	t.Helper()
	_, w := pipe(t)
	hs := make([]zx.Handle, maxFDs)
	for i := range hs {
		h, err := l.Add(w)
		if err != nil {
			t.Fatal(err)
		}
		hs[i] = h
	}
	return hs
}

// A wait for a message ends with its context, and the next one goes on.
func TestReadMsgContext(t *testing.T) {
	b := bridge(t)
	l, tr := connect(t, b)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := tr.ReadMsg(ctx, make([]byte, 8), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := l.WriteMsg([]byte("late"), nil); err != nil {
		t.Fatal(err)
	}
	receiveBytes(t, tr, "late")
}

func TestWriteMsgChecks(t *testing.T) {
	b := bridge(t)
	_, tr := connect(t, b)
	event := func(r zx.Rights) zx.Handle {
		e, err := zx.NewEvent()
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Replace(r); err != nil {
			t.Fatal(err)
		}
		return e.Take()
	}
	for _, tt := range []struct {
		name string
		d    zx.HandleDisposition
		want zx.Status
	}{
		{"no handle", zx.HandleDisposition{Handle: 0, Rights: zx.RightSameRights}, zx.ErrBadHandle},
		{"another type", zx.HandleDisposition{Handle: event(zx.RightsBasic), Type: zx.ObjTypeVMO, Rights: zx.RightSameRights}, zx.ErrWrongType},
		{"not to be transferred", zx.HandleDisposition{Handle: event(zx.RightWait), Rights: zx.RightSameRights}, zx.ErrAccessDenied},
		{"more rights", zx.HandleDisposition{Handle: event(zx.RightTransfer), Rights: zx.RightTransfer | zx.RightWait}, zx.ErrInvalidArgs},
	} {
		// The second handle is closed with the first.
		ds := []zx.HandleDisposition{tt.d, {Handle: event(zx.RightsBasic), Rights: zx.RightSameRights}}
		if err := tr.WriteMsg([]byte("m"), ds); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
