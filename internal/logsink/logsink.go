// Package logsink writes the logs of package zap to Fuchsia's
// fuchsia.logger.LogSink: each entry is a record in the structured log encoding,
// on a datagram socket.
//
// The system says from which severity on it wants records, and may change its
// mind while the program runs (WaitForInterestChange).
package logsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"

	"go.fuchsia.dev/fidl-go/fuchsia/diagnostics/types"
	"go.fuchsia.dev/fidl-go/fuchsia/logger"

	"go.fuchsia.dev/launcherd/zx"
)

// Options say what goes with each record.
type Options struct {
	// Tags name the program's part that logs; the logger's name is added.
	Tags []string
	// PID is the koid of the process.
	PID uint64
}

// Core is a zapcore.Core that writes to a LogSink. Writing never blocks: when
// the other end does not keep up records are dropped, and the next one that gets
// through tells how many.
type Core struct {
	sink   *sink
	fields []zapcore.Field
}

// sink is what a Core and all that With made of it share.
type sink struct {
	opts   Options
	client *logger.LogSinkClient
	socket zx.Socket
	cancel context.CancelFunc
	wg     sync.WaitGroup
	min    atomic.Uint32 // the types.Severity that records need

	mu      sync.Mutex
	rec     record // guarded by mu
	dropped uint64 // guarded by mu: records since the last one that got through
}

// New makes a Core of a connection to fuchsia.logger.LogSink, which it consumes.
// Until the system says otherwise records need the severity INFO. The error is
// of the connection.
func New(connection zx.Channel, o Options) (*Core, error) {
	s := &sink{opts: o, client: logger.NewLogSinkClient(&connection)}
	s.min.Store(uint32(types.SeverityInfo))
	ours, theirs, err := zx.NewSocket(zx.SocketDatagram)
	if err != nil {
		s.client.Close()
		return nil, err
	}
	s.socket = ours
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	err = s.client.ConnectStructured(ctx, &logger.LogSinkConnectStructuredRequest{Socket: theirs.Take()})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("log sink: %w", err)
	}
	s.wg.Add(1)
	go s.watchInterest(ctx)
	return &Core{sink: s}, nil
}

// Close closes the connection. What is logged afterwards is dropped.
func (c *Core) Close() { c.sink.close() }

func (s *sink) close() {
	s.cancel()
	s.wg.Wait()
	s.client.Close()
	s.socket.Close()
}

// watchInterest keeps min what the system wants, until the connection ends.
func (s *sink) watchInterest(ctx context.Context) {
	defer s.wg.Done()
	for {
		r, err := s.client.WaitForInterestChange(ctx)
		if err != nil {
			return // what is wanted now remains so
		}
		least := types.SeverityInfo
		if r.Data.MinSeverity != nil {
			least = *r.Data.MinSeverity
		}
		s.min.Store(uint32(least))
	}
}

// severity gives Fuchsia's name for a level.
func severity(l zapcore.Level) types.Severity {
	switch {
	case l < zapcore.DebugLevel:
		return types.SeverityTrace
	case l == zapcore.DebugLevel:
		return types.SeverityDebug
	case l == zapcore.InfoLevel:
		return types.SeverityInfo
	case l == zapcore.WarnLevel:
		return types.SeverityWarn
	case l <= zapcore.DPanicLevel:
		return types.SeverityError
	}
	return types.SeverityFatal
}

// Enabled implements zapcore.LevelEnabler: whether the system wants the level.
func (c *Core) Enabled(l zapcore.Level) bool { return uint32(severity(l)) >= c.sink.min.Load() }

// With implements zapcore.Core.
func (c *Core) With(fields []zapcore.Field) zapcore.Core {
	return &Core{c.sink, append(slices.Clip(c.fields), fields...)}
}

// Check implements zapcore.Core.
func (c *Core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Sync implements zapcore.Core. Nothing is kept back.
func (*Core) Sync() error { return nil }

// Write implements zapcore.Core.
func (c *Core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	s.encode(e, c.fields, fields)
	_, err := s.socket.WriteNow(s.rec.finish())
	switch {
	case err == nil:
		s.dropped = 0
		return nil
	case errors.Is(err, zx.ErrShouldWait), errors.Is(err, zx.ErrBadHandle):
		err = nil // full or closed: nobody is to blame
	}
	s.dropped++
	return err
}

// reserve is what a message and what stands before it leave for the rest.
const reserve = maxRecord / 4

// encode writes an entry to s.rec.
func (s *sink) encode(e zapcore.Entry, common, fields []zapcore.Field) {
	r := &s.rec
	r.begin(severity(e.Level), zx.Now())
	r.uint64("pid", s.opts.PID)
	r.uint64("tid", 0) // a goroutine has no thread
	if s.dropped > 0 {
		r.uint64("num_dropped", s.dropped)
	}
	if e.Caller.Defined && e.Level >= zapcore.ErrorLevel {
		r.string("file", path.Base(e.Caller.File), reserve)
		r.uint64("line", uint64(e.Caller.Line))
	}
	for _, t := range s.opts.Tags {
		r.string("tag", t, reserve)
	}
	if e.LoggerName != "" {
		r.string("tag", e.LoggerName, reserve)
	}
	r.string("message", e.Message, reserve)
	prefix := ""
	for _, fs := range [][]zapcore.Field{common, fields} {
		for _, f := range fs {
			if f.Type == zapcore.NamespaceType {
				prefix += f.Key + "."
				continue
			}
			r.field(prefix, f)
		}
	}
	if e.Stack != "" {
		r.string("stack", e.Stack, 0)
	}
}

// reserved are the names of arguments that mean something to the system.
var reserved = []string{"pid", "tid", "num_dropped", "file", "line", "tag", "message"}

// field writes a field; some have more than one value.
func (r *record) field(prefix string, f zapcore.Field) {
	values := zapcore.NewMapObjectEncoder()
	f.AddTo(values)
	for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
		name := prefix + key
		if slices.Contains(reserved, name) {
			name = "field." + name
		}
		r.value(name, values.Fields[key])
	}
}

func (r *record) value(name string, v any) {
	switch v := v.(type) {
	case bool:
		r.bool(name, v)
	case int:
		r.int64(name, int64(v))
	case int8:
		r.int64(name, int64(v))
	case int16:
		r.int64(name, int64(v))
	case int32:
		r.int64(name, int64(v))
	case int64:
		r.int64(name, v)
	case uint:
		r.uint64(name, uint64(v))
	case uint8:
		r.uint64(name, uint64(v))
	case uint16:
		r.uint64(name, uint64(v))
	case uint32:
		r.uint64(name, uint64(v))
	case uint64:
		r.uint64(name, v)
	case uintptr:
		r.uint64(name, uint64(v))
	case float32:
		r.float64(name, float64(v))
	case float64:
		r.float64(name, v)
	case string:
		r.string(name, v, 0)
	case time.Duration:
		r.string(name, v.String(), 0)
	case time.Time:
		r.string(name, v.Format(time.RFC3339Nano), 0)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			b = fmt.Append(nil, v)
		}
		r.string(name, string(b), 0)
	}
}
