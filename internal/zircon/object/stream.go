package object

import (
	"math/bits"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// StreamRights are the rights of a new stream's handle, to which come those to
// read and to write as it was made for.
const StreamRights = zx.RightsBasic | zx.RightsProperty | zx.RightSignal

// Modes of a stream and options of a write: ZX_STREAM_*, from <zircon/types.h>.
const (
	StreamModeRead   = 1 << 0
	StreamModeWrite  = 1 << 1
	StreamModeAppend = 1 << 2
	StreamAppend     = 1 << 0
)

// Origins of a seek: ZX_STREAM_SEEK_ORIGIN_*.
const (
	SeekStart   = 0
	SeekCurrent = 1
	SeekEnd     = 2
)

// Stream reads and writes a VMO at an offset that moves along, as far as the
// VMO's stream size, which writing may extend.
type Stream struct {
	Core
	vmo    *VMO
	hold   *Handle // keeps the VMO's memory
	resize bool    // may grow the VMO

	mu   sync.Mutex
	seek uint64 // guarded by mu
	mode uint32 // guarded by mu; StreamMode… bits
}

// NewStream makes a stream on v. resize lets it grow the VMO.
func NewStream(k *Kernel, v *VMO, options uint32, seek uint64, resize bool) *Stream {
	s := &Stream{vmo: v, hold: NewHandle(v, 0), mode: options, seek: seek, resize: resize}
	s.init(k, zx.ObjTypeStream, 0)
	return s
}

func (s *Stream) onZeroHandles() { s.hold.Close() }

// Read fills bufs from the seek offset, which moves on, and gives the number of
// bytes: 0 at the end.
func (s *Stream) Read(bufs [][]byte) (uint64, zx.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, st := s.ReadAt(bufs, s.seek)
	s.seek += n
	return n, st
}

// ReadAt is Read at another offset, which stays.
func (s *Stream) ReadAt(bufs [][]byte, off uint64) (n uint64, st zx.Status) {
	mem := s.vmo.Mem
	end := min(mem.ContentSize(), mem.Size())
	for _, b := range bufs {
		if off >= end {
			break
		}
		b = b[:min(uint64(len(b)), end-off)]
		if st := mem.Read(b, off); st != zx.OK {
			return n, st
		}
		off += uint64(len(b))
		n += uint64(len(b))
	}
	return n, zx.OK
}

// Write stores bufs at the seek offset, which moves on, and gives the number of
// bytes. With appending, or for a stream made to append, the offset is first set
// to the end. NO_SPACE when nothing can be written because the VMO is too small,
// FILE_BIG when no VMO could be large enough.
func (s *Stream) Write(bufs [][]byte, appending bool) (uint64, zx.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.vmo.Mem.LockStream()()
	if appending || s.mode&StreamModeAppend != 0 {
		s.seek = s.vmo.Mem.ContentSize()
	}
	n, st := s.writeLocked(bufs, s.seek)
	s.seek += n
	return n, st
}

// WriteAt is Write at another offset, which stays.
func (s *Stream) WriteAt(bufs [][]byte, off uint64) (uint64, zx.Status) {
	defer s.vmo.Mem.LockStream()()
	return s.writeLocked(bufs, off)
}

func (s *Stream) writeLocked(bufs [][]byte, off uint64) (n uint64, st zx.Status) {
	var total uint64
	for _, b := range bufs {
		total += uint64(len(b))
	}
	if total == 0 {
		return 0, zx.OK
	}
	end, carry := bits.Add64(off, total, 0)
	if carry != 0 {
		return 0, zx.ErrFileBig
	}
	mem := s.vmo.Mem
	reach, st := mem.Extend(off, end, s.resize)
	if st != zx.OK {
		return 0, st
	}
	if reach <= off {
		return 0, zx.ErrNoSpace
	}
	for _, b := range bufs {
		b = b[:min(uint64(len(b)), reach-off)]
		if st = mem.Write(b, off); st != zx.OK {
			break
		}
		off += uint64(len(b))
		n += uint64(len(b))
	}
	if n > 0 {
		mem.Wrote(off)
		st = zx.OK
	}
	return n, st
}

// Seek moves the seek offset and gives it: INVALID_ARGS when it would leave the
// range of offsets, or for an unknown origin.
func (s *Stream) Seek(origin uint32, off int64) (uint64, zx.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var from uint64
	switch origin {
	case SeekStart:
	case SeekCurrent:
		from = s.seek
	case SeekEnd:
		from = s.vmo.Mem.ContentSize()
	default:
		return 0, zx.ErrInvalidArgs
	}
	to := from + uint64(off)
	if off < 0 && to > from || off > 0 && to < from {
		return 0, zx.ErrInvalidArgs
	}
	s.seek = to
	return to, zx.OK
}

// Append says whether every write goes to the end, and SetAppend changes it:
// ZX_PROP_STREAM_MODE_APPEND.
func (s *Stream) Append() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode&StreamModeAppend != 0
}

// SetAppend changes Append.
func (s *Stream) SetAppend(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode &^= StreamModeAppend
	if on {
		s.mode |= StreamModeAppend
	}
}

// StreamInfo is what zx_info_stream_t tells.
type StreamInfo struct {
	Options       uint32
	Seek, Content uint64
}

// Info gives the stream's state.
func (s *Stream) Info() StreamInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return StreamInfo{s.mode, s.seek, s.vmo.Mem.ContentSize()}
}
