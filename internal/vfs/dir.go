package vfs

import (
	"maps"
	"slices"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// Dir is a directory made up of nodes. Clients cannot change it.
type Dir struct {
	fixed
	nodes map[string]Node
}

// NewDir makes an empty directory.
func NewDir() *Dir { return &Dir{nodes: map[string]Node{}} }

// Add puts n into the directory, which owns it then. All is added before the
// directory is served first. INVALID_ARGS or BAD_PATH for what cannot be a name,
// ALREADY_EXISTS for one that is taken; n is the caller's then.
func (d *Dir) Add(name string, n Node) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, ok := d.nodes[name]; ok {
		return zx.ErrAlreadyExists
	}
	d.nodes[name] = n
	return nil
}

// Close closes the nodes of the directory.
func (d *Dir) Close() {
	for _, n := range d.nodes {
		n.Close()
	}
}

func (d *Dir) open() node           { return d }
func (d *Dir) hold() node           { return d }
func (*Dir) kind() kind             { return kindDirectory }
func (*Dir) allowed() io.Operations { return everything }

func (d *Dir) attributes() (attributes, error) {
	return attributes{
		kind:      kindDirectory,
		abilities: io.OperationsGetAttributes | io.OperationsEnumerate | io.OperationsTraverse,
		mode:      uint32(io.ModeTypeDirectory) | 0o500,
		id:        io.InoUnknown,
		links:     1,
	}, nil
}

func (d *Dir) lookup(p path, r *request) (node, error) {
	if p.dot() {
		return accepted(d, r)
	}
	name, rest := p.cut()
	found, ok := d.nodes[name]
	switch {
	case !ok && rest.dot() && r.create != createNever:
		return nil, zx.ErrNotSupported
	case !ok:
		return nil, zx.ErrNotFound
	case rest.dot() && r.create == createMust:
		return nil, zx.ErrAlreadyExists
	}
	n := found.open()
	if below, ok := n.(directory); ok {
		return below.lookup(rest, r)
	}
	if !rest.dot() {
		return nil, zx.ErrNotDir
	}
	return accepted(n, r)
}

func (d *Dir) list() (lister, error) {
	l := dirLister{{name: ".", ino: io.InoUnknown, kind: kindDirectory}}
	for _, name := range slices.Sorted(maps.Keys(d.nodes)) {
		n := d.nodes[name].open()
		a, err := n.attributes()
		if err != nil {
			return nil, err
		}
		l = append(l, entry{name, a.id, n.kind()})
	}
	return &l, nil
}

// dirLister is what is left of a listing.
type dirLister []entry

func (l *dirLister) next() (entry, bool, error) {
	if len(*l) == 0 {
		return entry{}, false, nil
	}
	e := (*l)[0]
	*l = (*l)[1:]
	return e, true, nil
}

func (*dirLister) close() {}

func (*Dir) unlink(string, bool) error              { return zx.ErrNotSupported }
func (*Dir) rename(string, directory, string) error { return zx.ErrNotSupported }
func (*Dir) link(string, directory, string) error   { return zx.ErrNotSupported }

// watch tells what is there; nothing comes or goes later.
func (d *Dir) watch(fs *FS, w *watcher) error {
	if err := w.existing(d); err != nil {
		return err
	}
	return w.untilClosed(fs, func() {})
}
