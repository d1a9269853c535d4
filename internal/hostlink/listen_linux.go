package hostlink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/launcherd/zx"
)

// Listener accepts connections of those who may connect.
type Listener struct {
	l     *net.UnixListener
	allow []uint32
}

// Listen listens on a Unix socket at path, and makes the directory it is in if
// there is none. A socket that is there and that nobody listens on is replaced.
// Only this process's user and root may connect, and those in allow; only with any
// of these can others open the file, and a directory that Listen made.
func Listen(path string, allow []uint32) (*Listener, error) {
	if path == "" || strings.HasPrefix(path, "@") || strings.IndexByte(path, 0) >= 0 {
		return nil, errors.New("the socket must be a file: a name without one is open to all")
	}
	dir := filepath.Dir(path)
	mode := fs.FileMode(0o700)
	if len(allow) > 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return nil, err
	}
	// Two daemons must not both find that nobody listens.
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	var modeErr error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// The file gets the socket's mode, so that it is never open to others.
		err := c.Control(func(fd uintptr) { modeErr = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, modeErr)
	}}
	l, err := lc.Listen(context.Background(), "unixpacket", path)
	if err != nil {
		return nil, err
	}
	if len(allow) > 0 { // Accept looks who it is
		if err := os.Chmod(path, 0o666); err != nil {
			l.Close()
			return nil, err
		}
	}
	return newListener(l.(*net.UnixListener), allow), nil
}

func removeStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("%s: someone listens there: %w", path, unix.EADDRINUSE)
	case !errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%s is there: %w", path, err)
	}
	return os.Remove(path)
}

// ListenerFromFile takes over a socket that listens already, as systemd passes
// it, and closes f. It must be a SEQPACKET Unix socket with a name in the file
// system.
func ListenerFromFile(f *os.File, allow []uint32) (*Listener, error) {
	defer f.Close()
	rc, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var what string
	err = rc.Control(func(ufd uintptr) {
		fd := int(ufd)
		switch {
		case sockopt(fd, unix.SO_DOMAIN) != unix.AF_UNIX:
			what = "is no Unix socket"
		case sockopt(fd, unix.SO_TYPE) != unix.SOCK_SEQPACKET:
			what = "is not of type SEQPACKET (ListenSequentialPacket= in the socket unit)"
		case sockopt(fd, unix.SO_ACCEPTCONN) != 1:
			what = "does not listen (Accept=no in the socket unit)"
		}
	})
	if err != nil {
		return nil, err
	}
	if what != "" {
		return nil, fmt.Errorf("the socket that was passed in, %s, %s", f.Name(), what)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	ul := l.(*net.UnixListener)
	ul.SetUnlinkOnClose(false) // it is not ours
	if name := ul.Addr().String(); name == "" || name[0] == '@' || name[0] == 0 {
		ul.Close()
		return nil, fmt.Errorf("the socket that was passed in, %s, has no name in the file system and is open to all", f.Name())
	}
	return newListener(ul, allow), nil
}

func newListener(l *net.UnixListener, allow []uint32) *Listener {
	return &Listener{l, append(slices.Clone(allow), 0, uint32(os.Getuid()))}
}

// Addr is the socket's path.
func (l *Listener) Addr() string { return l.l.Addr().String() }

// Close ends an Accept that waits, and removes the file if Listen made it.
func (l *Listener) Close() error { return l.l.Close() }

// Peer is who connected, as the system says.
type Peer struct {
	PID int32
	UID uint32
	GID uint32
}

// ErrNotAllowed is for a user who may not connect.
var ErrNotAllowed = errors.New("this user may not connect")

// Accept waits for a connection, whose descriptors b deals with. It closes one of
// a user who may not connect, with the epitaph ACCESS_DENIED; the error is
// ErrNotAllowed then, with peer set, and the next Accept can succeed.
func (l *Listener) Accept(b *Bridge) (c *Conn, peer Peer, err error) {
	s, err := l.l.AcceptUnix()
	if err != nil {
		return nil, Peer{}, err
	}
	p, err := newPackets(s)
	if err != nil {
		return nil, Peer{}, err
	}
	var cred *unix.Ucred
	cerr := p.raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(cerr, err); err == nil {
		peer = Peer{cred.Pid, cred.Uid, cred.Gid}
		if !slices.Contains(l.allow, peer.UID) {
			err = ErrNotAllowed
		}
	}
	if errors.Is(err, ErrNotAllowed) {
		_ = fidl.SendEpitaph(&Transport{b, p, sender{}}, fidl.V2, zx.ErrAccessDenied) // whoever it is may be gone
	}
	if err != nil {
		p.close()
		return nil, peer, err
	}
	own := peer.UID == 0 || peer.UID == uint32(os.Getuid())
	return newConn(&Transport{b, p, sender{trusted: own}}), peer, nil
}
