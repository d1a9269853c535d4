package zx

// EventPair is one of two events that can signal each other and hear of each
// other's end.
type EventPair struct{ Object }

// EventPairFromHandle makes an EventPair that owns h.
func EventPairFromHandle(h Handle) EventPair { return EventPair{Object{h}} }

// NewEventPair makes the two (zx_eventpair_create).
func NewEventPair() (EventPair, EventPair, error) {
	h0, h1, st := sysEventpairCreate(0)
	return EventPairFromHandle(h0), EventPairFromHandle(h1), st.Err()
}

// Duplicate gives a second handle with rights r.
func (e *EventPair) Duplicate(r Rights) (EventPair, error) {
	o, err := e.Object.Duplicate(r)
	return EventPair{o}, err
}
