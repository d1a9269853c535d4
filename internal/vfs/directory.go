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

// moveRules are where the eras differ about renaming and linking.
type moveRules struct {
	noToken zx.Status     // for a token of no living connection
	link    io.Operations // rights that a link needs; BAD_HANDLE
	// carry: who moves a node elsewhere, where it may have more rights to it,
	// needs all that there are: ACCESS_DENIED.
	carry bool
}

var (
	rules2020 = &moveRules{noToken: zx.ErrInvalidArgs, link: io.OperationsModifyDirectory}
	rulesNow  = &moveRules{noToken: zx.ErrNotFound, link: io.RStarDir | io.WStarDir, carry: true}
)

// destination gives the directory of a token, which it closes, with one more
// owner, to move something there from d.
func (c *conn) destination(token zx.Handle, need io.Operations, rules *moveRules) (from, to directory, err error) {
	to = c.fs.tokenDir(token)
	from, err = c.directory(need)
	if err == nil && to == nil {
		err = rules.noToken
	}
	if err != nil && to != nil {
		to.drop()
	}
	return from, to, err
}

// rename moves what src names to the directory of the token, which it closes.
// Either name may end in "/" if it is a directory.
func (c *conn) rename(src string, token zx.Handle, dst string, rules *moveRules) error {
	from, to, err := c.destination(token, io.OperationsModifyDirectory, rules)
	if err != nil {
		return err
	}
	defer to.drop()
	name, _, err := parseName(src)
	if err != nil {
		return err
	}
	if _, _, err := parseName(dst); err == zx.ErrUnavailable {
		return zx.ErrInvalidArgs
	} else if err != nil {
		return err
	}
	if rules.carry {
		if err := c.mayCarry(from, to, name); err != nil {
			return err
		}
	}
	if err := from.rename(src, to, dst); err != nil {
		return err
	}
	c.fs.sweep()
	return nil
}

// mayCarry says whether the connection has all rights to a node that is to move
// to another directory.
func (c *conn) mayCarry(from, to directory, name string) error {
	const file = io.OperationsReadBytes | io.OperationsWriteBytes | io.OperationsGetAttributes | io.OperationsUpdateAttributes
	need := (file | io.OperationsExecute) & from.allowed()
	const dir = io.OperationsConnect | io.OperationsTraverse
	if c.rights&(need|dir) == need|dir {
		return nil
	}
	a, err := from.attributes()
	if err != nil {
		return err
	}
	b, err := to.attributes()
	if err != nil || a.id == b.id {
		return err
	}
	n, err := from.lookup(path(name), &request{ref: true})
	if err != nil {
		return err
	}
	defer n.drop()
	if n.kind() == kindDirectory {
		need |= dir
	}
	if c.rights&need != need {
		return zx.ErrAccessDenied
	}
	return nil
}

// link gives what src names, which is no directory, one more name in the
// directory of the token, which it closes.
func (c *conn) link(src string, token zx.Handle, dst string, rules *moveRules) error {
	from, to, err := c.destination(token, rules.link, rules)
	if err != nil {
		return err
	}
	defer to.drop()
	for _, s := range []string{src, dst} {
		switch _, mustBeDir, err := parseName(s); {
		case err != nil:
			return err
		case mustBeDir:
			return zx.ErrNotDir
		}
	}
	return from.link(src, to, dst)
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
