package hostlink

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// importStream makes a socket of a descriptor that bytes go through, which it
// consumes. acc is the directions that the descriptor is open in: O_RDONLY,
// O_WRONLY or O_RDWR.
func (b *Bridge) importStream(fd, acc int) (zx.Object, error) {
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		unix.Close(fd)
		return zx.Object{}, err
	}
	switch acc {
	case unix.O_RDONLY:
		err = ours.SetDisposition(zx.DispositionKeep, zx.DispositionWriteDisabled)
	case unix.O_WRONLY:
		err = ours.SetDisposition(zx.DispositionWriteDisabled, zx.DispositionKeep)
	}
	if err != nil {
		unix.Close(fd)
		ours.Close()
	} else if !b.pumpStream(&ours, newStream(fd), acc) {
		err = errBridgeClosed
	}
	if err != nil {
		theirs.Close()
		return zx.Object{}, err
	}
	return zx.ObjectFromHandle(theirs.Take()), nil
}

// exportSocket makes a Unix stream socket of a socket, which it consumes.
func (b *Bridge) exportSocket(s zx.Socket) (int, error) {
	if datagrams, err := isDatagram(&s); err != nil || datagrams {
		s.Close()
		return -1, refused("a datagram socket")
	}
	ours, theirs, err := pair(unix.SOCK_STREAM)
	if err != nil {
		s.Close()
		return -1, err
	}
	if !b.pumpStream(&s, newStream(ours), unix.O_RDWR) {
		unix.Close(theirs)
		return -1, errBridgeClosed
	}
	return theirs, nil
}

// isDatagram reads zx_info_socket_t.
func isDatagram(s *zx.Socket) (bool, error) {
	const infoSocket, size = 22, 48
	var b [size]byte
	_, _, err := s.GetInfo(infoSocket, b[:])
	return b[0]&byte(zx.SocketDatagram) != 0, err
}

// chunk is how much a stream's pump copies at a time.
const chunk = 32 << 10

// pumpStream copies between s and f, both of which it consumes, until both
// directions have ended or s's peer is gone. false: the Bridge is closed.
func (b *Bridge) pumpStream(s *zx.Socket, f *stream, acc int) bool {
	p := &streamPump{s: s, f: f, reads: acc != unix.O_WRONLY, writes: acc != unix.O_RDONLY}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.Close()
		f.Close()
		return false
	}
	b.all.Add(1)
	b.streams.Add(1)
	go func() {
		defer b.all.Done()
		p.run(b.ctx, b.streams.Done)
	}()
	return true
}

type streamPump struct {
	s             *zx.Socket
	f             *stream
	reads, writes bool // what f can do
}

// run calls flushed once all is written to the descriptor that will be.
func (p *streamPump) run(ctx context.Context, flushed func()) {
	defer p.f.Close()
	defer p.s.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, p.f.interrupt)()
	var in sync.WaitGroup
	if p.reads {
		in.Add(1)
		go func() {
			defer in.Done()
			p.toSocket(ctx)
			if !p.writes {
				cancel() // nothing is left to copy
			}
		}()
	}
	if p.writes {
		p.toDescriptor(ctx)
	}
	flushed()
	if p.reads {
		// To the end of the input, or until there is nobody to give it to.
		if _, err := p.s.Wait(ctx, zx.SocketPeerClosed, zx.InfiniteFuture); err == nil {
			cancel()
		}
		in.Wait()
	}
}

// toSocket copies what f gives until it ends, and ends the socket's stream.
func (p *streamPump) toSocket(ctx context.Context) {
	buf := make([]byte, chunk)
	for {
		n, err := p.f.Read(ctx, buf)
		if n > 0 {
			if _, werr := p.s.WriteContext(ctx, buf[:n]); werr != nil {
				return
			}
		}
		if err != nil || n == 0 {
			break
		}
	}
	_ = p.s.SetDisposition(zx.DispositionWriteDisabled, zx.DispositionKeep) // fails when it is over anyway
}

// toDescriptor copies what the socket gives until it ends, and ends f's stream.
func (p *streamPump) toDescriptor(ctx context.Context) {
	buf := make([]byte, chunk)
	for {
		n, err := p.s.ReadContext(ctx, buf)
		if err != nil {
			break
		}
		if err := p.f.Write(ctx, buf[:n]); err != nil {
			// Nobody reads: the program's writes are to fail.
			_ = p.s.SetDisposition(zx.DispositionKeep, zx.DispositionWriteDisabled)
			break
		}
	}
	if p.reads {
		p.f.endWrites()
	}
}

// stream is a descriptor that bytes go through.
type stream struct {
	*os.File
	fd int
	// polled: f is in Go's poller. If not, a read or write first asks whether it
	// would wait: it cannot be interrupted, and must not make f non-blocking,
	// which others have open too.
	polled bool
}

func newStream(fd int) *stream {
	f := os.NewFile(uintptr(fd), "stream")
	return &stream{File: f, fd: fd, polled: f.SetDeadline(time.Time{}) == nil}
}

// interrupt ends reads and writes that wait.
func (s *stream) interrupt() { _ = s.SetDeadline(past) } // fails where ready looks at the context

// Read reads what is there, waiting for the first byte.
func (s *stream) Read(ctx context.Context, b []byte) (int, error) {
	if err := s.ready(ctx, unix.POLLIN); err != nil {
		return 0, err
	}
	return s.File.Read(b)
}

// Write writes all of b.
func (s *stream) Write(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		part := b
		if !s.polled {
			if err := s.ready(ctx, unix.POLLOUT); err != nil {
				return err
			}
			part = b[:min(len(b), os.Getpagesize())] // that much does not wait, if anything does not
		}
		if _, err := s.File.Write(part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

// ready waits until a descriptor outside of Go's poller can be read or written.
func (s *stream) ready(ctx context.Context, events int16) error {
	const lookAtContext = 200 // ms
	for !s.polled {
		if err := ctx.Err(); err != nil {
			return err
		}
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: events}}
		n, err := unix.Poll(fds, lookAtContext)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			break
		}
	}
	return nil
}

// endWrites ends the stream of what is written, where the descriptor has two.
func (s *stream) endWrites() {
	rc, err := s.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) }) // a terminal has no such end
}
