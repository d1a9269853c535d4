package fidl

import (
	"context"

	"go.fuchsia.dev/fidl-go/zx"
)

// Transport is what messages travel by: bytes and handles, in order, message
// by message. Its methods may be called from several goroutines; ReadMsg is
// called by one at a time. Close ends a ReadMsg that waits.
type Transport interface {
	// ReadMsg blocks for one message; it fills b and h (big enough:
	// zx.ChannelMaxMsgBytes, zx.ChannelMaxMsgHandles) and returns how much of
	// each. ctx ends the wait (context error). PEER_CLOSED is zx.ErrPeerClosed
	// (errors.Is). The caller owns the handles.
	ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error)
	// WriteMsg sends one message; the handles are consumed whether or not it
	// succeeds. It must not keep b or h.
	WriteMsg(b []byte, h []zx.HandleDisposition) error
	// CloseHandles closes handles that this transport delivered or would have sent.
	CloseHandles(h ...zx.Handle)
	// ReplaceHandle gives h with fewer rights, consuming h (zx_handle_replace).
	ReplaceHandle(h zx.Handle, r zx.Rights) (zx.Handle, error)
	// Close closes this end. The peer sees PEER_CLOSED.
	Close() error
}

// HandleOps is the part of a Transport that decoding needs.
type HandleOps interface {
	CloseHandles(h ...zx.Handle)
	ReplaceHandle(h zx.Handle, r zx.Rights) (zx.Handle, error)
}

// ClientEnd is the client's end of a channel that speaks protocol P, as a
// value in a message. P is the marker type that is generated for a protocol.
// The zero value is no endpoint.
type ClientEnd[P any] struct{ Handle zx.Handle }

// ServerEnd is the server's end of a channel that speaks protocol P.
type ServerEnd[P any] struct{ Handle zx.Handle }

// endpointRights are the rights of a channel's end, ZX_DEFAULT_CHANNEL_RIGHTS:
// what FIDL asks of every endpoint in a message.
const endpointRights = zx.RightTransfer | zx.RightWait | zx.RightInspect |
	zx.RightsIO | zx.RightSignal | zx.RightSignalPeer
