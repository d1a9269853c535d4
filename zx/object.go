package zx

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync/atomic"
)

// Object is a handle to a kernel object of any type. The types of this package
// embed it.
type Object struct {
	h Handle // changed and read atomically
}

// ObjectFromHandle makes an Object that owns h.
func ObjectFromHandle(h Handle) Object { return Object{h} }

// Handle is the handle's value, HandleInvalid for none. It stays owned by o.
func (o *Object) Handle() Handle { return Handle(atomic.LoadUint32((*uint32)(&o.h))) }

// IsValid says whether o holds a handle.
func (o *Object) IsValid() bool { return o.Handle() != HandleInvalid }

// Take gives the handle up: it is the caller's and o holds none.
func (o *Object) Take() Handle { return Handle(atomic.SwapUint32((*uint32)(&o.h), 0)) }

// Close closes the handle (zx_handle_close). Without one it does nothing.
func (o *Object) Close() error {
	h := o.Take()
	if h == HandleInvalid {
		return nil
	}
	return sysHandleClose(h).Err()
}

// CloseAll closes handles (zx_handle_close_many); invalid ones are passed over.
func CloseAll(hs ...Handle) {
	if len(hs) > 0 {
		sysHandleCloseMany(hs)
	}
}

// Duplicate gives a second handle with rights r, or RightSameRights
// (zx_handle_duplicate).
func (o *Object) Duplicate(r Rights) (Object, error) {
	h, st := sysHandleDuplicate(o.Handle(), r)
	return Object{h}, st.Err()
}

// Replace narrows the rights of the handle to r (zx_handle_replace). After an
// error o holds no handle.
func (o *Object) Replace(r Rights) error {
	h, st := sysHandleReplace(o.Take(), r)
	if st != OK {
		return st
	}
	atomic.StoreUint32((*uint32)(&o.h), uint32(h))
	return nil
}

// BasicInfo is zx_info_handle_basic_t.
type BasicInfo struct {
	Koid        Koid
	Rights      Rights
	Type        ObjType
	RelatedKoid Koid // of the peer, or the parent of a task; 0 for none
}

// BasicInfo tells what the handle is (ZX_INFO_HANDLE_BASIC).
func (o *Object) BasicInfo() (BasicInfo, error) {
	var b [32]byte
	if err := o.info(infoHandleBasic, b[:]); err != nil {
		return BasicInfo{}, err
	}
	le := binary.LittleEndian
	return BasicInfo{
		Koid:        Koid(le.Uint64(b[0:])),
		Rights:      Rights(le.Uint32(b[8:])),
		Type:        ObjType(le.Uint32(b[12:])),
		RelatedKoid: Koid(le.Uint64(b[16:])),
	}, nil
}

// Koid is the object's id.
func (o *Object) Koid() (Koid, error) {
	i, err := o.BasicInfo()
	return i.Koid, err
}

// GetInfo is zx_object_get_info for topics that have no method here. It fills
// buf with whole records and gives how many fit and how many there are.
func (o *Object) GetInfo(topic uint32, buf []byte) (actual, avail uint64, err error) {
	actual, avail, st := sysObjectGetInfo(o.Handle(), topic, buf)
	return actual, avail, st.Err()
}

// info gets a topic of one record.
func (o *Object) info(topic uint32, b []byte) error {
	_, _, st := sysObjectGetInfo(o.Handle(), topic, b)
	return st.Err()
}

// koids gets a topic that is a list of koids, whatever its length.
func (o *Object) koids(topic uint32) ([]Koid, error) {
	for n := uint64(16); ; {
		b := make([]byte, 8*n)
		actual, avail, st := sysObjectGetInfo(o.Handle(), topic, b)
		if st != OK {
			return nil, st
		}
		if avail > n {
			n = avail + 8 // some more may come meanwhile
			continue
		}
		ks := make([]Koid, min(actual, n))
		for i := range ks {
			ks[i] = Koid(binary.LittleEndian.Uint64(b[8*i:]))
		}
		return ks, nil
	}
}

// Name is the object's name, "" for none (ZX_PROP_NAME).
func (o *Object) Name() (string, error) {
	var b [MaxNameLen]byte
	if st := sysObjectGetProperty(o.Handle(), propName, b[:]); st != OK {
		return "", st
	}
	n, _, _ := bytes.Cut(b[:], []byte{0})
	return string(n), nil
}

// SetName sets the object's name (ZX_PROP_NAME), cut to MaxNameLen-1 bytes.
func (o *Object) SetName(name string) error {
	return sysObjectSetProperty(o.Handle(), propName, []byte(name[:min(len(name), MaxNameLen-1)])).Err()
}

// property reads a property of eight bytes.
func (o *Object) property(prop uint32) (uint64, error) {
	var b [8]byte
	st := sysObjectGetProperty(o.Handle(), prop, b[:])
	return binary.LittleEndian.Uint64(b[:]), st.Err()
}

// setProperty writes a property of eight bytes.
func (o *Object) setProperty(prop uint32, v uint64) error {
	return sysObjectSetProperty(o.Handle(), prop, binary.LittleEndian.AppendUint64(nil, v)).Err()
}

// Signal clears and then sets user signals of the object (zx_object_signal).
func (o *Object) Signal(clear, set Signals) error {
	return sysObjectSignal(o.Handle(), clear, set).Err()
}

// SignalPeer does the same to the object's peer (zx_object_signal_peer).
func (o *Object) SignalPeer(clear, set Signals) error {
	return sysObjectSignalPeer(o.Handle(), clear, set).Err()
}

// Wait waits until one of the signals is there, or ctx ends (its error), or the
// deadline passes (ErrTimedOut), or the handle is closed (ErrCanceled). It
// gives the state of the object then (zx_object_wait_one).
func (o *Object) Wait(ctx context.Context, s Signals, deadline Time) (Signals, error) {
	seen, st := sysObjectWaitOne(ctx.Done(), o.Handle(), s, deadline)
	return seen, waitErr(ctx, st)
}

// waitErr is the error of a wait that ended with st.
func waitErr(ctx context.Context, st Status) error {
	if st == ErrCanceled {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return st.Err()
}

// WaitItem is an object to wait for, and what it was when the wait ended.
type WaitItem struct {
	Handle  Handle
	WaitFor Signals
	Pending Signals
}

// WaitMany waits until one of the items has one of its signals
// (zx_object_wait_many), and fills each Pending. Its errors are those of Wait.
func WaitMany(ctx context.Context, items []WaitItem, deadline Time) error {
	return waitErr(ctx, sysObjectWaitMany(ctx.Done(), items, deadline))
}

// WaitAsync has a packet with key queued on port when one of the signals is
// there (zx_object_wait_async). options are WaitAsyncOnce and so on.
func (o *Object) WaitAsync(port *Port, key uint64, s Signals, options uint32) error {
	return sysObjectWaitAsync(o.Handle(), port.Handle(), key, s, options).Err()
}

// Options of WaitAsync.
const (
	WaitAsyncOnce      uint32 = 0
	WaitAsyncTimestamp uint32 = 1 << 0
	WaitAsyncEdge      uint32 = 1 << 1
)

// Topics of zx_object_get_info; the upper four bits are a version of the record.
const (
	infoHandleBasic    = 2
	infoProcess        = 3 | 1<<28
	infoProcessThreads = 4
	infoVMAR           = 7
	infoJobChildren    = 8
	infoJobProcesses   = 9
	infoTaskStats      = 12
	infoJob            = 24
)

// Properties, by the numbers of <zircon/syscalls/object.h>.
const (
	propName            = 3
	propVMOContentSize  = 17
	propProcessVDSOBase = 6
)
