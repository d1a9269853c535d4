package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Options and limits, from <zircon/types.h>.
const (
	channelReadMayDiscard = 1 << 0
	channelWriteUseIovec  = 1 << 1

	channelMaxIovec = 8192
	iovecSize       = 16 // zx_channel_iovec_t
	dispositionSize = 20 // zx_handle_disposition_t
	handleInfoSize  = 16 // zx_handle_info_t
	callArgsSize    = 48 // zx_channel_call_args_t, zx_channel_call_etc_args_t
)

var channelTable = []Entry{
	{Name: "zx_channel_create", Args: 3, Params: "options:x32 out0:*h out1:*h", Handler: func(c *Call) zx.Status {
		h0, h1, st := ChannelCreate(c.Proc, c.U32(0))
		return c.OutHandles(c.U64(1), c.U64(2), h0, h1, st)
	}},
	{Name: "zx_channel_write", Args: 6, Params: "handle:h options:chwrite bytes:sent[num_bytes] num_bytes:u32 handles:h[num_handles] num_handles:u32", Handler: sysChannelWrite},
	{Name: "zx_channel_write_etc", Args: 6, Params: "handle:h options:chwrite bytes:sent[num_bytes] num_bytes:u32 handles:disposition[num_handles] num_handles:u32", Handler: sysChannelWriteEtc},
	{Name: "zx_channel_read", Args: 8, Params: "handle:h options:chread bytes:*msg[*actual_bytes] handles:*h[*actual_handles] num_bytes:u32 num_handles:u32 actual_bytes:*u32 actual_handles:*u32", Handler: func(c *Call) zx.Status { return sysChannelRead(c, false) }},
	{Name: "zx_channel_read_etc", Args: 8, Params: "handle:h options:chread bytes:*msg[*actual_bytes] handles:*hinfo[*actual_handles] num_bytes:u32 num_handles:u32 actual_bytes:*u32 actual_handles:*u32", Handler: func(c *Call) zx.Status { return sysChannelRead(c, true) }},
	{Name: "zx_channel_call", Args: 6, Params: "handle:h options:chwrite deadline:t args:call actual_bytes:*u32 actual_handles:*u32", Handler: func(c *Call) zx.Status { return sysChannelCall(c, false) }},
	{Name: "zx_channel_call_etc", Args: 6, Params: "handle:h options:chwrite deadline:t args:calletc actual_bytes:*u32 actual_handles:*u32", Handler: func(c *Call) zx.Status { return sysChannelCall(c, true) }},
}

// ChannelCreate makes a channel and gives handles to its ends.
func ChannelCreate(p *object.Process, options uint32) (h0, h1 zx.Handle, st zx.Status) {
	if options != 0 {
		return 0, 0, zx.ErrInvalidArgs
	}
	if st := p.EnforcePolicy(object.PolicyNewChannel); st != zx.OK {
		return 0, 0, st
	}
	a, b := object.NewChannel(p.Kernel())
	return add2(p, a, b, object.ChannelRights)
}

// takeHandles moves hs out of p into m, to be sent through ch. Every one of hs
// is gone from p afterwards, whatever happens.
func takeHandles(p *object.Process, ch *object.Channel, m *object.Message, hs []zx.Handle) zx.Status {
	if len(hs) > zx.ChannelMaxMsgHandles {
		HandleCloseMany(p, hs)
		return zx.ErrOutOfRange
	}
	st := zx.OK
	for _, v := range hs {
		h := p.Handles().Remove(v)
		s := zx.OK
		switch {
		case h == nil:
			s = zx.ErrBadHandle
		case h.Object() == object.Object(ch):
			s = zx.ErrNotSupported
		case h.Rights()&zx.RightTransfer == 0:
			s = zx.ErrAccessDenied
		}
		if h != nil {
			m.Handles = append(m.Handles, h)
		}
		if st == zx.OK {
			st = s
		}
	}
	return st
}

// disposeHandles does what hd says of p's handles, and puts the results into m,
// to be sent through ch. All are tried; the first failure is returned, and each
// is in Result. Handles to be moved are gone from p whatever happens.
func disposeHandles(p *object.Process, ch *object.Channel, m *object.Message, hd []zx.HandleDisposition) zx.Status {
	if len(hd) > zx.ChannelMaxMsgHandles {
		closeMoved(p, hd)
		return zx.ErrOutOfRange
	}
	st := zx.OK
	for i := range hd {
		h, s := dispose(p, ch, &hd[i])
		if s != zx.OK {
			hd[i].Result = s
			if st == zx.OK {
				st = s
			}
			continue
		}
		m.Handles = append(m.Handles, h)
	}
	return st
}

func dispose(p *object.Process, ch *object.Channel, d *zx.HandleDisposition) (*object.Handle, zx.Status) {
	var src *object.Handle
	switch d.Op {
	case zx.HandleOpMove:
		if src = p.Handles().Remove(d.Handle); src != nil {
			defer src.Close() // what is sent is made from it
		}
	case zx.HandleOpDuplicate:
		src = p.Handles().Lookup(d.Handle)
	default:
		return nil, zx.ErrInvalidArgs
	}
	switch {
	case d.Result != zx.OK:
		return nil, zx.ErrInvalidArgs
	case src == nil:
		return nil, zx.ErrBadHandle
	case src.Object() == object.Object(ch):
		return nil, zx.ErrNotSupported
	case d.Type != zx.ObjTypeNone && d.Type != src.Object().Type():
		return nil, zx.ErrWrongType
	}
	need := zx.RightTransfer
	if d.Op == zx.HandleOpDuplicate {
		need |= zx.RightDuplicate
	}
	rights := func(have zx.Rights) (zx.Rights, zx.Status) {
		if have&need != need {
			return 0, zx.ErrAccessDenied
		}
		return narrow(have, d.Rights)
	}
	if d.Op == zx.HandleOpDuplicate {
		// The value may name another handle by now, and has that one's rights.
		return p.Handles().Duplicate(d.Handle, rights)
	}
	r, st := rights(src.Rights())
	if st != zx.OK {
		return nil, st
	}
	return object.NewHandle(src.Object(), r), zx.OK
}

// closeMoved closes the handles that hd was to move.
func closeMoved(p *object.Process, hd []zx.HandleDisposition) {
	for _, d := range hd {
		if d.Op == zx.HandleOpMove {
			HandleClose(p, d.Handle)
		}
	}
}

// newMessage makes a message of b: OUT_OF_RANGE when it is too long.
func newMessage(b []byte) (*object.Message, zx.Status) {
	if len(b) > zx.ChannelMaxMsgBytes {
		return nil, zx.ErrOutOfRange
	}
	m := object.NewMessage(len(b))
	copy(m.Bytes, b)
	return m, zx.OK
}

// ChannelWrite sends b and hs. hs are consumed.
func ChannelWrite(p *object.Process, h zx.Handle, options uint32, b []byte, hs []zx.Handle) zx.Status {
	ch, m, st := beginWrite(p, h, options, b, zx.RightWrite)
	if st != zx.OK {
		HandleCloseMany(p, hs)
		return st
	}
	if st := takeHandles(p, ch, m, hs); st != zx.OK {
		m.Free()
		return st
	}
	return ch.Write(m)
}

// ChannelWriteEtc sends b and what hd makes of its handles.
func ChannelWriteEtc(p *object.Process, h zx.Handle, options uint32, b []byte, hd []zx.HandleDisposition) zx.Status {
	ch, m, st := beginWrite(p, h, options, b, zx.RightWrite)
	if st != zx.OK {
		closeMoved(p, hd)
		return st
	}
	if st := disposeHandles(p, ch, m, hd); st != zx.OK {
		m.Free()
		return st
	}
	return ch.Write(m)
}

func beginWrite(p *object.Process, h zx.Handle, options uint32, b []byte, rights zx.Rights) (*object.Channel, *object.Message, zx.Status) {
	if options != 0 {
		return nil, nil, zx.ErrInvalidArgs
	}
	ch, st := get[*object.Channel](p, h, rights)
	if st != zx.OK {
		return nil, nil, st
	}
	m, st := newMessage(b)
	return ch, m, st
}

// readMessage copies the bytes that a caller sends into a message: n of them at
// addr or, with the option USE_IOVEC, those that n iovecs at addr describe.
func (c *Call) readMessage(addr uint64, n, options uint32) (*object.Message, zx.Status) {
	if options&channelWriteUseIovec == 0 {
		if n > zx.ChannelMaxMsgBytes {
			return nil, zx.ErrOutOfRange
		}
		m := object.NewMessage(int(n))
		if st := c.Read(m.Bytes, addr); st != zx.OK {
			m.Free()
			return nil, st
		}
		return m, zx.OK
	}
	if n > channelMaxIovec {
		return nil, zx.ErrOutOfRange
	}
	vecs, st := c.ReadBytes(addr, iovecSize*uint64(n))
	if st != zx.OK {
		return nil, st
	}
	total := uint64(0)
	for i := range n {
		v := vecs[iovecSize*i:]
		if binary.LittleEndian.Uint32(v[12:]) != 0 {
			return nil, zx.ErrInvalidArgs
		}
		total += uint64(binary.LittleEndian.Uint32(v[8:]))
	}
	if total > zx.ChannelMaxMsgBytes {
		return nil, zx.ErrOutOfRange
	}
	m := object.NewMessage(int(total))
	at := uint32(0)
	for i := range n {
		v := vecs[iovecSize*i:]
		size := binary.LittleEndian.Uint32(v[8:])
		if st := c.Read(m.Bytes[at:at+size], binary.LittleEndian.Uint64(v)); st != zx.OK {
			m.Free()
			return nil, st
		}
		at += size
	}
	return m, zx.OK
}

// closeHandlesAt closes the n handles whose values are at addr, as far as they
// can be read.
func (c *Call) closeHandlesAt(addr uint64, n uint32) {
	c.eachHandle(addr, uint64(n), func(hs []zx.Handle) { HandleCloseMany(c.Proc, hs) })
}

// sendSide is the part of a call that sends: the channel, and a message with the
// bytes but not yet the handles.
func (c *Call) sendSide(h zx.Handle, rights zx.Rights, options uint32, addr uint64, n uint32) (*object.Channel, *object.Message, zx.Status) {
	if options&^channelWriteUseIovec != 0 {
		return nil, nil, zx.ErrInvalidArgs
	}
	ch, st := get[*object.Channel](c.Proc, h, rights)
	if st != zx.OK {
		return nil, nil, st
	}
	m, st := c.readMessage(addr, n, options)
	return ch, m, st
}

// sendHandles puts the n handles whose values are at addr into m.
func (c *Call) sendHandles(ch *object.Channel, m *object.Message, addr uint64, n uint32) zx.Status {
	if n == 0 {
		return zx.OK
	}
	if n > zx.ChannelMaxMsgHandles {
		c.closeHandlesAt(addr, n)
		return zx.ErrOutOfRange
	}
	var hs [zx.ChannelMaxMsgHandles]zx.Handle
	k := 0
	if st := c.eachHandle(addr, uint64(n), func(v []zx.Handle) { k += copy(hs[k:], v) }); st != zx.OK {
		return st
	}
	return takeHandles(c.Proc, ch, m, hs[:n])
}

// sendDispositions puts what the n dispositions at addr make into m, and writes
// back how each failed if one did.
func (c *Call) sendDispositions(ch *object.Channel, m *object.Message, addr uint64, n uint32) zx.Status {
	if n == 0 {
		return zx.OK
	}
	hd, b, st := c.readDispositions(addr, n)
	if st != zx.OK {
		return st
	}
	if st = disposeHandles(c.Proc, ch, m, hd); st == zx.OK {
		return zx.OK
	}
	for i, d := range hd {
		binary.LittleEndian.PutUint32(b[dispositionSize*i+16:], uint32(d.Result))
	}
	c.WriteBytes(addr, b) // the call fails already
	return st
}

// readDispositions copies n dispositions in. More than a message can have are
// done away with: OUT_OF_RANGE.
func (c *Call) readDispositions(addr uint64, n uint32) (hd []zx.HandleDisposition, b []byte, st zx.Status) {
	m := min(n, zx.ChannelMaxMsgHandles)
	b, st = c.ReadBytes(addr, dispositionSize*uint64(m))
	if st != zx.OK {
		return nil, nil, st
	}
	hd = make([]zx.HandleDisposition, m)
	for i := range hd {
		v := b[dispositionSize*i:]
		hd[i] = zx.HandleDisposition{
			Op:     zx.HandleOp(binary.LittleEndian.Uint32(v)),
			Handle: zx.Handle(binary.LittleEndian.Uint32(v[4:])),
			Type:   zx.ObjType(binary.LittleEndian.Uint32(v[8:])),
			Rights: zx.Rights(binary.LittleEndian.Uint32(v[12:])),
			Result: zx.Status(binary.LittleEndian.Uint32(v[16:])),
		}
	}
	if m < n {
		closeMoved(c.Proc, hd)
		return nil, nil, zx.ErrOutOfRange
	}
	return hd, b, zx.OK
}

// dropDispositions closes the handles that the n dispositions at addr would move.
func (c *Call) dropDispositions(addr uint64, n uint32) {
	if hd, _, st := c.readDispositions(addr, n); st == zx.OK {
		closeMoved(c.Proc, hd)
	}
}

func sysChannelWrite(c *Call) zx.Status {
	handles, nh := c.U64(4), c.U32(5)
	ch, m, st := c.sendSide(c.Handle(0), zx.RightWrite, c.U32(1), c.U64(2), c.U32(3))
	if st != zx.OK {
		c.closeHandlesAt(handles, nh)
		return st
	}
	if st := c.sendHandles(ch, m, handles, nh); st != zx.OK {
		m.Free()
		return st
	}
	return ch.Write(m)
}

func sysChannelWriteEtc(c *Call) zx.Status {
	handles, nh := c.U64(4), c.U32(5)
	ch, m, st := c.sendSide(c.Handle(0), zx.RightWrite, c.U32(1), c.U64(2), c.U32(3))
	if st != zx.OK {
		c.dropDispositions(handles, nh)
		return st
	}
	if st := c.sendDispositions(ch, m, handles, nh); st != zx.OK {
		m.Free()
		return st
	}
	return ch.Write(m)
}

// install moves m's handles into p and calls f with each value: NO_RESOURCES when
// they have no room.
func install(p *object.Process, m *object.Message, f func(i int, v zx.Handle, h *object.Handle)) zx.Status {
	var values [zx.ChannelMaxMsgHandles]zx.Handle
	hs := m.Handles
	m.Handles = nil // the table's, or closed
	if !p.Handles().AddAll(hs, values[:]) {
		return zx.ErrNoResources
	}
	for i, h := range hs {
		f(i, values[i], h)
	}
	return zx.OK
}

// read takes the next message off a channel.
func read(p *object.Process, h zx.Handle, options uint32, maxBytes, maxHandles int) (m *object.Message, nb, nh uint32, st zx.Status) {
	if options&^channelReadMayDiscard != 0 {
		return nil, 0, 0, zx.ErrNotSupported
	}
	ch, st := get[*object.Channel](p, h, zx.RightRead)
	if st != zx.OK {
		return nil, 0, 0, st
	}
	return ch.Read(uint32(min(maxBytes, 1<<31)), uint32(min(maxHandles, 1<<31)), options != 0)
}

// ChannelRead takes a message: its bytes into b, its handles into hs, as many of
// each as it gives. BUFFER_TOO_SMALL gives the sizes that are needed.
func ChannelRead(p *object.Process, h zx.Handle, options uint32, b []byte, hs []zx.Handle) (nb, nh uint32, st zx.Status) {
	m, nb, nh, st := read(p, h, options, len(b), len(hs))
	if st != zx.OK {
		return nb, nh, st
	}
	defer m.Free()
	copy(b, m.Bytes)
	return nb, nh, install(p, m, func(i int, v zx.Handle, _ *object.Handle) { hs[i] = v })
}

// ChannelReadEtc is ChannelRead that tells more of the handles.
func ChannelReadEtc(p *object.Process, h zx.Handle, options uint32, b []byte, hi []zx.HandleInfo) (nb, nh uint32, st zx.Status) {
	m, nb, nh, st := read(p, h, options, len(b), len(hi))
	if st != zx.OK {
		return nb, nh, st
	}
	defer m.Free()
	copy(b, m.Bytes)
	return nb, nh, install(p, m, func(i int, v zx.Handle, h *object.Handle) {
		hi[i] = zx.HandleInfo{Handle: v, Type: h.Object().Type(), Rights: h.Rights()}
	})
}

func sysChannelRead(c *Call, etc bool) zx.Status {
	nb, nh := c.U32(4), c.U32(5)
	m, nb, nh, st := read(c.Proc, c.Handle(0), c.U32(1), int(nb), int(nh))
	if st != zx.OK && st != zx.ErrBufferTooSmall {
		return st
	}
	if s := c.OptU32(c.U64(6), nb); s != zx.OK {
		st = s
	}
	if s := c.OptU32(c.U64(7), nh); s != zx.OK {
		st = s
	}
	if m == nil {
		return st
	}
	defer m.Free()
	if st != zx.OK {
		return st
	}
	return c.receive(m, c.U64(2), c.U64(3), etc)
}

// receive copies m's bytes out and installs its handles, whose values or infos
// are copied out too. None is left when that fails.
func (c *Call) receive(m *object.Message, bytes, handles uint64, etc bool) zx.Status {
	if st := c.WriteBytes(bytes, m.Bytes); st != zx.OK || len(m.Handles) == 0 {
		return st
	}
	size := 4
	if etc {
		size = handleInfoSize
	}
	b := c.Buf(size * len(m.Handles))
	clear(b)
	values := make([]zx.Handle, 0, zx.ChannelMaxMsgHandles)
	st := install(c.Proc, m, func(i int, v zx.Handle, h *object.Handle) {
		values = append(values, v)
		binary.LittleEndian.PutUint32(b[size*i:], uint32(v))
		if etc {
			binary.LittleEndian.PutUint32(b[size*i+4:], uint32(h.Object().Type()))
			binary.LittleEndian.PutUint32(b[size*i+8:], uint32(h.Rights()))
		}
	})
	if st != zx.OK {
		return st
	}
	if st = c.WriteBytes(handles, b); st != zx.OK {
		HandleCloseMany(c.Proc, values)
	}
	return st
}

// fits says whether a reply may be that large: BUFFER_TOO_SMALL otherwise, and m
// is lost.
func fits(m *object.Message, maxBytes, maxHandles int) zx.Status {
	if len(m.Bytes) > maxBytes || len(m.Handles) > maxHandles {
		return zx.ErrBufferTooSmall
	}
	return zx.OK
}

// ChannelCall sends wb and wh, whose first four bytes the kernel replaces by a
// transaction id, and waits for the message that begins with the same. wh are
// consumed. A reply that does not fit is lost: BUFFER_TOO_SMALL.
func ChannelCall(p *object.Process, done <-chan struct{}, h zx.Handle, options uint32, deadline int64, wb []byte, wh []zx.Handle, rb []byte, rh []zx.Handle) (nb, nh uint32, st zx.Status) {
	ch, m, st := beginWrite(p, h, options, wb, zx.RightsIO)
	if st != zx.OK {
		HandleCloseMany(p, wh)
		return 0, 0, st
	}
	if st := takeHandles(p, ch, m, wh); st != zx.OK {
		m.Free()
		return 0, 0, st
	}
	w, st := ch.BeginCall(p.Handles(), h, m)
	if st != zx.OK {
		return 0, 0, st
	}
	r, st := w.End(p.Kernel(), done, deadline)
	if st != zx.OK {
		return 0, 0, st
	}
	defer r.Free()
	nb, nh = uint32(len(r.Bytes)), uint32(len(r.Handles))
	if st = fits(r, len(rb), len(rh)); st == zx.OK {
		copy(rb, r.Bytes)
		st = install(p, r, func(i int, v zx.Handle, _ *object.Handle) { rh[i] = v })
	}
	return nb, nh, st
}

func sysChannelCall(c *Call, etc bool) zx.Status {
	args, st := c.ReadBytes(c.U64(3), callArgsSize)
	if st != zx.OK {
		return st
	}
	ptr := func(i int) uint64 { return binary.LittleEndian.Uint64(args[8*i:]) }
	num := func(i int) uint32 { return binary.LittleEndian.Uint32(args[32+4*i:]) }
	wrHandles, wrNumHandles := ptr(1), num(1)

	ch, m, st := c.sendSide(c.Handle(0), zx.RightsIO, c.U32(1), ptr(0), num(0))
	switch {
	case st != zx.OK && etc:
		c.dropDispositions(wrHandles, wrNumHandles)
		return st
	case st != zx.OK:
		c.closeHandlesAt(wrHandles, wrNumHandles)
		return st
	case etc:
		st = c.sendDispositions(ch, m, wrHandles, wrNumHandles)
	default:
		st = c.sendHandles(ch, m, wrHandles, wrNumHandles)
	}
	if st != zx.OK {
		m.Free()
		return st
	}
	w, st := ch.BeginCall(c.Proc.Handles(), c.Handle(0), m)
	if st != zx.OK {
		return st
	}
	end := func() zx.Status {
		r, st := w.End(c.Proc.Kernel(), c.Done(), c.I64(2))
		if st != zx.OK {
			return st
		}
		defer r.Free()
		st = fits(r, int(num(2)), int(num(3)))
		if s := c.OptU32(c.U64(4), uint32(len(r.Bytes))); s != zx.OK {
			st = s
		}
		if s := c.OptU32(c.U64(5), uint32(len(r.Handles))); s != zx.OK {
			st = s
		}
		if st != zx.OK {
			return st
		}
		return c.receive(r, ptr(2), ptr(3), etc)
	}
	return c.BlockUnless(w.Ready, object.ThreadStateBlockedChannel, end)
}
