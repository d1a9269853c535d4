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

// Peered is an object with another end that can be signaled.
type Peered interface {
	Object
	SignalPeer(clear, set zx.Signals) zx.Status
}

// Settable are the signals that zx_object_signal may change on o.
func Settable(o Object) zx.Signals {
	if s, ok := o.(interface{ settable() zx.Signals }); ok {
		return s.settable()
	}
	return zx.UserSignalAll
}

// Signal changes signals of o: INVALID_ARGS for one that is not Settable.
func Signal(o Object, clear, set zx.Signals) zx.Status {
	if (clear|set)&^Settable(o) != 0 {
		return zx.ErrInvalidArgs
	}
	o.base().updateSignals(clear, set)
	return zx.OK
}

// SignalPeer changes signals of o's other end: NOT_SUPPORTED without one,
// INVALID_ARGS for a signal that is not Settable, PEER_CLOSED.
func SignalPeer(o Object, clear, set zx.Signals) zx.Status {
	p, ok := o.(Peered)
	if !ok {
		return zx.ErrNotSupported
	}
	if (clear|set)&^Settable(o) != 0 {
		return zx.ErrInvalidArgs
	}
	return p.SignalPeer(clear, set)
}
