package syscalls

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// param is an argument of a call.
type param struct {
	name  string
	kind  *kind
	out   bool // the call puts what the argument points to there
	count int  // the parameter with the number of elements; -1 for no array
	// countOut says that the parameter points to the number.
	countOut bool
}

// pointer says whether the argument is the address of what is of interest.
func (p *param) pointer() bool { return p.out || p.count >= 0 || p.kind.memory }

// paramsOf reads Entry.Params. It is a list, in the order of the C arguments, of
//
//	NAME:KIND       a value
//	NAME:*KIND      the address that the call puts a value at
//	NAME:KIND[N]    the address of as many values as argument N says
//	NAME:*KIND[N]   the address that the call puts as many values at
//	NAME:*KIND[*N]  … as many as it says itself by what N points to
//
// The names are those of Fuchsia's reference, the kinds are those of kinds. At
// the end there may be =KIND for the result, if it is no zx_status_t.
func paramsOf(e *Entry) (ps []param, result *kind, err error) {
	fields := strings.Fields(e.Params)
	if n := len(fields); n > 0 && fields[n-1][0] == '=' {
		if result = kinds[fields[n-1][1:]]; result == nil {
			return nil, nil, fmt.Errorf("%s: unknown kind of result %q", e.Name, fields[n-1])
		}
		fields = fields[:n-1]
	}
	if len(fields) != e.Args {
		return nil, nil, fmt.Errorf("%s: %d parameters for %d arguments", e.Name, len(fields), e.Args)
	}
	counts := make([]string, len(fields))
	for i, f := range fields {
		name, k, _ := strings.Cut(f, ":")
		p := param{name: name, count: -1}
		k, p.out = strings.CutPrefix(k, "*")
		k, counts[i], _ = strings.Cut(strings.TrimSuffix(k, "]"), "[")
		if p.kind = kinds[k]; p.kind == nil {
			return nil, nil, fmt.Errorf("%s: unknown kind %q of %s", e.Name, k, name)
		}
		ps = append(ps, p)
	}
	for i, c := range counts {
		if c == "" {
			if ps[i].kind.text != nil {
				return nil, nil, fmt.Errorf("%s: %s has no size", e.Name, ps[i].name)
			}
			continue
		}
		c, ps[i].countOut = strings.CutPrefix(c, "*")
		ps[i].count = slices.IndexFunc(ps, func(p param) bool { return p.name == c && p.out == ps[i].countOut })
		if ps[i].count < 0 {
			return nil, nil, fmt.Errorf("%s: %s counts by %q", e.Name, ps[i].name, c)
		}
	}
	return ps, result, nil
}

// kind is how values of a C type are shown.
type kind struct {
	size int
	// show appends the value that b, which is size bytes, holds.
	show func(w *writer, b []byte)
	// text appends, in place of show, n values at addr: false when they cannot
	// be read.
	text func(w *writer, addr, n uint64) bool
	// after appends what the call has changed in a value in memory.
	after func(w *writer, b []byte)

	memory  bool // a structure, which is never an argument itself
	number  bool // given for BUFFER_TOO_SMALL too
	signals bool // given for TIMED_OUT and CANCELED too
}

// written says whether the call has put a value of this kind out, given its
// result.
func (k *kind) written(st zx.Status) bool {
	switch st {
	case zx.ErrBufferTooSmall:
		return k.number
	case zx.ErrTimedOut, zx.ErrCanceled:
		return k.signals
	}
	return st >= 0
}

var (
	handleKind      = &kind{size: 4, show: func(w *writer, b []byte) { w.handle(zx.Handle(le(b))) }}
	infoKind        = &kind{size: handleInfoSize, memory: true, show: (*writer).handleInfo}
	dispositionKind = &kind{size: dispositionSize, memory: true, show: (*writer).disposition}
)

// kinds are what parameters can be. What is written in C as a combination of
// ZX_ constants has a kind for each set of them.
var kinds = map[string]*kind{
	"void": {},
	"u32":  {size: 4, number: true, show: func(w *writer, b []byte) { w.b = strconv.AppendUint(w.b, le(b), 10) }},
	"u64":  {size: 8, number: true, show: func(w *writer, b []byte) { w.b = strconv.AppendUint(w.b, le(b), 10) }},
	"i32":  {size: 4, show: func(w *writer, b []byte) { w.b = strconv.AppendInt(w.b, int64(int32(le(b))), 10) }},
	"i64":  {size: 8, show: func(w *writer, b []byte) { w.b = strconv.AppendInt(w.b, int64(le(b)), 10) }},
	"x32":  {size: 4, show: func(w *writer, b []byte) { w.hex(le(b)) }},
	"x64":  {size: 8, show: func(w *writer, b []byte) { w.hex(le(b)) }},
	"p":    {size: 8, show: func(w *writer, b []byte) { w.pointer(le(b)) }},
	"h":    handleKind,
	"t":    {size: 8, show: func(w *writer, b []byte) { w.deadline(int64(le(b))) }},
	"d":    {size: 8, show: func(w *writer, b []byte) { w.string(time.Duration(le(b)).String()) }},

	"rights": flags(4, rightNames),
	"signals": {size: 4, signals: true, show: func(w *writer, b []byte) {
		w.b = appendSignals(w.b, zx.Signals(le(b)), w.typ)
	}},

	"b":         {text: (*writer).bytes},
	"msg":       {text: (*writer).message},
	"sent":      {text: (*writer).sent},
	"propvalue": {text: (*writer).property},

	"wait":        {size: waitItemSize, memory: true, signals: true, show: (*writer).waitItem, after: (*writer).pending},
	"packet":      {size: object.PortPacketSize, memory: true, show: (*writer).packet},
	"hinfo":       infoKind,
	"disposition": dispositionKind,
	"iovec":       {size: iovecSize, memory: true, show: (*writer).iovec},
	"call":        {size: callArgsSize, memory: true, show: callArgs(handleKind), after: callReply(handleKind)},
	"calletc":     {size: callArgsSize, memory: true, show: callArgs(dispositionKind), after: callReply(infoKind)},

	"vm": {size: 4, show: func(w *writer, b []byte) { w.b = appendVMOptions(w.b, le(b)) }},
	"vmo": flags(4, []symbol{{vmoResizable, "ZX_VMO_RESIZABLE"}, {vmoDiscardable, "ZX_VMO_DISCARDABLE"},
		{1 << 3, "ZX_VMO_TRAP_DIRTY"}, {vmoUnbounded, "ZX_VMO_UNBOUNDED"}}),
	"vmochild": flags(4, []symbol{{vmoChildSnapshot, "ZX_VMO_CHILD_SNAPSHOT"},
		{vmoChildSnapshotOnWrite, "ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE"}, {vmoChildResizable, "ZX_VMO_CHILD_RESIZABLE"},
		{vmoChildSlice, "ZX_VMO_CHILD_SLICE"}, {vmoChildNoWrite, "ZX_VMO_CHILD_NO_WRITE"},
		{vmoChildReference, "ZX_VMO_CHILD_REFERENCE"}, {vmoChildSnapshotModified, "ZX_VMO_CHILD_SNAPSHOT_MODIFIED"}}),
	"vmoop":  names(vmoOpNames),
	"vmarop": names(vmarOpNames),
	"cache": names([]symbol{{0, "ZX_CACHE_POLICY_CACHED"}, {1, "ZX_CACHE_POLICY_UNCACHED"},
		{2, "ZX_CACHE_POLICY_UNCACHED_DEVICE"}, {3, "ZX_CACHE_POLICY_WRITE_COMBINING"}}),
	"info": {size: 4, show: func(w *writer, b []byte) {
		w.b = appendName(w.b, le(b)&topicMask, topicNames)
		if version := le(b) >> topicVersionShift; version > 0 {
			w.b = strconv.AppendUint(append(w.b, "_V"...), version+1, 10)
		}
	}},
	"prop":     names(propertyNames),
	"chread":   flags(4, []symbol{{channelReadMayDiscard, "ZX_CHANNEL_READ_MAY_DISCARD"}}),
	"chwrite":  flags(4, []symbol{{channelWriteUseIovec, "ZX_CHANNEL_WRITE_USE_IOVEC"}}),
	"sock":     names([]symbol{{0, "ZX_SOCKET_STREAM"}, {socketDatagram, "ZX_SOCKET_DATAGRAM"}}),
	"sockread": flags(4, []symbol{{socketPeek, "ZX_SOCKET_PEEK"}}),
	"sockshut": flags(4, []symbol{{socketShutdownWrite, "ZX_SOCKET_SHUTDOWN_WRITE"}, {socketShutdownRead, "ZX_SOCKET_SHUTDOWN_READ"}}),
	"sockdisp": names([]symbol{{uint64(object.WriteDisabled), "ZX_SOCKET_DISPOSITION_WRITE_DISABLED"},
		{uint64(object.WriteEnabled), "ZX_SOCKET_DISPOSITION_WRITE_ENABLED"}}),
	"stream": flags(4, []symbol{{object.StreamModeRead, "ZX_STREAM_MODE_READ"}, {object.StreamModeWrite, "ZX_STREAM_MODE_WRITE"},
		{object.StreamModeAppend, "ZX_STREAM_MODE_APPEND"}}),
	"append": flags(4, []symbol{{object.StreamAppend, "ZX_STREAM_APPEND"}}),
	"whence": names([]symbol{{object.SeekStart, "ZX_STREAM_SEEK_ORIGIN_START"}, {object.SeekCurrent, "ZX_STREAM_SEEK_ORIGIN_CURRENT"},
		{object.SeekEnd, "ZX_STREAM_SEEK_ORIGIN_END"}}),
	"clock": names([]symbol{{clockMonotonic, "ZX_CLOCK_MONOTONIC"}, {clockBoot, "ZX_CLOCK_BOOT"}}),
	"oldclock": names([]symbol{{clockMonotonic, "ZX_CLOCK_MONOTONIC"}, {oldClockUTC, "ZX_CLOCK_UTC"},
		{oldClockThread, "ZX_CLOCK_THREAD"}}),
	"clockopt": clockOptions([]symbol{{object.ClockOptMonotonic, "ZX_CLOCK_OPT_MONOTONIC"},
		{object.ClockOptContinuous, "ZX_CLOCK_OPT_CONTINUOUS"}, {object.ClockOptAutoStart, "ZX_CLOCK_OPT_AUTO_START"},
		{object.ClockOptBoot, "ZX_CLOCK_OPT_BOOT"}}),
	"clockupdate": clockOptions([]symbol{{object.ClockUpdateValue, "ZX_CLOCK_UPDATE_OPTION_VALUE_VALID"},
		{object.ClockUpdateRate, "ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID"},
		{object.ClockUpdateErrorBound, "ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID"},
		{object.ClockUpdateReference, "ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID"}}),
	"slack": names([]symbol{{0, "ZX_TIMER_SLACK_CENTER"}, {1, "ZX_TIMER_SLACK_EARLY"}, {2, "ZX_TIMER_SLACK_LATE"}}),
	"waitasync": flags(4, []symbol{{object.WaitAsyncTimestamp, "ZX_WAIT_ASYNC_TIMESTAMP"}, {object.WaitAsyncEdge, "ZX_WAIT_ASYNC_EDGE"},
		{object.WaitAsyncBootTimestamp, "ZX_WAIT_ASYNC_BOOT_TIMESTAMP"}}),
	"portopt": flags(4, []symbol{{portBindToInterrupt, "ZX_PORT_BIND_TO_INTERRUPT"}}),
	"procopt": flags(4, []symbol{{processShared, "ZX_PROCESS_SHARED"}}),
	"jobpol":  names([]symbol{{jobPolicyRelative, "ZX_JOB_POL_RELATIVE"}, {jobPolicyAbsolute, "ZX_JOB_POL_ABSOLUTE"}}),
	"poltopic": names([]symbol{
		{jobPolicyBasicV1, "ZX_JOB_POL_BASIC_V1"}, {jobPolicyBasicV2, "ZX_JOB_POL_BASIC_V2"},
		{jobPolicyTimerSlack, "ZX_JOB_POL_TIMER_SLACK"},
	}),
	"critical": flags(4, []symbol{{jobCriticalRetcodeNonzero, "ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO"}}),
	"excchan":  flags(4, []symbol{{exceptionChannelDebugger, "ZX_EXCEPTION_CHANNEL_DEBUGGER"}}),
	"logopt":   flags(4, []symbol{{logFlagReadable, "ZX_LOG_FLAG_READABLE"}}),
	"sysevent": names([]symbol{
		{1, "ZX_SYSTEM_EVENT_OUT_OF_MEMORY"}, {2, "ZX_SYSTEM_EVENT_MEMORY_PRESSURE_CRITICAL"},
		{3, "ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING"}, {4, "ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL"},
		{systemEventMax, "ZX_SYSTEM_EVENT_IMMINENT_OUT_OF_MEMORY"},
	}),
	"state": names([]symbol{
		{threadStateGeneral, "ZX_THREAD_STATE_GENERAL_REGS"}, {threadStateFP, "ZX_THREAD_STATE_FP_REGS"},
		{threadStateVector, "ZX_THREAD_STATE_VECTOR_REGS"}, {threadStateDebug, "ZX_THREAD_STATE_DEBUG_REGS"},
		{threadStateSingleStep, "ZX_THREAD_STATE_SINGLE_STEP"},
	}),
}

// flags is a kind of bits.
func flags(size int, l []symbol) *kind {
	return &kind{size: size, show: func(w *writer, b []byte) { w.b = appendFlags(w.b, le(b), l) }}
}

// names is a kind of 32-bit values with names.
func names(l []symbol) *kind {
	return &kind{size: 4, show: func(w *writer, b []byte) { w.b = appendName(w.b, le(b), l) }}
}

// clockOptions is a kind of bits below the version of a structure.
func clockOptions(l []symbol) *kind {
	return &kind{size: 8, show: func(w *writer, b []byte) {
		if version := le(b) >> clockVersionShift; version > 0 {
			w.b = append(strconv.AppendUint(append(w.b, "ZX_CLOCK_ARGS_VERSION("...), version, 10), ")|"...)
		}
		w.b = appendFlags(w.b, le(b)&clockOptionsMask, l)
	}}
}

// le reads a number of up to 8 bytes.
func le(b []byte) (v uint64) {
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

// What is shown of long arrays and of bytes.
const (
	maxElements = 8
	maxBytes    = 32
)

// writer appends the arguments of a call to b.
type writer struct {
	c   *Call
	typ zx.ObjType // of the first argument, where that is a handle
	b   []byte
}

func (w *writer) string(s string) { w.b = append(w.b, s...) }
func (w *writer) hex(v uint64)    { w.b = appendHex(w.b, v) }

func (w *writer) pointer(v uint64) {
	if v == 0 {
		w.string("NULL")
		return
	}
	w.hex(v)
}

// arg is argument i, as wide as it is.
func (w *writer) arg(p *param, i int) uint64 {
	v := w.c.Args[i]
	if !p.pointer() && p.kind.size < 8 {
		v &= 1<<(8*p.kind.size) - 1
	}
	return v
}

// entry appends argument i as it is when the call begins.
func (w *writer) entry(ps []param, i int) {
	p := &ps[i]
	w.string(p.name)
	w.string("=")
	v := w.arg(p, i)
	switch {
	case !p.pointer():
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		p.kind.show(w, b[:p.kind.size])
	case p.out, v == 0:
		w.pointer(v)
	case p.count >= 0:
		w.values(p.kind, v, w.arg(&ps[p.count], p.count))
	default:
		w.values(p.kind, v, math.MaxUint64)
	}
}

// exit appends what the call with result st has put out to argument i, or has
// changed there: false for nothing.
func (w *writer) exit(ps []param, i int, st zx.Status) bool {
	p := &ps[i]
	v := w.arg(p, i)
	if v == 0 || !p.out && p.kind.after == nil || !p.kind.written(st) {
		return false
	}
	start := len(w.b)
	w.string(p.name)
	n := uint64(math.MaxUint64)
	if p.count >= 0 {
		c := &ps[p.count]
		n = w.arg(c, p.count)
		if p.countOut {
			var b [8]byte
			if w.c.Read(b[:c.kind.size], n) != zx.OK {
				w.b = w.b[:start]
				return false
			}
			n = le(b[:])
		}
	}
	ok := false
	if p.out {
		w.string("=")
		one := p.count < 0 && !p.kind.memory
		if one {
			w.string("[")
		}
		if ok = w.elements(p.kind.show, p.kind, v, n); one {
			w.string("]")
		}
	} else {
		w.string(" => ")
		ok = w.elements(p.kind.after, p.kind, v, n)
	}
	if !ok {
		w.b = w.b[:start]
	}
	return ok
}

// try does f, and appends addr in place of what f has when f is false: what is
// at addr cannot be read.
func (w *writer) try(addr uint64, f func() bool) {
	start := len(w.b)
	if addr == 0 || !f() {
		w.b = w.b[:start]
		w.pointer(addr)
	}
}

// values appends n values at addr, or addr when they cannot be read. An n of
// MaxUint64 is for a single value that is no array.
func (w *writer) values(k *kind, addr, n uint64) {
	w.try(addr, func() bool { return w.elements(k.show, k, addr, n) })
}

// elements is values that is false when they cannot be read, having appended
// something or other. It shows each by show.
func (w *writer) elements(show func(*writer, []byte), k *kind, addr, n uint64) bool {
	if k.text != nil {
		return k.text(w, addr, n)
	}
	var mem [maxElements * object.PortPacketSize]byte
	if n == math.MaxUint64 {
		b := mem[:k.size]
		if w.c.Read(b, addr) != zx.OK {
			return false
		}
		show(w, b)
		return true
	}
	m := int(min(n, maxElements))
	if w.c.Read(mem[:m*k.size], addr) != zx.OK {
		return false
	}
	w.string("[")
	for i := range m {
		if i > 0 {
			w.string(", ")
		}
		show(w, mem[i*k.size:(i+1)*k.size])
	}
	if n > maxElements {
		w.string(", ...")
	}
	w.string("]")
	return true
}

// handle appends a handle with its object: its type, koid and name.
func (w *writer) handle(v zx.Handle) {
	if v == zx.HandleInvalid {
		w.string("ZX_HANDLE_INVALID")
		return
	}
	w.hex(uint64(v))
	h := w.c.Proc.Handles().Lookup(v)
	if h == nil {
		return
	}
	o := h.Object()
	w.string("<")
	w.string(o.Type().String())
	w.b = strconv.AppendUint(append(w.b, ' '), uint64(o.Koid()), 10)
	if n, ok := o.(interface{ Name() string }); ok && n.Name() != "" {
		w.b = strconv.AppendQuoteToASCII(append(w.b, ' '), n.Name())
	}
	w.string(">")
}

// typeOf gives the type of a handle's object, ObjTypeNone for a bad handle.
func (w *writer) typeOf(v zx.Handle) zx.ObjType {
	if h := w.c.Proc.Handles().Lookup(v); h != nil {
		return h.Object().Type()
	}
	return zx.ObjTypeNone
}

// deadline appends a time on the monotonic clock as what is left until then.
func (w *writer) deadline(t int64) {
	switch t {
	case math.MaxInt64:
		w.string("ZX_TIME_INFINITE")
		return
	case math.MinInt64:
		w.string("ZX_TIME_INFINITE_PAST")
		return
	case 0:
		w.string("0")
		return
	}
	now := w.c.Proc.Kernel().Monotonic()
	left := time.Duration(t - now)
	if t < 0 { // the difference may not fit
		w.b = strconv.AppendInt(w.b, t, 10)
		return
	}
	w.string("now")
	if left >= 0 {
		w.string("+")
	}
	w.string(left.Round(time.Microsecond).String())
}

// bytes appends the first of n bytes.
func (w *writer) bytes(addr, n uint64) bool {
	var b [maxBytes]byte
	m := min(n, maxBytes)
	if w.c.Read(b[:m], addr) != zx.OK {
		return false
	}
	w.b = strconv.AppendQuoteToASCII(w.b, string(b[:m]))
	if m < n {
		w.string("...")
	}
	return true
}

// fidlHeader is the size of a FIDL message's header, fidlMagic the value of its
// byte 7: the transaction id, flags and the method's ordinal, from FIDL's
// reference of the wire format.
const (
	fidlHeader = 16
	fidlMagic  = 1
)

// message appends a channel message of n bytes. Of what looks like FIDL, the
// header is told apart.
func (w *writer) message(addr, n uint64) bool {
	var b [fidlHeader]byte
	if n < fidlHeader || w.c.Read(b[:], addr) != zx.OK || b[7] != fidlMagic {
		return w.bytes(addr, n)
	}
	w.string("{txid=")
	w.hex(le(b[:4]))
	w.string(", ordinal=")
	w.hex(le(b[8:]))
	if n > fidlHeader {
		w.string(", ")
		if !w.bytes(addr+fidlHeader, n-fidlHeader) {
			return false
		}
	}
	w.string("}")
	return true
}

// sent is message for what is sent with the options of argument 1.
func (w *writer) sent(addr, n uint64) bool {
	if w.c.U32(1)&channelWriteUseIovec != 0 {
		return w.elements((*writer).channelIovec, &kind{size: iovecSize}, addr, n)
	}
	return w.message(addr, n)
}

// channelIovec appends a zx_channel_iovec_t.
func (w *writer) channelIovec(b []byte) {
	w.string("{")
	addr, n := le(b[:8]), le(b[8:12])
	w.try(addr, func() bool { return w.bytes(addr, n) })
	w.string(", ")
	w.b = append(strconv.AppendUint(w.b, n, 10), '}')
}

// property appends the value of a property, whose number is argument 1.
func (w *writer) property(addr, n uint64) bool {
	var b [8]byte
	if w.c.U32(1) == propName || n > uint64(len(b)) {
		var s [zx.MaxNameLen]byte
		m := min(n, zx.MaxNameLen)
		if w.c.Read(s[:m], addr) != zx.OK {
			return false
		}
		name, _, _ := strings.Cut(string(s[:m]), "\x00")
		w.b = strconv.AppendQuoteToASCII(w.b, name)
		return true
	}
	if w.c.Read(b[:n], addr) != zx.OK {
		return false
	}
	w.string("[")
	w.hex(le(b[:n]))
	w.string("]")
	return true
}

// waitItem appends a zx_wait_item_t.
func (w *writer) waitItem(b []byte) {
	h := zx.Handle(le(b[:4]))
	w.string("{")
	w.handle(h)
	w.string(", ")
	w.b = appendSignals(w.b, zx.Signals(le(b[4:8])), w.typeOf(h))
	w.string("}")
}

// pending appends the signals of a zx_wait_item_t that were seen.
func (w *writer) pending(b []byte) {
	w.b = appendSignals(w.b, zx.Signals(le(b[8:12])), w.typeOf(zx.Handle(le(b[:4]))))
}

func (w *writer) packet(b []byte) {
	p := object.DecodePortPacket(b)
	w.string("{key=")
	w.hex(p.Key)
	w.string(", ")
	w.b = appendName(w.b, uint64(p.Type), []symbol{{object.PacketUser, "ZX_PKT_TYPE_USER"}, {object.PacketSignalOne, "ZX_PKT_TYPE_SIGNAL_ONE"}})
	w.string(", ")
	w.b = appendStatus(w.b, p.Status)
	if p.Type == object.PacketSignalOne {
		trigger, observed, _ := p.Signal()
		w.string(", trigger=")
		w.hex(uint64(trigger))
		w.string(", observed=")
		w.hex(uint64(observed))
	} else {
		for i := 0; i < len(p.Payload); i += 8 {
			w.string(", ")
			w.hex(le(p.Payload[i : i+8]))
		}
	}
	w.string("}")
}

// handleInfo appends a zx_handle_info_t.
func (w *writer) handleInfo(b []byte) {
	w.string("{")
	w.handle(zx.Handle(le(b[:4])))
	w.string(", ")
	w.b = appendFlags(w.b, le(b[8:12]), rightNames)
	w.string("}")
}

// disposition appends a zx_handle_disposition_t.
func (w *writer) disposition(b []byte) {
	w.string("{")
	w.b = appendName(w.b, le(b[:4]), []symbol{{uint64(zx.HandleOpMove), "ZX_HANDLE_OP_MOVE"}, {uint64(zx.HandleOpDuplicate), "ZX_HANDLE_OP_DUPLICATE"}})
	w.string(", ")
	w.handle(zx.Handle(le(b[4:8])))
	w.string(", ")
	w.string(zx.ObjType(le(b[8:12])).String())
	w.string(", ")
	w.b = appendFlags(w.b, le(b[12:16]), rightNames)
	w.string("}")
}

// iovec appends a zx_iovec_t.
func (w *writer) iovec(b []byte) {
	w.string("{")
	w.pointer(le(b[:8]))
	w.string(", ")
	w.b = append(strconv.AppendUint(w.b, le(b[8:16]), 10), '}')
}

// callArgs shows a zx_channel_call_args_t, or zx_channel_call_etc_args_t, as
// what is sent, the handles being of kind k.
func callArgs(k *kind) func(w *writer, b []byte) {
	return func(w *writer, b []byte) {
		bytes, handles := le(b[:8]), le(b[8:16])
		w.string("{wr_bytes=")
		w.try(bytes, func() bool { return w.sent(bytes, le(b[32:36])) })
		w.string(", wr_handles=")
		w.values(k, handles, le(b[36:40]))
		w.string(", rd_num_bytes=")
		w.b = strconv.AppendUint(w.b, le(b[40:44]), 10)
		w.string(", rd_num_handles=")
		w.b = append(strconv.AppendUint(w.b, le(b[44:48]), 10), '}')
	}
}

// callReply shows the same as what was received, of which arguments 4 and 5
// point to the sizes.
func callReply(k *kind) func(w *writer, b []byte) {
	return func(w *writer, b []byte) {
		bytes, handles := le(b[16:24]), le(b[24:32])
		var n [4]byte
		w.string("{rd_bytes=")
		w.try(bytes, func() bool { return w.c.Read(n[:], w.c.U64(4)) == zx.OK && w.message(bytes, le(n[:])) })
		w.string(", rd_handles=")
		w.try(handles, func() bool {
			return w.c.Read(n[:], w.c.U64(5)) == zx.OK && w.elements(k.show, k, handles, le(n[:]))
		})
		w.string("}")
	}
}
