package vfs

import (
	"context"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"
	"go.fuchsia.dev/fidl-go/fuchsia/mem"

	"go.fuchsia.dev/launcherd/zx"
)

// dispatchers gives what the connection speaks, in both eras. In 2020 a
// reference spoke the protocol of its node and refused most of it.
func (c *conn) dispatchers() []fidl.Dispatcher {
	n1, n := node2020{c}, nodeNow{c}
	kind := c.node.kind()
	var d [2]fidl.Dispatcher
	switch kind {
	case kindDirectory:
		d[0] = io1.DirectoryAdminDispatcher(directory2020{n1})
	case kindFile:
		d[0] = io1.FileDispatcher(file2020{n1})
	default:
		d[0] = io1.NodeDispatcher(n1)
	}
	switch {
	case kind == kindDirectory && !c.ref:
		d[1] = io.DirectoryDispatcher(directoryNow{n})
	case kind == kindFile && !c.ref:
		d[1] = io.FileDispatcher(fileNow{n})
	default:
		d[1] = io.NodeDispatcher(n)
	}
	return d[:]
}

// node2020 serves fuchsia.io/Node of 2020.
type node2020 struct{ *conn }

func (n node2020) Clone(_ context.Context, req *io1.NodeCloneRequest) error {
	n.clone(io.OpenFlags(req.Flags), style2020, zx.ChannelFromHandle(req.Object.Handle))
	return nil
}

func (n node2020) Close(ctx context.Context) (*io1.NodeCloseResponse, error) {
	n.end(ctx)
	return &io1.NodeCloseResponse{}, nil
}

func (n node2020) Describe(context.Context) (*io1.NodeDescribeResponse, error) {
	return &io1.NodeDescribeResponse{Info: info2020(n.node, n.ref)}, nil
}

func (n node2020) Sync(context.Context) (*io1.NodeSyncResponse, error) {
	if n.ref {
		return &io1.NodeSyncResponse{S: zx.ErrBadHandle}, nil
	}
	return &io1.NodeSyncResponse{S: n.status("sync", n.node.sync())}, nil
}

func (n node2020) GetAttr(context.Context) (*io1.NodeGetAttrResponse, error) {
	a, err := n.node.attributes()
	if err != nil {
		return &io1.NodeGetAttrResponse{S: n.status("get attributes", err)}, nil
	}
	return &io1.NodeGetAttrResponse{Attributes: io1.NodeAttributes{
		Mode: a.mode, Id: a.id, ContentSize: a.size, StorageSize: a.storage, LinkCount: a.links,
		CreationTime: a.created, ModificationTime: a.modified,
	}}, nil
}

func (n node2020) SetAttr(_ context.Context, req *io1.NodeSetAttrRequest) (*io1.NodeSetAttrResponse, error) {
	var a io.MutableNodeAttributes
	if req.Flags&io1.NodeAttributeFlagCreationTime != 0 {
		a.CreationTime = &req.Attributes.CreationTime
	}
	if req.Flags&io1.NodeAttributeFlagModificationTime != 0 {
		a.ModificationTime = &req.Attributes.ModificationTime
	}
	return &io1.NodeSetAttrResponse{S: n.status("set attributes", n.update(&a))}, nil
}

// update changes attributes: BAD_HANDLE without the right to.
func (c *conn) update(a *io.MutableNodeAttributes) error {
	if err := c.need(io.OperationsUpdateAttributes); err != nil {
		return err
	}
	return c.node.update(a)
}

// flags gives the old flags of the connection.
func (c *conn) flags() io.OpenFlags {
	if c.ref {
		return io.OpenFlagsNodeReference
	}
	fl := oldFlags(c.rights)
	if c.append {
		fl |= io.OpenFlagsAppend
	}
	return fl
}

// setAppend sets or clears the only flag that can be. NOT_SUPPORTED for a
// directory, BAD_HANDLE for a reference.
func (c *conn) setAppend(on bool) error {
	switch {
	case c.ref:
		return zx.ErrBadHandle
	case c.node.kind() != kindFile:
		return zx.ErrNotSupported
	}
	c.append = on
	return nil
}

func (n node2020) NodeGetFlags(context.Context) (*io1.NodeNodeGetFlagsResponse, error) {
	return &io1.NodeNodeGetFlagsResponse{Flags: uint32(n.flags())}, nil
}

func (n node2020) NodeSetFlags(_ context.Context, req *io1.NodeNodeSetFlagsRequest) (*io1.NodeNodeSetFlagsResponse, error) {
	return &io1.NodeNodeSetFlagsResponse{S: zx.StatusOf(n.setAppend(req.Flags&io1.OpenFlagAppend != 0))}, nil
}

// file2020 serves fuchsia.io/File of 2020.
type file2020 struct{ node2020 }

func (f file2020) Read(_ context.Context, req *io1.FileReadRequest) (*io1.FileReadResponse, error) {
	b, err := f.read(req.Count)
	return &io1.FileReadResponse{S: f.status("read", err), Data: b}, nil
}

func (f file2020) ReadAt(_ context.Context, req *io1.FileReadAtRequest) (*io1.FileReadAtResponse, error) {
	b, err := f.readAt(req.Count, req.Offset)
	return &io1.FileReadAtResponse{S: f.status("read", err), Data: b}, nil
}

func (f file2020) Write(_ context.Context, req *io1.FileWriteRequest) (*io1.FileWriteResponse, error) {
	n, err := f.write(req.Data)
	return &io1.FileWriteResponse{S: f.status("write", err), Actual: n}, nil
}

func (f file2020) WriteAt(_ context.Context, req *io1.FileWriteAtRequest) (*io1.FileWriteAtResponse, error) {
	n, err := f.writeAt(req.Data, req.Offset)
	return &io1.FileWriteAtResponse{S: f.status("write", err), Actual: n}, nil
}

func (f file2020) Seek(_ context.Context, req *io1.FileSeekRequest) (*io1.FileSeekResponse, error) {
	off, err := f.seek(io.SeekOrigin(req.Start), req.Offset)
	return &io1.FileSeekResponse{S: zx.StatusOf(err), Offset: off}, nil
}

func (f file2020) Truncate(_ context.Context, req *io1.FileTruncateRequest) (*io1.FileTruncateResponse, error) {
	return &io1.FileTruncateResponse{S: f.status("truncate", f.truncate(req.Length))}, nil
}

func (f file2020) GetFlags(context.Context) (*io1.FileGetFlagsResponse, error) {
	return &io1.FileGetFlagsResponse{Flags: uint32(f.flags())}, nil
}

func (f file2020) SetFlags(_ context.Context, req *io1.FileSetFlagsRequest) (*io1.FileSetFlagsResponse, error) {
	return &io1.FileSetFlagsResponse{S: zx.StatusOf(f.setAppend(req.Flags&io1.OpenFlagAppend != 0))}, nil
}

func (f file2020) GetBuffer(_ context.Context, req *io1.FileGetBufferRequest) (*io1.FileGetBufferResponse, error) {
	v, size, err := f.memory(io.VmoFlags(req.Flags))
	if err != nil {
		return &io1.FileGetBufferResponse{S: f.status("get buffer", err)}, nil
	}
	return &io1.FileGetBufferResponse{Buffer: &mem.Buffer{Vmo: v.Take(), Size: size}}, nil
}

// directory2020 serves fuchsia.io/DirectoryAdmin of 2020. Nothing can be mounted.
type directory2020 struct{ node2020 }

func (d directory2020) Open(_ context.Context, req *io1.DirectoryOpenRequest) error {
	r, err := request2020(req.Flags, req.Mode)
	d.openPath(req.Path, r, err, req.Flags&io1.OpenFlagDescribe != 0, style2020, zx.ChannelFromHandle(req.Object.Handle))
	return nil
}

func (d directory2020) Unlink(_ context.Context, req *io1.DirectoryUnlinkRequest) (*io1.DirectoryUnlinkResponse, error) {
	return &io1.DirectoryUnlinkResponse{S: d.status("unlink", d.unlink(req.Path, false))}, nil
}

func (d directory2020) ReadDirents(_ context.Context, req *io1.DirectoryReadDirentsRequest) (*io1.DirectoryReadDirentsResponse, error) {
	b, err := d.readDirents(req.MaxBytes)
	return &io1.DirectoryReadDirentsResponse{S: d.status("list", err), Dirents: b}, nil
}

func (d directory2020) Rewind(context.Context) (*io1.DirectoryRewindResponse, error) {
	return &io1.DirectoryRewindResponse{S: zx.StatusOf(d.rewind())}, nil
}

func (d directory2020) GetToken(context.Context) (*io1.DirectoryGetTokenResponse, error) {
	t, err := d.getToken()
	return &io1.DirectoryGetTokenResponse{S: zx.StatusOf(err), Token: t}, nil
}

func (d directory2020) Rename(_ context.Context, req *io1.DirectoryRenameRequest) (*io1.DirectoryRenameResponse, error) {
	err := d.rename(req.Src, req.DstParentToken, req.Dst, rules2020)
	return &io1.DirectoryRenameResponse{S: d.status("rename", err)}, nil
}

func (d directory2020) Link(_ context.Context, req *io1.DirectoryLinkRequest) (*io1.DirectoryLinkResponse, error) {
	err := d.link(req.Src, req.DstParentToken, req.Dst, rules2020)
	return &io1.DirectoryLinkResponse{S: d.status("link", err)}, nil
}

func (d directory2020) Watch(_ context.Context, req *io1.DirectoryWatchRequest) (*io1.DirectoryWatchResponse, error) {
	err := d.watch(io.WatchMask(req.Mask), req.Options, zx.ChannelFromHandle(req.Watcher))
	return &io1.DirectoryWatchResponse{S: d.status("watch", err)}, nil
}

func (d directory2020) Mount(_ context.Context, req *io1.DirectoryAdminMountRequest) (*io1.DirectoryAdminMountResponse, error) {
	zx.CloseAll(req.Remote.Handle)
	return &io1.DirectoryAdminMountResponse{S: zx.ErrAccessDenied}, nil
}

func (d directory2020) MountAndCreate(_ context.Context, req *io1.DirectoryAdminMountAndCreateRequest) (*io1.DirectoryAdminMountAndCreateResponse, error) {
	zx.CloseAll(req.Remote.Handle)
	return &io1.DirectoryAdminMountAndCreateResponse{S: zx.ErrAccessDenied}, nil
}

func (d directory2020) Unmount(context.Context) (*io1.DirectoryAdminUnmountResponse, error) {
	return &io1.DirectoryAdminUnmountResponse{S: zx.ErrAccessDenied}, nil
}

func (d directory2020) UnmountNode(context.Context) (*io1.DirectoryAdminUnmountNodeResponse, error) {
	return &io1.DirectoryAdminUnmountNodeResponse{S: zx.ErrAccessDenied}, nil
}

func (d directory2020) QueryFilesystem(context.Context) (*io1.DirectoryAdminQueryFilesystemResponse, error) {
	info, err := d.node.filesystem()
	if err != nil {
		return &io1.DirectoryAdminQueryFilesystemResponse{S: zx.StatusOf(err)}, nil
	}
	old := io1.FilesystemInfo(info)
	return &io1.DirectoryAdminQueryFilesystemResponse{Info: &old}, nil
}

func (d directory2020) GetDevicePath(context.Context) (*io1.DirectoryAdminGetDevicePathResponse, error) {
	return &io1.DirectoryAdminGetDevicePathResponse{S: zx.ErrAccessDenied}, nil
}
