// Package zx holds the Zircon types that FIDL messages speak of: handles,
// status codes, rights, object types and signals. It is FIDL's own library
// "zx" in Go: numbers and names only, no syscalls.
//
// The numbers are those of <zircon/types.h>, <zircon/errors.h> and
// <zircon/rights.h>.
package zx

import "strconv"

// Status is a zx_status_t: zero for success, negative for an error of the
// system. The zero value is OK. It is an error value; use Err to turn OK into
// nil.
type Status int32

// Status codes, by the names of <zircon/errors.h> without their prefix.
const (
	// OK (ZX_OK): the operation succeeded.
	OK Status = 0
	// ErrInternal (ZX_ERR_INTERNAL): the system met a state that should not be.
	ErrInternal Status = -1
	// ErrNotSupported (ZX_ERR_NOT_SUPPORTED): the operation is not supported, or not enabled.
	ErrNotSupported Status = -2
	// ErrNoResources (ZX_ERR_NO_RESOURCES): the system could not allocate some resource.
	ErrNoResources Status = -3
	// ErrNoMemory (ZX_ERR_NO_MEMORY): the system could not allocate memory.
	ErrNoMemory Status = -4
	// ErrInternalIntrRetry (ZX_ERR_INTERNAL_INTR_RETRY): internal to the kernel and vDSO: the call is to be made again.
	ErrInternalIntrRetry Status = -6
	// ErrInvalidArgs (ZX_ERR_INVALID_ARGS): an argument is invalid.
	ErrInvalidArgs Status = -10
	// ErrBadHandle (ZX_ERR_BAD_HANDLE): a handle value refers to no handle.
	ErrBadHandle Status = -11
	// ErrWrongType (ZX_ERR_WRONG_TYPE): the handle's object is of another type.
	ErrWrongType Status = -12
	// ErrBadSyscall (ZX_ERR_BAD_SYSCALL): the syscall number is invalid.
	ErrBadSyscall Status = -13
	// ErrOutOfRange (ZX_ERR_OUT_OF_RANGE): an argument is outside the valid range.
	ErrOutOfRange Status = -14
	// ErrBufferTooSmall (ZX_ERR_BUFFER_TOO_SMALL): the caller's buffer is too small.
	ErrBufferTooSmall Status = -15
	// ErrBadState (ZX_ERR_BAD_STATE): the object's state does not allow the operation.
	ErrBadState Status = -20
	// ErrTimedOut (ZX_ERR_TIMED_OUT): the deadline passed first.
	ErrTimedOut Status = -21
	// ErrShouldWait (ZX_ERR_SHOULD_WAIT): nothing to do now; wait for a signal.
	ErrShouldWait Status = -22
	// ErrCanceled (ZX_ERR_CANCELED): the operation was canceled.
	ErrCanceled Status = -23
	// ErrPeerClosed (ZX_ERR_PEER_CLOSED): the other end is closed.
	ErrPeerClosed Status = -24
	// ErrNotFound (ZX_ERR_NOT_FOUND): the thing asked for is not there.
	ErrNotFound Status = -25
	// ErrAlreadyExists (ZX_ERR_ALREADY_EXISTS): the thing to make is there already.
	ErrAlreadyExists Status = -26
	// ErrAlreadyBound (ZX_ERR_ALREADY_BOUND): the thing is owned or bound already.
	ErrAlreadyBound Status = -27
	// ErrUnavailable (ZX_ERR_UNAVAILABLE): the subject cannot do it now.
	ErrUnavailable Status = -28
	// ErrAccessDenied (ZX_ERR_ACCESS_DENIED): the caller lacks a right or permission.
	ErrAccessDenied Status = -30
	// ErrIO (ZX_ERR_IO): an unspecified I/O error.
	ErrIO Status = -40
	// ErrIORefused (ZX_ERR_IO_REFUSED): the device refused.
	ErrIORefused Status = -41
	// ErrIODataIntegrity (ZX_ERR_IO_DATA_INTEGRITY): data failed an integrity check.
	ErrIODataIntegrity Status = -42
	// ErrIODataLoss (ZX_ERR_IO_DATA_LOSS): data is lost.
	ErrIODataLoss Status = -43
	// ErrIONotPresent (ZX_ERR_IO_NOT_PRESENT): the device is gone.
	ErrIONotPresent Status = -44
	// ErrIOOverrun (ZX_ERR_IO_OVERRUN): more data than the device takes.
	ErrIOOverrun Status = -45
	// ErrIOMissedDeadline (ZX_ERR_IO_MISSED_DEADLINE): an I/O deadline was missed.
	ErrIOMissedDeadline Status = -46
	// ErrIOInvalid (ZX_ERR_IO_INVALID): the data is not valid for the device.
	ErrIOInvalid Status = -47
	// ErrBadPath (ZX_ERR_BAD_PATH): the path is too long or malformed.
	ErrBadPath Status = -50
	// ErrNotDir (ZX_ERR_NOT_DIR): the object is not a directory.
	ErrNotDir Status = -51
	// ErrNotFile (ZX_ERR_NOT_FILE): the object is not a file.
	ErrNotFile Status = -52
	// ErrFileBig (ZX_ERR_FILE_BIG): the file would be too big.
	ErrFileBig Status = -53
	// ErrNoSpace (ZX_ERR_NO_SPACE): no space is left.
	ErrNoSpace Status = -54
	// ErrNotEmpty (ZX_ERR_NOT_EMPTY): the directory is not empty.
	ErrNotEmpty Status = -55
	// ErrStop (ZX_ERR_STOP): do not call again.
	ErrStop Status = -60
	// ErrNext (ZX_ERR_NEXT): advance to the next item.
	ErrNext Status = -61
	// ErrAsync (ZX_ERR_ASYNC): the result follows later.
	ErrAsync Status = -62
	// ErrProtocolNotSupported (ZX_ERR_PROTOCOL_NOT_SUPPORTED): the protocol is not supported.
	ErrProtocolNotSupported Status = -70
	// ErrAddressUnreachable (ZX_ERR_ADDRESS_UNREACHABLE): the host is unreachable.
	ErrAddressUnreachable Status = -71
	// ErrAddressInUse (ZX_ERR_ADDRESS_IN_USE): the address is in use.
	ErrAddressInUse Status = -72
	// ErrNotConnected (ZX_ERR_NOT_CONNECTED): the socket is not connected.
	ErrNotConnected Status = -73
	// ErrConnectionRefused (ZX_ERR_CONNECTION_REFUSED): the remote peer refused.
	ErrConnectionRefused Status = -74
	// ErrConnectionReset (ZX_ERR_CONNECTION_RESET): the connection was reset.
	ErrConnectionReset Status = -75
	// ErrConnectionAborted (ZX_ERR_CONNECTION_ABORTED): the connection was aborted.
	ErrConnectionAborted Status = -76
	// ErrInternalIntrKilled (ZX_ERR_INTERNAL_INTR_KILLED): internal to the kernel: the calling thread was killed.
	ErrInternalIntrKilled Status = -502
)

var statusNames = map[Status]string{
	OK:                      "ZX_OK",
	ErrInternal:             "ZX_ERR_INTERNAL",
	ErrNotSupported:         "ZX_ERR_NOT_SUPPORTED",
	ErrNoResources:          "ZX_ERR_NO_RESOURCES",
	ErrNoMemory:             "ZX_ERR_NO_MEMORY",
	ErrInternalIntrRetry:    "ZX_ERR_INTERNAL_INTR_RETRY",
	ErrInvalidArgs:          "ZX_ERR_INVALID_ARGS",
	ErrBadHandle:            "ZX_ERR_BAD_HANDLE",
	ErrWrongType:            "ZX_ERR_WRONG_TYPE",
	ErrBadSyscall:           "ZX_ERR_BAD_SYSCALL",
	ErrOutOfRange:           "ZX_ERR_OUT_OF_RANGE",
	ErrBufferTooSmall:       "ZX_ERR_BUFFER_TOO_SMALL",
	ErrBadState:             "ZX_ERR_BAD_STATE",
	ErrTimedOut:             "ZX_ERR_TIMED_OUT",
	ErrShouldWait:           "ZX_ERR_SHOULD_WAIT",
	ErrCanceled:             "ZX_ERR_CANCELED",
	ErrPeerClosed:           "ZX_ERR_PEER_CLOSED",
	ErrNotFound:             "ZX_ERR_NOT_FOUND",
	ErrAlreadyExists:        "ZX_ERR_ALREADY_EXISTS",
	ErrAlreadyBound:         "ZX_ERR_ALREADY_BOUND",
	ErrUnavailable:          "ZX_ERR_UNAVAILABLE",
	ErrAccessDenied:         "ZX_ERR_ACCESS_DENIED",
	ErrIO:                   "ZX_ERR_IO",
	ErrIORefused:            "ZX_ERR_IO_REFUSED",
	ErrIODataIntegrity:      "ZX_ERR_IO_DATA_INTEGRITY",
	ErrIODataLoss:           "ZX_ERR_IO_DATA_LOSS",
	ErrIONotPresent:         "ZX_ERR_IO_NOT_PRESENT",
	ErrIOOverrun:            "ZX_ERR_IO_OVERRUN",
	ErrIOMissedDeadline:     "ZX_ERR_IO_MISSED_DEADLINE",
	ErrIOInvalid:            "ZX_ERR_IO_INVALID",
	ErrBadPath:              "ZX_ERR_BAD_PATH",
	ErrNotDir:               "ZX_ERR_NOT_DIR",
	ErrNotFile:              "ZX_ERR_NOT_FILE",
	ErrFileBig:              "ZX_ERR_FILE_BIG",
	ErrNoSpace:              "ZX_ERR_NO_SPACE",
	ErrNotEmpty:             "ZX_ERR_NOT_EMPTY",
	ErrStop:                 "ZX_ERR_STOP",
	ErrNext:                 "ZX_ERR_NEXT",
	ErrAsync:                "ZX_ERR_ASYNC",
	ErrProtocolNotSupported: "ZX_ERR_PROTOCOL_NOT_SUPPORTED",
	ErrAddressUnreachable:   "ZX_ERR_ADDRESS_UNREACHABLE",
	ErrAddressInUse:         "ZX_ERR_ADDRESS_IN_USE",
	ErrNotConnected:         "ZX_ERR_NOT_CONNECTED",
	ErrConnectionRefused:    "ZX_ERR_CONNECTION_REFUSED",
	ErrConnectionReset:      "ZX_ERR_CONNECTION_RESET",
	ErrConnectionAborted:    "ZX_ERR_CONNECTION_ABORTED",
	ErrInternalIntrKilled:   "ZX_ERR_INTERNAL_INTR_KILLED",
}

// String gives the name that <zircon/errors.h> gives, such as
// "ZX_ERR_NOT_FOUND"; for other values, the number in parentheses.
func (s Status) String() string {
	if n, ok := statusNames[s]; ok {
		return n
	}
	return "(zx_status_t: " + strconv.Itoa(int(s)) + ")"
}

// Error makes a Status an error. It is String.
func (s Status) Error() string { return s.String() }

// Err returns nil for OK and s for all else.
func (s Status) Err() error {
	if s == OK {
		return nil
	}
	return s
}
