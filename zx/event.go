package zx

// Event is an object that is nothing but its signals.
type Event struct{ Object }

// EventFromHandle makes an Event that owns h.
func EventFromHandle(h Handle) Event { return Event{Object{h}} }

// NewEvent makes an event (zx_event_create).
func NewEvent() (Event, error) {
	h, st := sysEventCreate(0)
	return EventFromHandle(h), st.Err()
}

// Duplicate gives a second handle with rights r.
func (e *Event) Duplicate(r Rights) (Event, error) {
	o, err := e.Object.Duplicate(r)
	return Event{o}, err
}
