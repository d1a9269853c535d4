package logsink_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/diagnostics/types"
	"go.fuchsia.dev/fidl-go/fuchsia/logger"

	"go.fuchsia.dev/launcherd/internal/logsink"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/zx"
)

// system is the other end of a LogSink.
type system struct {
	testing.TB
	core     *logsink.Core
	socket   zx.Socket
	sockets  chan zx.Handle
	asked    chan struct{} // each time the program waits for a change of interest
	interest chan types.Interest
}

// connect makes a Core and the system that reads from it. Nothing may be left of
// them after the test.
func connect(t testing.TB, o logsink.Options) *system {
	t.Helper()
	zx.DefaultJob()
	routines := goleak.IgnoreCurrent()
	before := zircon.Self().Handles().Len()
	t.Cleanup(func() {
		goleak.VerifyNone(t, routines)
		if after := zircon.Self().Handles().Len(); after != before {
			t.Errorf("%d handles, %d before", after, before)
		}
	})
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	s := &system{TB: t, sockets: make(chan zx.Handle, 1), asked: make(chan struct{}, 8), interest: make(chan types.Interest)}
	served := make(chan error, 1)
	go func() { served <- logger.ServeLogSink(context.Background(), &server, s) }()
	if s.core, err = logsink.New(client, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.core.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.socket.Close()
	})
	s.socket = zx.SocketFromHandle(<-s.sockets)
	return s
}

func (s *system) ConnectStructured(_ context.Context, req *logger.LogSinkConnectStructuredRequest) error {
	s.sockets <- req.Socket
	return nil
}

func (s *system) Connect(_ context.Context, req *logger.LogSinkConnectRequest) error {
	zx.CloseAll(req.Socket)
	return errors.New("records are structured")
}

func (s *system) WaitForInterestChange(ctx context.Context) (*logger.LogSinkWaitForInterestChangeResponse, error) {
	fidl.CallFrom(ctx).Detach()
	s.asked <- struct{}{}
	select {
	case i := <-s.interest:
		return &logger.LogSinkWaitForInterestChangeResponse{Data: i}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// want tells the program which severity matters, and waits until it knows.
func (s *system) want(i types.Interest) {
	s.Helper()
	<-s.asked // it waits for a change
	s.interest <- i
	<-s.asked // it has had it, and waits for the next
	s.asked <- struct{}{}
}

// argument is a decoded argument. Value is an int64, uint64, float64, string or
// bool.
type argument struct {
	Name  string
	Value any
}

// decoded is a decoded record.
type decoded struct {
	Severity types.Severity
	Time     zx.Time
	Args     []argument
}

// next reads and decodes a record.
func (s *system) next() decoded {
	s.Helper()
	b := make([]byte, logger.MaxDatagramLenBytes)
	n, err := s.socket.ReadNow(0, b)
	if err != nil {
		s.Fatalf("no record: %v", err)
	}
	d, err := decode(b[:n])
	if err != nil {
		s.Fatalf("%v\n%x", err, b[:n])
	}
	return d
}

// empty checks that there is no record.
func (s *system) empty() {
	s.Helper()
	if _, err := s.socket.ReadNow(0, make([]byte, 8)); !errors.Is(err, zx.ErrShouldWait) {
		s.Errorf("reading where nothing should be: %v", err)
	}
}

// decode decodes a record as the page "Encoding structured records" has it.
func decode(b []byte) (d decoded, err error) {
	if len(b) < 16 || len(b)%8 != 0 {
		return d, fmt.Errorf("%d bytes", len(b))
	}
	h := binary.LittleEndian.Uint64(b)
	if h&0xf != 9 || h>>4&0xfff != uint64(len(b)/8) || h>>16&(1<<40-1) != 0 {
		return d, fmt.Errorf("record header %#x for %d words", h, len(b)/8)
	}
	d.Severity, d.Time = types.Severity(h>>56), zx.Time(binary.LittleEndian.Uint64(b[8:]))
	for b = b[16:]; len(b) > 0; {
		h := binary.LittleEndian.Uint64(b)
		size := int(h >> 4 & 0xfff * 8)
		if size < 8 || size > len(b) {
			return d, fmt.Errorf("argument of %d bytes in %d", size, len(b))
		}
		rest := b[8:size]
		b = b[size:]
		text := func(ref uint64) (string, error) {
			n := int(ref &^ 0x8000)
			padded := (n + 7) / 8 * 8
			if ref != 0 && ref&0x8000 == 0 || padded > len(rest) {
				return "", fmt.Errorf("string reference %#x with %d bytes left", ref, len(rest))
			}
			s, padding := string(rest[:n]), string(rest[n:padded])
			rest = rest[padded:]
			if strings.Trim(padding, "\x00") != "" || !utf8.ValidString(s) {
				return "", fmt.Errorf("string %q, padded with %q", s, padding)
			}
			return s, nil
		}
		var a argument
		if a.Name, err = text(h >> 16 & 0xffff); err != nil || a.Name == "" {
			return d, fmt.Errorf("name %q: %v", a.Name, err)
		}
		unused := h >> 32
		switch h & 0xf {
		case 3, 4, 5:
			if len(rest) != 8 {
				return d, fmt.Errorf("%s: number of %d bytes", a.Name, len(rest))
			}
			v := binary.LittleEndian.Uint64(rest)
			a.Value = map[uint64]any{3: int64(v), 4: v, 5: math.Float64frombits(v)}[h&0xf]
			rest = nil
		case 6:
			if a.Value, err = text(h >> 32 & 0xffff); err != nil {
				return d, err
			}
			unused = h >> 48
		case 9:
			a.Value = h>>32&1 == 1
			unused = h >> 33
		default:
			return d, fmt.Errorf("%s: type %d", a.Name, h&0xf)
		}
		if unused != 0 || len(rest) != 0 {
			return d, fmt.Errorf("%s: %d bytes too many, unused bits %#x", a.Name, len(rest), unused)
		}
		d.Args = append(d.Args, a)
	}
	return d, nil
}

// TestRecord shows a record whole.
func TestRecord(t *testing.T) {
	s := connect(t, logsink.Options{Tags: []string{"launcherd"}, PID: 77})
	before := zx.Now()
	log := zap.New(s.core).Named("loader").With(zap.Bool("first", true))
	log.Warn("library refused",
		zap.String("name", "libc.so"),
		zap.Int("count", -2),
		zap.Uint64("koid", math.MaxUint64),
		zap.Float64("share", 0.25),
		zap.Error(zx.ErrNotFound),
		zap.Duration("after", 1500*time.Millisecond),
		zap.Time("at", time.Unix(0, 0).UTC()),
		zap.Strings("dirs", []string{"a", "b"}),
		zap.Stringer("status", zx.ErrIO),
		zap.String("empty", ""),
	)
	got := s.next()
	if got.Time < before || got.Time > zx.Now() {
		t.Errorf("time %d, not between %d and now", got.Time, before)
	}
	if got.Severity != types.SeverityWarn {
		t.Errorf("severity %v", got.Severity)
	}
	want := []argument{
		{"pid", uint64(77)},
		{"tid", uint64(0)},
		{"tag", "launcherd"},
		{"tag", "loader"},
		{"message", "library refused"},
		{"first", true},
		{"name", "libc.so"},
		{"count", int64(-2)},
		{"koid", uint64(math.MaxUint64)},
		{"share", 0.25},
		{"error", zx.ErrNotFound.Error()},
		{"after", "1.5s"},
		{"at", "1970-01-01T00:00:00Z"},
		{"dirs", `["a","b"]`},
		{"status", zx.ErrIO.String()},
		{"empty", ""},
	}
	if !reflect.DeepEqual(got.Args, want) {
		t.Errorf("got  %v\nwant %v", got.Args, want)
	}
	s.empty()
}

// TestBytes shows the encoding, byte by byte.
func TestBytes(t *testing.T) {
	s := connect(t, logsink.Options{PID: 0x1122})
	zap.New(s.core).Info("Hi", zap.Bool("long_name", true))
	b := make([]byte, 256)
	n, err := s.socket.ReadNow(0, b)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[8:16], "\x00\x00\x00\x00\x00\x00\x00\x00")                                 // the time
	want := "\xe9\x00\x00\x00\x00\x00\x00\x30" + "\x00\x00\x00\x00\x00\x00\x00\x00" + // 14 words, INFO
		"\x34\x00\x03\x80\x00\x00\x00\x00" + "pid\x00\x00\x00\x00\x00" + "\x22\x11\x00\x00\x00\x00\x00\x00" +
		"\x34\x00\x03\x80\x00\x00\x00\x00" + "tid\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x36\x00\x07\x80\x02\x80\x00\x00" + "message\x00" + "Hi\x00\x00\x00\x00\x00\x00" +
		"\x39\x00\x09\x80\x01\x00\x00\x00" + "long_nam" + "e\x00\x00\x00\x00\x00\x00\x00"
	if got := string(b[:n]); got != want {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestFields(t *testing.T) {
	tests := []struct {
		name   string
		fields []zap.Field
		want   []argument
	}{
		{"what the system reads is not ours to name", []zap.Field{zap.Int("pid", 1), zap.String("message", "m")},
			[]argument{{"field.pid", int64(1)}, {"field.message", "m"}}},
		{"a namespace", []zap.Field{zap.Namespace("job"), zap.Int("pid", 1)}, []argument{{"job.pid", int64(1)}}},
		{"no name", []zap.Field{zap.Int("", 1)}, []argument{{"_", int64(1)}}},
		{"no UTF-8", []zap.Field{zap.String("a\xff", "b\xff\xfe")}, []argument{{"a\uFFFD", "b\uFFFD"}}},
		{"an object", []zap.Field{zap.Dict("d", zap.Int("x", 1), zap.Bool("y", false))}, []argument{{"d", `{"x":1,"y":false}`}}},
		{"what JSON has not", []zap.Field{zap.Reflect("n", math.Inf(1)), zap.Complex64("c", 1+2i)},
			[]argument{{"n", math.Inf(1)}, {"c", "(1+2i)"}}},
		{"nil", []zap.Field{zap.Error(nil), zap.Reflect("r", nil)}, []argument{{"r", "null"}}},
	}
	s := connect(t, logsink.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zap.New(s.core).Info("m", tt.fields...)
			if got := s.next().Args[3:]; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSeverities(t *testing.T) {
	s := connect(t, logsink.Options{})
	s.want(types.Interest{MinSeverity: fidl.Ptr(types.SeverityTrace)})
	log := zap.New(s.core, zap.AddCaller())
	levels := map[zapcore.Level]types.Severity{
		zapcore.DebugLevel - 1: types.SeverityTrace,
		zapcore.DebugLevel:     types.SeverityDebug,
		zapcore.InfoLevel:      types.SeverityInfo,
		zapcore.WarnLevel:      types.SeverityWarn,
		zapcore.ErrorLevel:     types.SeverityError,
		zapcore.DPanicLevel:    types.SeverityError,
	}
	for level, want := range levels {
		log.Log(level, "m")
		got := s.next()
		if got.Severity != want {
			t.Errorf("%v became %v, want %v", level, got.Severity, want)
		}
		place := len(got.Args) == 5 && got.Args[2] == argument{"file", "logsink_test.go"} && got.Args[3].Name == "line"
		if place != (want == types.SeverityError) {
			t.Errorf("%v: %v", level, got.Args)
		}
	}
	func() {
		defer func() { recover() }()
		log.Panic("m")
	}()
	if got := s.next(); got.Severity != types.SeverityFatal {
		t.Errorf("a panic became %v", got.Severity)
	}
}

// The system says what it wants, and changes its mind.
func TestInterest(t *testing.T) {
	s := connect(t, logsink.Options{})
	enabled := func(want zapcore.Level) {
		t.Helper()
		if !s.core.Enabled(want) || s.core.Enabled(want-1) {
			t.Errorf("%v is not the least level that is wanted", want)
		}
	}
	enabled(zapcore.InfoLevel)
	s.want(types.Interest{MinSeverity: fidl.Ptr(types.SeverityError)})
	enabled(zapcore.ErrorLevel)
	s.want(types.Interest{MinSeverity: fidl.Ptr(types.SeverityDebug)})
	enabled(zapcore.DebugLevel)
	s.want(types.Interest{})
	enabled(zapcore.InfoLevel)
	zap.New(s.core).Debug("nobody wants this")
	s.empty()
}

// What is too long is cut, at the end of a character; what has no room is left
// out.
func TestTooLong(t *testing.T) {
	s := connect(t, logsink.Options{})
	log := zap.New(s.core)
	long := strings.Repeat("é", 20_000)

	log.Info(long, zap.Int("count", 1), zap.String("long", "x"+long), zap.Int("left out", 2))
	got := s.next()
	if len(got.Args) != 5 {
		t.Fatalf("%d arguments: %.200v", len(got.Args), got.Args)
	}
	for i, a := range got.Args[2:] {
		v, isString := a.Value.(string)
		switch {
		case i == 1:
			if a != (argument{"count", int64(1)}) {
				t.Errorf("got %v", a)
			}
		case !isString || len(v) < 4000 || !strings.HasSuffix(v, "é..."):
			t.Errorf("%s was cut to %d bytes, ending in %q", a.Name, len(v), v[max(0, len(v)-8):])
		}
	}

	log.Info("m", zap.Int(long, 1), zap.String(long, "v"), zap.Bool("kept", true))
	if got := s.next().Args[3:]; !reflect.DeepEqual(got, []argument{{"kept", true}}) {
		t.Errorf("got %.200v", got)
	}

	var many []zap.Field
	for i := range 2000 {
		many = append(many, zap.Int(fmt.Sprint("field", i), i))
	}
	log.Info("m", many...)
	if n := len(s.next().Args); n < 1000 || n > 1400 {
		t.Errorf("%d arguments in a full record", n)
	}
}

// Nobody reads: records are dropped, and the next that gets through says so.
func TestDropped(t *testing.T) {
	s := connect(t, logsink.Options{})
	log := zap.New(s.core)
	text := strings.Repeat("x", 16<<10)
	const written = 1000 // far more than a socket holds
	for range written {
		log.Info(text)
	}
	read := 0
	for b := make([]byte, logger.MaxDatagramLenBytes); ; read++ {
		if _, err := s.socket.ReadNow(0, b); errors.Is(err, zx.ErrShouldWait) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if read == 0 || read == written {
		t.Fatalf("read %d of %d records", read, written)
	}
	log.Info("room again")
	if got, want := s.next().Args[2], (argument{"num_dropped", uint64(written - read)}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	log.Info("nothing was dropped since")
	if got := s.next().Args[2].Name; got == "num_dropped" {
		t.Error("told twice")
	}
}

// After its end, and after the system's, logging is harmless.
func TestClosed(t *testing.T) {
	s := connect(t, logsink.Options{})
	s.socket.Close()
	if err := s.core.Write(zapcore.Entry{}, nil); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("without a reader: %v", err)
	}
	s.core.Close()
	if err := s.core.Write(zapcore.Entry{}, nil); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if err := s.core.Sync(); err != nil {
		t.Error(err)
	}

	// A connection that nobody serves any more.
	client, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := logsink.New(client, logsink.Options{}); !errors.Is(err, zx.ErrPeerClosed) {
		t.Errorf("a dead connection: %v", err)
	}
}

// Whatever is logged, the record is one that the system can read.
func FuzzRecord(f *testing.F) {
	f.Add("message", "key", "value", uint16(1), int64(1))
	f.Add("\xff", "", "é", uint16(20_000), int64(-1))
	f.Add("x", "\xff", "", uint16(10_000), int64(0))
	s := connect(f, logsink.Options{Tags: []string{"fuzz"}})
	log := zap.New(s.core)
	f.Fuzz(func(t *testing.T, message, key, value string, times uint16, n int64) {
		long := func(s string) string { // up to somewhat more than a record holds
			return strings.Repeat(s, min(int(times), int(logger.MaxDatagramLenBytes)/max(len(s), 1)+1))
		}
		message, key, value = long(message), long(key), long(value)
		log.Named(key).Info(message, zap.String(key, value), zap.Int64(value, n), zap.Binary(message, []byte(key)))
		b := make([]byte, logger.MaxDatagramLenBytes)
		size, err := s.socket.ReadNow(0, b)
		if err != nil {
			t.Fatal(err)
		}
		d, err := decode(b[:size])
		if err != nil {
			t.Fatalf("%v\n%x", err, b[:size])
		}
		if len(d.Args) < 3 || d.Args[0].Name != "pid" {
			t.Errorf("arguments %v", d.Args)
		}
	})
}
