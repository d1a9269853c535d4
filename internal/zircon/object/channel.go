package object

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// ChannelRights are the rights of a new channel's handles.
const ChannelRights = zx.RightTransfer | zx.RightWait | zx.RightInspect | zx.RightsIO | zx.RightSignal | zx.RightSignalPeer

// channelMaxQueued is how many messages wait at one end before its peer's writes
// are refused: a reader that sleeps must not cost the host all its memory. A
// program that goes on then gets a policy exception, as on Zircon, which it does
// not survive unless it is handled; launcherd itself is told SHOULD_WAIT.
const channelMaxQueued = 3500

// Message is bytes and handles on their way through a channel. It owns the
// handles.
type Message struct {
	Bytes   []byte
	Handles []*Handle

	next *Message
}

// Message buffers come in sizes of 256 bytes times a power of two.
const (
	minBufShift = 8
	bufClasses  = 16 - minBufShift + 1
)

var messagePools [bufClasses]sync.Pool

func bufClass(n int) int {
	if n <= 1<<minBufShift {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufShift
}

// NewMessage makes a message of n bytes, at most zx.ChannelMaxMsgBytes, which
// the caller fills in.
func NewMessage(n int) *Message {
	c := bufClass(n)
	if m, ok := messagePools[c].Get().(*Message); ok {
		m.Bytes = m.Bytes[:n]
		return m
	}
	return &Message{Bytes: make([]byte, n, 1<<(minBufShift+c))}
}

// Free closes the handles that are still in m and gives its memory back. m is
// not used afterwards.
func (m *Message) Free() {
	for i, h := range m.Handles {
		h.Close()
		m.Handles[i] = nil
	}
	m.Handles = m.Handles[:0]
	m.next = nil
	messagePools[bufClass(cap(m.Bytes))].Put(m)
}

// txid is the first four bytes as a transaction id; 0 when there are fewer.
func (m *Message) txid() uint32 {
	if len(m.Bytes) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(m.Bytes)
}

// Channel is one end of a channel: ordered messages of bytes and handles, both
// ways. Its queue is what the peer wrote.
type Channel struct {
	Core
	pair     *channelPair
	peer     *Channel
	peerKoid zx.Koid

	// All below are guarded by pair.mu.
	closed     bool
	head, tail *Message
	queued     int
	calls      []*Call
}

type channelPair struct {
	mu       sync.Mutex
	lastTxid uint32 // guarded by mu
}

// NewChannel makes the two ends of a channel.
func NewChannel(k *Kernel) (*Channel, *Channel) {
	p := &channelPair{}
	a, b := &Channel{pair: p}, &Channel{pair: p}
	a.init(k, zx.ObjTypeChannel, zx.ChannelWritable)
	b.init(k, zx.ObjTypeChannel, zx.ChannelWritable)
	a.peer, b.peer = b, a
	a.peerKoid, b.peerKoid = b.koid, a.koid
	return a, b
}

// RelatedKoid is the koid of the other end.
func (c *Channel) RelatedKoid() zx.Koid { return c.peerKoid }

// Write sends m to the peer, and takes it in every case. PEER_CLOSED;
// SHOULD_WAIT when the peer has left too many messages unread.
func (c *Channel) Write(m *Message) zx.Status {
	c.pair.mu.Lock()
	st := zx.OK
	if !c.replyLocked(m) {
		st = c.queueLocked(m)
	}
	c.pair.mu.Unlock()
	if st != zx.OK {
		m.Free()
	}
	return st
}

// replyLocked gives m to the peer's call that it answers, if there is one,
// however many messages the peer has left unread.
func (c *Channel) replyLocked(m *Message) bool {
	p := c.peer
	if len(p.calls) == 0 {
		return false
	}
	id := m.txid()
	for i, call := range p.calls {
		if call.txid == id { // no call's is 0
			p.calls = append(p.calls[:i], p.calls[i+1:]...)
			call.reply = m
			call.wake()
			return true
		}
	}
	return false
}

func (c *Channel) queueLocked(m *Message) zx.Status {
	p := c.peer
	switch {
	case p.closed:
		return zx.ErrPeerClosed
	case p.queued >= channelMaxQueued:
		return zx.ErrShouldWait
	}
	if p.tail == nil {
		p.head = m
	} else {
		p.tail.next = m
	}
	p.tail = m
	p.queued++
	if p.queued == 1 {
		p.updateSignals(0, zx.ChannelReadable)
	}
	return zx.OK
}

// Read takes the next message if it fits, as the caller's from then on. One that
// does not fit is BUFFER_TOO_SMALL, with its sizes, and stays unless discard is
// set. SHOULD_WAIT or PEER_CLOSED when there is none.
func (c *Channel) Read(maxBytes, maxHandles uint32, discard bool) (m *Message, nb, nh uint32, st zx.Status) {
	c.pair.mu.Lock()
	m = c.head
	if m == nil {
		st = zx.ErrShouldWait
		if c.peer.closed {
			st = zx.ErrPeerClosed
		}
		c.pair.mu.Unlock()
		return nil, 0, 0, st
	}
	nb, nh = uint32(len(m.Bytes)), uint32(len(m.Handles))
	fits := nb <= maxBytes && nh <= maxHandles
	if !fits && !discard {
		c.pair.mu.Unlock()
		return nil, nb, nh, zx.ErrBufferTooSmall
	}
	c.head = m.next
	m.next = nil
	c.queued--
	if c.head == nil {
		c.tail = nil
		c.updateSignals(zx.ChannelReadable, 0)
	}
	c.pair.mu.Unlock()
	if !fits {
		m.Free()
		return nil, nb, nh, zx.ErrBufferTooSmall
	}
	return m, nb, nh, zx.OK
}

// Call is a message that was sent, and the wait for the one that answers it.
type Call struct {
	Observation
	ch    *Channel
	txid  uint32
	ready chan struct{} // has something once the wait is over

	reply    *Message // guarded by the pair's mu
	canceled bool     // guarded by the Core.mu of ch
}

// OnSignals implements Observer.
func (w *Call) OnSignals(s zx.Signals) bool {
	if s&zx.ChannelPeerClosed == 0 {
		return false
	}
	w.wake()
	return true
}

// OnCancel implements Observer.
func (w *Call) OnCancel(zx.Signals) { w.canceled = true; w.wake() }

func (w *Call) wake() {
	select {
	case w.ready <- struct{}{}:
		Wakeups.Add(1)
	default:
	}
}

// BeginCall writes m, having put a new transaction id in its first four bytes.
// The message that carries the same goes to Call.End, which must follow. m is
// taken in every case. v is the handle, in t, that the call is made through. The
// errors are those of Write, and INVALID_ARGS for a message of less than four
// bytes.
func (c *Channel) BeginCall(t *HandleTable, v zx.Handle, m *Message) (*Call, zx.Status) {
	if len(m.Bytes) < 4 {
		m.Free()
		return nil, zx.ErrInvalidArgs
	}
	w := &Call{ch: c, ready: make(chan struct{}, 1)}
	if st := t.observeObject(v, c, w); st != zx.OK {
		m.Free()
		return nil, st
	}
	c.pair.mu.Lock()
	w.txid = c.newTxidLocked()
	binary.LittleEndian.PutUint32(m.Bytes, w.txid)
	c.calls = append(c.calls, w)
	st := c.queueLocked(m)
	if st != zx.OK {
		c.dropCallLocked(w)
	}
	c.pair.mu.Unlock()
	if st != zx.OK {
		c.removeObserver(w)
		m.Free()
		return nil, st
	}
	return w, zx.OK
}

// Ready says whether End will not wait.
func (w *Call) Ready() bool { return len(w.ready) > 0 }

// End waits for the reply, which is then the caller's. TIMED_OUT, PEER_CLOSED,
// CANCELED when the handle leaves its table or by done.
func (w *Call) End(k *Kernel, done <-chan struct{}, deadline int64) (*Message, zx.Status) {
	st := k.Block(w.ready, done, deadline)
	c := w.ch
	c.removeObserver(w)
	c.pair.mu.Lock()
	c.dropCallLocked(w)
	reply, peerClosed := w.reply, c.peer.closed
	c.pair.mu.Unlock()
	switch {
	case reply != nil:
		return reply, zx.OK
	case w.canceled: // w is off the channel: nobody writes it any more
		return nil, zx.ErrCanceled
	case st == zx.OK && peerClosed:
		return nil, zx.ErrPeerClosed
	}
	return nil, st
}

// newTxidLocked gives a transaction id with the top bit set that no call in
// progress uses.
func (c *Channel) newTxidLocked() uint32 {
	for {
		c.pair.lastTxid++
		id := c.pair.lastTxid | 1<<31
		used := false
		for _, w := range c.calls {
			used = used || w.txid == id
		}
		if !used {
			return id
		}
	}
}

func (c *Channel) dropCallLocked(w *Call) {
	for i := range c.calls {
		if c.calls[i] == w {
			c.calls = append(c.calls[:i], c.calls[i+1:]...)
			return
		}
	}
}

// shut marks c closed and gives the messages that nobody will read.
func (c *Channel) shut() *Message {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	m := c.head
	c.head, c.tail, c.queued = nil, nil, 0
	c.closed = true
	if !c.peer.closed {
		c.peer.updateSignals(zx.ChannelWritable, zx.ChannelPeerClosed)
	}
	return m
}

// onZeroHandles frees what was not read. Messages may hold the last handles of
// channels with messages that hold the last handles of channels, as deep as a
// hostile process likes: hence a list and no recursion.
func (c *Channel) onZeroHandles() {
	lists := []*Message{c.shut()}
	for len(lists) > 0 {
		m := lists[len(lists)-1]
		if m == nil {
			lists = lists[:len(lists)-1]
			continue
		}
		lists[len(lists)-1] = m.next
		for i, h := range m.Handles {
			if ch, ok := h.obj.(*Channel); ok {
				if h.drop() {
					lists = append(lists, ch.shut())
				}
				m.Handles[i] = nil
			}
		}
		m.Free()
	}
}

// SignalPeer changes the user signals of the other end: PEER_CLOSED.
func (c *Channel) SignalPeer(clear, set zx.Signals) zx.Status {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.peer.closed {
		return zx.ErrPeerClosed
	}
	c.peer.updateSignals(clear, set)
	return zx.OK
}
