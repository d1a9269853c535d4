// Package vfs serves file systems over fuchsia.io: directories of the host,
// directories made up of other nodes, and services.
//
// It is what the namespace of a launched program is made of: /pkg and /tmp are
// directories of the host, /svc is a Dir of Services. A client may speak the
// fuchsia.io of today or the one of 2020 (package io1); both on one connection,
// too, as both find their methods by ordinal.
//
//	fs := vfs.New(log)
//	defer fs.Close()
//	pkg, err := vfs.Host("/home/me/pkg", vfs.Options{Executable: true})
//	...
//	defer pkg.Close()
//	channel, err := fs.Connect(pkg)
//
// # Rights
//
// A connection has rights, and gives what it opens no more than these. The
// first connection to a node has all that the node allows: reading, and what
// Options say. The numbers are those of fuchsia.io/Operations; the three rights
// of 2020 (readable, writable, executable) are sets of them.
//
// # Host directories
//
// A host directory shows its regular files and directories; what else is there
// is listed as unknown and cannot be opened (NOT_SUPPORTED), and what has a name
// that is not UTF-8, which nobody can say, is not listed. Symbolic links are
// followed as long as they stay below the directory that a connection is to, so
// that a connection is never worth more than its directory; others are refused
// with ACCESS_DENIED.
//
// Statuses are those of Fuchsia's own file systems, memfs where they differ; see
// the page "fuchsia.io" of the FIDL reference. What they do not tell, such as
// why the host refused, is logged at debug level.
package vfs

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// FS serves connections to nodes. Tokens for renaming are good within one FS.
type FS struct {
	log    *zap.Logger
	ctx    context.Context // of the connections
	cancel context.CancelFunc
	wg     sync.WaitGroup // connections and watchers

	mu     sync.Mutex            // guards what follows
	closed bool                  // no more connections
	tokens map[zx.Koid]directory // of living connections, which hold them
	hosts  *hostWatcher          // nil until a host directory is watched
}

// New makes an FS that tells log what goes wrong.
func New(log *zap.Logger) *FS {
	fs := &FS{log: log, tokens: map[zx.Koid]directory{}}
	fs.ctx, fs.cancel = context.WithCancel(context.Background())
	return fs
}

// Close ends all connections and returns when they have ended.
func (fs *FS) Close() {
	fs.mu.Lock()
	fs.closed = true
	fs.mu.Unlock()
	fs.cancel()
	fs.wg.Wait()
}

// Connect gives a client's end of a connection to n with all rights that n
// allows. n stays the caller's. BAD_STATE after Close.
func (fs *FS) Connect(n Node) (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := fs.Serve(n, server); err != nil {
		client.Close()
		return zx.Channel{}, err
	}
	return client, nil
}

// Serve serves n on a server's end, in the background, until its client closes
// it or Close. n stays the caller's. BAD_STATE, and server is closed, after
// Close.
func (fs *FS) Serve(n Node, server zx.Channel) error {
	nd := n.open()
	if s, ok := nd.(*service); ok {
		fs.mu.Lock()
		closed := fs.closed
		fs.mu.Unlock()
		if closed {
			server.Close()
			return zx.ErrBadState
		}
		s.connect(server)
		return nil
	}
	return fs.serve(nd.hold(), nd.allowed(), false, server)
}

// serve serves a connection to n, which it owns, in the background.
func (fs *FS) serve(n node, rights io.Operations, ref bool, server zx.Channel) error {
	c := &conn{fs: fs, node: n, rights: rights, ref: ref, ch: server}
	return c.start()
}

// spawn runs f in the background; false after Close.
func (fs *FS) spawn(f func(ctx context.Context)) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return false
	}
	fs.wg.Add(1)
	go func() {
		defer fs.wg.Done()
		f(fs.ctx)
	}()
	return true
}

// conn is one connection. Its methods are called by one goroutine at a time.
type conn struct {
	fs     *FS
	node   node // held; nil once it was given up
	rights io.Operations
	ref    bool // speaks Node alone: opened as a reference to the node
	append bool // of a file
	ch     zx.Channel

	offset uint64      // of a file: where the next read or write begins
	list   *peekLister // of a directory: the listing that is under way, or nil
	token  zx.Event    // of a directory: valid once it was asked for
}

// start serves the connection in the background. BAD_STATE, and all is closed,
// after the FS was closed.
func (c *conn) start() error {
	if c.fs.spawn(c.serve) {
		return nil
	}
	c.ch.Close()
	c.close()
	return zx.ErrBadState
}

func (c *conn) serve(ctx context.Context) {
	defer c.close()
	if err := fidl.Serve(ctx, &c.ch, c.dispatchers()...); err != nil && ctx.Err() == nil {
		c.fs.log.Debug("file system connection ended", zap.Error(err))
	}
}

// close gives up what the connection holds, save its channel.
func (c *conn) close() {
	if c.node == nil {
		return
	}
	if c.token.IsValid() {
		koid, _ := c.token.Koid()
		c.fs.mu.Lock()
		delete(c.fs.tokens, koid)
		c.fs.mu.Unlock()
		c.token.Close()
	}
	if c.list != nil {
		c.list.close()
	}
	c.node.drop()
	c.node = nil
}

// end ends the connection. What it held is given up by the time its client
// knows.
func (c *conn) end(ctx context.Context) {
	c.close()
	fidl.CallFrom(ctx).Stop()
}

// need is BAD_HANDLE unless the connection has the rights.
func (c *conn) need(r io.Operations) error {
	if c.rights&r != r {
		return zx.ErrBadHandle
	}
	return nil
}

// status logs why an operation failed and gives its status.
func (c *conn) status(op string, err error) zx.Status {
	st := zx.StatusOf(err)
	if st != zx.OK {
		c.fs.log.Debug(op+" refused", zap.Error(err))
	}
	return st
}
