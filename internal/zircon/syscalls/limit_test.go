package syscalls

import (
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// A program that goes on filling what nobody empties gets an exception, and its
// memory is bounded whatever becomes of that.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		code uint32
		// fill gives the call that is one too many.
		fill func(p *program) (call string, args []uint64)
	}{
		{"zx_channel_write", object.ExceptionChannelFull, func(p *program) (string, []uint64) {
			h0, _, st := ChannelCreate(p.proc, 0)
			p.ok("ChannelCreate", st)
			for st == zx.OK {
				st = ChannelWrite(p.proc, h0, 0, nil, nil)
			}
			return "zx_channel_write", []uint64{uint64(h0), 0, 0, 0, 0, 0}
		}},
		{"zx_port_queue", object.ExceptionPortTooManyPackets, func(p *program) (string, []uint64) {
			port, st := PortCreate(p.proc, 0)
			p.ok("PortCreate", st)
			for st == zx.OK {
				st = PortQueue(p.proc, port, object.PortPacket{})
			}
			return "zx_port_queue", []uint64{uint64(port), p.mem}
		}},
		{"zx_object_wait_async", object.ExceptionPortTooManyObservers, func(p *program) (string, []uint64) {
			port, st := PortCreate(p.proc, 0)
			p.ok("PortCreate", st)
			ev, st := EventCreate(p.proc, 0)
			p.ok("EventCreate", st)
			for st == zx.OK {
				st = ObjectWaitAsync(p.proc, ev, port, 1, zx.UserSignal0, 0)
			}
			return "zx_object_wait_async", []uint64{uint64(ev), uint64(port), 1, uint64(zx.UserSignal0), 0}
		}},
		{"zx_object_wait_async of what is signaled", object.ExceptionPortTooManyObservers, func(p *program) (string, []uint64) {
			port, st := PortCreate(p.proc, 0)
			p.ok("PortCreate", st)
			h0, _, st := ChannelCreate(p.proc, 0)
			p.ok("ChannelCreate", st)
			n := 0
			for ; st == zx.OK && n < 200_000; n++ {
				st = ObjectWaitAsync(p.proc, h0, port, 1, zx.ChannelWritable, 0)
			}
			p.is("the last of very many packets", st, zx.ErrShouldWait)
			return "zx_object_wait_async", []uint64{uint64(h0), uint64(port), 1, uint64(zx.ChannelWritable), 0}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProgram(t)
			ch := p.exceptions(p.self, 0)
			call, args := c.fill(p)
			result := p.start(p.thread, call, args...)
			e := p.exception(ch)
			if r, _ := p.thread.ExceptionReport(); e.kind != object.ExceptionPolicyError || r.SynthCode != c.code {
				t.Errorf("exception %#x, report %+v", e.kind, r)
			}
			p.handled(e)
			p.is("once it is handled", p.await(result), zx.ErrShouldWait)

			HandleClose(p.a, ch)
			p.start(p.thread, call, args...)
			if r := p.retcode(p.self); r != object.RetcodeExceptionKill {
				t.Errorf("return code %d", r)
			}
		})
	}
}

// An answer to a call gets through however many messages nobody has read.
func TestReplyToFullChannel(t *testing.T) {
	w := newWorld(t)
	c, s := w.channel()
	done := make(chan zx.Status, 1)
	go func() {
		var b [8]byte
		_, _, st := ChannelCall(w.a, nil, c, 0, w.later(), b[:], nil, b[:], nil)
		done <- st
	}()
	_, st := ObjectWaitOne(w.a, nil, s, zx.ChannelReadable, w.later())
	w.ok("wait", st)
	var request [8]byte
	_, _, st = ChannelRead(w.a, s, 0, request[:], nil)
	w.ok("read", st)
	for st == zx.OK {
		st = ChannelWrite(w.a, s, 0, []byte("event"), nil)
	}
	w.is("write", st, zx.ErrShouldWait)
	w.ok("reply", ChannelWrite(w.a, s, 0, request[:], nil))
	w.ok("call", <-done)
}
