package vfs

import (
	"context"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// hostWatcher tells of changes in host directories, whoever makes them, by
// inotify.
type hostWatcher struct {
	f  *os.File // the inotify descriptor, to read
	fd int      // the same, to add to

	mu     sync.Mutex // guards what follows
	closed bool       // fd is no more
	dirs   map[int32]*watched
}

// watched is a directory with watchers, by its inotify descriptor.
type watched struct {
	dir      *hostDir // held
	deleted  bool     // and its watchers were told
	watchers []*watcher
}

// watch implements directory.
func (d *hostDir) watch(fs *FS, w *watcher) error {
	h, err := fs.hostWatcher()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return zx.ErrBadState
	}
	// Changes from here on are told when the lock is free: what existing finds
	// comes first.
	const events = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE | unix.IN_ONLYDIR
	wd, err := retry(func() (int, error) { return unix.InotifyAddWatch(h.fd, d.name(), events) })
	if err != nil {
		return hostErr(err)
	}
	id := int32(wd)
	if h.dirs[id] == nil {
		d.hold()
		h.dirs[id] = &watched{dir: d}
	}
	h.dirs[id].watchers = append(h.dirs[id].watchers, w)
	err = w.existing(d)
	if err == nil {
		err = w.untilClosed(fs, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.remove(id, w)
		})
	}
	if err != nil {
		h.remove(id, w)
	}
	return err
}

// remove takes a watcher out. The caller holds mu.
func (h *hostWatcher) remove(id int32, w *watcher) {
	t := h.dirs[id]
	if t == nil {
		return
	}
	t.watchers = slices.DeleteFunc(t.watchers, func(o *watcher) bool { return o == w })
	if len(t.watchers) == 0 {
		delete(h.dirs, id)
		t.dir.drop()
	}
	if len(t.watchers) == 0 && !h.closed {
		_, _ = unix.InotifyRmWatch(h.fd, uint32(id)) // it may be gone with its directory
	}
}

// hostWatcher gives the watcher of fs, which lives as long as fs.
func (fs *FS) hostWatcher() (*hostWatcher, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	switch {
	case fs.closed:
		return nil, zx.ErrBadState
	case fs.hosts != nil:
		return fs.hosts, nil
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, hostErr(err)
	}
	h := &hostWatcher{f: os.NewFile(uintptr(fd), "inotify"), fd: fd, dirs: map[int32]*watched{}}
	fs.hosts = h
	fs.wg.Add(2)
	go func() {
		defer fs.wg.Done()
		h.read()
	}()
	context.AfterFunc(fs.ctx, func() {
		defer fs.wg.Done()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.closed = true
		h.f.Close()
	})
	return h, nil
}

// read tells of changes until the descriptor is closed.
func (h *hostWatcher) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := h.f.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			name, _, _ := strings.Cut(string(b[unix.SizeofInotifyEvent:size]), "\x00")
			h.tell(int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), name)
			b = b[size:]
		}
	}
}

func (h *hostWatcher) tell(id int32, mask uint32, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if mask&unix.IN_Q_OVERFLOW != 0 {
		for _, t := range h.dirs {
			for _, w := range t.watchers {
				_ = w.resync(t.dir) // a directory that cannot be read stays as it was told
			}
		}
		return
	}
	ev := io.WatchEventAdded
	if mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 {
		ev = io.WatchEventRemoved
	}
	if t := h.dirs[id]; t != nil && name != "" && nameable(name) {
		for _, w := range t.watchers {
			w.tell(ev, name)
		}
	}
}

// sweep tells of watched directories that were just removed: the host does not
// while we hold them.
func (fs *FS) sweep() {
	fs.mu.Lock()
	h := fs.hosts
	fs.mu.Unlock()
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.dirs {
		a, err := t.dir.attributes()
		if err == nil && a.links == 0 && !t.deleted {
			t.deleted = true
			for _, w := range t.watchers {
				w.tell(io.WatchEventDeleted, ".")
			}
		}
	}
}
