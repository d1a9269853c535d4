package object

import (
	"math/bits"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
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
	mem    *vm.VMO // held
	resize bool    // may grow the VMO

	mu   sync.Mutex
	seek uint64 // guarded by mu
	mode uint32 // guarded by mu; StreamMode… bits
}

// NewStream makes a stream on v: BAD_HANDLE when nobody holds that any more.
// resize lets it grow the VMO.
func NewStream(k *Kernel, v *VMO, options uint32, seek uint64, resize bool) (*Stream, zx.Status) {
	if !v.Mem.Hold() {
		return nil, zx.ErrBadHandle
	}
	s := &Stream{mem: v.Mem, mode: options, seek: seek, resize: resize}
	s.init(k, zx.ObjTypeStream, 0)
	return s, zx.OK
}

func (s *Stream) onZeroHandles() { s.mem.Release() }

// Vector is what a reader or writer of a stream has: N bytes, which Copy copies
// to or from pieces of Buf, one after the other. When Copy fails the transfer
// ends there, and is a failure only if there were no bytes before.
type Vector struct {
	N    uint64
	Buf  []byte
	Copy func(piece []byte) zx.Status
}

// transfer calls move, which does the stream's side of a piece, and v.Copy, in
// their order, for n bytes.
func (v *Vector) transfer(n, off uint64, move func(*vm.VMO, []byte, uint64) zx.Status, mem *vm.VMO, in bool) (done uint64, st zx.Status) {
	for done < n && st == zx.OK {
		b := v.Buf[:min(n-done, uint64(len(v.Buf)))]
		if in {
			if st = v.Copy(b); st == zx.OK {
				st = move(mem, b, off+done)
			}
		} else if st = move(mem, b, off+done); st == zx.OK {
			st = v.Copy(b)
		}
		if st == zx.OK {
			done += uint64(len(b))
		}
	}
	if done > 0 {
		st = zx.OK
	}
	return done, st
}

// Read fills v from the seek offset, which moves on, and gives the number of
// bytes: 0 at the end.
func (s *Stream) Read(v Vector) (uint64, zx.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, st := s.ReadAt(v, s.seek)
	s.seek += n
	return n, st
}

// ReadAt is Read at another offset, which stays.
func (s *Stream) ReadAt(v Vector, off uint64) (uint64, zx.Status) {
	end := min(s.mem.ContentSize(), s.mem.Size())
	if off >= end {
		return 0, zx.OK
	}
	return v.transfer(min(v.N, end-off), off, (*vm.VMO).Read, s.mem, false)
}

// Write stores v at the seek offset, which moves on, and gives the number of
// bytes. With appending, or for a stream made to append, the offset is first set
// to the end. No other write of a stream comes in between. NO_SPACE when nothing
// can be written because the VMO is too small, OUT_OF_RANGE when it cannot be as
// large, FILE_BIG when no VMO could.
func (s *Stream) Write(v Vector, appending bool) (uint64, zx.Status) {
	if v.N == 0 {
		return 0, zx.OK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.mem.LockStream()()
	if appending || s.mode&StreamModeAppend != 0 {
		s.seek = s.mem.ContentSize()
	}
	n, st := s.writeLocked(v, s.seek)
	s.seek += n
	return n, st
}

// WriteAt is Write at another offset, which stays.
func (s *Stream) WriteAt(v Vector, off uint64) (uint64, zx.Status) {
	if v.N == 0 {
		return 0, zx.OK
	}
	defer s.mem.LockStream()()
	return s.writeLocked(v, off)
}

func (s *Stream) writeLocked(v Vector, off uint64) (uint64, zx.Status) {
	end, carry := bits.Add64(off, v.N, 0)
	if carry != 0 {
		return 0, zx.ErrFileBig
	}
	reach, st := s.mem.Extend(off, end, s.resize)
	if st != zx.OK {
		return 0, st
	}
	n, st := v.transfer(reach-off, off, (*vm.VMO).Write, s.mem, true)
	if n > 0 {
		s.mem.Wrote(off + n)
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
		from = s.mem.ContentSize()
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
	return StreamInfo{s.mode, s.seek, s.mem.ContentSize()}
}
