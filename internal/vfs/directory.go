package vfs

import (
	"encoding/binary"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// directory gives the directory that the connection is to: BAD_HANDLE for a
// reference or without the rights.
func (c *conn) directory(r io.Operations) (directory, error) {
	d, ok := c.node.(directory)
	if !ok || c.ref || c.rights&r != r {
		return nil, zx.ErrBadHandle
	}
	return d, nil
}

// direntSize is the size of an entry in a listing without its name: id (8
// bytes), length of the name, kind.
const direntSize = 10

// readDirents gives the next entries, as many as fit in limit bytes, none at
// the end. BUFFER_TOO_SMALL if not one fits.
func (c *conn) readDirents(limit uint64) ([]byte, error) {
	d, err := c.directory(0)
	if err != nil {
		return nil, err
	}
	if limit > io.MaxBuf {
		return nil, zx.ErrBadHandle
	}
	if c.list == nil {
		l, err := d.list()
		if err != nil {
			return nil, err
		}
		c.list = &peekLister{lister: l}
	}
	var out []byte
	for {
		e, ok, err := c.list.peek()
		switch {
		case err != nil && len(out) == 0:
			return nil, err
		case err != nil || !ok:
			return out, nil
		case len(out)+direntSize+len(e.name) <= int(limit):
		case len(out) == 0:
			return nil, zx.ErrBufferTooSmall
		default:
			return out, nil
		}
		out = binary.LittleEndian.AppendUint64(out, e.ino)
		out = append(out, byte(len(e.name)), byte(e.kind.dirent()))
		out = append(out, e.name...)
		c.list.ready = false
	}
}

// peekLister is a lister whose next entry can be looked at first.
type peekLister struct {
	lister
	ready bool // what follows is the next entry, or the end
	e     entry
	ok    bool
}

func (l *peekLister) peek() (entry, bool, error) {
	if !l.ready {
		var err error
		if l.e, l.ok, err = l.next(); err != nil {
			return entry{}, false, err
		}
		l.ready = true
	}
	return l.e, l.ok, nil
}

func (c *conn) rewind() error {
	if _, err := c.directory(0); err != nil {
		return err
	}
	if c.list != nil {
		c.list.close()
		c.list = nil
	}
	return nil
}

// getToken gives an event that stands for the directory, as long as this
// connection lives.
func (c *conn) getToken() (zx.Handle, error) {
	d, err := c.directory(io.OperationsModifyDirectory)
	if err != nil {
		return zx.HandleInvalid, err
	}
	if !c.token.IsValid() {
		t, err := zx.NewEvent()
		if err != nil {
			return zx.HandleInvalid, err
		}
		koid, err := t.Koid()
		if err != nil {
			t.Close()
			return zx.HandleInvalid, err
		}
		c.token = t
		c.fs.mu.Lock()
		c.fs.tokens[koid] = d
		c.fs.mu.Unlock()
	}
	t, err := c.token.Duplicate(zx.RightsBasic)
	return t.Take(), err
}

// tokenDir gives the directory of a token, which it closes, with one more
// owner. nil if it is the token of no living connection.
func (fs *FS) tokenDir(token zx.Handle) directory {
	o := zx.ObjectFromHandle(token)
	defer o.Close()
	koid, err := o.Koid()
	if err != nil {
		return nil
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.tokens[koid]
	if d != nil {
		d.hold()
	}
	return d
}

// move renames or links a node: op is directory.rename or directory.link.
// noToken is what a token of no directory is refused with.
func (c *conn) move(src string, token zx.Handle, dst string, noToken zx.Status, op func(directory, string, directory, string) error) error {
	to := c.fs.tokenDir(token)
	if to != nil {
		defer to.drop()
	}
	d, err := c.directory(io.OperationsModifyDirectory)
	switch {
	case err != nil:
		return err
	case to == nil:
		return noToken
	}
	if err := op(d, src, to, dst); err != nil {
		return err
	}
	c.fs.sweep()
	return nil
}

// rename moves what src names to the directory of the token. Either name may
// end in "/" if it is a directory.
func (c *conn) rename(src string, token zx.Handle, dst string, noToken zx.Status) error {
	return c.move(src, token, dst, noToken, func(d directory, src string, to directory, dst string) error {
		if _, _, err := parseName(src); err != nil {
			return err
		}
		if _, _, err := parseName(dst); err != nil {
			if err == zx.ErrUnavailable {
				err = zx.ErrInvalidArgs
			}
			return err
		}
		return d.rename(src, to, dst)
	})
}

// link gives what src names, which is no directory, one more name.
func (c *conn) link(src string, token zx.Handle, dst string, noToken zx.Status) error {
	return c.move(src, token, dst, noToken, func(d directory, src string, to directory, dst string) error {
		for _, s := range []string{src, dst} {
			switch _, mustBeDir, err := parseName(s); {
			case err != nil:
				return err
			case mustBeDir:
				return zx.ErrNotDir
			}
		}
		return d.link(src, to, dst)
	})
}

// unlink removes a name; one that ends in "/" only if it is a directory's.
func (c *conn) unlink(s string, mustBeDir bool) error {
	d, err := c.directory(io.OperationsModifyDirectory)
	if err != nil {
		return err
	}
	name, slash, err := parseName(s)
	if err != nil {
		return err
	}
	if err := d.unlink(name, mustBeDir || slash); err != nil {
		return err
	}
	c.fs.sweep()
	return nil
}

// watch tells the client on ch, which it consumes, what happens.
func (c *conn) watch(mask io.WatchMask, options uint32, ch zx.Channel) error {
	d, err := c.directory(0)
	if err == nil && (options != 0 || mask == 0 || !mask.IsKnown()) {
		err = zx.ErrInvalidArgs
	}
	if err != nil {
		ch.Close()
		return err
	}
	w := &watcher{ch: ch, mask: mask}
	if err := d.watch(c.fs, w); err != nil {
		w.ch.Close()
		return err
	}
	return nil
}
