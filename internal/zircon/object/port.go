package object

import (
	"encoding/binary"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// PortRights are the rights of a new port's handle.
const PortRights = zx.RightTransfer | zx.RightDuplicate | zx.RightInspect | zx.RightsIO

// Kinds of packets, from <zircon/syscalls/port.h>.
const (
	PacketUser      = 0
	PacketSignalOne = 1
)

// PortPacketSize is the size of zx_port_packet_t.
const PortPacketSize = 48

// PortPacket is a zx_port_packet_t. Payload depends on Type: 32 bytes of the
// user's choice, or zx_packet_signal_t.
type PortPacket struct {
	Key     uint64
	Type    uint32
	Status  zx.Status
	Payload [32]byte
}

// Encode writes p to b, which has PortPacketSize bytes.
func (p *PortPacket) Encode(b []byte) {
	binary.LittleEndian.PutUint64(b, p.Key)
	binary.LittleEndian.PutUint32(b[8:], p.Type)
	binary.LittleEndian.PutUint32(b[12:], uint32(p.Status))
	copy(b[16:PortPacketSize], p.Payload[:])
}

// DecodePortPacket reads a packet of PortPacketSize bytes.
func DecodePortPacket(b []byte) PortPacket {
	p := PortPacket{
		Key:    binary.LittleEndian.Uint64(b),
		Type:   binary.LittleEndian.Uint32(b[8:]),
		Status: zx.Status(binary.LittleEndian.Uint32(b[12:])),
	}
	copy(p.Payload[:], b[16:PortPacketSize])
	return p
}

// Signal reads Payload as zx_packet_signal_t: what was waited for, what was seen,
// and when (0 unless asked for).
func (p *PortPacket) Signal() (trigger, observed zx.Signals, timestamp int64) {
	return zx.Signals(binary.LittleEndian.Uint32(p.Payload[0:])),
		zx.Signals(binary.LittleEndian.Uint32(p.Payload[4:])),
		int64(binary.LittleEndian.Uint64(p.Payload[16:]))
}

// portMaxUser is how many user packets may wait in a port before one is too
// many, and portMaxSignals how many asynchronous waits it may have, with those
// whose packets still wait to be taken. Beyond it is as with channelMaxQueued.
const (
	portMaxUser    = 4096
	portMaxSignals = 50000
)

// Port is a queue of packets, put there by programs and by the signals that are
// waited for asynchronously.
type Port struct {
	Core
	k *Kernel

	mu        sync.Mutex
	closed    bool                       // guarded by mu
	queue     []portEntry                // guarded by mu
	head      int                        // guarded by mu: index in queue of the oldest
	user      int                        // guarded by mu: user packets in queue
	waiting   int                        // guarded by mu: threads in Wait
	wake      chan struct{}              // a token while there may be packets for those who wait
	observers map[*portObserver]struct{} // guarded by mu
}

type portEntry struct {
	packet PortPacket
	from   *Handle // the handle observed; nil for a user packet
}

// NewPort makes a port.
func NewPort(k *Kernel) *Port {
	p := &Port{k: k, wake: make(chan struct{}, 1), observers: make(map[*portObserver]struct{})}
	p.init(k, zx.ObjTypePort, 0)
	return p
}

// Queue adds a packet of the user's. SHOULD_WAIT when too many are there.
func (p *Port) Queue(pkt PortPacket) zx.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return zx.ErrBadState
	}
	if p.user > portMaxUser {
		return zx.ErrShouldWait
	}
	p.user++
	pkt.Type = PacketUser
	p.pushLocked(portEntry{packet: pkt})
	return zx.OK
}

func (p *Port) pushLocked(e portEntry) {
	if p.head > 0 && len(p.queue) == cap(p.queue) {
		n := copy(p.queue, p.queue[p.head:])
		clear(p.queue[n:])
		p.queue, p.head = p.queue[:n], 0
	}
	p.queue = append(p.queue, e)
	p.wakeLocked()
}

// wakeLocked makes sure that one who waits looks at the queue.
func (p *Port) wakeLocked() {
	if p.waiting > 0 {
		select {
		case p.wake <- struct{}{}:
			Wakeups.Add(1)
		default:
		}
	}
}

func (p *Port) popLocked() (PortPacket, bool) {
	if p.head == len(p.queue) {
		return PortPacket{}, false
	}
	e := p.queue[p.head]
	p.queue[p.head] = portEntry{}
	p.head++
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	} else {
		p.wakeLocked() // for the next of those who wait
	}
	if e.from == nil {
		p.user--
	}
	return e.packet, true
}

// TryWait takes the oldest packet if there is one.
func (p *Port) TryWait() (PortPacket, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.popLocked()
}

// Wait takes the oldest packet, waiting for one until deadline: TIMED_OUT, or
// CANCELED by done.
func (p *Port) Wait(done <-chan struct{}, deadline int64) (PortPacket, zx.Status) {
	p.mu.Lock()
	p.waiting++
	pkt, ok := p.popLocked()
	p.mu.Unlock()
	st := zx.OK
	for !ok && st == zx.OK {
		st = p.k.Block(p.wake, done, deadline)
		p.mu.Lock()
		// Also after a deadline: a packet and its token may have come since.
		pkt, ok = p.popLocked()
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.waiting--
	if p.head < len(p.queue) {
		p.wakeLocked()
	}
	p.mu.Unlock()
	if ok {
		return pkt, zx.OK
	}
	return PortPacket{}, st
}

// Options of WaitAsync, from <zircon/syscalls/port.h>.
const (
	WaitAsyncTimestamp     = 1 << 0
	WaitAsyncEdge          = 1 << 1
	WaitAsyncBootTimestamp = 1 << 2
)

// portObserver queues one packet when an object has one of some signals.
type portObserver struct {
	Observation
	port    *Port
	source  *Handle
	key     uint64
	trigger zx.Signals
	options uint32

	started bool       // guarded by the object's Core.mu
	last    zx.Signals // guarded by the object's Core.mu, for WaitAsyncEdge
}

func (o *portObserver) OnSignals(s zx.Signals) bool {
	fresh := s
	if o.options&WaitAsyncEdge != 0 {
		fresh = s &^ o.last
		if !o.started {
			fresh = 0
		}
		o.started, o.last = true, s
	}
	if fresh&o.trigger == 0 {
		return false
	}
	e := portEntry{from: o.source, packet: PortPacket{Key: o.key, Type: PacketSignalOne}}
	binary.LittleEndian.PutUint32(e.packet.Payload[0:], uint32(o.trigger))
	binary.LittleEndian.PutUint32(e.packet.Payload[4:], uint32(s))
	binary.LittleEndian.PutUint64(e.packet.Payload[8:], 1)
	switch {
	case o.options&WaitAsyncTimestamp != 0:
		binary.LittleEndian.PutUint64(e.packet.Payload[16:], uint64(o.port.k.Monotonic()))
	case o.options&WaitAsyncBootTimestamp != 0:
		binary.LittleEndian.PutUint64(e.packet.Payload[16:], uint64(o.port.k.Machine.Boot()))
	}
	p := o.port
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.observers, o)
	if !p.closed {
		p.pushLocked(e)
	}
	return true
}

func (o *portObserver) OnCancel(zx.Signals) {
	o.port.mu.Lock()
	defer o.port.mu.Unlock()
	delete(o.port.observers, o)
}

// WaitAsync lets a packet with key be queued to p once the object that v names
// in t has one of signals. BAD_HANDLE, ACCESS_DENIED without WAIT; SHOULD_WAIT
// when the port has too many such waits.
func (p *Port) WaitAsync(t *HandleTable, v zx.Handle, key uint64, signals zx.Signals, options uint32) zx.Status {
	return t.with(v, func(h *Handle) zx.Status {
		if h.rights&zx.RightWait == 0 {
			return zx.ErrAccessDenied
		}
		o := &portObserver{port: p, source: h, key: key, trigger: signals, options: options}
		p.mu.Lock()
		switch {
		case p.closed:
			p.mu.Unlock()
			return zx.ErrBadHandle
		case len(p.observers)+len(p.queue)-p.head-p.user >= portMaxSignals:
			p.mu.Unlock()
			return zx.ErrShouldWait
		}
		p.observers[o] = struct{}{}
		p.mu.Unlock()
		h.obj.base().addObserver(o, h)
		// The port may have been closed, and let go of o, before o was added.
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed {
			h.obj.base().removeObserver(o)
		}
		return zx.OK
	})
}

// Cancel ends the asynchronous waits with key that were made through source, and
// takes their packets off the queue: NOT_FOUND when there was nothing.
func (p *Port) Cancel(source *Handle, key uint64) zx.Status {
	n := source.obj.base().removeObservers(source, func(o Observer) bool {
		po, ok := o.(*portObserver)
		if !ok || po.port != p || po.key != key {
			return false
		}
		po.OnCancel(0)
		return true
	})
	return p.dropPackets(n, func(e *portEntry) bool { return e.from == source && e.packet.Key == key })
}

// CancelKey ends all asynchronous waits with key, and takes their packets off the
// queue: NOT_FOUND when there was nothing.
func (p *Port) CancelKey(key uint64) zx.Status {
	p.mu.Lock()
	var waits []*portObserver
	for o := range p.observers {
		if o.key == key {
			waits = append(waits, o)
		}
	}
	p.mu.Unlock()
	n := 0
	for _, o := range waits {
		if _, there := o.source.obj.base().removeObserver(o); there {
			o.OnCancel(0)
			n++
		}
	}
	return p.dropPackets(n, func(e *portEntry) bool { return e.from != nil && e.packet.Key == key })
}

// dropPackets takes the packets that match off the queue. NOT_FOUND when there
// are none and n is 0.
func (p *Port) dropPackets(n int, match func(*portEntry) bool) zx.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.head
	for i := p.head; i < len(p.queue); i++ {
		if match(&p.queue[i]) {
			n++
			continue
		}
		p.queue[keep] = p.queue[i]
		keep++
	}
	clear(p.queue[keep:])
	p.queue = p.queue[:keep]
	if n == 0 {
		return zx.ErrNotFound
	}
	return zx.OK
}

func (p *Port) onZeroHandles() {
	p.mu.Lock()
	p.closed = true
	p.queue, p.head, p.user = nil, 0, 0
	observers := p.observers
	p.observers = nil
	p.mu.Unlock()
	for o := range observers {
		o.source.obj.base().removeObserver(o)
	}
}
