package syscalls

import (
	"bytes"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

const (
	logFlagReadable = 0x40000000 // ZX_LOG_FLAG_READABLE
	logFlagsMask    = 0x10       // ZX_LOG_FLAGS_MASK: flags a writer may give
	debugWriteMax   = 256
)

// logRights are the rights of a debuglog that can only be written.
const logRights = zx.RightsBasic | zx.RightWrite | zx.RightSignal

var debuglogTable = []Entry{
	{Name: "zx_debuglog_create", Args: 3, Params: "resource:h options:logopt out:*h", Handler: func(c *Call) zx.Status {
		h, st := DebuglogCreate(c.Proc, c.Handle(0), c.U32(1))
		return c.OutHandle(c.U64(2), h, st)
	}},
	{Name: "zx_debuglog_write", Args: 4, Params: "handle:h options:logopt buffer:b[buffer_size] buffer_size:u64", Handler: func(c *Call) zx.Status {
		b, st := c.ReadBytes(c.U64(2), min(c.U64(3), object.LogRecordMaxMsg))
		if st != zx.OK {
			return st
		}
		return debuglogWrite(c.Proc, c.Thread.Koid(), c.Handle(0), c.U32(1), b)
	}},
	{Name: "zx_debuglog_read", Args: 4, Params: "handle:h options:logopt buffer:p buffer_size:u64", Handler: func(c *Call) zx.Status {
		b := c.Buf(int(min(c.U64(3), object.LogRecordMax)))
		n, st := DebuglogRead(c.Proc, c.Handle(0), c.U32(1), b)
		if st != zx.OK {
			return st
		}
		if st := c.WriteBytes(c.U64(2), b[:n]); st != zx.OK {
			return st
		}
		return zx.Status(n) // the size of the record is the result
	}},
	{Name: "zx_debug_write", Args: 2, Params: "buffer:b[buffer_size] buffer_size:u64", Handler: func(c *Call) zx.Status {
		b, st := c.ReadBytes(c.U64(0), min(c.U64(1), debugWriteMax))
		if st != zx.OK {
			return st
		}
		DebugWrite(c.Proc, b)
		return zx.OK
	}},
}

// DebuglogCreate makes a debuglog to write to or, with ZX_LOG_FLAG_READABLE, to
// read too. There are no resources here: whoever asks without one may write, and
// only launcherd itself may read.
func DebuglogCreate(p *object.Process, resource zx.Handle, options uint32) (zx.Handle, zx.Status) {
	if options&^logFlagReadable != 0 {
		return 0, zx.ErrInvalidArgs
	}
	if resource != zx.HandleInvalid {
		if p.Handles().Lookup(resource) == nil {
			return 0, zx.ErrBadHandle
		}
		return 0, zx.ErrWrongType
	}
	readable := options&logFlagReadable != 0
	r := logRights
	if readable {
		if !p.Host() {
			return 0, zx.ErrAccessDenied
		}
		r |= zx.RightRead
	}
	return add(p, object.NewDebuglog(p.Kernel(), readable), r)
}

// DebuglogWrite adds a record to the log, of as much of b as one can have.
func DebuglogWrite(p *object.Process, h zx.Handle, options uint32, b []byte) zx.Status {
	return debuglogWrite(p, zx.KoidInvalid, h, options, b)
}

func debuglogWrite(p *object.Process, thread zx.Koid, h zx.Handle, options uint32, b []byte) zx.Status {
	if options&^logFlagsMask != 0 {
		return zx.ErrInvalidArgs
	}
	d, st := get[*object.Debuglog](p, h, zx.RightWrite)
	if st != zx.OK {
		return st
	}
	d.Write(object.LogRecord{
		Severity: object.SeverityInfo,
		Flags:    uint8(options),
		PID:      p.Koid(),
		TID:      thread,
		Message:  bytes.Clone(b[:min(len(b), object.LogRecordMaxMsg)]),
	})
	return zx.OK
}

// DebuglogRead takes the next record, as zx_log_record_t, into b: cut off if b is
// shorter than object.LogRecordMax. It gives the number of bytes.
func DebuglogRead(p *object.Process, h zx.Handle, options uint32, b []byte) (int, zx.Status) {
	if options != 0 {
		return 0, zx.ErrInvalidArgs
	}
	d, st := get[*object.Debuglog](p, h, zx.RightRead)
	if st != zx.OK {
		return 0, st
	}
	r, st := d.Read()
	if st != zx.OK {
		return 0, st
	}
	var rec [object.LogRecordMax]byte
	return copy(b, rec[:r.Encode(rec[:])]), zx.OK
}

// DebugWrite writes to what is the serial console of a real machine: here, the
// log.
func DebugWrite(p *object.Process, b []byte) {
	p.Kernel().LogWrite(object.LogRecord{
		Severity: object.SeverityInfo,
		PID:      p.Koid(),
		Message:  bytes.Clone(bytes.TrimRight(b, "\n\x00")),
	})
}
