//go:build amd64

package platform

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"unsafe"
)

// vdsoClockGettime gives the offset of clock_gettime in Linux's vDSO, which is
// the same image in every process.
func vdsoClockGettime() (uint64, error) {
	const atSysinfoEhdr = 33
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return 0, err
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) != atSysinfoEhdr {
			continue
		}
		base := uintptr(binary.LittleEndian.Uint64(auxv[8:]))
		f, err := elf.NewFile(bytes.NewReader(vdsoImage(base)))
		if err != nil {
			return 0, err
		}
		syms, err := f.DynamicSymbols()
		if err != nil {
			return 0, err
		}
		for _, s := range syms {
			if s.Name == "__vdso_clock_gettime" {
				return s.Value, nil
			}
		}
	}
	return 0, errors.New("no clock_gettime in the vDSO")
}

// vdsoImage is this process's vDSO: its section headers come last and end it.
func vdsoImage(base uintptr) []byte {
	// The address comes from the kernel, not from Go's heap.
	p := *(*unsafe.Pointer)(unsafe.Pointer(&base))
	h := unsafe.Slice((*byte)(p), 64)
	le := binary.LittleEndian
	size := le.Uint64(h[0x28:]) + uint64(le.Uint16(h[0x3a:]))*uint64(le.Uint16(h[0x3c:]))
	return unsafe.Slice((*byte)(p), size)
}
