package object

import (
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// SocketRights are the rights of a new socket's handles.
const SocketRights = zx.RightsBasic | zx.RightsIO | zx.RightsProperty | zx.RightSignal | zx.RightSignalPeer | zx.RightManageSocket

// SocketCapacity is how many bytes wait at one end of a socket.
const SocketCapacity = 256 << 10

// Disposition is what is to become of an end's writes: a
// ZX_SOCKET_DISPOSITION_ value, zero for no change.
type Disposition uint32

// Dispositions, from <zircon/types.h>.
const (
	WriteDisabled Disposition = 1 << 0
	WriteEnabled  Disposition = 1 << 1
)

// Socket is one end of a socket: bytes, or datagrams, both ways. Its buffer is
// what the peer wrote.
type Socket struct {
	Core
	pair     *socketPair
	peer     *Socket
	peerKoid zx.Koid

	// All below are guarded by pair.mu.
	closed      bool
	noWrite     bool // writes at this end are disabled
	buf         ring
	lens        []int // sizes of the datagrams in buf
	rxThreshold uint64
	txThreshold uint64
}

type socketPair struct {
	mu       sync.Mutex
	datagram bool
}

// NewSocket makes the two ends of a stream or datagram socket.
func NewSocket(k *Kernel, datagram bool) (*Socket, *Socket) {
	p := &socketPair{datagram: datagram}
	a, b := &Socket{pair: p}, &Socket{pair: p}
	a.init(k, zx.ObjTypeSocket, zx.SocketWritable)
	b.init(k, zx.ObjTypeSocket, zx.SocketWritable)
	a.peer, b.peer = b, a
	a.peerKoid, b.peerKoid = b.koid, a.koid
	return a, b
}

// RelatedKoid is the koid of the other end.
func (s *Socket) RelatedKoid() zx.Koid { return s.peerKoid }

// Write sends bytes to the peer and gives the number taken, which for a stream
// may be less than len(b). PEER_CLOSED, BAD_STATE while writes are disabled,
// SHOULD_WAIT without room; for a datagram, INVALID_ARGS when empty and
// OUT_OF_RANGE when it can never fit.
func (s *Socket) Write(b []byte) (int, zx.Status) {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	p := s.peer
	room := SocketCapacity - p.buf.len()
	switch {
	case p.closed:
		return 0, zx.ErrPeerClosed
	case s.noWrite:
		return 0, zx.ErrBadState
	case s.pair.datagram && len(b) == 0:
		return 0, zx.ErrInvalidArgs
	case s.pair.datagram && len(b) > SocketCapacity:
		return 0, zx.ErrOutOfRange
	case room == 0, s.pair.datagram && len(b) > room:
		return 0, zx.ErrShouldWait
	}
	b = b[:min(len(b), room)]
	if len(b) == 0 {
		return 0, zx.OK
	}
	p.buf.write(b)
	if s.pair.datagram {
		p.lens = append(p.lens, len(b))
	}
	p.readSideLocked()
	s.writeSideLocked()
	return len(b), zx.OK
}

// Datagram says whether it is a datagram socket.
func (s *Socket) Datagram() bool { return s.pair.datagram }

// Room is how many bytes a Write would take now.
func (s *Socket) Room() int {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	return SocketCapacity - s.peer.buf.len()
}

// Read takes bytes into b, or with peek copies them, and gives their number. Of
// a datagram, what does not fit is lost. When there is nothing: PEER_CLOSED,
// BAD_STATE when the peer's writes are disabled, or SHOULD_WAIT.
func (s *Socket) Read(b []byte, peek bool) (int, zx.Status) {
	got, st := s.ReadTo(uint64(len(b)), func(n int) []byte { return b[:n] }, peek)
	return len(got), st
}

// ReadTo is Read of up to size bytes into memory of the size that is needed,
// which buf gives. It gives what was read.
func (s *Socket) ReadTo(size uint64, buf func(n int) []byte, peek bool) ([]byte, zx.Status) {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	if s.buf.len() == 0 {
		switch {
		case s.peer.closed:
			return nil, zx.ErrPeerClosed
		case s.peer.noWrite:
			return nil, zx.ErrBadState
		}
		return nil, zx.ErrShouldWait
	}
	whole := s.availableLocked()
	b := buf(int(min(size, uint64(whole))))
	s.buf.peek(b)
	if peek {
		return b, zx.OK
	}
	if s.pair.datagram {
		s.buf.discard(whole)
		s.lens = s.lens[1:]
	} else {
		s.buf.discard(len(b))
	}
	if len(b) > 0 || s.pair.datagram {
		s.readSideLocked()
		if !s.peer.closed {
			s.peer.writeSideLocked()
		}
	}
	return b, zx.OK
}

// availableLocked is how many bytes a Read can give now.
func (s *Socket) availableLocked() int {
	if s.pair.datagram && len(s.lens) > 0 {
		return s.lens[0]
	}
	return s.buf.len()
}

// readSideLocked makes s's signals agree with what can be read from it.
func (s *Socket) readSideLocked() {
	n := s.buf.len()
	var set zx.Signals
	if n > 0 {
		set |= zx.SocketReadable
	}
	if s.rxThreshold > 0 && uint64(n) >= s.rxThreshold {
		set |= zx.SocketReadThreshold
	}
	if s.peer.noWrite {
		set |= zx.SocketPeerWriteDisabled
	}
	s.updateSignals(zx.SocketReadable|zx.SocketReadThreshold|zx.SocketPeerWriteDisabled, set)
}

// writeSideLocked makes s's signals agree with what can be written to its peer.
func (s *Socket) writeSideLocked() {
	room := SocketCapacity - s.peer.buf.len()
	var set zx.Signals
	if s.noWrite {
		set |= zx.SocketWriteDisabled
	} else if room > 0 && !s.peer.closed {
		set |= zx.SocketWritable
	}
	if s.txThreshold > 0 && uint64(room) >= s.txThreshold && !s.peer.closed {
		set |= zx.SocketWriteThreshold
	}
	s.updateSignals(zx.SocketWritable|zx.SocketWriteDisabled|zx.SocketWriteThreshold, set)
}

// SetDisposition enables or disables writes at this end and at the other.
// BAD_STATE to enable writes of an end of which data is still to be read.
func (s *Socket) SetDisposition(self, peer Disposition) zx.Status {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	if self == WriteEnabled && s.noWrite && s.peer.buf.len() > 0 ||
		peer == WriteEnabled && s.peer.noWrite && s.buf.len() > 0 {
		return zx.ErrBadState
	}
	if self != 0 {
		s.noWrite = self == WriteDisabled
	}
	if peer != 0 {
		s.peer.noWrite = peer == WriteDisabled
	}
	for _, e := range [...]*Socket{s, s.peer} {
		if !e.closed {
			e.readSideLocked()
			e.writeSideLocked()
		}
	}
	return zx.OK
}

// SetRxThreshold sets how many bytes raise READ_THRESHOLD; 0 for never.
// INVALID_ARGS for more than can be there.
func (s *Socket) SetRxThreshold(n uint64) zx.Status {
	if n > SocketCapacity {
		return zx.ErrInvalidArgs
	}
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	s.rxThreshold = n
	s.readSideLocked()
	return zx.OK
}

// SetTxThreshold sets how much room raises WRITE_THRESHOLD; 0 for never.
// INVALID_ARGS for more than there can be; PEER_CLOSED.
func (s *Socket) SetTxThreshold(n uint64) zx.Status {
	if n > SocketCapacity {
		return zx.ErrInvalidArgs
	}
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	if s.peer.closed {
		return zx.ErrPeerClosed
	}
	s.txThreshold = n
	s.writeSideLocked()
	return zx.OK
}

// SocketInfo is what zx_info_socket_t says, and the thresholds.
type SocketInfo struct {
	Datagram                   bool
	RxMax, RxSize, RxAvailable uint64
	TxMax, TxSize              uint64
	RxThreshold, TxThreshold   uint64
}

// Info gives the state of this end.
func (s *Socket) Info() SocketInfo {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	i := SocketInfo{
		Datagram:    s.pair.datagram,
		RxMax:       SocketCapacity,
		RxSize:      uint64(s.buf.len()),
		RxAvailable: uint64(s.availableLocked()),
		RxThreshold: s.rxThreshold,
		TxThreshold: s.txThreshold,
	}
	if !s.peer.closed {
		i.TxMax, i.TxSize = SocketCapacity, uint64(s.peer.buf.len())
	}
	return i
}

// SignalPeer changes the user signals of the other end: PEER_CLOSED.
func (s *Socket) SignalPeer(clear, set zx.Signals) zx.Status {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	if s.peer.closed {
		return zx.ErrPeerClosed
	}
	s.peer.updateSignals(clear, set)
	return zx.OK
}

func (s *Socket) onZeroHandles() {
	s.pair.mu.Lock()
	defer s.pair.mu.Unlock()
	s.closed = true
	s.buf, s.lens = ring{}, nil
	if !s.peer.closed {
		s.peer.updateSignals(zx.SocketWritable|zx.SocketWriteThreshold, zx.SocketPeerClosed)
	}
}

// ring is a queue of bytes that grows as needed.
type ring struct {
	b    []byte // length a power of two
	r, n int    // index of the first byte, and the number of bytes
}

const (
	ringMin  = 1 << 10
	ringKeep = 16 << 10 // an empty ring of more than this gives its memory back
)

func (q *ring) len() int { return q.n }

func (q *ring) write(p []byte) {
	if need := q.n + len(p); need > len(q.b) {
		size := max(ringMin, len(q.b))
		for size < need {
			size *= 2
		}
		b := make([]byte, size)
		q.peek(b[:q.n])
		q.b, q.r = b, 0
	}
	w := (q.r + q.n) & (len(q.b) - 1)
	n := copy(q.b[w:], p)
	copy(q.b, p[n:])
	q.n += len(p)
}

// peek copies the first bytes to p and gives their number.
func (q *ring) peek(p []byte) int {
	p = p[:min(len(p), q.n)]
	if len(p) == 0 {
		return 0
	}
	n := copy(p, q.b[q.r:])
	copy(p[n:], q.b)
	return len(p)
}

func (q *ring) discard(n int) {
	q.n -= n
	if q.n == 0 {
		q.r = 0
		if len(q.b) > ringKeep {
			q.b = nil
		}
		return
	}
	q.r = (q.r + n) & (len(q.b) - 1)
}
