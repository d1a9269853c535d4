package hostlink

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/zx"
)

// Link is a connection of a program without a kernel: a fidl.Transport whose
// handles are numbers of the Link for descriptors that it holds. Of a handle
// that arrives nothing is known but where it stands in the message, so types and
// rights are not checked.
type Link struct {
	p *packets

	mu   sync.Mutex // guards what follows
	fds  map[zx.Handle]int
	last zx.Handle
}

var _ fidl.Transport = (*Link)(nil)

// Dial connects to the daemon at path.
func Dial(ctx context.Context, path string) (*Link, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, err
	}
	return newLink(newPackets(c.(*net.UnixConn)))
}

func newLink(p *packets, err error) (*Link, error) {
	if err != nil {
		return nil, err
	}
	return &Link{p: p, fds: map[zx.Handle]int{}}, nil
}

// Add gives a handle for f, which stays the caller's.
func (l *Link) Add(f *os.File) (zx.Handle, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return zx.HandleInvalid, err
	}
	fd, derr := -1, error(nil)
	if err := rc.Control(func(old uintptr) { fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return zx.HandleInvalid, err
	}
	if derr != nil {
		return zx.HandleInvalid, os.NewSyscallError("dup", derr)
	}
	return l.add(fd), nil
}

func (l *Link) add(fd int) zx.Handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		l.last += 4
		h := l.last | zx.HandleFixedBitsMask
		if _, used := l.fds[h]; !used {
			l.fds[h] = fd
			return h
		}
	}
}

// take gives the descriptor of h, which is the caller's from then on.
func (l *Link) take(h zx.Handle) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fd, ok := l.fds[h]
	if !ok {
		return -1, zx.ErrBadHandle
	}
	delete(l.fds, h)
	return fd, nil
}

// Channel gives what goes by a channel that came by l, and consumes the handle.
func (l *Link) Channel(h zx.Handle) (*Link, error) {
	fd, err := l.take(h)
	if err != nil {
		return nil, err
	}
	return newLink(packetsFromFD(fd))
}

// NewChannel makes a channel: a handle to send, and the other end.
func (l *Link) NewChannel() (zx.Handle, *Link, error) {
	ours, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return zx.HandleInvalid, nil, err
	}
	other, err := newLink(packetsFromFD(ours))
	if err != nil {
		unix.Close(theirs)
		return zx.HandleInvalid, nil, err
	}
	return l.add(theirs), other, nil
}

// ReadMsg is fidl.Transport's.
func (l *Link) ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error) {
	nb, fds, err := l.p.recv(ctx, b)
	for i, fd := range fds {
		h[i] = zx.HandleInfo{Handle: l.add(fd), Type: zx.ObjTypeNone, Rights: zx.RightSameRights}
	}
	return nb, len(fds), err
}

// WriteMsg is fidl.Transport's.
func (l *Link) WriteMsg(b []byte, h []zx.HandleDisposition) error {
	fds := make([]int, 0, len(h))
	var moved []int
	defer func() { closeFDs(moved) }()
	var err error
	for _, d := range h {
		fd := -1
		if d.Op == zx.HandleOpDuplicate {
			l.mu.Lock()
			got, ok := l.fds[d.Handle]
			l.mu.Unlock()
			if fd = got; !ok {
				err = zx.ErrBadHandle
			}
		} else if got, terr := l.take(d.Handle); terr != nil {
			err = terr
		} else {
			fd = got
			moved = append(moved, fd)
		}
		fds = append(fds, fd)
	}
	if err != nil {
		return err
	}
	return l.p.send(b, fds)
}

// CloseHandles is fidl.Transport's.
func (l *Link) CloseHandles(hs ...zx.Handle) {
	for _, h := range hs {
		if fd, err := l.take(h); err == nil {
			unix.Close(fd)
		}
	}
}

// ReplaceHandle is fidl.Transport's. Descriptors have no rights to narrow.
func (l *Link) ReplaceHandle(h zx.Handle, _ zx.Rights) (zx.Handle, error) { return h, nil }

// Close is fidl.Transport's. It closes the descriptors that are left too.
func (l *Link) Close() error {
	l.mu.Lock()
	for h, fd := range l.fds {
		unix.Close(fd)
		delete(l.fds, h)
	}
	l.mu.Unlock()
	return l.p.close()
}

// Task is a process or job of the daemon's, held by its task descriptor.
type Task struct{ p *packets }

// Task makes a Task of the handle of a process or job, and consumes it.
func (l *Link) Task(h zx.Handle) (*Task, error) {
	fd, err := l.take(h)
	if err != nil {
		return nil, err
	}
	p, err := packetsFromFD(fd)
	if err != nil {
		return nil, err
	}
	return &Task{p}, nil
}

// Wait waits for the task's end and gives its return code and, if it was killed,
// why; once. The error wraps zx.ErrPeerClosed when the daemon ended first.
func (t *Task) Wait(ctx context.Context) (code int64, reason string, err error) {
	var b [8 + MaxReason]byte
	n, fds, err := t.p.recv(ctx, b[:])
	closeFDs(fds)
	if err != nil {
		return 0, "", err
	}
	if n < 8 {
		return 0, "", fmt.Errorf("a return code of %d bytes: %w", n, zx.ErrIO)
	}
	return int64(binary.LittleEndian.Uint64(b[:])), string(b[8:n]), nil
}

// Kill kills the task. It does not wait.
func (t *Task) Kill() error { return t.p.send([]byte(killCommand), nil) }

// Close drops the handle. The task goes on.
func (t *Task) Close() error { return t.p.close() }

// Duplicate gives l a second descriptor of the task, to send.
func (t *Task) Duplicate(l *Link) (zx.Handle, error) {
	fd, derr := -1, error(nil)
	err := t.p.raw.Control(func(old uintptr) { fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = derr
	}
	if err != nil {
		return zx.HandleInvalid, err
	}
	return l.add(fd), nil
}
