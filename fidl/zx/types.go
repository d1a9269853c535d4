package zx

import "strconv"

// Handle is a zx_handle_t: a number that names, within one process, a
// reference to a kernel object and the rights to use it by. Zero is no handle.
type Handle uint32

const (
	// HandleInvalid is the value that names no handle.
	HandleInvalid Handle = 0
	// HandleFixedBitsMask are the bits set in every valid handle value.
	HandleFixedBitsMask Handle = 3
)

// Rights is a zx_rights_t: what a handle may be used for.
type Rights uint32

// Rights, from <zircon/rights.h>.
const (
	RightNone          Rights = 0
	RightDuplicate     Rights = 1 << 0
	RightTransfer      Rights = 1 << 1
	RightRead          Rights = 1 << 2
	RightWrite         Rights = 1 << 3
	RightExecute       Rights = 1 << 4
	RightMap           Rights = 1 << 5
	RightGetProperty   Rights = 1 << 6
	RightSetProperty   Rights = 1 << 7
	RightEnumerate     Rights = 1 << 8
	RightDestroy       Rights = 1 << 9
	RightSetPolicy     Rights = 1 << 10
	RightGetPolicy     Rights = 1 << 11
	RightSignal        Rights = 1 << 12
	RightSignalPeer    Rights = 1 << 13
	RightWait          Rights = 1 << 14
	RightInspect       Rights = 1 << 15
	RightManageJob     Rights = 1 << 16
	RightManageProcess Rights = 1 << 17
	RightManageThread  Rights = 1 << 18
	RightApplyProfile  Rights = 1 << 19
	RightManageSocket  Rights = 1 << 20
	RightOpChildren    Rights = 1 << 21
	RightResize        Rights = 1 << 22
	RightAttachVMO     Rights = 1 << 23
	RightManageVMO     Rights = 1 << 24
	RightSameRights    Rights = 1 << 31

	RightsBasic    = RightTransfer | RightDuplicate | RightWait | RightInspect
	RightsIO       = RightRead | RightWrite
	RightsProperty = RightGetProperty | RightSetProperty
	RightsPolicy   = RightGetPolicy | RightSetPolicy
	// RightsAll is every right there is; SAME_RIGHTS is not one.
	RightsAll Rights = 1<<25 - 1
)

// ObjType is a zx_obj_type_t: the kind of object a handle refers to.
type ObjType uint32

// Object types, from <zircon/types.h>. ObjTypeNone, in a FIDL handle
// constraint, admits any type.
const (
	ObjTypeNone         ObjType = 0
	ObjTypeProcess      ObjType = 1
	ObjTypeThread       ObjType = 2
	ObjTypeVMO          ObjType = 3
	ObjTypeChannel      ObjType = 4
	ObjTypeEvent        ObjType = 5
	ObjTypePort         ObjType = 6
	ObjTypeInterrupt    ObjType = 9
	ObjTypePciDevice    ObjType = 11
	ObjTypeLog          ObjType = 12
	ObjTypeSocket       ObjType = 14
	ObjTypeResource     ObjType = 15
	ObjTypeEventpair    ObjType = 16
	ObjTypeJob          ObjType = 17
	ObjTypeVMAR         ObjType = 18
	ObjTypeFifo         ObjType = 19
	ObjTypeGuest        ObjType = 20
	ObjTypeVcpu         ObjType = 21
	ObjTypeTimer        ObjType = 22
	ObjTypeIommu        ObjType = 23
	ObjTypeBti          ObjType = 24
	ObjTypeProfile      ObjType = 25
	ObjTypePmt          ObjType = 26
	ObjTypeSuspendToken ObjType = 27
	ObjTypePager        ObjType = 28
	ObjTypeException    ObjType = 29
	ObjTypeClock        ObjType = 30
	ObjTypeStream       ObjType = 31
	ObjTypeMsi          ObjType = 32
	ObjTypeIob          ObjType = 33
	ObjTypeCounter      ObjType = 34
)

var objTypeNames = map[ObjType]string{
	ObjTypeNone: "none", ObjTypeProcess: "process", ObjTypeThread: "thread",
	ObjTypeVMO: "vmo", ObjTypeChannel: "channel", ObjTypeEvent: "event",
	ObjTypePort: "port", ObjTypeInterrupt: "interrupt", ObjTypePciDevice: "pci-device",
	ObjTypeLog: "log", ObjTypeSocket: "socket", ObjTypeResource: "resource",
	ObjTypeEventpair: "eventpair", ObjTypeJob: "job", ObjTypeVMAR: "vmar",
	ObjTypeFifo: "fifo", ObjTypeGuest: "guest", ObjTypeVcpu: "vcpu",
	ObjTypeTimer: "timer", ObjTypeIommu: "iommu", ObjTypeBti: "bti",
	ObjTypeProfile: "profile", ObjTypePmt: "pmt", ObjTypeSuspendToken: "suspend-token",
	ObjTypePager: "pager", ObjTypeException: "exception", ObjTypeClock: "clock",
	ObjTypeStream: "stream", ObjTypeMsi: "msi", ObjTypeIob: "iob", ObjTypeCounter: "counter",
}

// String gives the type's name as Fuchsia's tools print it, such as "channel".
func (t ObjType) String() string {
	if n, ok := objTypeNames[t]; ok {
		return n
	}
	return "(zx_obj_type_t: " + strconv.FormatUint(uint64(t), 10) + ")"
}

// Signals is a zx_signals_t: the state bits of an object that one can wait for.
type Signals uint32

// Signals, from <zircon/types.h>. What a bit means depends on the object.
const (
	SignalNone Signals = 0

	SignalReadable   Signals = 1 << 0
	SignalWritable   Signals = 1 << 1
	SignalPeerClosed Signals = 1 << 2
	SignalSignaled   Signals = 1 << 3
	Signal4          Signals = 1 << 4
	Signal5          Signals = 1 << 5

	SignalHandleClosed Signals = 1 << 23

	UserSignal0   Signals = 1 << 24
	UserSignal1   Signals = 1 << 25
	UserSignal2   Signals = 1 << 26
	UserSignal3   Signals = 1 << 27
	UserSignal4   Signals = 1 << 28
	UserSignal5   Signals = 1 << 29
	UserSignal6   Signals = 1 << 30
	UserSignal7   Signals = 1 << 31
	UserSignalAll Signals = 0xff000000

	ChannelReadable   = SignalReadable
	ChannelWritable   = SignalWritable
	ChannelPeerClosed = SignalPeerClosed

	SocketReadable                  = SignalReadable
	SocketWritable                  = SignalWritable
	SocketPeerClosed                = SignalPeerClosed
	SocketPeerWriteDisabled         = Signal4
	SocketWriteDisabled             = Signal5
	SocketReadThreshold     Signals = 1 << 10
	SocketWriteThreshold    Signals = 1 << 11

	FifoReadable   = SignalReadable
	FifoWritable   = SignalWritable
	FifoPeerClosed = SignalPeerClosed

	EventSignaled       = SignalSignaled
	EventpairSignaled   = SignalSignaled
	EventpairPeerClosed = SignalPeerClosed
	TimerSignaled       = SignalSignaled
	ClockStarted        = Signal4
	ClockUpdated        = Signal5

	TaskTerminated            = SignalSignaled
	JobTerminated             = SignalSignaled
	JobNoJobs                 = Signal4
	JobNoProcesses            = Signal5
	JobNoChildren     Signals = 1 << 6
	ProcessTerminated         = SignalSignaled
	ThreadTerminated          = SignalSignaled
	ThreadRunning             = Signal4
	ThreadSuspended           = Signal5

	LogReadable     = SignalReadable
	LogWritable     = SignalWritable
	VMOZeroChildren = SignalSignaled
)

// Koid is a zx_koid_t: a kernel object's id, unique while the system runs.
type Koid uint64

// Koids that name no object, the kernel, and the first that an object may have.
const (
	KoidInvalid Koid = 0
	KoidKernel  Koid = 1
	KoidFirst   Koid = 1024
)

// Limits of a channel message and of an object's name (with its NUL), in bytes,
// handles and bytes.
const (
	ChannelMaxMsgBytes   = 65536
	ChannelMaxMsgHandles = 64
	MaxNameLen           = 32
)

// HandleInfo is a handle as zx_channel_read_etc gives it: with the type of its
// object and its rights. Whoever holds the struct owns the handle.
type HandleInfo struct {
	Handle Handle
	Type   ObjType
	Rights Rights
}

// HandleOp says what zx_channel_write_etc does with a handle.
type HandleOp uint32

const (
	// HandleOpMove transfers the handle.
	HandleOpMove HandleOp = 0
	// HandleOpDuplicate sends a duplicate; the sender keeps the handle.
	HandleOpDuplicate HandleOp = 1
)

// HandleDisposition is a handle to send: zx_handle_disposition_t. Type
// ObjTypeNone skips the type check; Rights are the rights to send it with
// (RightSameRights to keep them). Result is set by the system.
type HandleDisposition struct {
	Op     HandleOp
	Handle Handle
	Type   ObjType
	Rights Rights
	Result Status
}
