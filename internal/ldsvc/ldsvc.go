// Package ldsvc serves fuchsia.ldsvc.Loader, by which dynamic linkers get
// libraries, out of directories of the host.
//
// A library is looked for in the directories in order. A client may set a
// configuration, such as "asan": then the subdirectory of that name is looked at
// first in each directory, or alone if the configuration ends in "!". See
// "The fuchsia.ldsvc.Loader protocol" in Fuchsia's "Program loading" page.
package ldsvc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"

	"go.fuchsia.dev/launcherd/zx"
)

// Service gives libraries out of its directories, to any number of clients.
type Service struct {
	log    *zap.Logger
	roots  []*os.Root
	ctx    context.Context // of the connections
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool           // guarded by mu: no more connections
	missing string         // guarded by mu
	wg      sync.WaitGroup // connections
}

// New opens the directories. Nothing outside of them is ever given, whatever
// their symbolic links say.
func New(dirs []string, log *zap.Logger) (*Service, error) {
	s := &Service{log: log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, d := range dirs {
		r, err := os.OpenRoot(d)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.roots = append(s.roots, r)
	}
	return s, nil
}

// Transport is what a connection comes by, and what its handles are made of.
type Transport interface {
	fidl.Transport
	// AddFile gives a handle of a VMO, with the right to execute, over f, which
	// stays the caller's.
	AddFile(f *os.File) (zx.Handle, error)
	// Open gives what goes by a channel that came by this transport, and
	// consumes the handle.
	Open(h zx.Handle) (Transport, error)
}

// channel is the Transport of a connection within the kernel.
type channel struct{ *zx.Channel }

func (channel) AddFile(f *os.File) (zx.Handle, error) {
	v, err := zx.VMOFromFile(f, true)
	return v.Take(), err
}

func (channel) Open(h zx.Handle) (Transport, error) {
	c := zx.ChannelFromHandle(h)
	return channel{&c}, nil
}

// Connect gives a client's end of a new connection. BAD_STATE after Close.
func (s *Service) Connect() (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := s.Serve(channel{&server}); err != nil {
		client.Close()
		return zx.Channel{}, err
	}
	return client, nil
}

// Serve serves a connection, in the background, until its client is done or
// closes it, or Close. It consumes t: BAD_STATE, and t is closed, after Close.
func (s *Service) Serve(t Transport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		t.Close()
		return zx.ErrBadState
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if err := ldsvc.ServeLoader(s.ctx, t, &conn{s: s, t: t}); err != nil && s.ctx.Err() == nil {
			s.log.Warn("loader connection ended", zap.Error(err))
		}
	}()
	return nil
}

// Close ends all connections and closes the directories.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	for _, r := range s.roots {
		r.Close()
	}
}

// Missing is the name of the library that was last asked for and not there; ""
// for none.
func (s *Service) Missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

// Open gives the library of a name, with a configuration as a client sets it.
// The status is NOT_FOUND, ACCESS_DENIED, NO_RESOURCES or IO.
func (s *Service) Open(name, config string) (*os.File, error) {
	subdir, only := strings.CutSuffix(config, "!")
	for _, r := range s.roots {
		if subdir != "" {
			f, err := open(r, path.Join(subdir, name))
			if !errors.Is(err, zx.ErrNotFound) {
				return f, err
			}
			if only {
				continue
			}
		}
		f, err := open(r, name)
		if !errors.Is(err, zx.ErrNotFound) {
			return f, err
		}
	}
	return nil, zx.ErrNotFound
}

// open gives a file below a directory: NOT_FOUND if it is no regular file there.
func open(r *os.Root, name string) (*os.File, error) {
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) {
		return nil, zx.ErrNotFound
	}
	// Without O_NONBLOCK the open of a pipe would wait for its other end.
	f, err := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission):
		return nil, zx.ErrAccessDenied
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return nil, zx.ErrNoResources // it may well be there
	default: // not there, or not within the directory
		return nil, zx.ErrNotFound
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, zx.ErrIO
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, zx.ErrNotFound
	}
	return f, nil
}

// conn is one connection. Its methods are called one at a time.
type conn struct {
	s      *Service
	t      Transport
	config string
}

// Done implements fuchsia.ldsvc/Loader.Done.
func (c *conn) Done(ctx context.Context) error {
	fidl.CallFrom(ctx).Stop()
	return nil
}

// LoadObject implements fuchsia.ldsvc/Loader.LoadObject.
func (c *conn) LoadObject(_ context.Context, req *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	h, err := c.load(req.ObjectName)
	c.s.log.Debug("load object", zap.String("name", req.ObjectName), zap.String("config", c.config), zap.Error(err))
	return &ldsvc.LoaderLoadObjectResponse{Rv: zx.StatusOf(err), Object: h}, nil
}

func (c *conn) load(name string) (zx.Handle, error) {
	f, err := c.s.Open(name, c.config)
	if errors.Is(err, zx.ErrNotFound) {
		c.s.mu.Lock()
		c.s.missing = name
		c.s.mu.Unlock()
	}
	if err != nil {
		return zx.HandleInvalid, err
	}
	defer f.Close()
	return c.t.AddFile(f)
}

// Config implements fuchsia.ldsvc/Loader.Config: INVALID_ARGS for what is not
// the name of a subdirectory.
func (c *conn) Config(_ context.Context, req *ldsvc.LoaderConfigRequest) (*ldsvc.LoaderConfigResponse, error) {
	dir := strings.TrimSuffix(req.Config, "!")
	if strings.ContainsAny(dir, "/\x00") || dir == "." || dir == ".." {
		return &ldsvc.LoaderConfigResponse{Rv: zx.ErrInvalidArgs}, nil
	}
	c.config = req.Config
	return &ldsvc.LoaderConfigResponse{}, nil
}

// Clone implements fuchsia.ldsvc/Loader.Clone. The new connection has no
// configuration.
func (c *conn) Clone(_ context.Context, req *ldsvc.LoaderCloneRequest) (*ldsvc.LoaderCloneResponse, error) {
	t, err := c.t.Open(req.Loader.Handle)
	if err == nil {
		err = c.s.Serve(t)
	}
	return &ldsvc.LoaderCloneResponse{Rv: zx.StatusOf(err)}, nil
}
