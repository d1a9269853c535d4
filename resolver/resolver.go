// Package resolver serves fuchsia.process.Resolver: it turns names into
// executables, with a loader for their libraries, out of packages in a directory
// of the host. fdio_spawn asks it for files that begin with "#!resolve NAME".
//
// A package is a directory with bin/ and lib/. The names are:
//
//	NAME                               bin/NAME of the package
//	fuchsia-pkg://HOST/PACKAGE#PATH    PATH of the package
//
// The package is the subdirectory PACKAGE of the resolver's directory if there
// is one, and else that directory itself.
package resolver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go"
	bindings "go.fuchsia.dev/fidl-go/fuchsia/ldsvc"
	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/internal/ldsvc"
	"go.fuchsia.dev/launcherd/zx"
)

// Resolver serves any number of connections.
type Resolver struct {
	dir string
	log *zap.Logger

	mu       sync.Mutex
	packages map[string]*pkg // by directory; guarded by mu; nil after Close
}

// pkg is a package that is in use.
type pkg struct {
	files *ldsvc.Service // all of it
	libs  *ldsvc.Service // its lib/; nil when it has none
}

// New makes a resolver for the packages in dir, or the package that dir is.
func New(dir string, log *zap.Logger) *Resolver {
	return &Resolver{dir: dir, log: log, packages: make(map[string]*pkg)}
}

// Close ends the loaders that were given.
func (r *Resolver) Close() {
	r.mu.Lock()
	ps := r.packages
	r.packages = nil
	r.mu.Unlock()
	for _, p := range ps {
		p.close()
	}
}

func (p *pkg) close() {
	p.files.Close()
	if p.libs != nil {
		p.libs.Close()
	}
}

// Serve serves a connection until its client closes it, breaks the protocol, or
// ctx ends; then it closes t. It returns nil if the client closed it.
func (r *Resolver) Serve(ctx context.Context, t fidl.Transport) error {
	return process.ServeResolver(ctx, t, server{r})
}

type server struct{ r *Resolver }

// Resolve implements fuchsia.process/Resolver.Resolve.
func (s server) Resolve(_ context.Context, req *process.ResolverResolveRequest) (*process.ResolverResolveResponse, error) {
	executable, loader, err := s.r.Resolve(req.Name)
	s.r.log.Debug("resolve", zap.String("name", req.Name), zap.Error(err))
	return &process.ResolverResolveResponse{
		Status:     zx.StatusOf(err),
		Executable: executable.Take(),
		Ldsvc:      fidl.ClientEnd[bindings.LoaderProtocol]{Handle: loader.Take()},
	}, nil
}

// Resolve gives the executable of a name and a client's end of a loader for its
// libraries; no loader for a package without lib/. The status is INVALID_ARGS
// for a name that means nothing, NOT_FOUND, ACCESS_DENIED, NO_RESOURCES, IO,
// or BAD_STATE after Close.
func (r *Resolver) Resolve(name string) (executable zx.VMO, loader zx.Channel, err error) {
	pkgName, file, err := parse(name)
	if err != nil {
		return zx.VMO{}, zx.Channel{}, err
	}
	p, err := r.open(pkgName)
	if err != nil {
		return zx.VMO{}, zx.Channel{}, err
	}
	f, err := p.files.Open(file, "")
	if err != nil {
		return zx.VMO{}, zx.Channel{}, err
	}
	defer f.Close()
	if executable, err = zx.VMOFromFile(f, true); err != nil || p.libs == nil {
		return executable, zx.Channel{}, err
	}
	if loader, err = p.libs.Connect(); err != nil {
		executable.Close()
	}
	return executable, loader, err
}

// parse gives the package ("" for none) and the path in it that a name means.
func parse(name string) (pkgName, file string, err error) {
	rest, isURL := strings.CutPrefix(name, "fuchsia-pkg://")
	if !isURL {
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return "", "", zx.ErrInvalidArgs
		}
		return "", path.Join("bin", name), nil
	}
	rest, file, ok := strings.Cut(rest, "#")
	if !ok || file == "" {
		return "", "", zx.ErrInvalidArgs
	}
	rest, _, _ = strings.Cut(rest, "?") // a hash
	_, rest, _ = strings.Cut(rest, "/") // the host
	pkgName, _, _ = strings.Cut(rest, "/")
	if pkgName == "" || pkgName == "." || pkgName == ".." {
		return "", "", zx.ErrInvalidArgs
	}
	return pkgName, file, nil
}

// open gives a package of the name, open until Close.
func (r *Resolver) open(name string) (*pkg, error) {
	dir := r.dir
	if name != "" {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
			dir = filepath.Join(dir, name)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.packages == nil {
		return nil, zx.ErrBadState
	}
	if p := r.packages[dir]; p != nil {
		return p, nil
	}
	p := new(pkg)
	var err error
	if p.files, err = ldsvc.New([]string{dir}, r.log); err != nil {
		return nil, statusOf(err)
	}
	p.libs, err = ldsvc.New([]string{filepath.Join(dir, "lib")}, r.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.files.Close()
		return nil, statusOf(err)
	}
	r.packages[dir] = p
	return p, nil
}

func statusOf(err error) zx.Status {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return zx.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return zx.ErrAccessDenied
	}
	return zx.ErrIO
}
