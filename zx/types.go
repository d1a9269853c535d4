package zx

import fzx "go.fuchsia.dev/fidl-go/zx"

// The types of FIDL's library zx, by the names of <zircon/types.h>.
type (
	// Handle is a number that names a handle of this process.
	Handle = fzx.Handle
	// Status is a zx_status_t, an error value.
	Status = fzx.Status
	// Rights is what a handle may be used for.
	Rights = fzx.Rights
	// Signals is the state bits of an object.
	Signals = fzx.Signals
	// Koid is an object's id.
	Koid = fzx.Koid
	// ObjType is a kind of object.
	ObjType = fzx.ObjType
	// HandleInfo is a handle received, with its type and rights.
	HandleInfo = fzx.HandleInfo
	// HandleOp is what a write does with a handle.
	HandleOp = fzx.HandleOp
	// HandleDisposition is a handle to send.
	HandleDisposition = fzx.HandleDisposition
)

// Status codes.
const (
	OK                      = fzx.OK
	ErrInternal             = fzx.ErrInternal
	ErrNotSupported         = fzx.ErrNotSupported
	ErrNoResources          = fzx.ErrNoResources
	ErrNoMemory             = fzx.ErrNoMemory
	ErrInternalIntrRetry    = fzx.ErrInternalIntrRetry
	ErrInvalidArgs          = fzx.ErrInvalidArgs
	ErrBadHandle            = fzx.ErrBadHandle
	ErrWrongType            = fzx.ErrWrongType
	ErrBadSyscall           = fzx.ErrBadSyscall
	ErrOutOfRange           = fzx.ErrOutOfRange
	ErrBufferTooSmall       = fzx.ErrBufferTooSmall
	ErrBadState             = fzx.ErrBadState
	ErrTimedOut             = fzx.ErrTimedOut
	ErrShouldWait           = fzx.ErrShouldWait
	ErrCanceled             = fzx.ErrCanceled
	ErrPeerClosed           = fzx.ErrPeerClosed
	ErrNotFound             = fzx.ErrNotFound
	ErrAlreadyExists        = fzx.ErrAlreadyExists
	ErrAlreadyBound         = fzx.ErrAlreadyBound
	ErrUnavailable          = fzx.ErrUnavailable
	ErrAccessDenied         = fzx.ErrAccessDenied
	ErrIO                   = fzx.ErrIO
	ErrIORefused            = fzx.ErrIORefused
	ErrIODataIntegrity      = fzx.ErrIODataIntegrity
	ErrIODataLoss           = fzx.ErrIODataLoss
	ErrIONotPresent         = fzx.ErrIONotPresent
	ErrIOOverrun            = fzx.ErrIOOverrun
	ErrIOMissedDeadline     = fzx.ErrIOMissedDeadline
	ErrIOInvalid            = fzx.ErrIOInvalid
	ErrBadPath              = fzx.ErrBadPath
	ErrNotDir               = fzx.ErrNotDir
	ErrNotFile              = fzx.ErrNotFile
	ErrFileBig              = fzx.ErrFileBig
	ErrNoSpace              = fzx.ErrNoSpace
	ErrNotEmpty             = fzx.ErrNotEmpty
	ErrStop                 = fzx.ErrStop
	ErrNext                 = fzx.ErrNext
	ErrAsync                = fzx.ErrAsync
	ErrProtocolNotSupported = fzx.ErrProtocolNotSupported
	ErrAddressUnreachable   = fzx.ErrAddressUnreachable
	ErrAddressInUse         = fzx.ErrAddressInUse
	ErrNotConnected         = fzx.ErrNotConnected
	ErrConnectionRefused    = fzx.ErrConnectionRefused
	ErrConnectionReset      = fzx.ErrConnectionReset
	ErrConnectionAborted    = fzx.ErrConnectionAborted
	ErrInternalIntrKilled   = fzx.ErrInternalIntrKilled
)

// Values and limits of handles, names and channel messages.
const (
	HandleInvalid        = fzx.HandleInvalid
	HandleFixedBitsMask  = fzx.HandleFixedBitsMask
	KoidInvalid          = fzx.KoidInvalid
	KoidKernel           = fzx.KoidKernel
	ChannelMaxMsgBytes   = fzx.ChannelMaxMsgBytes
	ChannelMaxMsgHandles = fzx.ChannelMaxMsgHandles
	MaxNameLen           = fzx.MaxNameLen
	HandleOpMove         = fzx.HandleOpMove
	HandleOpDuplicate    = fzx.HandleOpDuplicate
)

// Rights.
const (
	RightNone          = fzx.RightNone
	RightDuplicate     = fzx.RightDuplicate
	RightTransfer      = fzx.RightTransfer
	RightRead          = fzx.RightRead
	RightWrite         = fzx.RightWrite
	RightExecute       = fzx.RightExecute
	RightMap           = fzx.RightMap
	RightGetProperty   = fzx.RightGetProperty
	RightSetProperty   = fzx.RightSetProperty
	RightEnumerate     = fzx.RightEnumerate
	RightDestroy       = fzx.RightDestroy
	RightSetPolicy     = fzx.RightSetPolicy
	RightGetPolicy     = fzx.RightGetPolicy
	RightSignal        = fzx.RightSignal
	RightSignalPeer    = fzx.RightSignalPeer
	RightWait          = fzx.RightWait
	RightInspect       = fzx.RightInspect
	RightManageJob     = fzx.RightManageJob
	RightManageProcess = fzx.RightManageProcess
	RightManageThread  = fzx.RightManageThread
	RightApplyProfile  = fzx.RightApplyProfile
	RightManageSocket  = fzx.RightManageSocket
	RightOpChildren    = fzx.RightOpChildren
	RightResize        = fzx.RightResize
	RightAttachVMO     = fzx.RightAttachVMO
	RightManageVMO     = fzx.RightManageVMO
	RightSameRights    = fzx.RightSameRights
	RightsBasic        = fzx.RightsBasic
	RightsIO           = fzx.RightsIO
	RightsProperty     = fzx.RightsProperty
	RightsPolicy       = fzx.RightsPolicy
	RightsAll          = fzx.RightsAll
)

// Object types.
const (
	ObjTypeNone         = fzx.ObjTypeNone
	ObjTypeProcess      = fzx.ObjTypeProcess
	ObjTypeThread       = fzx.ObjTypeThread
	ObjTypeVMO          = fzx.ObjTypeVMO
	ObjTypeChannel      = fzx.ObjTypeChannel
	ObjTypeEvent        = fzx.ObjTypeEvent
	ObjTypePort         = fzx.ObjTypePort
	ObjTypeInterrupt    = fzx.ObjTypeInterrupt
	ObjTypePciDevice    = fzx.ObjTypePciDevice
	ObjTypeLog          = fzx.ObjTypeLog
	ObjTypeSocket       = fzx.ObjTypeSocket
	ObjTypeResource     = fzx.ObjTypeResource
	ObjTypeEventpair    = fzx.ObjTypeEventpair
	ObjTypeJob          = fzx.ObjTypeJob
	ObjTypeVMAR         = fzx.ObjTypeVMAR
	ObjTypeFifo         = fzx.ObjTypeFifo
	ObjTypeGuest        = fzx.ObjTypeGuest
	ObjTypeVcpu         = fzx.ObjTypeVcpu
	ObjTypeTimer        = fzx.ObjTypeTimer
	ObjTypeIommu        = fzx.ObjTypeIommu
	ObjTypeBti          = fzx.ObjTypeBti
	ObjTypeProfile      = fzx.ObjTypeProfile
	ObjTypePmt          = fzx.ObjTypePmt
	ObjTypeSuspendToken = fzx.ObjTypeSuspendToken
	ObjTypePager        = fzx.ObjTypePager
	ObjTypeException    = fzx.ObjTypeException
	ObjTypeClock        = fzx.ObjTypeClock
	ObjTypeStream       = fzx.ObjTypeStream
	ObjTypeMsi          = fzx.ObjTypeMsi
	ObjTypeIob          = fzx.ObjTypeIob
	ObjTypeCounter      = fzx.ObjTypeCounter
)

// Signals.
const (
	SignalNone              = fzx.SignalNone
	SignalReadable          = fzx.SignalReadable
	SignalWritable          = fzx.SignalWritable
	SignalPeerClosed        = fzx.SignalPeerClosed
	SignalSignaled          = fzx.SignalSignaled
	Signal4                 = fzx.Signal4
	Signal5                 = fzx.Signal5
	SignalHandleClosed      = fzx.SignalHandleClosed
	UserSignal0             = fzx.UserSignal0
	UserSignal1             = fzx.UserSignal1
	UserSignal2             = fzx.UserSignal2
	UserSignal3             = fzx.UserSignal3
	UserSignal4             = fzx.UserSignal4
	UserSignal5             = fzx.UserSignal5
	UserSignal6             = fzx.UserSignal6
	UserSignal7             = fzx.UserSignal7
	UserSignalAll           = fzx.UserSignalAll
	ChannelReadable         = fzx.ChannelReadable
	ChannelWritable         = fzx.ChannelWritable
	ChannelPeerClosed       = fzx.ChannelPeerClosed
	SocketReadable          = fzx.SocketReadable
	SocketWritable          = fzx.SocketWritable
	SocketPeerClosed        = fzx.SocketPeerClosed
	SocketPeerWriteDisabled = fzx.SocketPeerWriteDisabled
	SocketWriteDisabled     = fzx.SocketWriteDisabled
	SocketReadThreshold     = fzx.SocketReadThreshold
	SocketWriteThreshold    = fzx.SocketWriteThreshold
	FifoReadable            = fzx.FifoReadable
	FifoWritable            = fzx.FifoWritable
	FifoPeerClosed          = fzx.FifoPeerClosed
	EventSignaled           = fzx.EventSignaled
	EventpairSignaled       = fzx.EventpairSignaled
	EventpairPeerClosed     = fzx.EventpairPeerClosed
	TimerSignaled           = fzx.TimerSignaled
	ClockStarted            = fzx.ClockStarted
	ClockUpdated            = fzx.ClockUpdated
	TaskTerminated          = fzx.TaskTerminated
	JobTerminated           = fzx.JobTerminated
	JobNoJobs               = fzx.JobNoJobs
	JobNoProcesses          = fzx.JobNoProcesses
	JobNoChildren           = fzx.JobNoChildren
	ProcessTerminated       = fzx.ProcessTerminated
	ThreadTerminated        = fzx.ThreadTerminated
	ThreadRunning           = fzx.ThreadRunning
	ThreadSuspended         = fzx.ThreadSuspended
	LogReadable             = fzx.LogReadable
	LogWritable             = fzx.LogWritable
	VMOZeroChildren         = fzx.VMOZeroChildren
)
