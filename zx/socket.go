package zx

import (
	"context"
	"errors"
	"io"
)

// Socket is an end of a socket: a stream of bytes, or datagrams, both ways.
type Socket struct{ Object }

// Options of sockets.
const (
	SocketStream   uint32 = 0
	SocketDatagram uint32 = 1 << 0

	// SocketPeek leaves what was read in the socket.
	SocketPeek uint32 = 1 << 3
)

// SocketFromHandle makes a Socket that owns h.
func SocketFromHandle(h Handle) Socket { return Socket{Object{h}} }

// NewSocket makes a socket and gives its two ends (zx_socket_create).
func NewSocket(options uint32) (Socket, Socket, error) {
	h0, h1, st := sysSocketCreate(options)
	return SocketFromHandle(h0), SocketFromHandle(h1), st.Err()
}

// Duplicate gives a second handle with rights r.
func (s *Socket) Duplicate(r Rights) (Socket, error) {
	o, err := s.Object.Duplicate(r)
	return Socket{o}, err
}

// WriteNow writes as much of b as there is room for, and gives how much
// (zx_socket_write). ErrShouldWait when there is none.
func (s *Socket) WriteNow(b []byte) (int, error) {
	n, st := sysSocketWrite(s.Handle(), 0, b)
	return n, st.Err()
}

// ReadNow reads what is there (zx_socket_read). ErrShouldWait when there is
// nothing; ErrPeerClosed, or ErrBadState after the peer's writes were disabled,
// when there will be nothing. options may be SocketPeek.
func (s *Socket) ReadNow(options uint32, b []byte) (int, error) {
	n, st := sysSocketRead(s.Handle(), options, b)
	return n, st.Err()
}

// ReadContext waits for data and reads it. io.EOF when there will be no more.
func (s *Socket) ReadContext(ctx context.Context, b []byte) (int, error) {
	for {
		n, err := s.ReadNow(0, b)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, ErrPeerClosed), errors.Is(err, ErrBadState):
			return 0, io.EOF
		case !errors.Is(err, ErrShouldWait):
			return 0, err
		}
		if _, err := s.Wait(ctx, SocketReadable|SocketPeerClosed|SocketPeerWriteDisabled, InfiniteFuture); err != nil {
			return 0, err
		}
	}
}

// WriteContext writes all of b, waiting for room. It gives how much was written.
func (s *Socket) WriteContext(ctx context.Context, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := s.WriteNow(b[done:])
		done += n
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrShouldWait) {
			return done, err
		}
		if _, err := s.Wait(ctx, SocketWritable|SocketPeerClosed|SocketWriteDisabled, InfiniteFuture); err != nil {
			return done, err
		}
	}
	return done, nil
}

// Read is ReadContext without a context, for io.Reader.
func (s *Socket) Read(b []byte) (int, error) { return s.ReadContext(context.Background(), b) }

// Write is WriteContext without a context, for io.Writer.
func (s *Socket) Write(b []byte) (int, error) { return s.WriteContext(context.Background(), b) }

// Disposition says whether an end of a socket may still be written to.
type Disposition uint32

// Dispositions, by ZX_SOCKET_DISPOSITION_.
const (
	DispositionKeep          Disposition = 0
	DispositionWriteDisabled Disposition = 1
	DispositionWriteEnabled  Disposition = 2
)

// SetDisposition disables or enables writes to this end and to its peer
// (zx_socket_set_disposition). Data that is in the socket can still be read.
func (s *Socket) SetDisposition(self, peer Disposition) error {
	return sysSocketSetDisposition(s.Handle(), uint32(self), uint32(peer)).Err()
}
