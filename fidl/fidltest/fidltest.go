// Package fidltest is a transport within one process, for tests and examples
// of code that speaks FIDL. It behaves as a channel does, and it counts
// handles, so that a test can show that none leaks.
package fidltest

import (
	"context"
	"sync"
	"testing"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/zx"
)

// Handles is a table of handles to objects that do nothing but have a type and
// rights. The zero value is ready.
type Handles struct {
	mu   sync.Mutex // guards what follows
	next zx.Handle
	open map[zx.Handle]zx.HandleInfo
	dup  int // closes of handles that were not open
}

// New makes a handle.
func (t *Handles) New(o zx.ObjType, r zx.Rights) zx.Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next += 4
	h := t.next | zx.HandleFixedBitsMask
	if t.open == nil {
		t.open = map[zx.Handle]zx.HandleInfo{}
	}
	t.open[h] = zx.HandleInfo{Handle: h, Type: o, Rights: r}
	return h
}

// CloseHandles closes handles. Those that are not open are counted; see Check.
func (t *Handles) CloseHandles(hs ...zx.Handle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range hs {
		if _, ok := t.open[h]; !ok {
			t.dup++
		}
		delete(t.open, h)
	}
}

// Info tells of a handle; the zero value when it is not open.
func (t *Handles) Info(h zx.Handle) zx.HandleInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[h]
}

// Open is how many handles are open.
func (t *Handles) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Check fails the test when a handle is open, or was closed twice.
func (t *Handles) Check(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.open {
		tb.Errorf("handle %#x (%v) leaks", uint32(i.Handle), i.Type)
	}
	if t.dup > 0 {
		tb.Errorf("%d handles were closed that were not open", t.dup)
	}
}

// ReplaceHandle is zx_handle_replace.
func (t *Handles) ReplaceHandle(h zx.Handle, r zx.Rights) (zx.Handle, error) {
	i := t.Info(h)
	t.CloseHandles(h)
	switch {
	case i.Handle == zx.HandleInvalid:
		return 0, zx.ErrBadHandle
	case r == zx.RightSameRights:
		r = i.Rights
	case r&^i.Rights != 0:
		return 0, zx.ErrInvalidArgs
	}
	return t.New(i.Type, r), nil
}

type message struct {
	b []byte
	h []zx.HandleInfo
}

// End is one end of a channel. It implements fidl.Transport.
type End struct {
	*Handles
	pair *pair
	in   int // index of the queue that it reads
}

type pair struct {
	mu     sync.Mutex // guards what follows
	queue  [2][]message
	closed [2]bool
	more   [2]chan struct{} // closed and replaced when an end has news
}

var _ fidl.Transport = (*End)(nil)

// NewPair makes a channel for messages with handles of t.
func NewPair(t *Handles) (a, b *End) {
	p := &pair{}
	p.more[0], p.more[1] = make(chan struct{}), make(chan struct{})
	return &End{Handles: t, pair: p, in: 0}, &End{Handles: t, pair: p, in: 1}
}

func (p *pair) wake(end int) {
	close(p.more[end])
	p.more[end] = make(chan struct{})
}

// ReadMsg implements fidl.Transport.
func (e *End) ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error) {
	for {
		e.pair.mu.Lock()
		q, more := &e.pair.queue[e.in], e.pair.more[e.in]
		switch {
		case e.pair.closed[e.in]:
			e.pair.mu.Unlock()
			return 0, 0, zx.ErrBadHandle
		case len(*q) > 0:
			m := (*q)[0]
			*q = (*q)[1:]
			e.pair.mu.Unlock()
			return copy(b, m.b), copy(h, m.h), nil
		case e.pair.closed[1-e.in]:
			e.pair.mu.Unlock()
			return 0, 0, zx.ErrPeerClosed
		}
		e.pair.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// WriteMsg implements fidl.Transport, with the checks of zx_channel_write_etc.
func (e *End) WriteMsg(b []byte, h []zx.HandleDisposition) error {
	m := message{b: append([]byte(nil), b...)}
	var err error
	for i := range h {
		info := e.Info(h[i].Handle)
		r := h[i].Rights
		if r == zx.RightSameRights {
			r = info.Rights
		}
		switch {
		case info.Handle == zx.HandleInvalid:
			err = zx.ErrBadHandle
			continue
		case h[i].Type != zx.ObjTypeNone && h[i].Type != info.Type:
			err = zx.ErrWrongType
		case r&^info.Rights != 0:
			err = zx.ErrInvalidArgs
		}
		e.CloseHandles(info.Handle)
		m.h = append(m.h, zx.HandleInfo{Handle: e.New(info.Type, r), Type: info.Type, Rights: r})
	}
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	switch {
	case err != nil:
	case e.pair.closed[e.in]:
		err = zx.ErrBadHandle
	case e.pair.closed[1-e.in]:
		err = zx.ErrPeerClosed
	}
	if err != nil {
		e.drop(m)
		return err
	}
	e.pair.queue[1-e.in] = append(e.pair.queue[1-e.in], m)
	e.pair.wake(1 - e.in)
	return nil
}

// WriteRaw sends bytes and handles as they are, valid or not.
func (e *End) WriteRaw(b []byte, h ...zx.Handle) error {
	d := make([]zx.HandleDisposition, len(h))
	for i := range h {
		d[i] = zx.HandleDisposition{Handle: h[i], Rights: zx.RightSameRights}
	}
	return e.WriteMsg(b, d)
}

func (e *End) drop(m message) {
	for _, h := range m.h {
		e.CloseHandles(h.Handle)
	}
}

// Close implements fidl.Transport: the other end can read what was sent, and
// then sees PEER_CLOSED.
func (e *End) Close() error {
	e.pair.mu.Lock()
	defer e.pair.mu.Unlock()
	if e.pair.closed[e.in] {
		return zx.ErrBadHandle
	}
	e.pair.closed[e.in] = true
	for _, m := range e.pair.queue[e.in] {
		e.drop(m)
	}
	e.pair.queue[e.in] = nil
	e.pair.wake(0)
	e.pair.wake(1)
	return nil
}
