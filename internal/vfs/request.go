package vfs

import (
	"slices"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fuchsia/io"
	"go.fuchsia.dev/fidl-go/fuchsia/io1"

	"go.fuchsia.dev/launcherd/zx"
)

// everything is all the rights there are.
const everything = io.RStarDir | io.WStarDir | io.XStarDir

// Rights that an old flag stands for, by the kind of node.
const (
	fileReadable   = io.OperationsReadBytes
	fileWritable   = io.OperationsWriteBytes | io.OperationsUpdateAttributes
	fileExecutable = io.OperationsExecute
)

// style is how a client opens a node and hears how it went.
type style uint8

const (
	style2020    style = iota // io1: OnOpen
	styleOld                  // io.OpenFlags: OnOpen, and an epitaph
	styleCurrent              // io.Flags: OnRepresentation, or an epitaph
)

func (s style) format() fidl.WireFormat {
	if s == style2020 {
		return fidl.V1
	}
	return fidl.V2
}

type creation uint8

const (
	createNever creation = iota
	createMaybe
	createMust
)

// request is how a node is to be opened or cloned, in any style.
type request struct {
	style style
	// dirRights and fileRights are what is asked for if it is a directory or a
	// file. inherit are sets of rights that a directory has if its parent
	// connection has the whole set.
	dirRights, fileRights io.Operations
	inherit               []io.Operations
	// refused is what is said when the node is of a kind; OK accepts it.
	refused          [kinds]zx.Status
	create           creation
	makeDir          bool // a directory is what is created
	ref              bool // connect to the node as such
	append, truncate bool
	event            bool // tell how it went
	query            io.NodeAttributesQuery
	attributes       *io.MutableNodeAttributes // of what is created
	parent           io.Operations             // rights of the connection that it came by
	self             bool                      // what is opened is the node of that connection
}

// flags2020 are the flags of 2020 that differ from io.OpenFlags.
const flags2020 = io1.OpenRightAdmin | io1.OpenFlagNoRemote | io1.OpenFlagPosix

// request2020 reads flags and mode of 2020's Directory.Open.
func request2020(flags, mode uint32) (*request, error) {
	fl := io.OpenFlags(flags&^flags2020) & io.OpenFlagsKnown
	if flags&io1.OpenFlagPosix != 0 {
		fl |= io.OpenFlagsPosixWritable | io.OpenFlagsPosixExecutable
	}
	r, err := requestOld(fl)
	if err != nil {
		return nil, err
	}
	if flags&io1.OpenRightAdmin != 0 {
		return nil, zx.ErrAccessDenied // nobody has it
	}
	r.style = style2020
	if r.create != createNever {
		isDir := mode&io1.ModeTypeMask == io1.ModeTypeDirectory
		if r.makeDir && mode&io1.ModeTypeMask != 0 && !isDir || isDir && fl&io.OpenFlagsNotDirectory != 0 {
			return nil, zx.ErrInvalidArgs
		}
		r.makeDir = r.makeDir || isDir
	}
	// Services were opened with the rights to read and write.
	if fl&io.OpenFlagsDirectory == 0 {
		r.refused[kindService] = zx.OK
	}
	return r, nil
}

// requestOld reads the flags of io's DeprecatedOpen.
func requestOld(fl io.OpenFlags) (*request, error) {
	const both = io.OpenFlagsDirectory | io.OpenFlagsNotDirectory
	switch {
	case fl&both == both,
		fl&io.OpenFlagsCreateIfAbsent != 0 && fl&io.OpenFlagsCreate == 0,
		fl&io.OpenFlagsCloneSameRights != 0,
		fl&io.OpenFlagsTruncate != 0 && fl&io.OpenFlagsRightWritable == 0:
		return nil, zx.ErrInvalidArgs
	}
	r := &request{
		style:      styleOld,
		dirRights:  io.OperationsGetAttributes | io.OperationsConnect,
		fileRights: io.OperationsGetAttributes,
		makeDir:    fl&io.OpenFlagsDirectory != 0,
		append:     fl&io.OpenFlagsAppend != 0,
		truncate:   fl&io.OpenFlagsTruncate != 0,
		event:      fl&io.OpenFlagsDescribe != 0,
		ref:        fl&io.OpenFlagsNodeReference != 0,
	}
	r.addOldRights(fl)
	if fl&io.OpenFlagsPosixWritable != 0 {
		r.inherit = append(r.inherit, io.WStarDir)
	}
	if fl&io.OpenFlagsPosixExecutable != 0 {
		r.inherit = append(r.inherit, io.XStarDir)
	}
	switch fl & (io.OpenFlagsCreate | io.OpenFlagsCreateIfAbsent) {
	case io.OpenFlagsCreate:
		r.create = createMaybe
	case io.OpenFlagsCreate | io.OpenFlagsCreateIfAbsent:
		r.create = createMust
	}
	r.refused[kindOther] = zx.ErrNotSupported
	switch {
	case fl&io.OpenFlagsDirectory != 0:
		r.refused[kindFile], r.refused[kindService] = zx.ErrNotDir, zx.ErrNotDir
	case fl&io.OpenFlagsNotDirectory != 0:
		r.refused[kindDirectory] = zx.ErrNotFile
	}
	if r.ref {
		const allowed = io.OpenFlagsAllowedWithNodeReference | io.OpenRights | io.OpenFlagsPosixWritable | io.OpenFlagsPosixExecutable
		if fl&^allowed != 0 {
			return nil, zx.ErrInvalidArgs
		}
		return r, nil
	}
	if (r.append || r.truncate) && r.refused[kindDirectory] == zx.OK {
		r.refused[kindDirectory] = zx.ErrInvalidArgs
	}
	if fl&^(io.OpenFlagsDescribe|io.OpenFlagsNotDirectory) != 0 && r.refused[kindService] == zx.OK {
		r.refused[kindService] = zx.ErrInvalidArgs
	}
	return r, nil
}

// addOldRights adds the rights that old flags stand for.
func (r *request) addOldRights(fl io.OpenFlags) {
	for _, t := range []struct {
		flag      io.OpenFlags
		dir, file io.Operations
	}{
		{io.OpenFlagsRightReadable, io.RStarDir, fileReadable},
		{io.OpenFlagsRightWritable, io.WStarDir, fileWritable},
		{io.OpenFlagsRightExecutable, io.XStarDir, fileExecutable},
	} {
		if fl&t.flag != 0 {
			r.dirRights |= t.dir
			r.fileRights |= t.file
		}
	}
}

// requestCurrent reads the flags and options of io's Open.
func requestCurrent(fl io.Flags, o *io.Options) (*request, error) {
	rights := io.Operations(fl) & everything
	r := &request{
		style:      styleCurrent,
		dirRights:  rights,
		fileRights: rights,
		makeDir:    fl&io.FlagsProtocolDirectory != 0,
		append:     fl&io.FlagsFileAppend != 0,
		truncate:   fl&io.FlagsFileTruncate != 0,
		event:      fl&io.FlagsFlagSendRepresentation != 0,
		ref:        fl&io.FlagsProtocolNode != 0,
		attributes: o.CreateAttributes,
	}
	if o.Attributes != nil {
		r.query = *o.Attributes
	}
	if fl&io.FlagsPermInheritWrite != 0 {
		r.inherit = append(r.inherit, io.InheritedWritePermissions)
	}
	if fl&io.FlagsPermInheritExecute != 0 {
		r.inherit = append(r.inherit, io.OperationsExecute)
	}
	protocols := fl & io.MaskKnownProtocols
	switch {
	case fl&io.FlagsFlagMustCreate != 0:
		r.create = createMust
	case fl&io.FlagsFlagMaybeCreate != 0:
		r.create = createMaybe
	}
	switch {
	case r.create == createNever && r.attributes != nil,
		r.create != createNever && (protocols == 0 || protocols&(protocols-1) != 0),
		r.truncate && fl&io.FlagsPermWrite == 0 && !r.ref,
		r.ref && fl&^(io.FlagsFlagSendRepresentation|io.MaskKnownPermissions|io.MaskKnownProtocols) != 0:
		return nil, zx.ErrInvalidArgs
	case r.create != createNever && protocols&(io.FlagsProtocolDirectory|io.FlagsProtocolFile) == 0:
		return nil, zx.ErrNotSupported
	}
	r.refuseCurrent(fl, protocols&^io.FlagsProtocolNode)
	return r, nil
}

// refuseCurrent fills in refused by the protocols that the client accepts.
func (r *request) refuseCurrent(fl, protocols io.Flags) {
	r.refused[kindOther] = zx.ErrNotSupported
	if protocols != 0 {
		wrong := func(asked io.Flags, st zx.Status) zx.Status {
			if protocols&asked == asked && (r.ref || protocols&io.FlagsProtocolSymlink == 0) {
				return st
			}
			return zx.ErrWrongType
		}
		if protocols&io.FlagsProtocolDirectory == 0 {
			r.refused[kindDirectory] = wrong(io.FlagsProtocolFile, zx.ErrNotFile)
		}
		if protocols&io.FlagsProtocolFile == 0 {
			r.refused[kindFile] = wrong(io.FlagsProtocolDirectory, zx.ErrNotDir)
		}
		if protocols&io.FlagsProtocolService == 0 && r.ref {
			r.refused[kindService] = wrong(io.FlagsProtocolDirectory, zx.ErrNotDir)
		}
	}
	if (r.append || r.truncate) && r.refused[kindDirectory] == zx.OK {
		r.refused[kindDirectory] = zx.ErrInvalidArgs
	}
	if !r.ref && fl&^io.FlagsProtocolService != 0 {
		r.refused[kindService] = zx.ErrInvalidArgs
	}
}

// requireDir has r accept directories alone: its path ends in "/".
func (r *request) requireDir() error {
	if st := r.refused[kindDirectory]; st != zx.OK {
		return st
	}
	if r.create != createNever && !r.makeDir && r.style != styleCurrent {
		r.makeDir = true
	}
	r.refused[kindFile], r.refused[kindService] = zx.ErrNotDir, zx.ErrNotDir
	return nil
}

// within checks r against the rights of the connection that it came by, and
// takes what an old flag means more than these: ACCESS_DENIED.
func (r *request) within(parent io.Operations) error {
	if r.style == styleCurrent {
		if r.dirRights&^parent != 0 || r.create != createNever && parent&io.OperationsTraverse == 0 {
			return zx.ErrAccessDenied
		}
	} else {
		// Attributes were free for all.
		parent |= io.OperationsGetAttributes
		if r.fileRights&^parent != 0 {
			return zx.ErrAccessDenied
		}
		r.dirRights &= parent
	}
	if r.create != createNever && parent&io.OperationsModifyDirectory == 0 ||
		r.query != 0 && parent&io.OperationsGetAttributes == 0 {
		return zx.ErrAccessDenied
	}
	r.parent = parent
	r.inherit = slices.DeleteFunc(r.inherit, func(set io.Operations) bool { return parent&set != set })
	return nil
}

// accepts says whether n is what r asks for: else the status in refused, or
// ACCESS_DENIED if n, or the connection that r came by, does not allow it.
func (r *request) accepts(n node) error {
	k := n.kind()
	if st := r.refused[k]; st != zx.OK {
		return st
	}
	service := k == kindService && !r.ref
	if r.style == styleCurrent && !r.self {
		need := io.OperationsTraverse
		if service {
			need = io.OperationsConnect
		}
		if r.parent&need == 0 {
			return zx.ErrAccessDenied
		}
	}
	const content = io.OperationsReadBytes | io.OperationsWriteBytes | io.OperationsExecute | io.OperationsModifyDirectory
	if !service && !r.ref && r.asked(k)&content&^n.allowed() != 0 {
		return zx.ErrAccessDenied
	}
	return nil
}

// asked are the rights that r asks for if it is a node of this kind.
func (r *request) asked(k kind) io.Operations {
	if k == kindDirectory {
		return r.dirRights
	}
	return r.fileRights
}

// accepted gives n with one more owner if it is what r asks for.
func accepted(n node, r *request) (node, error) {
	if err := r.accepts(n); err != nil {
		return nil, err
	}
	return n.hold(), nil
}

// rights are those of the connection to n that r asks for.
func (r *request) rights(n node) io.Operations {
	if r.ref {
		return io.OperationsGetAttributes
	}
	rights := r.asked(n.kind())
	if n.kind() == kindDirectory {
		for _, set := range r.inherit {
			if n.allowed()&set == set {
				rights |= set
			}
		}
	}
	return rights & n.allowed()
}

// oldFlags gives the old flags for the rights of a connection.
func oldFlags(rights io.Operations) io.OpenFlags {
	var fl io.OpenFlags
	if rights&io.OperationsReadBytes != 0 {
		fl |= io.OpenFlagsRightReadable
	}
	if rights&io.OperationsWriteBytes != 0 {
		fl |= io.OpenFlagsRightWritable
	}
	if rights&io.OperationsExecute != 0 {
		fl |= io.OpenFlagsRightExecutable
	}
	return fl
}

// cloneRequest reads the flags of a clone: CLONE_SAME_RIGHTS keeps the rights;
// APPEND and being a reference are always kept.
func (c *conn) cloneRequest(fl io.OpenFlags) (*request, error) {
	r := &request{
		dirRights:  io.OperationsGetAttributes | io.OperationsConnect,
		fileRights: io.OperationsGetAttributes,
		append:     c.append || fl&io.OpenFlagsAppend != 0,
		event:      fl&io.OpenFlagsDescribe != 0,
		ref:        c.ref,
	}
	asked := fl & io.OpenRights
	switch {
	case fl&io.OpenFlagsCloneSameRights == 0:
		r.addOldRights(asked)
	case asked != 0:
		return r, zx.ErrInvalidArgs
	default:
		r.dirRights, r.fileRights = c.rights, c.rights
	}
	if asked&^oldFlags(c.rights) != 0 {
		return r, zx.ErrAccessDenied
	}
	r.dirRights &= c.rights | io.OperationsGetAttributes
	return r, nil
}
