package fidl

import (
	"errors"
	"fmt"

	"go.fuchsia.dev/fidl-go/zx"
)

// WireError says why a message cannot be encoded or is refused. It matches
// zx.ErrInvalidArgs with errors.Is.
type WireError struct {
	// Encode is true when our own value is at fault, false for a received message.
	Encode bool
	// Offset is where in the message, in bytes after the header.
	Offset int
	// Reason is one of the Err values of this package, such as ErrPadding.
	Reason error
}

func (e *WireError) Error() string {
	op := "decode"
	if e.Encode {
		op = "encode"
	}
	return fmt.Sprintf("fidl: %s at byte %d: %v", op, e.Offset, e.Reason)
}

// Unwrap gives the reason, for errors.Is.
func (e *WireError) Unwrap() []error { return []error{e.Reason, zx.ErrInvalidArgs} }

// Reasons of a WireError.
var (
	ErrTooShort       = errors.New("message ends too early")
	ErrExtraBytes     = errors.New("bytes left over")
	ErrExtraHandles   = errors.New("handles left over")
	ErrTooFewHandles  = errors.New("too few handles")
	ErrTooManyHandles = errors.New("more than 64 handles")
	ErrTooLarge       = errors.New("message larger than 65536 bytes")
	ErrPadding        = errors.New("padding is not zero")
	ErrBool           = errors.New("bool is neither 0 nor 1")
	ErrPresence       = errors.New("presence marker is neither absent nor present")
	ErrAbsent         = errors.New("required value is absent")
	ErrAbsentCount    = errors.New("absent vector has elements")
	ErrBound          = errors.New("longer than its bound")
	ErrCount          = errors.New("count exceeds 32 bits")
	ErrUTF8           = errors.New("string is not UTF-8")
	ErrDepth          = errors.New("more than 32 levels deep")
	ErrEnum           = errors.New("unknown member of a strict enum")
	ErrBits           = errors.New("unknown bit in strict bits")
	ErrUnion          = errors.New("unknown member of a strict union")
	ErrEmptyUnion     = errors.New("absent union with content")
	ErrEnvelopeInline = errors.New("envelope's inline flag is wrong")
	ErrEnvelopeSize   = errors.New("envelope's size is wrong")
	ErrEnvelopeHandle = errors.New("envelope's handle count is wrong")
	ErrTableEnd       = errors.New("table ends in an absent member")
	ErrObjType        = errors.New("handle is of another object type")
	ErrRights         = errors.New("handle lacks rights")
	ErrUnknownFormat  = errors.New("unknown data is of the other wire format")
)

// EpitaphError is how a server said goodbye: the status of the epitaph that it
// sent before it closed. It matches that status with errors.Is.
type EpitaphError struct{ Status zx.Status }

func (e *EpitaphError) Error() string {
	return "fidl: server closed the connection: " + e.Status.String()
}

// Unwrap gives the status.
func (e *EpitaphError) Unwrap() error { return e.Status }

// Errors of clients and servers. Protocol errors end the connection.
var (
	// ErrUnknownMethod: the server does not know this flexible method. It
	// matches zx.ErrNotSupported.
	ErrUnknownMethod = fmt.Errorf("fidl: the server does not know the method: %w", zx.ErrNotSupported)
	// ErrClosed: this end was closed before or during the call.
	ErrClosed = fmt.Errorf("fidl: client is closed: %w", zx.ErrCanceled)
	// ErrHeader: a message is too short for a header or of unknown magic number.
	ErrHeader = fmt.Errorf("fidl: bad message header: %w", zx.ErrInvalidArgs)
	// ErrUnexpected: a response to no call, a request where there must be an
	// event, or an ordinal that does not belong to the transaction.
	ErrUnexpected = fmt.Errorf("fidl: unexpected message: %w", zx.ErrInvalidArgs)
	// ErrOrdinal: a request or event that the protocol does not have.
	ErrOrdinal = fmt.Errorf("fidl: unknown method: %w", zx.ErrNotSupported)
)
