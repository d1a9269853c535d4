package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Properties, from <zircon/syscalls/object.h>.
const (
	propRegisterGS         = 2
	propName               = 3
	propRegisterFS         = 4
	propProcessDebugAddr   = 5
	propProcessVDSOBase    = 6
	propProcessBreakOnLoad = 7
	propSocketRxThreshold  = 12
	propSocketTxThreshold  = 13
	propJobKillOnOOM       = 15
	propExceptionState     = 16
	propVMOContentSize     = 17
	propExceptionStrategy  = 18
	propStreamModeAppend   = 19
)

// propertySize is how many bytes the values of a property have; 0 for a property
// that is none.
func propertySize(prop uint32) int {
	switch prop {
	case propName:
		return zx.MaxNameLen
	case propExceptionState, propExceptionStrategy:
		return 4
	case propStreamModeAppend:
		return 1
	case propRegisterFS, propRegisterGS, propProcessDebugAddr, propProcessVDSOBase,
		propProcessBreakOnLoad, propSocketRxThreshold, propSocketTxThreshold,
		propJobKillOnOOM, propVMOContentSize:
		return 8
	}
	return 0
}

// property is a value of up to 8 bytes that objects of type T have. A nil
// function is NOT_SUPPORTED.
type property[T object.Object] struct {
	get func(T) (uint64, zx.Status)
	set func(T, uint64) zx.Status
}

func (pr property[T]) read(o object.Object) (uint64, zx.Status) {
	t, ok := o.(T)
	switch {
	case !ok:
		return 0, zx.ErrWrongType
	case pr.get == nil:
		return 0, zx.ErrNotSupported
	}
	return pr.get(t)
}

func (pr property[T]) write(o object.Object, v uint64) zx.Status {
	t, ok := o.(T)
	switch {
	case !ok:
		return zx.ErrWrongType
	case pr.set == nil:
		return zx.ErrNotSupported
	}
	return pr.set(t, v)
}

// numbers are the properties that are numbers and do not depend on who asks.
var numbers = map[uint32]interface {
	read(object.Object) (uint64, zx.Status)
	write(object.Object, uint64) zx.Status
}{
	propProcessDebugAddr: property[*object.Process]{
		get: func(p *object.Process) (uint64, zx.Status) { return p.DebugAddr(), zx.OK },
		set: func(p *object.Process, v uint64) zx.Status { p.SetDebugAddr(v); return zx.OK },
	},
	propProcessVDSOBase: property[*object.Process]{
		get: func(p *object.Process) (uint64, zx.Status) { return p.VDSOBase(), zx.OK },
	},
	propProcessBreakOnLoad: property[*object.Process]{
		get: func(p *object.Process) (uint64, zx.Status) { return p.BreakOnLoad(), zx.OK },
		set: func(p *object.Process, v uint64) zx.Status { p.SetBreakOnLoad(v); return zx.OK },
	},
	propSocketRxThreshold: property[*object.Socket]{
		get: func(s *object.Socket) (uint64, zx.Status) { return s.Info().RxThreshold, zx.OK },
		set: (*object.Socket).SetRxThreshold,
	},
	propSocketTxThreshold: property[*object.Socket]{
		get: func(s *object.Socket) (uint64, zx.Status) { return s.Info().TxThreshold, zx.OK },
		set: (*object.Socket).SetTxThreshold,
	},
	propJobKillOnOOM: property[*object.Job]{
		set: func(j *object.Job, v uint64) zx.Status {
			if v > 1 {
				return zx.ErrInvalidArgs
			}
			j.SetKillOnOOM(v == 1)
			return zx.OK
		},
	},
	propExceptionState: property[*object.Exception]{
		get: func(e *object.Exception) (uint64, zx.Status) { return uint64(e.State()), zx.OK },
		set: func(e *object.Exception, v uint64) zx.Status { return e.SetState(uint32(v)) },
	},
	propExceptionStrategy: property[*object.Exception]{
		get: func(e *object.Exception) (uint64, zx.Status) {
			s, st := e.Strategy()
			return uint64(s), st
		},
		set: func(e *object.Exception, v uint64) zx.Status { return e.SetStrategy(uint32(v)) },
	},
	propVMOContentSize: property[*object.VMO]{
		get: func(v *object.VMO) (uint64, zx.Status) { return v.Mem.ContentSize(), zx.OK },
		set: func(v *object.VMO, n uint64) zx.Status { return v.Mem.SetContentSize(n) },
	},
	propStreamModeAppend: property[*object.Stream]{
		get: func(s *object.Stream) (uint64, zx.Status) {
			if s.Append() {
				return 1, zx.OK
			}
			return 0, zx.OK
		},
		set: func(s *object.Stream, v uint64) zx.Status { s.SetAppend(v != 0); return zx.OK },
	},
}

// named is an object with a name.
type named interface {
	Name() string
	SetName(string)
}

// ObjectGetProperty gives the value of a property, which must fit in b.
func ObjectGetProperty(p *object.Process, h zx.Handle, prop uint32, b []byte) zx.Status {
	o, st := getAny(p, h, zx.RightGetProperty)
	if st != zx.OK {
		return st
	}
	size := propertySize(prop)
	switch {
	case size == 0:
		return zx.ErrNotSupported
	case len(b) < size:
		return zx.ErrBufferTooSmall
	}
	switch prop {
	case propName:
		n, ok := o.(named)
		if !ok {
			return zx.ErrWrongType
		}
		clear(b[copy(b[:size], n.Name()):size])
		return zx.OK
	case propRegisterFS, propRegisterGS:
		// They are the thread's own to read, with one instruction.
		return zx.ErrNotSupported
	}
	v, st := numbers[prop].read(o)
	if st != zx.OK {
		return st
	}
	var le [8]byte
	binary.LittleEndian.PutUint64(le[:], v)
	copy(b, le[:size])
	return zx.OK
}

// ObjectSetProperty sets a property to b.
func ObjectSetProperty(p *object.Process, h zx.Handle, prop uint32, b []byte) zx.Status {
	return setProperty(p, nil, h, prop, b)
}

func setProperty(p *object.Process, caller *object.Thread, h zx.Handle, prop uint32, b []byte) zx.Status {
	o, st := getAny(p, h, zx.RightSetProperty)
	if st != zx.OK {
		return st
	}
	size := propertySize(prop)
	switch {
	case size == 0:
		return zx.ErrNotSupported
	case prop == propName:
		n, ok := o.(named)
		if !ok {
			return zx.ErrWrongType
		}
		n.SetName(string(b[:min(len(b), zx.MaxNameLen-1)]))
		return zx.OK
	case len(b) < size:
		return zx.ErrBufferTooSmall
	}
	var le [8]byte
	copy(le[:size], b)
	v := binary.LittleEndian.Uint64(le[:])
	if prop == propRegisterFS || prop == propRegisterGS {
		t, ok := o.(*object.Thread)
		switch {
		case !ok:
			return zx.ErrWrongType
		case t != caller:
			return zx.ErrAccessDenied
		}
		return t.SetThreadRegister(v)
	}
	return numbers[prop].write(o, v)
}

func sysObjectGetProperty(c *Call) zx.Status {
	b := c.Buf(int(min(c.U64(3), zx.MaxNameLen)))
	if st := ObjectGetProperty(c.Proc, c.Handle(0), c.U32(1), b); st != zx.OK {
		return st
	}
	return c.WriteBytes(c.U64(2), b[:propertySize(c.U32(1))])
}

func sysObjectSetProperty(c *Call) zx.Status {
	b, st := c.ReadBytes(c.U64(2), min(c.U64(3), zx.MaxNameLen))
	if st != zx.OK {
		return st
	}
	return setProperty(c.Proc, c.Thread, c.Handle(0), c.U32(1), b)
}
