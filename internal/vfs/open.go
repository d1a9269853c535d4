package vfs

import (
	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"

	"go.fuchsia.dev/launcherd/zx"
)

// openPath opens what a path names and serves it on server, which it consumes.
// r and err are what the flags were read as.
func (c *conn) openPath(s string, r *request, err error, event bool, st style, server zx.Channel) {
	var n node
	if err == nil {
		n, err = c.lookup(s, r)
	}
	if err != nil {
		c.fs.log.Debug("open refused", zap.String("path", s), zap.Error(err))
		refuse(&server, zx.StatusOf(err), event, st)
		return
	}
	c.fs.connect(n, r, server)
}

func (c *conn) lookup(s string, r *request) (node, error) {
	d, ok := c.node.(directory)
	if !ok || c.ref {
		return nil, zx.ErrBadHandle
	}
	p, mustBeDir, err := parsePath(s)
	if err != nil {
		return nil, err
	}
	if mustBeDir {
		if err := r.requireDir(); err != nil {
			return nil, err
		}
	}
	if err := r.within(c.rights); err != nil {
		return nil, err
	}
	if r.self = p.dot(); r.self {
		switch {
		case r.refused[kindDirectory] != zx.OK:
			return nil, zx.ErrInvalidArgs
		case r.create == createMust:
			return nil, zx.ErrAlreadyExists
		}
	}
	return d.lookup(p, r)
}

// connect serves n, which it owns, on server as r says.
func (fs *FS) connect(n node, r *request, server zx.Channel) {
	if s, ok := n.(*service); ok && !r.ref {
		if r.event && r.style != styleCurrent {
			if err := sendOnOpen(&server, r.style, n, true); err != nil {
				server.Close()
				return
			}
		}
		s.connect(server)
		return
	}
	c := &conn{fs: fs, node: n, rights: r.rights(n), ref: r.ref, append: r.append && n.kind() == kindFile, ch: server}
	if r.event {
		if err := c.announce(r); err != nil {
			refuse(&c.ch, zx.StatusOf(err), true, r.style)
			c.close()
			return
		}
	}
	_ = c.start() // an FS that was closed closes it all
}

// announce sends the event that tells what the connection is to.
func (c *conn) announce(r *request) error {
	if r.style != styleCurrent {
		// A client that is gone already gets what it sent all the same.
		_ = sendOnOpen(&c.ch, r.style, c.node, c.ref)
		return nil
	}
	var attrs *io.NodeAttributes2
	if r.query != 0 {
		a, err := c.node.attributes()
		if err != nil {
			return err
		}
		q := a.query(r.query)
		attrs = &q
	}
	var rep io.Representation
	switch {
	case c.ref:
		rep = io.RepresentationWithConnector(io.ConnectorInfo{Attributes: attrs})
	case c.node.kind() == kindDirectory:
		rep = io.RepresentationWithDirectory(io.DirectoryInfo{Attributes: attrs})
	default:
		rep = io.RepresentationWithFile(io.FileInfo{IsAppend: &c.append, Attributes: attrs})
	}
	_ = io.SendNodeOnRepresentation(&c.ch, fidl.V2, &rep)
	return nil
}

// refuse tells the client why its open failed and closes the connection.
func refuse(server *zx.Channel, st zx.Status, event bool, s style) {
	defer server.Close()
	if event && s == style2020 {
		_ = io1.SendNodeOnOpen(server, fidl.V1, &io1.NodeOnOpenRequest{S: st})
		return
	}
	if event && s == styleOld {
		_ = io.SendNodeOnOpen(server, fidl.V2, &io.NodeOnOpenRequest{S: st})
	}
	_ = fidl.SendEpitaph(server, s.format(), st) // the client may be gone
}

// sendOnOpen tells that a node was opened. A reference is told of as a service.
func sendOnOpen(server *zx.Channel, s style, n node, ref bool) error {
	if s == style2020 {
		info := info2020(n, ref)
		return io1.SendNodeOnOpen(server, fidl.V1, &io1.NodeOnOpenRequest{Info: &info})
	}
	info := io.NodeInfoDeprecatedWithService(io.Service{})
	switch {
	case ref:
	case n.kind() == kindDirectory:
		info = io.NodeInfoDeprecatedWithDirectory(io.DirectoryObject{})
	case n.kind() == kindFile:
		info = io.NodeInfoDeprecatedWithFile(io.FileObject{})
	}
	return io.SendNodeOnOpen(server, fidl.V2, &io.NodeOnOpenRequest{Info: &info})
}

// info2020 says what a connection of 2020 is to.
func info2020(n node, ref bool) io1.NodeInfo {
	switch {
	case ref:
	case n.kind() == kindDirectory:
		return io1.NodeInfoWithDirectory(io1.DirectoryObject{})
	case n.kind() == kindFile:
		return io1.NodeInfoWithFile(io1.FileObject{})
	}
	return io1.NodeInfoWithService(io1.Service{})
}

// clone serves the node once more on server, which it consumes.
func (c *conn) clone(fl io.OpenFlags, st style, server zx.Channel) {
	r, err := c.cloneRequest(fl)
	r.style = st
	if err != nil {
		refuse(&server, zx.StatusOf(err), r.event, st)
		return
	}
	c.fs.connect(c.node.hold(), r, server)
}
