package syscalls

import (
	"crypto/rand"

	"go.fuchsia.dev/fidl-go/zx"
)

// cprngMaxAdd is ZX_CPRNG_ADD_ENTROPY_MAX_LEN.
const cprngMaxAdd = 256

var cprngTable = []Entry{
	{Name: "zx_cprng_draw", Args: 2, Params: "buffer:p buffer_size:u64 =void", Handler: sysCprngDraw},
	{Name: "zx_cprng_add_entropy", Args: 2, Params: "buffer:p buffer_size:u64", Handler: func(c *Call) zx.Status {
		if c.U64(1) > cprngMaxAdd {
			return zx.ErrInvalidArgs
		}
		// The host's generator needs no help. A bad pointer is told nevertheless.
		_, st := c.ReadBytes(c.U64(0), c.U64(1))
		return st
	}},
}

// CprngDraw fills b with random bytes.
func CprngDraw(b []byte) { rand.Read(b) } // never fails

// sysCprngDraw has no status to give: a bad pointer ends the process, as the
// fault would that Zircon's own vDSO takes.
func sysCprngDraw(c *Call) zx.Status {
	const chunk = 512
	b := c.Buf(chunk)
	for addr, n := c.U64(0), c.U64(1); n > 0; {
		m := min(n, chunk)
		CprngDraw(b[:m])
		if c.WriteBytes(addr, b[:m]) != zx.OK {
			c.Proc.Fail("zx_cprng_draw was given memory at %#x that cannot be written", addr)
			return zx.ErrInvalidArgs
		}
		addr += m
		n -= m
	}
	return zx.OK
}
