package vfs

import (
	"context"
	"maps"
	"sync"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// watcher is a client that is told what happens in a directory.
type watcher struct {
	ch   zx.Channel
	mask io.WatchMask

	mu    sync.Mutex          // guards what follows, and orders messages
	names map[string]struct{} // that the client was told of, or was not to be
}

// existing tells of what is in the directory, and that this is all.
func (w *watcher) existing(d directory) error {
	l, err := d.list()
	if err != nil {
		return err
	}
	defer l.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = map[string]struct{}{}
	var msg []byte
	for {
		e, ok, err := l.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		w.names[e.name] = struct{}{}
		if msg, err = w.put(msg, io.WatchEventExisting, e.name); err != nil {
			return err
		}
	}
	if msg, err = w.put(msg, io.WatchEventIdle, ""); err != nil || len(msg) == 0 {
		return err
	}
	return w.ch.Write(msg, nil)
}

// put adds an event that the client wants to a message, which it sends first if
// it is full.
func (w *watcher) put(msg []byte, ev io.WatchEvent, name string) ([]byte, error) {
	if w.mask&(1<<ev) == 0 {
		return msg, nil
	}
	if len(msg)+2+len(name) > int(io.MaxBuf) {
		if err := w.ch.Write(msg, nil); err != nil {
			return nil, err
		}
		msg = msg[:0]
	}
	return append(append(msg, byte(ev), byte(len(name))), name...), nil
}

// tell tells of one event. Names that come twice or go without having come are
// those of changes that existing has seen already.
func (w *watcher) tell(ev io.WatchEvent, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.names[name]
	switch ev {
	case io.WatchEventAdded:
		if known {
			return
		}
		w.names[name] = struct{}{}
	case io.WatchEventRemoved:
		if !known {
			return
		}
		delete(w.names, name)
	}
	if msg, _ := w.put(nil, ev, name); msg != nil {
		_ = w.ch.Write(msg, nil) // a client that is gone is seen by untilClosed
	}
}

// resync tells how what is in the directory differs from what was told: events
// were lost.
func (w *watcher) resync(d directory) error {
	l, err := d.list()
	if err != nil {
		return err
	}
	defer l.close()
	there := map[string]struct{}{}
	for {
		e, ok, err := l.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		there[e.name] = struct{}{}
	}
	w.mu.Lock()
	gone := maps.Clone(w.names)
	w.mu.Unlock()
	for name := range there {
		delete(gone, name)
		w.tell(io.WatchEventAdded, name)
	}
	for name := range gone {
		w.tell(io.WatchEventRemoved, name)
	}
	return nil
}

// untilClosed closes the watcher when its client or fs does, and calls then.
func (w *watcher) untilClosed(fs *FS, then func()) error {
	ok := fs.spawn(func(ctx context.Context) {
		_, _ = w.ch.Wait(ctx, zx.ChannelPeerClosed, zx.InfiniteFuture) // however it ends, it is over
		then()
		w.ch.Close()
	})
	if !ok {
		return zx.ErrBadState
	}
	return nil
}
