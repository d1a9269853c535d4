package object

import "go.fuchsia.dev/fidl-go/zx"

// EventRights are the rights of a new event's handle.
const EventRights = zx.RightsBasic | zx.RightSignal

// Event is an object that can be signaled, and no more.
type Event struct{ Core }

// NewEvent makes an event.
func NewEvent(k *Kernel) *Event {
	e := &Event{}
	e.init(k, zx.ObjTypeEvent, 0)
	return e
}

func (e *Event) settable() zx.Signals { return zx.UserSignalAll | zx.EventSignaled }

// peered is an object with another end that can be signaled.
type peered interface {
	Object
	SignalPeer(clear, set zx.Signals) zx.Status
}

// settable are the signals that zx_object_signal may change on o.
func settable(o Object) zx.Signals {
	if s, ok := o.(interface{ settable() zx.Signals }); ok {
		return s.settable()
	}
	return zx.UserSignalAll
}

// Signal changes signals of o: INVALID_ARGS for one that is not settable.
func Signal(o Object, clear, set zx.Signals) zx.Status {
	if (clear|set)&^settable(o) != 0 {
		return zx.ErrInvalidArgs
	}
	o.base().updateSignals(clear, set)
	return zx.OK
}

// SignalPeer changes signals of o's other end: NOT_SUPPORTED without one,
// INVALID_ARGS for a signal that is not settable, PEER_CLOSED.
func SignalPeer(o Object, clear, set zx.Signals) zx.Status {
	p, ok := o.(peered)
	if !ok {
		return zx.ErrNotSupported
	}
	if (clear|set)&^settable(o) != 0 {
		return zx.ErrInvalidArgs
	}
	return p.SignalPeer(clear, set)
}
