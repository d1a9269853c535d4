package vfs

import (
	"context"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/unknown"

	"go.fuchsia.dev/launcherd/zx"
)

// nodeNow serves fuchsia.io/Node of today.
type nodeNow struct{ *conn }

func (n nodeNow) Clone(_ context.Context, req *unknown.CloneableCloneRequest) error {
	server := zx.ChannelFromHandle(req.Request.Handle)
	c := &conn{fs: n.fs, node: n.node.hold(), rights: n.rights, ref: n.ref, append: n.append, ch: server}
	_ = c.start() // an FS that was closed closes it
	return nil
}

func (n nodeNow) Close(ctx context.Context) error {
	n.end(ctx)
	return nil
}

func (n nodeNow) Query(context.Context) (*unknown.QueryableQueryResponse, error) {
	name := io.NodeProtocolName
	switch {
	case n.ref:
	case n.node.kind() == kindDirectory:
		name = io.DirectoryProtocolName
	case n.node.kind() == kindFile:
		name = io.FileProtocolName
	}
	return &unknown.QueryableQueryResponse{Protocol: []byte(name)}, nil
}

func (n nodeNow) DeprecatedClone(_ context.Context, req *io.NodeDeprecatedCloneRequest) error {
	n.clone(req.Flags, styleOld, zx.ChannelFromHandle(req.Object.Handle))
	return nil
}

func (n nodeNow) DeprecatedGetAttr(context.Context) (*io.NodeDeprecatedGetAttrResponse, error) {
	a, err := n.getAttributes()
	if err != nil {
		return &io.NodeDeprecatedGetAttrResponse{S: n.status("get attributes", err), Attributes: io.NodeAttributes{Id: io.InoUnknown}}, nil
	}
	return &io.NodeDeprecatedGetAttrResponse{Attributes: io.NodeAttributes{
		Mode: a.mode, Id: a.id, ContentSize: a.size, StorageSize: a.storage, LinkCount: a.links,
		CreationTime: a.created, ModificationTime: a.modified,
	}}, nil
}

// getAttributes reads the attributes: BAD_HANDLE without the right to.
func (c *conn) getAttributes() (attributes, error) {
	if err := c.need(io.OperationsGetAttributes); err != nil {
		return attributes{}, err
	}
	return c.node.attributes()
}

func (n nodeNow) DeprecatedSetAttr(_ context.Context, req *io.NodeDeprecatedSetAttrRequest) (*io.NodeDeprecatedSetAttrResponse, error) {
	var a io.MutableNodeAttributes
	if req.Flags&io.NodeAttributeFlagsCreationTime != 0 {
		a.CreationTime = &req.Attributes.CreationTime
	}
	if req.Flags&io.NodeAttributeFlagsModificationTime != 0 {
		a.ModificationTime = &req.Attributes.ModificationTime
	}
	return &io.NodeDeprecatedSetAttrResponse{S: n.status("set attributes", n.update(&a))}, nil
}

func (n nodeNow) DeprecatedGetFlags(context.Context) (*io.NodeDeprecatedGetFlagsResponse, error) {
	return &io.NodeDeprecatedGetFlagsResponse{Flags: n.flags()}, nil
}

func (n nodeNow) DeprecatedSetFlags(_ context.Context, req *io.NodeDeprecatedSetFlagsRequest) (*io.NodeDeprecatedSetFlagsResponse, error) {
	return &io.NodeDeprecatedSetFlagsResponse{S: zx.StatusOf(n.setAppend(req.Flags&io.OpenFlagsAppend != 0))}, nil
}

// The numbers of Flags.PERM_ are those of Operations.
func (n nodeNow) GetFlags(context.Context) (*io.NodeGetFlagsResponse, error) {
	fl := io.Flags(n.rights)
	switch {
	case n.ref:
		fl |= io.FlagsProtocolNode
	case n.node.kind() == kindDirectory:
		fl |= io.FlagsProtocolDirectory
	default:
		fl |= io.FlagsProtocolFile
		if n.append {
			fl |= io.FlagsFileAppend
		}
	}
	return &io.NodeGetFlagsResponse{Flags: fl}, nil
}

func (n nodeNow) SetFlags(_ context.Context, req *io.NodeSetFlagsRequest) error {
	switch {
	case n.ref:
		return zx.ErrNotSupported
	case req.Flags&^io.FlagsFileAppend != 0:
		return zx.ErrInvalidArgs
	}
	return n.setAppend(req.Flags != 0)
}

func (n nodeNow) QueryFilesystem(context.Context) (*io.NodeQueryFilesystemResponse, error) {
	if n.ref {
		return &io.NodeQueryFilesystemResponse{S: zx.ErrNotSupported}, nil
	}
	info, err := n.node.filesystem()
	if err != nil {
		return &io.NodeQueryFilesystemResponse{S: zx.StatusOf(err)}, nil
	}
	return &io.NodeQueryFilesystemResponse{Info: &info}, nil
}

func (n nodeNow) GetConnectionInfo(context.Context) (*io.ConnectionInfo, error) {
	return &io.ConnectionInfo{Rights: &n.rights}, nil
}

func (n nodeNow) GetAttributes(_ context.Context, req *io.NodeGetAttributesRequest) (*io.NodeAttributes2, error) {
	a, err := n.getAttributes()
	if err != nil {
		return nil, n.status("get attributes", err)
	}
	out := a.query(req.Query)
	return &out, nil
}

func (n nodeNow) UpdateAttributes(_ context.Context, req *io.MutableNodeAttributes) error {
	return n.status("set attributes", n.update(req)).Err()
}

func (n nodeNow) Sync(context.Context) error {
	if n.ref {
		return zx.ErrNotSupported
	}
	return n.status("sync", n.node.sync()).Err()
}

func (n nodeNow) ListExtendedAttributes(_ context.Context, req *io.NodeListExtendedAttributesRequest) error {
	server := zx.ChannelFromHandle(req.Iterator.Handle)
	defer server.Close()
	_ = fidl.SendEpitaph(&server, fidl.V2, zx.ErrNotSupported) // the client may be gone
	return nil
}

func (n nodeNow) GetExtendedAttribute(context.Context, *io.NodeGetExtendedAttributeRequest) (*io.ExtendedAttributeValue, error) {
	return nil, zx.ErrNotSupported
}

func (n nodeNow) SetExtendedAttribute(_ context.Context, req *io.NodeSetExtendedAttributeRequest) error {
	zx.CloseAll(req.Value.Buffer)
	return zx.ErrNotSupported
}

func (n nodeNow) RemoveExtendedAttribute(context.Context, *io.NodeRemoveExtendedAttributeRequest) error {
	return zx.ErrNotSupported
}

// AdvisoryLock is of files and directories.
func (n nodeNow) AdvisoryLock(context.Context, *io.AdvisoryLockingAdvisoryLockRequest) error {
	return zx.ErrNotSupported
}

// fileNow serves fuchsia.io/File of today.
type fileNow struct{ nodeNow }

func (f fileNow) Describe(context.Context) (*io.FileInfo, error) {
	return &io.FileInfo{IsAppend: &f.append}, nil
}

func (f fileNow) LinkInto(_ context.Context, req *io.LinkableLinkIntoRequest) error {
	to := f.fs.tokenDir(req.DstParentToken)
	if to != nil {
		defer to.drop()
	}
	const need = io.OperationsReadBytes | io.OperationsWriteBytes | io.OperationsGetAttributes | io.OperationsUpdateAttributes
	switch {
	case checkName(req.Dst) != nil:
		return zx.ErrInvalidArgs
	case f.rights&need != need:
		return zx.ErrAccessDenied
	case to == nil:
		return zx.ErrNotFound
	}
	file, err := f.file(0)
	if err != nil {
		return err
	}
	return f.status("link", file.linkInto(to, req.Dst)).Err()
}

func (f fileNow) Read(_ context.Context, req *io.ReadableReadRequest) (*io.ReadableReadResponse, error) {
	b, err := f.read(req.Count)
	if err != nil {
		return nil, f.status("read", err)
	}
	return &io.ReadableReadResponse{Data: b}, nil
}

func (f fileNow) ReadAt(_ context.Context, req *io.FileReadAtRequest) (*io.FileReadAtResponse, error) {
	b, err := f.readAt(req.Count, req.Offset)
	if err != nil {
		return nil, f.status("read", err)
	}
	return &io.FileReadAtResponse{Data: b}, nil
}

func (f fileNow) Write(_ context.Context, req *io.WritableWriteRequest) (*io.WritableWriteResponse, error) {
	n, err := f.write(req.Data)
	if err != nil {
		return nil, f.status("write", err)
	}
	return &io.WritableWriteResponse{ActualCount: n}, nil
}

func (f fileNow) WriteAt(_ context.Context, req *io.FileWriteAtRequest) (*io.FileWriteAtResponse, error) {
	n, err := f.writeAt(req.Data, req.Offset)
	if err != nil {
		return nil, f.status("write", err)
	}
	return &io.FileWriteAtResponse{ActualCount: n}, nil
}

func (f fileNow) Seek(_ context.Context, req *io.FileSeekRequest) (*io.FileSeekResponse, error) {
	off, err := f.seek(req.Origin, req.Offset)
	if err != nil {
		return nil, err
	}
	return &io.FileSeekResponse{OffsetFromStart: off}, nil
}

func (f fileNow) Resize(_ context.Context, req *io.FileResizeRequest) error {
	return f.status("resize", f.truncate(req.Length)).Err()
}

func (f fileNow) GetBackingMemory(_ context.Context, req *io.FileGetBackingMemoryRequest) (*io.FileGetBackingMemoryResponse, error) {
	v, _, err := f.memory(req.Flags)
	if err != nil {
		return nil, f.status("get backing memory", err)
	}
	return &io.FileGetBackingMemoryResponse{Vmo: v.Take()}, nil
}

func (f fileNow) Allocate(context.Context, *io.FileAllocateRequest) error { return zx.ErrNotSupported }

func (f fileNow) EnableVerity(context.Context, *io.FileEnableVerityRequest) error {
	return zx.ErrNotSupported
}

// directoryNow serves fuchsia.io/Directory of today.
type directoryNow struct{ nodeNow }

func (d directoryNow) DeprecatedOpen(_ context.Context, req *io.DirectoryDeprecatedOpenRequest) error {
	r, err := requestOld(req.Flags)
	d.openPath(req.Path, r, err, req.Flags&io.OpenFlagsDescribe != 0, styleOld, zx.ChannelFromHandle(req.Object.Handle))
	return nil
}

func (d directoryNow) Open(_ context.Context, req *io.DirectoryOpenRequest) error {
	r, err := requestCurrent(req.Flags, &req.Options)
	d.openPath(req.Path, r, err, false, styleCurrent, zx.ChannelFromHandle(req.Object))
	return nil
}

func (d directoryNow) ReadDirents(_ context.Context, req *io.DirectoryReadDirentsRequest) (*io.DirectoryReadDirentsResponse, error) {
	b, err := d.readDirents(req.MaxBytes)
	return &io.DirectoryReadDirentsResponse{S: d.status("list", err), Dirents: b}, nil
}

func (d directoryNow) Rewind(context.Context) (*io.DirectoryRewindResponse, error) {
	return &io.DirectoryRewindResponse{S: zx.StatusOf(d.rewind())}, nil
}

func (d directoryNow) GetToken(context.Context) (*io.DirectoryGetTokenResponse, error) {
	t, err := d.getToken()
	return &io.DirectoryGetTokenResponse{S: zx.StatusOf(err), Token: t}, nil
}

func (d directoryNow) Link(_ context.Context, req *io.DirectoryLinkRequest) (*io.DirectoryLinkResponse, error) {
	err := d.link(req.Src, req.DstParentToken, req.Dst, rulesNow)
	return &io.DirectoryLinkResponse{S: d.status("link", err)}, nil
}

func (d directoryNow) Unlink(_ context.Context, req *io.DirectoryUnlinkRequest) error {
	if err := checkName(req.Name); err != nil {
		return zx.ErrInvalidArgs
	}
	fl := req.Options.Flags
	return d.status("unlink", d.unlink(req.Name, fl != nil && *fl&io.UnlinkFlagsMustBeDirectory != 0)).Err()
}

func (d directoryNow) Rename(_ context.Context, req *io.DirectoryRenameRequest) error {
	return d.status("rename", d.rename(req.Src, req.DstParentToken, req.Dst, rulesNow)).Err()
}

func (d directoryNow) CreateSymlink(_ context.Context, req *io.DirectoryCreateSymlinkRequest) error {
	zx.CloseAll(req.Connection.Handle)
	switch {
	case d.rights&io.OperationsModifyDirectory == 0:
		return zx.ErrAccessDenied
	case checkName(req.Name) != nil:
		return zx.ErrInvalidArgs
	}
	return zx.ErrNotSupported
}

func (d directoryNow) Watch(_ context.Context, req *io.DirectoryWatchRequest) (*io.DirectoryWatchResponse, error) {
	err := d.watch(req.Mask, req.Options, zx.ChannelFromHandle(req.Watcher.Handle))
	return &io.DirectoryWatchResponse{S: d.status("watch", err)}, nil
}
