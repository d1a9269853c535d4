package fdio

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/unknown"

	"go.fuchsia.dev/launcherd/zx"
)

// Connect gives a client's end of a connection to the service that has the name
// in a directory: fdio_service_connect_at. dir is a client's end of
// fuchsia.io.Directory, and lent. Whether the service is there shows on the
// connection, which is closed if not.
func Connect(dir *zx.Channel, name string) (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := Open(dir, name, io.FlagsProtocolService, server); err != nil {
		client.Close()
		return zx.Channel{}, err
	}
	return client, nil
}

// Open has server served by what is at a path below a directory: fdio_open3_at.
// dir is lent, server is consumed. What goes wrong at the other end shows on the
// connection alone. INVALID_ARGS for a path that cannot be.
func Open(dir *zx.Channel, name string, flags io.Flags, server zx.Channel) error {
	if err := checkPath(name); err != nil {
		server.Close()
		return err
	}
	c := io.NewDirectoryClient(dir, nil)
	err := c.Open(context.Background(), &io.DirectoryOpenRequest{Path: name, Flags: flags, Object: server.Take()})
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	return nil
}

// Executable gives the file at a path below a directory as memory to execute,
// for Program.Executable. dir is lent, and must allow files to be read and
// executed. The error wraps the status that the directory gave.
func Executable(ctx context.Context, dir *zx.Channel, name string) (zx.VMO, error) {
	return executable(ctx, name, func(flags io.Flags, server zx.Channel) error {
		return Open(dir, name, flags, server)
	})
}

// executable is Executable with any way to open the file.
func executable(ctx context.Context, name string, open func(io.Flags, zx.Channel) error) (zx.VMO, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.VMO{}, err
	}
	f := io.NewFileClient(&client, nil)
	defer f.Client.Close()
	if err := open(io.FlagsProtocolFile|io.FlagsPermRead|io.FlagsPermExecute, server); err != nil {
		return zx.VMO{}, err
	}
	r, err := f.GetBackingMemory(ctx, &io.FileGetBackingMemoryRequest{Flags: io.VmoFlagsRead | io.VmoFlagsExecute | io.VmoFlagsPrivateClone})
	if err != nil {
		return zx.VMO{}, fmt.Errorf("executable %s: %w", name, err)
	}
	return zx.VMOFromHandle(r.Vmo), nil
}

// Clone gives a second connection to a directory, with the rights of the first.
// dir is lent.
func Clone(dir *zx.Channel) (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	c := io.NewDirectoryClient(dir, nil)
	err = c.Clone(context.Background(), &unknown.CloneableCloneRequest{
		Request: fidl.ServerEnd[unknown.CloneableProtocol]{Handle: server.Take()},
	})
	if err != nil {
		client.Close()
		return zx.Channel{}, fmt.Errorf("clone: %w", err)
	}
	return client, nil
}

// checkPath checks a path below a directory: relative, without empty, "." or
// ".." parts; "." alone is the directory.
func checkPath(name string) error {
	if name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("path %q: %w", name, zx.ErrInvalidArgs)
	}
	return checkLength(name)
}

func checkLength(name string) error {
	if len(name) > int(io.MaxPathLength) || strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("path %.64q: %w", name, zx.ErrBadPath)
	}
	return nil
}

// Namespace is a table of directories by absolute paths, none of which lies
// within another: what fdio_ns_t is. The zero value is empty and ready. Its
// methods may be called by several goroutines.
type Namespace struct {
	mu   sync.Mutex
	dirs map[string]*zx.Channel // guarded by mu; owned
}

// Bind puts a directory at a path; dir is consumed. ALREADY_EXISTS when there is
// one, NOT_SUPPORTED when one would hide the other, INVALID_ARGS for a path that
// is not absolute or has empty, "." or ".." parts.
func (n *Namespace) Bind(at string, dir zx.Channel) error {
	err := n.bind(at, &dir)
	if err != nil {
		dir.Close()
	}
	return err
}

func (n *Namespace) bind(at string, dir *zx.Channel) error {
	if err := checkAbsolute(at); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.dirs {
		switch {
		case p == at:
			return fmt.Errorf("%s: %w", at, zx.ErrAlreadyExists)
		case within(p, at) || within(at, p):
			return fmt.Errorf("%s and %s: %w", p, at, zx.ErrNotSupported)
		}
	}
	if n.dirs == nil {
		n.dirs = map[string]*zx.Channel{}
	}
	c := zx.ChannelFromHandle(dir.Take())
	n.dirs[at] = &c
	return nil
}

// Unbind closes the directory at a path. NOT_FOUND when there is none.
func (n *Namespace) Unbind(at string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	dir, ok := n.dirs[at]
	if !ok {
		return fmt.Errorf("%s: %w", at, zx.ErrNotFound)
	}
	delete(n.dirs, at)
	return dir.Close()
}

// Open has server, which is consumed, served by what is at an absolute path.
// NOT_FOUND when no directory of the namespace holds it, NOT_SUPPORTED when it
// is no more than a directory's beginning; besides, the errors of the function
// Open.
func (n *Namespace) Open(at string, flags io.Flags, server zx.Channel) error {
	defer server.Close()
	if err := checkAbsolute(at); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, dir := range n.dirs {
		if within(at, p) {
			rel := strings.TrimPrefix(strings.TrimPrefix(at, p), "/")
			if rel == "" {
				rel = "."
			}
			return Open(dir, rel, flags, zx.ChannelFromHandle(server.Take()))
		}
	}
	for p := range n.dirs {
		if within(p, at) {
			return fmt.Errorf("%s: %w", at, zx.ErrNotSupported)
		}
	}
	return fmt.Errorf("%s: %w", at, zx.ErrNotFound)
}

// Connect gives a client's end of a connection to the service at an absolute
// path, such as /svc/fuchsia.process.Launcher: fdio_service_connect. Its errors
// are those of Open.
func (n *Namespace) Connect(at string) (zx.Channel, error) {
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := n.Open(at, io.FlagsProtocolService, server); err != nil {
		client.Close()
		return zx.Channel{}, err
	}
	return client, nil
}

// Executable gives the file at an absolute path as memory to execute, for
// Program.Executable.
func (n *Namespace) Executable(ctx context.Context, at string) (zx.VMO, error) {
	return executable(ctx, at, func(flags io.Flags, server zx.Channel) error { return n.Open(at, flags, server) })
}

// Export gives second connections to the directories, in the order of their
// paths: fdio_ns_export. With prefixes, only to those at or below one of them.
func (n *Namespace) Export(prefixes ...string) ([]NamespaceEntry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var es []NamespaceEntry
	for _, p := range slices.Sorted(maps.Keys(n.dirs)) {
		if len(prefixes) > 0 && !slices.ContainsFunc(prefixes, func(prefix string) bool { return within(p, prefix) }) {
			continue
		}
		dir, err := Clone(n.dirs[p])
		if err != nil {
			for i := range es {
				es[i].Directory.Close()
			}
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		es = append(es, NamespaceEntry{Path: p, Directory: dir})
	}
	return es, nil
}

// Close closes the directories and leaves the namespace empty.
func (n *Namespace) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, dir := range n.dirs {
		dir.Close()
	}
	n.dirs = nil
}

func checkAbsolute(at string) error {
	if !path.IsAbs(at) || path.Clean(at) != at {
		return fmt.Errorf("path %q: %w", at, zx.ErrInvalidArgs)
	}
	return checkLength(at)
}

// within says whether the path p is dir or below it.
func within(p, dir string) bool {
	rest, ok := strings.CutPrefix(p, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
