package object

import (
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// EventpairRights are the rights of a new eventpair's handles.
const EventpairRights = zx.RightsBasic | zx.RightSignal | zx.RightSignalPeer

// Eventpair is one of two linked objects that can be signaled.
type Eventpair struct {
	Core
	mu       *sync.Mutex // the pair's
	peer     *Eventpair
	peerKoid zx.Koid
	closed   bool // guarded by mu
}

// NewEventpair makes the two objects.
func NewEventpair(k *Kernel) (*Eventpair, *Eventpair) {
	mu := new(sync.Mutex)
	a, b := &Eventpair{mu: mu}, &Eventpair{mu: mu}
	a.init(k, zx.ObjTypeEventpair, 0)
	b.init(k, zx.ObjTypeEventpair, 0)
	a.peer, b.peer = b, a
	a.peerKoid, b.peerKoid = b.koid, a.koid
	return a, b
}

// RelatedKoid is the koid of the other object.
func (e *Eventpair) RelatedKoid() zx.Koid { return e.peerKoid }

func (e *Eventpair) settable() zx.Signals { return zx.UserSignalAll | zx.EventpairSignaled }

// SignalPeer changes signals of the other object: PEER_CLOSED.
func (e *Eventpair) SignalPeer(clear, set zx.Signals) zx.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.peer.closed {
		return zx.ErrPeerClosed
	}
	e.peer.updateSignals(clear, set)
	return zx.OK
}

func (e *Eventpair) onZeroHandles() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if !e.peer.closed {
		e.peer.updateSignals(0, zx.EventpairPeerClosed)
	}
}
