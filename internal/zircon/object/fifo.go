package object

import (
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// FifoRights are the rights of a new fifo's handles.
const FifoRights = zx.RightsBasic | zx.RightsIO | zx.RightSignal | zx.RightSignalPeer

// FifoMaxSize is how many bytes the elements of a fifo may have together.
const FifoMaxSize = 4096

// Fifo is one end of a fifo: a small queue of elements of one size, both ways.
// Its queue is what the peer wrote.
type Fifo struct {
	Core
	mu       *sync.Mutex // the pair's
	size     int         // of an element
	capacity int         // in bytes
	peer     *Fifo
	peerKoid zx.Koid

	closed bool // guarded by mu
	buf    ring // guarded by mu
}

// NewFifo makes the two ends of a fifo of count elements of size bytes.
// OUT_OF_RANGE when one is zero or both are too much.
func NewFifo(k *Kernel, count, size uint64) (*Fifo, *Fifo, zx.Status) {
	if count == 0 || size == 0 || count > FifoMaxSize || size > FifoMaxSize || count*size > FifoMaxSize {
		return nil, nil, zx.ErrOutOfRange
	}
	mu := new(sync.Mutex)
	a := &Fifo{mu: mu, size: int(size), capacity: int(count * size)}
	b := &Fifo{mu: mu, size: int(size), capacity: int(count * size)}
	a.init(k, zx.ObjTypeFifo, zx.FifoWritable)
	b.init(k, zx.ObjTypeFifo, zx.FifoWritable)
	a.peer, b.peer = b, a
	a.peerKoid, b.peerKoid = b.koid, a.koid
	return a, b, zx.OK
}

// RelatedKoid is the koid of the other end.
func (f *Fifo) RelatedKoid() zx.Koid { return f.peerKoid }

// ElemSize is the size of an element in bytes.
func (f *Fifo) ElemSize() int { return f.size }

// Write adds elements, whole ones, as many as have room, and gives their
// number: PEER_CLOSED, or SHOULD_WAIT for no room; OUT_OF_RANGE for none.
func (f *Fifo) Write(b []byte) (int, zx.Status) {
	if len(b) < f.size {
		return 0, zx.ErrOutOfRange
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.peer
	if p.closed {
		return 0, zx.ErrPeerClosed
	}
	n := min(len(b), f.capacity-p.buf.len()) / f.size
	if n == 0 {
		return 0, zx.ErrShouldWait
	}
	p.buf.write(b[:n*f.size])
	p.updateSignals(0, zx.FifoReadable)
	if p.buf.len() == f.capacity {
		f.updateSignals(zx.FifoWritable, 0)
	}
	return n, zx.OK
}

// Read takes elements, as many as there are and fit, and gives their number:
// SHOULD_WAIT or PEER_CLOSED for none; OUT_OF_RANGE when not one fits.
func (f *Fifo) Read(b []byte) (int, zx.Status) {
	if len(b) < f.size {
		return 0, zx.ErrOutOfRange
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.buf.len() == 0 {
		if f.peer.closed {
			return 0, zx.ErrPeerClosed
		}
		return 0, zx.ErrShouldWait
	}
	n := min(len(b), f.buf.len()) / f.size
	f.buf.discard(f.buf.peek(b[:n*f.size]))
	if f.buf.len() == 0 {
		f.updateSignals(zx.FifoReadable, 0)
	}
	if !f.peer.closed {
		f.peer.updateSignals(0, zx.FifoWritable)
	}
	return n, zx.OK
}

// SignalPeer changes the user signals of the other end: PEER_CLOSED.
func (f *Fifo) SignalPeer(clear, set zx.Signals) zx.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peer.closed {
		return zx.ErrPeerClosed
	}
	f.peer.updateSignals(clear, set)
	return zx.OK
}

func (f *Fifo) onZeroHandles() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.buf = ring{}
	if !f.peer.closed {
		f.peer.updateSignals(zx.FifoWritable, zx.FifoPeerClosed)
	}
}
