package zx

// VMO is a virtual memory object: memory that can be read, written and mapped.
type VMO struct{ Object }

// Options of VMOs and of their children.
const (
	VMOResizable uint32 = 1 << 1

	VMOChildSnapshot               uint32 = 1 << 0
	VMOChildResizable              uint32 = 1 << 2
	VMOChildSlice                  uint32 = 1 << 3
	VMOChildSnapshotAtLeastOnWrite uint32 = 1 << 4
	VMOChildNoWrite                uint32 = 1 << 5
)

// Operations of VMO.OpRange.
const (
	VMOOpCommit   uint32 = 1
	VMOOpDecommit uint32 = 2
	VMOOpZero     uint32 = 10
)

// VMOFromHandle makes a VMO that owns h.
func VMOFromHandle(h Handle) VMO { return VMO{Object{h}} }

// NewVMO makes a VMO of size bytes, rounded up to pages (zx_vmo_create).
func NewVMO(size uint64, options uint32) (VMO, error) {
	h, st := sysVMOCreate(size, options)
	return VMOFromHandle(h), st.Err()
}

// Duplicate gives a second handle with rights r.
func (v *VMO) Duplicate(r Rights) (VMO, error) {
	o, err := v.Object.Duplicate(r)
	return VMO{o}, err
}

// Read fills b from offset off (zx_vmo_read): ErrOutOfRange beyond the end.
func (v *VMO) Read(b []byte, off uint64) error { return sysVMORead(v.Handle(), b, off).Err() }

// Write writes b at offset off (zx_vmo_write): ErrOutOfRange beyond the end.
func (v *VMO) Write(b []byte, off uint64) error { return sysVMOWrite(v.Handle(), b, off).Err() }

// Size is the VMO's size in bytes, whole pages (zx_vmo_get_size).
func (v *VMO) Size() (uint64, error) {
	n, st := sysVMOGetSize(v.Handle())
	return n, st.Err()
}

// SetSize changes the size of a resizable VMO (zx_vmo_set_size).
func (v *VMO) SetSize(size uint64) error { return sysVMOSetSize(v.Handle(), size).Err() }

// ContentSize is the number of bytes that mean something, such as the length of
// the file that the VMO holds (ZX_PROP_VMO_CONTENT_SIZE).
func (v *VMO) ContentSize() (uint64, error) { return v.property(propVMOContentSize) }

// SetContentSize sets it.
func (v *VMO) SetContentSize(n uint64) error { return v.setProperty(propVMOContentSize, n) }

// CreateChild makes a VMO out of a range of this one (zx_vmo_create_child).
func (v *VMO) CreateChild(options uint32, off, size uint64) (VMO, error) {
	h, st := sysVMOCreateChild(v.Handle(), options, off, size)
	return VMOFromHandle(h), st.Err()
}

// ReplaceAsExecutable adds the right to execute (zx_vmo_replace_as_executable).
// resource may be HandleInvalid where job policy allows it. After an error v
// holds no handle.
func (v *VMO) ReplaceAsExecutable(resource Handle) error {
	h, st := sysVMOReplaceAsExecutable(v.Take(), resource)
	v.Object = Object{h}
	return st.Err()
}

// OpRange commits, decommits or zeroes a range (zx_vmo_op_range).
func (v *VMO) OpRange(op uint32, off, size uint64) error {
	return sysVMOOpRange(v.Handle(), op, off, size).Err()
}
