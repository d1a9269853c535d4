// Package fidl is the runtime of FIDL, Fuchsia's interface language, for Go:
// the wire codec, transactional messages, clients and servers.
//
// One does not write to this package by hand. A protocol is described in a
// .fidl file, cmd/fidlgen turns it into Go, and the generated code calls this
// package. What a program meets here is what generated code hands to it:
//
//   - [Transport]: what messages travel by. A Zircon channel is one.
//   - [Serve] and [CallFrom]: the server's side of a connection.
//   - [Client]: the client's side. Every generated client embeds one.
//   - [Marshal] and [Unmarshal]: one value, without a transport.
//   - [ClientEnd] and [ServerEnd]: typed endpoints inside messages.
//
// # Wire formats
//
// Messages are written in wire format v2. A message whose header lacks the v2
// flag comes from a binary of 2021 or before; it is read as v1, and answered
// as v1. The formats differ in envelopes (8 bytes, small values inline, against
// 16 bytes, never inline) and so in unions and tables; all else is the same.
//
// Encoding is canonical: a value has one encoding. Decoding is strict: it
// refuses all that the wire format specification refuses, never panics,
// allocates no more than a fixed multiple of the message's size, and closes
// the handles of what it refuses.
//
// # Handles
//
// A handle has one owner. Encoding a message moves its handles to the
// transport, whether the call succeeds or not. Decoding moves them from the
// message to the decoded value, and its receiver closes them.
//
// # Sources
//
// The wire format: Fuchsia's "FIDL wire format specification". Unknown
// interactions: RFC-0138. Envelope inlining: RFC-0114.
package fidl
