package vfs

import (
	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// Node is something to connect to, made by Host, NewDir or Service.
type Node interface {
	// Close gives the node up. Connections to it live on.
	Close()
	open() node
}

// kind is what a node is.
type kind uint8

const (
	kindDirectory kind = iota
	kindFile
	kindService
	kindOther // listed, but never opened
	kinds
)

// dirent gives the kind as it is listed.
func (k kind) dirent() io.DirentType {
	return [kinds]io.DirentType{io.DirentTypeDirectory, io.DirentTypeFile, io.DirentTypeService, io.DirentTypeUnknown}[k]
}

// node is what a connection is to. It may be shared; methods may be called from
// several goroutines. Errors have a zx.Status.
type node interface {
	kind() kind
	// allowed is all that a connection to the node may have.
	allowed() io.Operations
	// hold adds an owner; drop gives one up.
	hold() node
	drop()
	attributes() (attributes, error)
	update(*io.MutableNodeAttributes) error
	sync() error
	// filesystem tells of the file system that the node is on.
	filesystem() (io.FilesystemInfo, error)
}

// directory is a node with others below.
type directory interface {
	node
	// lookup opens, and creates or truncates if r says so, what a path names.
	// The caller owns the node.
	lookup(p path, r *request) (node, error)
	// list begins a listing.
	list() (lister, error)
	unlink(name string, mustBeDir bool) error
	// rename and link are to another directory of the same file system: else
	// INVALID_ARGS. src and dst may end in "/".
	rename(src string, to directory, dst string) error
	link(src string, to directory, dst string) error
	// watch tells w what is there and what happens, until w is gone.
	watch(fs *FS, w *watcher) error
}

// lister goes through a directory.
type lister interface {
	// next gives the next entry, false at the end.
	next() (entry, bool, error)
	close()
}

// entry is one line of a listing.
type entry struct {
	name string
	ino  uint64
	kind kind
}

// file is a node with bytes.
type file interface {
	node
	// readAt reads at most len(b) bytes, fewer at the end alone.
	readAt(b []byte, off uint64) (int, error)
	writeAt(b []byte, off uint64) (int, error)
	// append writes to the end in one step.
	append(b []byte) (int, error)
	size() (uint64, error)
	truncate(n uint64) error
	// memory gives the file as a VMO.
	memory(flags io.VmoFlags) (zx.VMO, error)
	// linkInto gives the file one more name.
	linkInto(to directory, name string) error
}

// attributes are those of a node. Times are nanoseconds since 1970, UTC.
type attributes struct {
	kind      kind
	abilities io.Operations
	mode      uint32 // with the kind, as fuchsia.io has it
	uid, gid  uint32
	size      uint64 // in bytes
	storage   uint64 // in bytes
	links     uint64
	id        uint64
	posix     bool // there are mode, uid, gid and times
	created   uint64
	modified  uint64
	accessed  uint64
	changed   uint64
}

// query gives those of the attributes that are asked for.
func (a *attributes) query(q io.NodeAttributesQuery) io.NodeAttributes2 {
	var out io.NodeAttributes2
	m, im := &out.MutableAttributes, &out.ImmutableAttributes
	protocols := [kinds]io.NodeProtocolKinds{io.NodeProtocolKindsDirectory, io.NodeProtocolKindsFile, io.NodeProtocolKindsConnector}[a.kind]
	put(q, io.NodeAttributesQueryProtocols, &im.Protocols, protocols)
	put(q, io.NodeAttributesQueryAbilities, &im.Abilities, a.abilities)
	if a.kind == kindService {
		return out
	}
	put(q, io.NodeAttributesQueryContentSize, &im.ContentSize, a.size)
	put(q, io.NodeAttributesQueryStorageSize, &im.StorageSize, a.storage)
	put(q, io.NodeAttributesQueryLinkCount, &im.LinkCount, a.links)
	put(q, io.NodeAttributesQueryId, &im.Id, a.id)
	if !a.posix {
		return out
	}
	put(q, io.NodeAttributesQueryChangeTime, &im.ChangeTime, a.changed)
	put(q, io.NodeAttributesQueryCreationTime, &m.CreationTime, a.created)
	put(q, io.NodeAttributesQueryModificationTime, &m.ModificationTime, a.modified)
	put(q, io.NodeAttributesQueryAccessTime, &m.AccessTime, a.accessed)
	put(q, io.NodeAttributesQueryMode, &m.Mode, a.mode)
	put(q, io.NodeAttributesQueryUid, &m.Uid, a.uid)
	put(q, io.NodeAttributesQueryGid, &m.Gid, a.gid)
	return out
}

func put[T any](q, bit io.NodeAttributesQuery, to **T, v T) {
	if q&bit != 0 {
		*to = &v
	}
}

// fixed is the part of nodes that are made up: they have no owner to count and
// do not change.
type fixed struct{}

func (fixed) Close()                                 {}
func (fixed) drop()                                  {}
func (fixed) update(*io.MutableNodeAttributes) error { return zx.ErrNotSupported }
func (fixed) sync() error                            { return zx.ErrNotSupported }
func (fixed) filesystem() (io.FilesystemInfo, error) { return io.FilesystemInfo{}, zx.ErrNotSupported }
