package syscalls

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

var handleTable = []Entry{
	{Name: "zx_handle_close", Args: 1, Params: "handle:h", Handler: func(c *Call) zx.Status {
		return HandleClose(c.Proc, c.Handle(0))
	}},
	{Name: "zx_handle_close_many", Args: 2, Params: "handles:h[num_handles] num_handles:u64", Handler: sysHandleCloseMany},
	{Name: "zx_handle_duplicate", Args: 3, Params: "handle:h rights:rights out:*h", Handler: func(c *Call) zx.Status {
		h, st := HandleDuplicate(c.Proc, c.Handle(0), zx.Rights(c.U32(1)))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_handle_replace", Args: 3, Params: "handle:h rights:rights out:*h", Handler: func(c *Call) zx.Status {
		h, st := HandleReplace(c.Proc, c.Handle(0), zx.Rights(c.U32(1)))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_handle_check_valid", Args: 1, Params: "handle:h", Handler: func(c *Call) zx.Status {
		return HandleCheckValid(c.Proc, c.Handle(0))
	}},
}

// HandleClose closes h. Closing zx.HandleInvalid is no error.
func HandleClose(p *object.Process, h zx.Handle) zx.Status {
	if h == zx.HandleInvalid {
		return zx.OK
	}
	o := p.Handles().Remove(h)
	if o == nil {
		return zx.ErrBadHandle
	}
	o.Close()
	return zx.OK
}

// HandleCloseMany closes all of hs that are handles, and says BAD_HANDLE when
// one was none.
func HandleCloseMany(p *object.Process, hs []zx.Handle) zx.Status {
	st := zx.OK
	for _, h := range hs {
		if s := HandleClose(p, h); s != zx.OK {
			st = s
		}
	}
	return st
}

// eachHandle calls f with the handle values at addr, in chunks. However long the
// array is said to be, no more is read than a process can have handles.
func (c *Call) eachHandle(addr, n uint64, f func([]zx.Handle)) zx.Status {
	const chunk = 256
	var b [4 * chunk]byte
	var hs [chunk]zx.Handle
	for n = min(n, object.MaxHandles); n > 0; {
		m := min(n, chunk)
		if st := c.Read(b[:4*m], addr); st != zx.OK {
			return st
		}
		for i := range m {
			hs[i] = zx.Handle(binary.LittleEndian.Uint32(b[4*i:]))
		}
		f(hs[:m])
		addr += 4 * m
		n -= m
	}
	return zx.OK
}

func sysHandleCloseMany(c *Call) zx.Status {
	result := zx.OK
	st := c.eachHandle(c.U64(0), c.U64(1), func(hs []zx.Handle) {
		if st := HandleCloseMany(c.Proc, hs); st != zx.OK {
			result = st
		}
	})
	if st != zx.OK {
		return st
	}
	return result
}

// narrow gives the rights that a handle with have is to have instead:
// INVALID_ARGS when want is not among them.
func narrow(have, want zx.Rights) (zx.Rights, zx.Status) {
	if want == zx.RightSameRights {
		return have, zx.OK
	}
	if want&^have != 0 {
		return 0, zx.ErrInvalidArgs
	}
	return want, zx.OK
}

// HandleDuplicate gives another handle to the object of h, with rights.
func HandleDuplicate(p *object.Process, h zx.Handle, rights zx.Rights) (zx.Handle, zx.Status) {
	n, st := p.Handles().Duplicate(h, func(have zx.Rights) (zx.Rights, zx.Status) {
		if have&zx.RightDuplicate == 0 {
			return 0, zx.ErrAccessDenied
		}
		return narrow(have, rights)
	})
	if st != zx.OK {
		return 0, st
	}
	return addHandle(p, n)
}

// HandleReplace gives a handle with rights in place of h, which is gone in
// every case.
func HandleReplace(p *object.Process, h zx.Handle, rights zx.Rights) (zx.Handle, zx.Status) {
	o := p.Handles().Remove(h)
	if o == nil {
		return 0, zx.ErrBadHandle
	}
	r, st := narrow(o.Rights(), rights)
	if st != zx.OK {
		o.Close()
		return 0, st
	}
	return addHandle(p, o.Narrow(r))
}

// addHandle puts h into p's table, and closes it when there is no room.
func addHandle(p *object.Process, h *object.Handle) (zx.Handle, zx.Status) {
	v := p.Handles().Add(h)
	if v == zx.HandleInvalid {
		return 0, zx.ErrNoResources
	}
	return v, zx.OK
}

// HandleCheckValid says whether h is a handle: INVALID_ARGS for zero,
// OUT_OF_RANGE for a value that none has, NOT_FOUND.
func HandleCheckValid(p *object.Process, h zx.Handle) zx.Status {
	switch {
	case h == zx.HandleInvalid:
		return zx.ErrInvalidArgs
	case h&zx.HandleFixedBitsMask != zx.HandleFixedBitsMask:
		return zx.ErrOutOfRange
	case p.Handles().Lookup(h) == nil:
		return zx.ErrNotFound
	}
	return zx.OK
}
