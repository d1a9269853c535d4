package vfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// hostNode is a file or directory of the host, as a descriptor.
type hostNode struct {
	fs   *hostFS
	fd   int
	refs atomic.Int32
}

// hostFS is what a directory and all that is opened below it have in common.
type hostFS struct {
	rights   io.Operations
	released func()
	nodes    atomic.Int64
}

func newHostNode(fs *hostFS, fd int) *hostNode {
	n := &hostNode{fs: fs, fd: fd}
	n.refs.Store(1)
	fs.nodes.Add(1)
	return n
}

// hostDir is a directory. Its descriptor is a path (O_PATH).
type hostDir struct{ *hostNode }

// hostFile is a regular file. Its descriptor can do what its connections may,
// and is a path if they may not read or write.
type hostFile struct{ *hostNode }

// hostOther is a node that cannot be opened.
type hostOther struct{ *hostNode }

// Host makes a node of a directory of the host. The caller closes it. Errors
// have a zx.Status: NOT_FOUND, NOT_DIR, ACCESS_DENIED or another.
func Host(dir string, o Options) (Node, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", dir, hostErr(err))
	}
	fs := &hostFS{rights: io.RStarDir, released: o.Released}
	if o.Writable {
		fs.rights |= io.WStarDir
	}
	if o.Executable {
		fs.rights |= io.XStarDir
	}
	return &hostDir{newHostNode(fs, fd)}, nil
}

// Close gives the directory up.
func (d *hostDir) Close()     { d.drop() }
func (d *hostDir) open() node { return d }

func (d *hostDir) hold() node   { d.refs.Add(1); return d }
func (f *hostFile) hold() node  { f.refs.Add(1); return f }
func (o *hostOther) hold() node { o.refs.Add(1); return o }

func (*hostDir) kind() kind   { return kindDirectory }
func (*hostFile) kind() kind  { return kindFile }
func (*hostOther) kind() kind { return kindOther }

func (n *hostNode) allowed() io.Operations { return n.fs.rights }

func (n *hostNode) drop() {
	if n.refs.Add(-1) != 0 {
		return
	}
	unix.Close(n.fd)
	// Nodes are made from others, so none comes after the last.
	if n.fs.nodes.Add(-1) == 0 && n.fs.released != nil {
		n.fs.released()
	}
}

// retry runs a system call again that a signal, or a change of names meanwhile,
// cut short.
func retry[T any](f func() (T, error)) (T, error) {
	for i := 0; ; i++ {
		v, err := f()
		if err != unix.EINTR && (err != unix.EAGAIN || i > 32) {
			return v, err
		}
	}
}

func retry0(f func() error) error {
	_, err := retry(func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// below opens a path that does not leave the directory. It waits for nothing,
// such as the other end of a pipe.
func below(dir int, p path, flags int, mode uint32) (int, error) {
	if p.dot() {
		p = "."
	}
	if flags&unix.O_PATH == 0 {
		flags |= unix.O_NONBLOCK | unix.O_NOCTTY
	}
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, string(p), &how) })
	if err == unix.EXDEV { // it would leave the directory
		err = unix.EACCES
	}
	return fd, err
}

// lookup implements directory. What is created has the permissions that the
// host's umask leaves: those of fuchsia.io are for the client alone.
func (d *hostDir) lookup(p path, r *request) (node, error) {
	if r.create != createNever && !p.dot() {
		n, err := d.create(p, r)
		if !errors.Is(err, zx.ErrAlreadyExists) || r.create == createMust {
			return n, err
		}
	}
	n, err := d.find(p)
	if err != nil {
		return nil, err
	}
	defer n.drop()
	if err := r.accepts(n); err != nil {
		return nil, err
	}
	if n.kind() != kindFile || r.ref {
		return n.hold(), nil
	}
	return d.openFile(p, r)
}

// find gives what p names, as a path.
func (d *hostDir) find(p path) (node, error) {
	fd, err := below(d.fd, p, unix.O_PATH, 0)
	if err != nil {
		return nil, hostErr(err)
	}
	return d.fs.node(fd)
}

// node makes a node of a descriptor.
func (fs *hostFS) node(fd int) (node, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, hostErr(err)
	}
	n := newHostNode(fs, fd)
	switch kindOf(st.Mode) {
	case kindDirectory:
		return &hostDir{n}, nil
	case kindFile:
		return &hostFile{n}, nil
	}
	return &hostOther{n}, nil
}

func kindOf(mode uint32) kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return kindDirectory
	case unix.S_IFREG:
		return kindFile
	}
	return kindOther
}

// accessMode is how a file is opened for connections with these rights.
func accessMode(rights io.Operations) int {
	read := rights&(io.OperationsReadBytes|io.OperationsExecute) != 0
	switch write := rights&io.OperationsWriteBytes != 0; {
	case read && write:
		return unix.O_RDWR
	case write:
		return unix.O_WRONLY
	case read:
		return unix.O_RDONLY
	}
	return unix.O_PATH
}

func (d *hostDir) openFile(p path, r *request) (node, error) {
	fd, err := below(d.fd, p, accessMode(r.fileRights), 0)
	if err != nil {
		return nil, hostErr(err)
	}
	n, err := d.fs.node(fd)
	if err != nil {
		return nil, err
	}
	f, ok := n.(*hostFile)
	if !ok { // it was just replaced
		n.drop()
		return nil, zx.ErrUnavailable
	}
	if r.truncate {
		if err := f.truncate(0); err != nil {
			f.drop()
			return nil, err
		}
	}
	return f, nil
}

// create makes what p names: ALREADY_EXISTS if it is there.
func (d *hostDir) create(p path, r *request) (node, error) {
	parent, name := p.split()
	dir := d.fd
	if !parent.dot() {
		fd, err := below(dir, parent, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, hostErr(err)
		}
		defer unix.Close(fd)
		dir = fd
	}
	if d.fs.rights&io.OperationsModifyDirectory == 0 {
		return nil, zx.ErrAccessDenied
	}
	var fd int
	var err error
	if r.makeDir {
		if err = retry0(func() error { return unix.Mkdirat(dir, name, 0o777) }); err == nil {
			fd, err = below(dir, path(name), unix.O_PATH|unix.O_DIRECTORY, 0)
		}
	} else {
		mode := accessMode(r.fileRights) &^ unix.O_PATH
		fd, err = below(dir, path(name), mode|unix.O_CREAT|unix.O_EXCL, 0o666)
	}
	if err != nil {
		return nil, hostErr(err)
	}
	n, err := d.fs.node(fd)
	if err != nil {
		return nil, err
	}
	if r.attributes != nil {
		err = n.update(r.attributes)
	}
	if err == nil {
		err = r.accepts(n)
	}
	if err != nil {
		n.drop()
		return nil, err
	}
	return n, nil
}

func (n *hostNode) attributes() (attributes, error) {
	var st unix.Statx_t
	err := retry0(func() error {
		return unix.Statx(n.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	})
	if err != nil {
		return attributes{}, hostErr(err)
	}
	a := attributes{
		kind:     kindOf(uint32(st.Mode)),
		posix:    true,
		mode:     uint32(st.Mode),
		uid:      st.Uid,
		gid:      st.Gid,
		storage:  st.Blocks * 512,
		links:    uint64(st.Nlink),
		id:       st.Ino,
		created:  nanoseconds(st.Btime),
		modified: nanoseconds(st.Mtime),
		accessed: nanoseconds(st.Atime),
		changed:  nanoseconds(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		a.created = a.changed
	}
	of := io.OperationsGetAttributes | io.OperationsUpdateAttributes
	if a.kind == kindDirectory {
		of |= io.OperationsEnumerate | io.OperationsTraverse | io.OperationsModifyDirectory
	} else {
		a.size = st.Size
		of |= io.OperationsReadBytes | io.OperationsWriteBytes | io.OperationsExecute
	}
	a.abilities = n.fs.rights & of
	return a, nil
}

func nanoseconds(t unix.StatxTimestamp) uint64 {
	return uint64(t.Sec)*1e9 + uint64(t.Nsec) // before 1970 it is a large number, as Fuchsia has it
}

// update changes the times of access and modification, and the permissions.
// NOT_SUPPORTED, and nothing is changed, for the rest.
func (n *hostNode) update(a *io.MutableNodeAttributes) error {
	if n.fs.rights&io.OperationsUpdateAttributes == 0 {
		return zx.ErrAccessDenied
	}
	if a.CreationTime != nil || a.Uid != nil || a.Gid != nil || a.Rdev != nil ||
		a.Casefold != nil || a.SelinuxContext != nil || a.WrappingKeyId != nil {
		return zx.ErrNotSupported
	}
	if a.Mode != nil {
		err := retry0(func() error { return unix.Fchmodat(n.fd, "", *a.Mode&0o777, unix.AT_EMPTY_PATH) })
		if err != nil {
			return hostErr(err)
		}
	}
	if a.AccessTime == nil && a.ModificationTime == nil {
		return nil
	}
	times := []unix.Timespec{timespec(a.AccessTime), timespec(a.ModificationTime)}
	return hostErr(retry0(func() error { return unix.UtimesNanoAt(n.fd, "", times, unix.AT_EMPTY_PATH) }))
}

// timespec gives a time as utimensat wants it; nil leaves it as it is.
func timespec(ns *uint64) unix.Timespec {
	if ns == nil {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.Timespec{Sec: int64(*ns / 1e9), Nsec: int64(*ns % 1e9)}
}

func (n *hostNode) sync() error {
	err := retry0(func() error { return unix.Fsync(n.fd) })
	if err != unix.EBADF {
		return hostErr(err)
	}
	// It is a path, by which nothing was written.
	fd, err := n.reopen(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return hostErr(retry0(func() error { return unix.Fsync(fd) }))
}

// reopen gives a descriptor of its own to the node.
func (n *hostNode) reopen(flags int) (int, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(n.name(), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	})
	return fd, hostErr(err)
}

// name is a name of the host for the node while it is held.
func (n *hostNode) name() string { return fmt.Sprintf("/proc/self/fd/%d", n.fd) }

func (n *hostNode) filesystem() (io.FilesystemInfo, error) {
	var st unix.Statfs_t
	if err := retry0(func() error { return unix.Fstatfs(n.fd, &st) }); err != nil {
		return io.FilesystemInfo{}, hostErr(err)
	}
	var node unix.Stat_t
	if err := unix.Fstat(n.fd, &node); err != nil {
		return io.FilesystemInfo{}, hostErr(err)
	}
	info := io.FilesystemInfo{
		TotalBytes:      st.Blocks * uint64(st.Bsize),
		UsedBytes:       (st.Blocks - st.Bfree) * uint64(st.Bsize),
		TotalNodes:      st.Files,
		UsedNodes:       st.Files - st.Ffree,
		FsId:            node.Dev,
		BlockSize:       uint32(st.Bsize),
		MaxFilenameSize: uint32(min(st.Namelen, int64(io.MaxNameLength))),
		FsType:          uint32(st.Type),
	}
	for i, b := range []byte("host") {
		info.Name[i] = int8(b)
	}
	return info, nil
}

// unlink implements directory.
func (d *hostDir) unlink(name string, mustBeDir bool) error {
	if d.fs.rights&io.OperationsModifyDirectory == 0 {
		return zx.ErrAccessDenied
	}
	err := unix.EISDIR
	if !mustBeDir {
		err = errnoOf(retry0(func() error { return unix.Unlinkat(d.fd, name, 0) }))
	}
	if err == unix.EISDIR {
		err = errnoOf(retry0(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) }))
	}
	if err == 0 {
		return nil
	}
	return hostErr(err)
}

// rename implements directory.
func (d *hostDir) rename(src string, to directory, dst string) error {
	t, err := d.same(to)
	if err != nil {
		return err
	}
	err = retry0(func() error { return unix.Renameat(d.fd, src, t.fd, dst) })
	if err == unix.EEXIST { // what some hosts say of a directory that is not empty
		return zx.ErrNotEmpty
	}
	return hostErr(err)
}

// link implements directory. Directories have one name: NOT_FILE.
func (d *hostDir) link(src string, to directory, dst string) error {
	t, err := d.same(to)
	if err != nil {
		return err
	}
	err = retry0(func() error { return unix.Linkat(d.fd, src, t.fd, dst, 0) })
	if err == unix.EPERM {
		if n, err := d.find(path(src)); err == nil {
			defer n.drop()
			if n.kind() == kindDirectory {
				return zx.ErrNotFile
			}
		}
	}
	return hostErr(err)
}

// same gives the other directory of a rename or link.
func (d *hostDir) same(to directory) (*hostDir, error) {
	t, ok := to.(*hostDir)
	switch {
	case !ok || t.fs != d.fs:
		return nil, zx.ErrInvalidArgs
	case d.fs.rights&io.OperationsModifyDirectory == 0:
		return nil, zx.ErrAccessDenied
	}
	return t, nil
}

// errnoOf gives the number of an error of a system call, 0 for none.
func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	errors.As(err, &errno)
	return errno
}

// statuses are what Fuchsia's file systems say where the host says this.
var statuses = map[unix.Errno]zx.Status{
	unix.EACCES:       zx.ErrAccessDenied,
	unix.EPERM:        zx.ErrAccessDenied,
	unix.EROFS:        zx.ErrAccessDenied,
	unix.ELOOP:        zx.ErrAccessDenied, // symbolic links without end
	unix.ENOENT:       zx.ErrNotFound,
	unix.EEXIST:       zx.ErrAlreadyExists,
	unix.ENOTDIR:      zx.ErrNotDir,
	unix.EISDIR:       zx.ErrNotFile,
	unix.ENOTEMPTY:    zx.ErrNotEmpty,
	unix.EBUSY:        zx.ErrUnavailable,
	unix.ETXTBSY:      zx.ErrUnavailable,
	unix.EMLINK:       zx.ErrUnavailable,
	unix.EAGAIN:       zx.ErrUnavailable,
	unix.ENOSPC:       zx.ErrNoSpace,
	unix.EDQUOT:       zx.ErrNoSpace,
	unix.EFBIG:        zx.ErrFileBig,
	unix.ENAMETOOLONG: zx.ErrBadPath,
	unix.EINVAL:       zx.ErrInvalidArgs,
	unix.EBADF:        zx.ErrBadHandle,
	unix.EMFILE:       zx.ErrNoResources,
	unix.ENFILE:       zx.ErrNoResources,
	unix.ENOMEM:       zx.ErrNoMemory,
	unix.ENXIO:        zx.ErrNotSupported,
	unix.ENODEV:       zx.ErrNotSupported,
	unix.EOPNOTSUPP:   zx.ErrNotSupported,
	unix.ENOSYS:       zx.ErrNotSupported,
	unix.EXDEV:        zx.ErrNotSupported,
}

// hostErr gives an error of a system call the status that Fuchsia has for it.
func hostErr(err error) error {
	if err == nil {
		return nil
	}
	st, ok := statuses[errnoOf(err)]
	if !ok {
		st = zx.ErrIO
	}
	return fmt.Errorf("%w: %w", st, err)
}

// list implements directory.
func (d *hostDir) list() (lister, error) {
	fd, err := below(d.fd, "", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, hostErr(err)
	}
	d.hold()
	return &hostLister{dir: d, fd: fd, buf: make([]byte, 8192)}, nil
}

// hostLister lists a host directory: "." first, then as the host has it.
type hostLister struct {
	dir     *hostDir // held
	fd      int
	buf     []byte
	rest    []byte // of buf: what is not given yet
	started bool
}

func (l *hostLister) close() {
	unix.Close(l.fd)
	l.dir.drop()
}

// Offsets in a linux_dirent64.
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

func (l *hostLister) next() (entry, bool, error) {
	if !l.started {
		l.started = true
		a, err := l.dir.attributes()
		return entry{".", a.id, kindDirectory}, err == nil, err
	}
	for {
		if len(l.rest) == 0 {
			n, err := retry(func() (int, error) { return unix.Getdents(l.fd, l.buf) })
			if n == 0 || err == unix.ENOENT { // a directory that was removed is empty
				return entry{}, false, nil
			}
			if err != nil {
				return entry{}, false, hostErr(err)
			}
			l.rest = l.buf[:n]
		}
		b := l.rest
		size := int(binary.NativeEndian.Uint16(b[direntReclen:]))
		l.rest = b[size:]
		name, _, _ := strings.Cut(string(b[direntName:size]), "\x00")
		if name == "." || name == ".." || !nameable(name) {
			continue
		}
		return entry{name, binary.NativeEndian.Uint64(b), l.kind(b[direntType], name)}, true, nil
	}
}

// nameable says whether fuchsia.io can say a name of the host: there, text is
// UTF-8, and a connection that says anything else ends.
func nameable(name string) bool { return utf8.ValidString(name) }

// kind gives the kind of an entry, of what it leads to if it is a link.
func (l *hostLister) kind(t byte, name string) kind {
	switch t {
	case unix.DT_DIR:
		return kindDirectory
	case unix.DT_REG:
		return kindFile
	case unix.DT_LNK, unix.DT_UNKNOWN:
		if n, err := l.dir.find(path(name)); err == nil {
			defer n.drop()
			return n.kind()
		}
	}
	return kindOther
}

// readAt implements file.
func (f *hostFile) readAt(b []byte, off uint64) (int, error) {
	done := 0
	for done < len(b) && off <= maxOffset-uint64(done) {
		n, err := retry(func() (int, error) { return unix.Pread(f.fd, b[done:], int64(off)+int64(done)) })
		if n <= 0 {
			if err != nil && done == 0 {
				return 0, hostErr(err)
			}
			break
		}
		done += n
	}
	return done, nil
}

const maxOffset = 1<<63 - 1

// writeAt implements file.
func (f *hostFile) writeAt(b []byte, off uint64) (int, error) {
	if off > maxOffset-uint64(len(b)) {
		return 0, zx.ErrFileBig
	}
	return f.write(b, func(b []byte, done int) (int, error) { return unix.Pwrite(f.fd, b, int64(off)+int64(done)) })
}

// append implements file.
func (f *hostFile) append(b []byte) (int, error) {
	return f.write(b, func(b []byte, _ int) (int, error) {
		return unix.Pwritev2(f.fd, [][]byte{b}, 0, unix.RWF_APPEND)
	})
}

// write writes all of b, or as much as there is room for.
func (f *hostFile) write(b []byte, f1 func(b []byte, done int) (int, error)) (int, error) {
	done := 0
	for done < len(b) {
		n, err := retry(func() (int, error) { return f1(b[done:], done) })
		if err != nil {
			if done > 0 {
				break
			}
			return 0, hostErr(err)
		}
		done += n
	}
	return done, nil
}

func (f *hostFile) size() (uint64, error) {
	a, err := f.attributes()
	return a.size, err
}

func (f *hostFile) truncate(n uint64) error {
	if n > maxOffset {
		return zx.ErrFileBig
	}
	return hostErr(retry0(func() error { return unix.Ftruncate(f.fd, int64(n)) }))
}

// memory implements file. A file that cannot change through fuchsia.io is
// mapped as it is; of others, and to be written, there are only copies.
func (f *hostFile) memory(flags io.VmoFlags) (zx.VMO, error) {
	writable := f.fs.rights&io.OperationsWriteBytes != 0
	write, execute := flags&io.VmoFlagsWrite != 0, flags&io.VmoFlagsExecute != 0
	if write && (execute || flags&io.VmoFlagsPrivateClone == 0) || writable && flags&io.VmoFlagsSharedBuffer != 0 {
		return zx.VMO{}, zx.ErrNotSupported
	}
	fd, err := f.reopen(unix.O_RDONLY)
	if err != nil {
		return zx.VMO{}, err
	}
	name := f.hostName()
	host := os.NewFile(uintptr(fd), name)
	defer host.Close()
	v, err := zx.VMOFromFile(host, execute)
	if err != nil {
		return zx.VMO{}, err
	}
	if write || writable && !execute {
		if v, err = copied(v); err != nil {
			return zx.VMO{}, err
		}
	}
	rights := zx.RightsBasic | zx.RightMap | zx.RightsProperty
	for flag, right := range map[io.VmoFlags]zx.Rights{
		io.VmoFlagsRead: zx.RightRead, io.VmoFlagsWrite: zx.RightWrite, io.VmoFlagsExecute: zx.RightExecute,
	} {
		if flags&flag != 0 {
			rights |= right
		}
	}
	return v, v.Replace(rights)
}

// hostName is what the host calls the file, for those who look at memory.
func (f *hostFile) hostName() string {
	name, err := os.Readlink(f.name())
	if err != nil {
		return "file"
	}
	return name[strings.LastIndexByte(name, '/')+1:]
}

// copied gives a VMO with what is in v, and closes v.
func copied(v zx.VMO) (zx.VMO, error) {
	defer v.Close()
	size, err := v.ContentSize()
	if err != nil {
		return zx.VMO{}, err
	}
	var c zx.VMO
	if size == 0 {
		c, err = zx.NewVMO(0, 0)
	} else {
		c, err = v.CreateChild(zx.VMOChildSnapshot, 0, size)
	}
	if err != nil {
		return zx.VMO{}, err
	}
	if err := c.SetContentSize(size); err != nil {
		c.Close()
		return zx.VMO{}, err
	}
	return c, nil
}

// linkInto implements file.
func (f *hostFile) linkInto(to directory, name string) error {
	t, ok := to.(*hostDir)
	if !ok || t.fs != f.fs {
		return zx.ErrInvalidArgs
	}
	return hostErr(retry0(func() error {
		return unix.Linkat(unix.AT_FDCWD, f.name(), t.fd, name, unix.AT_SYMLINK_FOLLOW)
	}))
}
