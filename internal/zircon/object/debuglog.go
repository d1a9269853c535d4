package object

import (
	"encoding/binary"
	"fmt"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// Severities of log records, from <zircon/syscalls/log.h>.
const (
	SeverityTrace   = 0x10
	SeverityDebug   = 0x20
	SeverityInfo    = 0x30
	SeverityWarning = 0x40
	SeverityError   = 0x50
	SeverityFatal   = 0x60
)

// Sizes of zx_log_record_t, which is read whole: a header and the text.
const (
	LogRecordMax    = 256
	logHeaderSize   = 40
	LogRecordMaxMsg = LogRecordMax - logHeaderSize
)

// logRingSize is how many records are kept. Readers that are slower lose the
// oldest, which they see as a gap in the sequence.
const logRingSize = 512

// LogRecord is an entry of the debuglog. PID and TID are koids, zero for the
// kernel itself.
type LogRecord struct {
	Sequence uint64
	Severity uint8
	Flags    uint8
	Time     int64 // monotonic
	PID, TID zx.Koid
	Message  []byte
}

// Encode writes r as zx_log_record_t to b, which has LogRecordMax bytes, and
// gives the number of bytes it has.
func (r *LogRecord) Encode(b []byte) int {
	n := min(len(r.Message), LogRecordMaxMsg)
	binary.LittleEndian.PutUint64(b[0:], r.Sequence)
	binary.LittleEndian.PutUint32(b[8:], 0)
	binary.LittleEndian.PutUint16(b[12:], uint16(n))
	b[14], b[15] = r.Severity, r.Flags
	binary.LittleEndian.PutUint64(b[16:], uint64(r.Time))
	binary.LittleEndian.PutUint64(b[24:], uint64(r.PID))
	binary.LittleEndian.PutUint64(b[32:], uint64(r.TID))
	copy(b[logHeaderSize:], r.Message[:n])
	return logHeaderSize + n
}

// logRing is the kernel's log: the newest records, and those who read it.
type logRing struct {
	mu      sync.Mutex
	records [logRingSize]LogRecord // guarded by mu; indexed by Sequence modulo its size
	next    uint64                 // guarded by mu: sequence of the next record
	readers map[*Debuglog]struct{} // guarded by mu
}

func (l *logRing) init() { l.readers = make(map[*Debuglog]struct{}) }

// LogWrite adds a record to the debuglog and passes it to the sink. Sequence
// and Time are filled in. Message is kept.
func (k *Kernel) LogWrite(r LogRecord) {
	r.Time = k.Monotonic()
	l := &k.log
	l.mu.Lock()
	r.Sequence = l.next
	l.records[l.next%logRingSize] = r
	l.next++
	for d := range l.readers {
		d.updateSignals(0, zx.LogReadable)
	}
	l.mu.Unlock()
	if k.Sink != nil {
		k.Sink(r)
	}
}

func (k *Kernel) logf(severity uint8, p *Process, format string, args ...any) {
	if k.Sink == nil {
		return
	}
	r := LogRecord{Severity: severity, Time: k.Monotonic(), Message: fmt.Appendf(nil, format, args...)}
	if p != nil {
		r.PID = p.Koid()
	}
	k.Sink(r)
}

// Debuglog is an object to write to the log by and, when made for it, to read
// it by.
type Debuglog struct {
	Core
	k        *Kernel
	readable bool
	cursor   uint64 // guarded by k.log.mu: sequence of the next record to read
}

// NewDebuglog makes a debuglog object. A readable one begins with the oldest
// record that is kept.
func NewDebuglog(k *Kernel, readable bool) *Debuglog {
	d := &Debuglog{k: k, readable: readable}
	d.init(k, zx.ObjTypeLog, zx.LogWritable)
	if readable {
		l := &k.log
		l.mu.Lock()
		l.readers[d] = struct{}{}
		if l.next > 0 {
			d.updateSignals(0, zx.LogReadable)
		}
		l.mu.Unlock()
	}
	return d
}

// Write adds a record.
func (d *Debuglog) Write(r LogRecord) { d.k.LogWrite(r) }

// Read gives the next record: SHOULD_WAIT when there is none, NOT_SUPPORTED for
// a log that was not made for reading.
func (d *Debuglog) Read() (LogRecord, zx.Status) {
	if !d.readable {
		return LogRecord{}, zx.ErrNotSupported
	}
	l := &d.k.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next > logRingSize {
		d.cursor = max(d.cursor, l.next-logRingSize)
	}
	if d.cursor == l.next {
		return LogRecord{}, zx.ErrShouldWait
	}
	r := l.records[d.cursor%logRingSize]
	d.cursor++
	if d.cursor == l.next {
		d.updateSignals(zx.LogReadable, 0)
	}
	return r, zx.OK
}

func (d *Debuglog) onZeroHandles() {
	l := &d.k.log
	l.mu.Lock()
	delete(l.readers, d)
	l.mu.Unlock()
}
