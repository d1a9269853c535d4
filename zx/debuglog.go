package zx

// DebugLog is a handle to the kernel's debug log.
type DebugLog struct{ Object }

// DebugLogReadable makes a DebugLog that can be read.
const DebugLogReadable uint32 = 0x4000_0000

// DebugLogFromHandle makes a DebugLog that owns h.
func DebugLogFromHandle(h Handle) DebugLog { return DebugLog{Object{h}} }

// NewDebugLog gives a handle to the log (zx_debuglog_create). resource may be
// HandleInvalid for a log that is only written.
func NewDebugLog(resource Handle, options uint32) (DebugLog, error) {
	h, st := sysDebuglogCreate(resource, options)
	return DebugLogFromHandle(h), st.Err()
}

// Duplicate gives a second handle with rights r.
func (l *DebugLog) Duplicate(r Rights) (DebugLog, error) {
	o, err := l.Object.Duplicate(r)
	return DebugLog{o}, err
}

// Write adds a line (zx_debuglog_write).
func (l *DebugLog) Write(b []byte) error { return sysDebuglogWrite(l.Handle(), 0, b).Err() }

// Read takes the next record, a zx_log_record_t (zx_debuglog_read):
// ErrShouldWait when there is none.
func (l *DebugLog) Read(b []byte) (int, error) {
	n, st := sysDebuglogRead(l.Handle(), 0, b)
	return n, st.Err()
}
