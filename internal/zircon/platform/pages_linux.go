//go:build amd64

package platform

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// LivePages counts the Pages that are not closed, for tests that nothing leaks.
var LivePages atomic.Int64

// filePages are Pages over a descriptor: a memfd of ours, or a host file.
type filePages struct {
	f         *os.File
	immutable bool

	mu   sync.Mutex
	size uint64 // guarded by mu; of an immutable file, page-rounded
}

// NewPages implements vm.Host with a memfd.
func (*Platform) NewPages(size uint64) (vm.Pages, error) {
	p, err := newMemfd(size)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func newMemfd(size uint64) (*filePages, error) {
	fd, err := memfdCreate("vmo")
	if err == nil {
		err = spare(fd)
	}
	if err != nil {
		return nil, fmt.Errorf("memory for a VMO: %w: %w", zx.ErrNoMemory, err)
	}
	p := &filePages{f: os.NewFile(uintptr(fd), "vmo")}
	LivePages.Add(1)
	if size > 0 {
		if err := p.Resize(size); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// memfdCreate makes a memfd that may be mapped executable.
func memfdCreate(name string) (int, error) {
	const mfdExec = 0x10 // Linux 6.3; older ones refuse it and need none
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|mfdExec)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	return fd, err
}

// FilePages gives Pages over a read-only file of the host, so that its text is
// shared and nothing is copied. f may be closed afterwards. The size of the
// Pages is that of the file, page-rounded. With exec, a file on a mount that
// forbids execution is copied into memory. Errors wrap a zx.Status: NOT_FILE
// for what is no regular file, IO and NO_MEMORY.
func FilePages(f *os.File, exec bool) (pages vm.Pages, size uint64, err error) {
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("stat: %w: %w", zx.ErrIO, err)
	}
	if !st.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: %w", f.Name(), zx.ErrNotFile)
	}
	size = uint64(st.Size())
	if exec && noexec(f) {
		p, err := copyFile(f, size)
		return p, size, err
	}
	// A descriptor of our own that cannot write, whatever f can.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", f.Name(), zx.ErrIO, err)
	}
	if err := spare(fd); err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", f.Name(), zx.ErrNoMemory, err)
	}
	LivePages.Add(1)
	return &filePages{f: os.NewFile(uintptr(fd), f.Name()), immutable: true, size: pageRound(size)}, size, nil
}

func noexec(f *os.File) bool {
	var s unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &s) == nil && s.Flags&unix.ST_NOEXEC != 0
}

func copyFile(f *os.File, size uint64) (vm.Pages, error) {
	p, err := newMemfd(pageRound(size))
	if err != nil {
		return nil, err
	}
	if err := copyRange(p, 0, f, 0, size); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func pageRound(n uint64) uint64 { return (n + vm.PageSize - 1) &^ (vm.PageSize - 1) }

func (p *filePages) Size() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

func (p *filePages) Immutable() bool { return p.immutable }

func (p *filePages) ReadAt(b []byte, off uint64) error {
	n, err := p.f.ReadAt(b, int64(off))
	if err == io.EOF {
		clear(b[n:]) // the last page's tail
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", zx.ErrIO, err)
	}
	return nil
}

func (p *filePages) WriteAt(b []byte, off uint64) error {
	if p.immutable {
		return zx.ErrAccessDenied
	}
	if _, err := p.f.WriteAt(b, int64(off)); err != nil {
		return fmt.Errorf("%w: %w", zx.ErrNoMemory, err)
	}
	return nil
}

func (p *filePages) Resize(size uint64) error {
	if p.immutable {
		return zx.ErrAccessDenied
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := unix.Ftruncate(int(p.f.Fd()), int64(size)); err != nil {
		return fmt.Errorf("%w: %w", zx.ErrNoMemory, err)
	}
	p.size = size
	return nil
}

func (p *filePages) Zero(off, n uint64) error {
	if p.immutable {
		return zx.ErrAccessDenied
	}
	if n == 0 {
		return nil
	}
	if err := unix.Fallocate(int(p.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n)); err != nil {
		return fmt.Errorf("%w: %w", zx.ErrNoMemory, err)
	}
	return nil
}

func (p *filePages) Commit(off, n uint64) error {
	if p.immutable || n == 0 {
		return nil
	}
	if err := room(n); err != nil {
		return err
	}
	if err := unix.Fallocate(int(p.f.Fd()), unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n)); err != nil {
		return fmt.Errorf("%w: %w", zx.ErrNoMemory, err)
	}
	return nil
}

func (p *filePages) Committed() uint64 {
	var st unix.Stat_t
	if p.immutable || unix.Fstat(int(p.f.Fd()), &st) != nil {
		return 0
	}
	return uint64(st.Blocks) * 512
}

func (p *filePages) Clone(off, n uint64) (vm.Pages, error) {
	copied := p.Committed()
	if p.immutable {
		copied = p.Size()
	}
	if err := room(min(copied, n)); err != nil {
		return nil, err
	}
	q, err := newMemfd(n)
	if err != nil {
		return nil, err
	}
	if size := p.Size(); off < size {
		if err := copyData(q, p.f, off, min(n, size-off), p.immutable); err != nil {
			q.Close()
			return nil, err
		}
	}
	return q, nil
}

// copyData copies what has memory of [off, off+n) of f to the start of q.
func copyData(q *filePages, f *os.File, off, n uint64, dense bool) error {
	if dense {
		return copyRange(q, 0, f, off, n)
	}
	for at := off; at < off+n; {
		data, err := unix.Seek(int(f.Fd()), int64(at), unix.SEEK_DATA)
		if err != nil || uint64(data) >= off+n {
			return nil // ENXIO: only a hole is left
		}
		hole, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("%w: %w", zx.ErrIO, err)
		}
		end := min(uint64(hole), off+n)
		if err := copyRange(q, uint64(data)-off, f, uint64(data), end-uint64(data)); err != nil {
			return err
		}
		at = end
	}
	return nil
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func copyRange(q *filePages, to uint64, f *os.File, from, n uint64) error {
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	for n > 0 {
		k, err := f.ReadAt((*b)[:min(n, uint64(len(*b)))], int64(from))
		if k > 0 {
			if err := q.WriteAt((*b)[:k], to); err != nil {
				return err
			}
		}
		to, from, n = to+uint64(k), from+uint64(k), n-uint64(k)
		if err == io.EOF {
			return nil // zeroes from here on
		}
		if err != nil {
			return fmt.Errorf("%w: %w", zx.ErrIO, err)
		}
	}
	return nil
}

func (p *filePages) Close() {
	p.f.Close()
	LivePages.Add(-1)
}
