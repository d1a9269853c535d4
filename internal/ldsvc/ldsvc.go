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

	mu     sync.Mutex
	closed bool           // guarded by mu: no more connections
	wg     sync.WaitGroup // connections
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

// Connect gives a client's end of a new connection. BAD_STATE after Close.
func (s *Service) Connect() (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := s.Serve(server); err != nil {
		client.Close()
		return zx.Channel{}, err
	}
	return client, nil
}

// Serve serves a connection, in the background, until its client is done or
// closes it, or Close. BAD_STATE, and server is closed, after Close.
func (s *Service) Serve(server zx.Channel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		server.Close()
		return zx.ErrBadState
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if err := ldsvc.ServeLoader(s.ctx, &server, &conn{s: s}); err != nil && s.ctx.Err() == nil {
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
	s.roots = nil
}

// Load gives the library of a name, with a configuration as a client sets it.
// The status is NOT_FOUND, ACCESS_DENIED or IO.
func (s *Service) Load(name, config string) (zx.VMO, error) {
	subdir, only := strings.CutSuffix(config, "!")
	for _, r := range s.roots {
		if subdir != "" {
			v, err := open(r, path.Join(subdir, name))
			if !errors.Is(err, zx.ErrNotFound) {
				return v, err
			}
			if only {
				continue
			}
		}
		v, err := open(r, name)
		if !errors.Is(err, zx.ErrNotFound) {
			return v, err
		}
	}
	return zx.VMO{}, zx.ErrNotFound
}

// open gives a file below a directory: NOT_FOUND if it is no regular file there.
func open(r *os.Root, name string) (zx.VMO, error) {
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) {
		return zx.VMO{}, zx.ErrNotFound
	}
	// Without O_NONBLOCK the open of a pipe would wait for its other end.
	f, err := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission):
		return zx.VMO{}, zx.ErrAccessDenied
	default: // not there, or not within the directory
		return zx.VMO{}, zx.ErrNotFound
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return zx.VMO{}, zx.ErrIO
	}
	if !info.Mode().IsRegular() {
		return zx.VMO{}, zx.ErrNotFound
	}
	return zx.VMOFromFile(f, true)
}

// conn is one connection. Its methods are called one at a time.
type conn struct {
	s      *Service
	config string
}

// Done implements fuchsia.ldsvc/Loader.Done.
func (c *conn) Done(ctx context.Context) error {
	fidl.CallFrom(ctx).Stop()
	return nil
}

// LoadObject implements fuchsia.ldsvc/Loader.LoadObject.
func (c *conn) LoadObject(_ context.Context, req *ldsvc.LoaderLoadObjectRequest) (*ldsvc.LoaderLoadObjectResponse, error) {
	v, err := c.s.Load(req.ObjectName, c.config)
	c.s.log.Debug("load object", zap.String("name", req.ObjectName), zap.String("config", c.config), zap.Error(err))
	return &ldsvc.LoaderLoadObjectResponse{Rv: zx.StatusOf(err), Object: v.Take()}, nil
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
	err := c.s.Serve(zx.ChannelFromHandle(req.Loader.Handle))
	return &ldsvc.LoaderCloneResponse{Rv: zx.StatusOf(err)}, nil
}
