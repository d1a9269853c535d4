package zircon

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// TestSink: what a program writes to the debuglog is a line each for its user,
// who sees of whom; libc's lines end in one newline already.
func TestSink(t *testing.T) {
	core, seen := observer.New(zap.DebugLevel)
	put := sink(zap.New(core))
	put(object.LogRecord{Severity: object.SeverityInfo, PID: 7, TID: 8, Message: []byte("no such library\n")})
	put(object.LogRecord{Severity: object.SeverityWarning, PID: 7, Message: []byte("a page fault")})
	put(object.LogRecord{Severity: object.SeverityInfo, Message: []byte("the kernel's own")})
	type line struct {
		Level, Message string
		Fields         map[string]any
	}
	var got []line
	for _, e := range seen.All() {
		got = append(got, line{e.Level.String(), e.Message, e.ContextMap()})
	}
	want := []line{
		{"warn", "no such library", map[string]any{"pid": uint64(7), "tid": uint64(8)}},
		{"warn", "a page fault", map[string]any{"pid": uint64(7)}},
		{"info", "the kernel's own", map[string]any{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
