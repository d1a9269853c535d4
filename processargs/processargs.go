// Package processargs builds and parses the bootstrap message, by which a new
// process gets its arguments, environment, namespace and first handles. The
// message is the first that the process reads from its bootstrap channel (the
// second, when a dynamic linker reads one of its own before).
//
// A message is a header, the infos of the handles that travel with it, and three
// lists of strings that end in NUL:
//
//	0   protocol, version                    both uint32, as all below
//	8   handle_info_off
//	12  args_off, args_num
//	20  environ_off, environ_num
//	28  names_off, names_num
//	36  the infos, one for each handle; then the strings
//
// The format is that of <zircon/processargs.h>; see also "The processargs
// protocol" in Fuchsia's "Program loading" page.
package processargs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"go.fuchsia.dev/launcherd/zx"
)

const (
	protocol   = 0x4150585d // ZX_PROCARGS_PROTOCOL
	version    = 0x00001000 // ZX_PROCARGS_VERSION
	headerSize = 36
)

// Error says why a message cannot be built or parsed.
type Error struct {
	Reason string
}

func (e *Error) Error() string { return "bootstrap message: " + e.Reason }

// Status is always INVALID_ARGS.
func (e *Error) Status() zx.Status { return zx.ErrInvalidArgs }

// Unwrap makes errors.Is find the Status.
func (e *Error) Unwrap() error { return e.Status() }

func errorf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// StartupHandle is a handle for a new process and what it is for.
type StartupHandle struct {
	Handle zx.Handle
	Info   HandleInfo
}

// MessageContents is what a message says. Strings contain no NUL. Whoever holds
// the struct owns its handles.
type MessageContents struct {
	Args           []string
	Environ        []string // by convention NAME=VALUE
	NamespacePaths []string // of the NamespaceDirectory handles, by their argument
	Handles        []StartupHandle
}

// Close closes the handles.
func (c *MessageContents) Close() {
	hs := make([]zx.Handle, len(c.Handles))
	for i, h := range c.Handles {
		hs[i] = h.Handle
	}
	c.Handles = nil
	zx.CloseAll(hs...)
}

// Message is a message ready to be sent.
type Message struct {
	Bytes   []byte
	Handles []zx.Handle
}

// Size is the number of bytes of the message that Build makes of c: an *Error
// when there would be too many of them, or more handles than a channel takes,
// or a string contains NUL.
func Size(c *MessageContents) (int, error) {
	if len(c.Handles) > zx.ChannelMaxMsgHandles {
		return 0, errorf("%d handles are more than the %d that fit", len(c.Handles), zx.ChannelMaxMsgHandles)
	}
	n := headerSize + 4*len(c.Handles)
	for _, l := range c.lists() {
		for i, s := range l.items {
			if strings.IndexByte(s, 0) >= 0 {
				return 0, errorf("%s %d contains NUL", l.what, i)
			}
			n += len(s) + 1
		}
	}
	if n > zx.ChannelMaxMsgBytes {
		return 0, errorf("%d bytes are more than the %d that fit", n, zx.ChannelMaxMsgBytes)
	}
	return n, nil
}

type list struct {
	what  string
	items []string
}

// lists are the lists of strings in the order of the message.
func (c *MessageContents) lists() [3]list {
	return [...]list{{"argument", c.Args}, {"environment variable", c.Environ}, {"namespace path", c.NamespacePaths}}
}

// Build makes a message, which takes over the handles of c and leaves it
// without. The errors are those of Size; c then keeps its handles.
func Build(c *MessageContents) (*Message, error) {
	n, err := Size(c)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	b := make([]byte, headerSize, n)
	le.PutUint32(b[0:], protocol)
	le.PutUint32(b[4:], version)
	le.PutUint32(b[8:], headerSize)
	m := &Message{Handles: make([]zx.Handle, 0, len(c.Handles))}
	for _, h := range c.Handles {
		b = le.AppendUint32(b, uint32(h.Info))
		m.Handles = append(m.Handles, h.Handle)
	}
	for i, l := range c.lists() {
		le.PutUint32(b[12+8*i:], uint32(len(b)))
		le.PutUint32(b[16+8*i:], uint32(len(l.items)))
		for _, s := range l.items {
			b = append(append(b, s...), 0)
		}
	}
	m.Bytes = b
	c.Handles = nil
	return m, nil
}

// Write sends the message. The handles are consumed whether or not it succeeds.
func (m *Message) Write(ch *zx.Channel) error {
	hs := m.Handles
	m.Handles = nil
	return ch.Write(m.Bytes, hs)
}

// Parse takes apart a message of b and hs, from whoever sent it. The result owns
// the handles; after an error (an *Error) the caller does. Handle infos are not
// checked: a process passes over those it does not know.
func Parse(b []byte, hs []zx.Handle) (*MessageContents, error) {
	if len(b) < headerSize {
		return nil, errorf("%d bytes are less than a header", len(b))
	}
	le := binary.LittleEndian
	field := func(i int) uint32 { return le.Uint32(b[4*i:]) }
	if p := field(0); p != protocol {
		return nil, errorf("protocol %#x is unknown", p)
	}
	if v := field(1); v != version {
		return nil, errorf("version %#x is unknown", v)
	}
	c := new(MessageContents)
	off := uint64(field(2))
	if off < headerSize || off%4 != 0 || off+4*uint64(len(hs)) > uint64(len(b)) {
		return nil, errorf("the infos of %d handles at %d lie outside of the message", len(hs), off)
	}
	for i, h := range hs {
		c.Handles = append(c.Handles, StartupHandle{h, HandleInfo(le.Uint32(b[int(off)+4*i:]))})
	}
	for i, dst := range []*[]string{&c.Args, &c.Environ, &c.NamespacePaths} {
		ss, err := parseStrings(b, field(3+2*i), field(4+2*i))
		if err != nil {
			return nil, err
		}
		*dst = ss
	}
	return c, nil
}

// parseStrings reads num strings that end in NUL, one after the other.
func parseStrings(b []byte, off, num uint32) ([]string, error) {
	if num == 0 {
		return nil, nil
	}
	if off < headerSize || uint64(off) > uint64(len(b)) {
		return nil, errorf("strings at %d lie outside of the message", off)
	}
	rest := b[off:]
	if uint64(num) > uint64(len(rest)) { // each takes a byte at least
		return nil, errorf("%d strings do not fit in %d bytes", num, len(rest))
	}
	ss := make([]string, num)
	for i := range ss {
		s, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, errorf("a string at %d does not end", len(b)-len(rest))
		}
		ss[i], rest = string(s), after
	}
	return ss, nil
}
