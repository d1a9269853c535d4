package zx

import "encoding/binary"

// VMAR is a region of a process's address space.
type VMAR struct{ Object }

// VMOption are the options of mappings and regions: zx_vm_option_t.
type VMOption = uint32

// Options, by ZX_VM_.
const (
	VMPermRead            VMOption = 1 << 0
	VMPermWrite           VMOption = 1 << 1
	VMPermExecute         VMOption = 1 << 2
	VMCompact             VMOption = 1 << 3
	VMSpecific            VMOption = 1 << 4
	VMSpecificOverwrite   VMOption = 1 << 5
	VMCanMapSpecific      VMOption = 1 << 6
	VMCanMapRead          VMOption = 1 << 7
	VMCanMapWrite         VMOption = 1 << 8
	VMCanMapExecute       VMOption = 1 << 9
	VMMapRange            VMOption = 1 << 10
	VMRequireNonResizable VMOption = 1 << 11
	VMAllowFaults         VMOption = 1 << 12
	VMOffsetIsUpperLimit  VMOption = 1 << 13
)

// VMARFromHandle makes a VMAR that owns h.
func VMARFromHandle(h Handle) VMAR { return VMAR{Object{h}} }

// Duplicate gives a second handle with rights r.
func (v *VMAR) Duplicate(r Rights) (VMAR, error) {
	o, err := v.Object.Duplicate(r)
	return VMAR{o}, err
}

// Allocate makes a region of size bytes within this one and gives its address
// (zx_vmar_allocate). off, from the start of this one, is 0 unless options have
// VMSpecific or VMOffsetIsUpperLimit.
func (v *VMAR) Allocate(options VMOption, off, size uint64) (VMAR, uint64, error) {
	h, addr, st := sysVMARAllocate(v.Handle(), options, off, size)
	return VMARFromHandle(h), addr, st.Err()
}

// Map maps size bytes of vmo and gives their address (zx_vmar_map). off is as for
// Allocate.
func (v *VMAR) Map(options VMOption, off uint64, vmo *VMO, vmoOff, size uint64) (uint64, error) {
	addr, st := sysVMARMap(v.Handle(), options, off, vmo.Handle(), vmoOff, size)
	return addr, st.Err()
}

// Unmap leaves nothing at a range of addresses (zx_vmar_unmap).
func (v *VMAR) Unmap(addr, size uint64) error { return sysVMARUnmap(v.Handle(), addr, size).Err() }

// Protect changes what accesses a range of addresses allows (zx_vmar_protect).
func (v *VMAR) Protect(options VMOption, addr, size uint64) error {
	return sysVMARProtect(v.Handle(), options, addr, size).Err()
}

// Destroy unmaps all there is in the region and ends it (zx_vmar_destroy).
func (v *VMAR) Destroy() error { return sysVMARDestroy(v.Handle()).Err() }

// Bounds gives the region's address and length (ZX_INFO_VMAR).
func (v *VMAR) Bounds() (base, size uint64, err error) {
	var b [16]byte
	err = v.info(infoVMAR, b[:])
	return binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]), err
}
