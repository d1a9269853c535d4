package hostlink

import (
	"context"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// CopyLimit is how much a VMO or a file may hold that is copied to cross the
// link, in bytes.
const CopyLimit = 256 << 20

// Bridge turns descriptors into handles and back, and runs what is between
// them. What it made lives on when the connection that brought it ends. Its
// methods may be called from several goroutines.
type Bridge struct {
	// Reason, unless nil, says why a process was killed, which its task
	// descriptor tells after the return code; "" if it ended by itself. The
	// handle is lent. It is set before the Bridge is used.
	Reason func(process zx.Handle) string

	log    *zap.Logger
	fs     *vfs.FS         // of the directories that came
	ctx    context.Context // ends with the Bridge
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows, and adding to the WaitGroups
	closed  bool
	tokens  map[uint64]*token  // by the SO_COOKIE of the socket that was given away
	unused  map[uint64]*unused // likewise
	all     sync.WaitGroup     // every goroutine
	streams sync.WaitGroup     // those that copy from a Zircon socket to a descriptor
}

// NewBridge makes a Bridge. fs, which is lent, serves the directories that come;
// log hears of what is refused behind a connection's back.
func NewBridge(fs *vfs.FS, log *zap.Logger) *Bridge {
	ctx, cancel := context.WithCancel(context.Background())
	return &Bridge{
		log: log, fs: fs, ctx: ctx, cancel: cancel,
		tokens: map[uint64]*token{}, unused: map[uint64]*unused{},
	}
}

// Close ends the Bridge. Until ctx ends, it waits for the streams of programs
// to end by themselves, so that what they wrote arrives.
func (b *Bridge) Close(ctx context.Context) {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	flushed := make(chan struct{})
	go func() {
		b.streams.Wait()
		close(flushed)
	}()
	select {
	case <-flushed:
	case <-ctx.Done():
	}
	b.cancel()
	b.all.Wait()
	<-flushed
}

// spawn runs f in a goroutine that Close waits for. false: the Bridge is closed
// and f did not run.
func (b *Bridge) spawn(f func(ctx context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.all.Add(1)
	go func() {
		defer b.all.Done()
		f(b.ctx)
	}()
	return true
}

var errBridgeClosed = fmt.Errorf("the link is closed: %w", zx.ErrCanceled)

// sender is what is known of who sends descriptors.
type sender struct {
	// trusted: it is of this process's user, or root, and so may have files
	// opened in the name of that user.
	trusted bool
	// within: what it sends is itself on its way within a channel.
	within bool
	// whole: directories that it sends come with the right to change them.
	whole bool
}

// importAll makes handles of descriptors, which it consumes: all or, after an
// error, none.
func (b *Bridge) importAll(fds []int, infos []zx.HandleInfo, from sender) error {
	for i, fd := range fds {
		o, err := b.importFD(fd, from)
		if err == nil {
			infos[i], err = infoOf(o)
		}
		if err != nil {
			closeFDs(fds[i+1:])
			for _, in := range infos[:i] {
				zx.CloseAll(in.Handle)
			}
			return fmt.Errorf("descriptor %d of %d: %w", i+1, len(fds), err)
		}
	}
	return nil
}

// infoOf describes o's handle, and takes it in every case.
func infoOf(o zx.Object) (zx.HandleInfo, error) {
	bi, err := o.BasicInfo()
	if err != nil {
		o.Close()
		return zx.HandleInfo{}, err
	}
	return zx.HandleInfo{Handle: o.Take(), Type: bi.Type, Rights: bi.Rights}, nil
}

// exportAll makes descriptors of handles, which it consumes: all or, after an
// error, none. trusted is of who gets them, as in sender.
func (b *Bridge) exportAll(hs []zx.HandleDisposition, trusted bool) (fds []int, err error) {
	defer func() {
		for _, d := range hs {
			if d.Op == zx.HandleOpMove {
				zx.CloseAll(d.Handle)
			}
		}
		if err != nil {
			closeFDs(fds)
			fds = nil
		}
	}()
	if len(hs) > maxFDs {
		return nil, fmt.Errorf("%d handles: %w", len(hs), zx.ErrOutOfRange)
	}
	for i := range hs {
		o, err := sent(&hs[i])
		if err != nil {
			return fds, fmt.Errorf("handle %d of %d: %w", i+1, len(hs), err)
		}
		fd, err := b.export(o, trusted)
		if err != nil {
			return fds, fmt.Errorf("handle %d of %d: %w", i+1, len(hs), err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// sent gives the handle that is to be sent for d, as zx_channel_write_etc does.
// One that is moved is no longer d's.
func sent(d *zx.HandleDisposition) (zx.Object, error) {
	o := zx.ObjectFromHandle(d.Handle)
	if d.Op == zx.HandleOpDuplicate {
		var err error
		if o, err = o.Duplicate(d.Rights); err != nil {
			return zx.Object{}, err
		}
	} else {
		d.Handle = zx.HandleInvalid
	}
	bi, err := o.BasicInfo()
	switch {
	case err != nil:
	case bi.Rights&zx.RightTransfer == 0:
		err = zx.ErrAccessDenied
	case d.Type != zx.ObjTypeNone && d.Type != bi.Type:
		err = zx.ErrWrongType
	case d.Op == zx.HandleOpMove && d.Rights != zx.RightSameRights && d.Rights != bi.Rights:
		err = o.Replace(d.Rights)
	}
	if err != nil {
		o.Close()
		return zx.Object{}, err
	}
	return o, nil
}

// Transport is a fidl.Transport over a socket, with the handles of this process.
type Transport struct {
	b    *Bridge
	p    *packets
	from sender
}

var _ fidl.Transport = (*Transport)(nil)

// ReadMsg is fidl.Transport's. When it refuses the descriptors of a message it
// tells the peer why in an epitaph.
func (t *Transport) ReadMsg(ctx context.Context, b []byte, h []zx.HandleInfo) (nb, nh int, err error) {
	return t.read(ctx, b, h, func([]byte) sender { return t.from })
}

// read is ReadMsg; from says of a message how its descriptors are to be taken.
func (t *Transport) read(ctx context.Context, b []byte, h []zx.HandleInfo, from func(message []byte) sender) (nb, nh int, err error) {
	nb, fds, err := t.p.recv(ctx, b)
	if err != nil {
		return 0, 0, err
	}
	if err := t.b.importAll(fds, h, from(b[:nb])); err != nil {
		f := fidl.V2
		if hdr, e := fidl.ParseHeader(b[:nb]); e == nil {
			f = hdr.Format
		}
		_ = fidl.SendEpitaph(t, f, zx.StatusOf(err)) // the connection ends all the same
		return 0, 0, err
	}
	return nb, len(fds), nil
}

// WriteMsg is fidl.Transport's.
func (t *Transport) WriteMsg(b []byte, h []zx.HandleDisposition) error {
	fds, err := t.b.exportAll(h, t.from.trusted)
	if err != nil {
		return err
	}
	defer closeFDs(fds)
	return t.p.send(b, fds)
}

// CloseHandles is fidl.Transport's.
func (t *Transport) CloseHandles(h ...zx.Handle) { zx.CloseAll(h...) }

// ReplaceHandle is fidl.Transport's.
func (t *Transport) ReplaceHandle(h zx.Handle, r zx.Rights) (zx.Handle, error) {
	o := zx.ObjectFromHandle(h)
	err := o.Replace(r)
	return o.Take(), err
}

// Close is fidl.Transport's.
func (t *Transport) Close() error { return t.p.close() }

// cookie is the id of a socket, which no other socket ever has.
func cookie(fd int) (uint64, error) {
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
}
