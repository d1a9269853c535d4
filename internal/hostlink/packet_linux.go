package hostlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// maxFDs is how many descriptors a packet can have: a channel message's handles.
const maxFDs = zx.ChannelMaxMsgHandles

// packets is a SEQPACKET socket of packets with descriptors. Receiving is for
// one goroutine at a time; close may come at any time.
type packets struct {
	f   file
	raw syscall.RawConn
}

// file is what net.UnixConn and os.File have in common. It is in Go's poller.
type file interface {
	io.Closer
	syscall.Conn
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
}

// newPackets makes packets that owns f.
func newPackets(f file) (*packets, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &packets{f, raw}, nil
}

// packetsFromFD makes packets that owns fd. It makes the socket non-blocking.
func packetsFromFD(fd int) (*packets, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return newPackets(os.NewFile(uintptr(fd), "packets"))
}

// pair makes two connected sockets; ours is non-blocking, theirs is to be sent.
func pair(kind int) (ours, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("socketpair: %w: %w", zx.ErrNoResources, err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		closeFDs(fds[:])
		return -1, -1, fmt.Errorf("socketpair: %w: %w", zx.ErrNoResources, err)
	}
	return fds[0], fds[1], nil
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

var past = time.Unix(1, 0)

// reading has the end of ctx end a read that waits, until done is called.
func (p *packets) reading(ctx context.Context) (done func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		_ = p.f.SetReadDeadline(past) // fails when closed, which ends the wait too
	})
	return func() {
		if !stop() {
			<-expired
			_ = p.f.SetReadDeadline(time.Time{}) // another reader may come
		}
	}
}

// wait waits until recv would not wait, or ctx ends. It counts as receiving.
func (p *packets) wait(ctx context.Context) {
	defer p.reading(ctx)()
	_ = p.raw.Read(readable) // closed, or ctx ended
}

// abort ends reads and sends that wait, and those to come.
func (p *packets) abort() { _ = p.f.SetDeadline(past) }

// recv waits for a packet, fills b, and gives the descriptors, which are the
// caller's and closed on exec. The errors are zx.ErrPeerClosed at the end,
// zx.ErrCanceled after close, that of ctx, and zx.ErrInvalidArgs for a packet
// that is larger than b or has more than maxFDs descriptors (or more than this
// process can open). A packet without bytes cannot be told from the end.
func (p *packets) recv(ctx context.Context, b []byte) (n int, fds []int, err error) {
	defer p.reading(ctx)()
	oob := make([]byte, unix.CmsgSpace(4*maxFDs))
	var oobn, flags int
	var rerr error
	for {
		err = p.raw.Read(func(fd uintptr) bool {
			for {
				n, oobn, flags, _, rerr = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
				if rerr != unix.EINTR {
					break
				}
			}
			return rerr != unix.EAGAIN
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return 0, nil, ctx.Err()
		case err != nil:
			return 0, nil, fmt.Errorf("%w: %w", zx.ErrCanceled, err)
		case rerr == unix.ECONNRESET:
			continue // told once; what the peer sent before comes next
		case rerr != nil:
			return 0, nil, fmt.Errorf("recvmsg: %w: %w", zx.ErrIO, rerr)
		}
		break
	}
	fds, err = rights(oob[:oobn])
	switch {
	case err != nil:
	case flags&unix.MSG_TRUNC != 0:
		err = fmt.Errorf("packet of more than %d bytes: %w", len(b), zx.ErrInvalidArgs)
	case flags&unix.MSG_CTRUNC != 0 || len(fds) > maxFDs:
		err = fmt.Errorf("packet with too many descriptors: %w", zx.ErrInvalidArgs)
	case n == 0:
		err = zx.ErrPeerClosed
	}
	if err != nil {
		closeFDs(fds)
		return 0, nil, err
	}
	return n, fds, nil
}

// rights gives the descriptors of a control message, also beside an error.
func rights(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	for i := range msgs {
		if msgs[i].Header.Level != unix.SOL_SOCKET || msgs[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		some, e := unix.ParseUnixRights(&msgs[i])
		fds = append(fds, some...)
		err = errors.Join(err, e)
	}
	return fds, err
}

// readable says whether recv would not wait.
func (p *packets) readable() (yes bool) {
	_ = p.raw.Control(func(fd uintptr) { yes = readable(fd) }) // fails when closed
	return yes
}

func readable(fd uintptr) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// send sends a packet, waiting for room. The descriptors stay the caller's.
// zx.ErrPeerClosed, zx.ErrCanceled after close, or zx.ErrInvalidArgs for a
// packet without bytes.
func (p *packets) send(b []byte, fds []int) error {
	if len(b) == 0 {
		return fmt.Errorf("packet without bytes: %w", zx.ErrInvalidArgs)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	var serr error
	err := p.raw.Write(func(fd uintptr) bool {
		for {
			serr = unix.Sendmsg(int(fd), b, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if serr != unix.EINTR {
				break
			}
		}
		return serr != unix.EAGAIN
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", zx.ErrCanceled, err)
	case serr == unix.EPIPE || serr == unix.ECONNRESET:
		return zx.ErrPeerClosed
	case serr != nil:
		return fmt.Errorf("sendmsg: %w: %w", zx.ErrIO, serr)
	}
	return nil
}

// endWrites has the peer read the end of the file after what was sent.
func (p *packets) endWrites() { p.shutdown(unix.SHUT_WR) }

func (p *packets) shutdown(how int) {
	_ = p.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), how) }) // fails when it is over anyway
}

// close closes the socket. It reads what is unread first: Linux would tell the
// peer of a reset before the last packets that were sent to it.
func (p *packets) close() error {
	p.shutdown(unix.SHUT_RDWR)
	_ = p.raw.Control(func(fd uintptr) { drop(int(fd)) })
	return p.f.Close()
}

func drop(fd int) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4*maxFDs))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, b[:], oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		fds, _ := rights(oob[:max(oobn, 0)])
		closeFDs(fds)
		if err == unix.EINTR || err == unix.ECONNRESET {
			continue
		}
		if err != nil || n == 0 && len(fds) == 0 {
			return
		}
	}
}
