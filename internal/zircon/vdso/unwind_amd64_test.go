package vdso_test

import (
	"debug/elf"
	"sort"
	"testing"

	"go.fuchsia.dev/launcherd/internal/zircon/vdso"
)

// unwind is an image's unwind tables, read as an unwinder reads them: from the
// program header of the index.
type unwind struct {
	mem    []byte
	starts []uint64 // of functions
	fdes   []uint64 // of their entries
}

func openUnwind(t *testing.T, im *vdso.Image) *unwind {
	t.Helper()
	u := &unwind{mem: im.Bytes}
	var index uint64
	for i := range uint64(le.Uint16(u.mem[56:])) {
		ph := u.mem[le.Uint64(u.mem[32:])+i*56:]
		if elf.ProgType(le.Uint32(ph)) == elf.PT_GNU_EH_FRAME {
			index = le.Uint64(ph[16:])
		}
	}
	h := u.mem[index:]
	if string(h[:4]) != "\x01\x1b\x03\x3b" {
		t.Fatalf("header of the index: % x", h[:4])
	}
	for i := range uint64(le.Uint32(h[8:])) {
		pair := h[12+8*i:]
		u.starts = append(u.starts, index+signed(pair))
		u.fdes = append(u.fdes, index+signed(pair[4:]))
	}
	if first := index + 4 + signed(h[4:]); u.cie(u.fdes[0]) != first {
		t.Fatalf("the frames are said to be at %#x; the CIE is at %#x", first, u.cie(u.fdes[0]))
	}
	return u
}

// signed reads a signed 32-bit distance.
func signed(b []byte) uint64 { return uint64(int32(le.Uint32(b))) }

// cie returns where the CIE of the entry at fde is.
func (u *unwind) cie(fde uint64) uint64 { return fde + 4 - uint64(le.Uint32(u.mem[fde+4:])) }

// frameSize returns how far above the stack pointer the frame of the function
// at pc ends, which is right above its return address.
func (u *unwind) frameSize(t *testing.T, pc uint64) uint64 {
	t.Helper()
	i := sort.Search(len(u.starts), func(i int) bool { return u.starts[i] > pc }) - 1
	if i < 0 {
		t.Fatalf("%#x is below all functions", pc)
	}
	fde := u.fdes[i]
	start := fde + 8 + signed(u.mem[fde+8:])
	size := uint64(le.Uint32(u.mem[fde+12:]))
	if start != u.starts[i] || pc >= start+size {
		t.Fatalf("%#x is not in %#x+%d, which the index gives as %#x", pc, start, size, u.starts[i])
	}
	cie := u.cie(fde)
	// Version 1, "zR", units of 1 and -8, return address in register 16, one
	// byte: pointers are signed 32-bit distances.
	if got := string(u.mem[cie+8 : cie+17]); got != "\x01zR\x00\x01\x78\x10\x01\x1b" {
		t.Fatalf("CIE % x", got)
	}
	frame := u.run(t, u.mem[cie+17:cie+4+uint64(le.Uint32(u.mem[cie:]))], ^uint64(0), 0)
	ins := u.mem[fde+17 : fde+4+uint64(le.Uint32(u.mem[fde:]))]
	return u.run(t, ins, pc-start, frame)
}

// run follows unwind instructions up to offset off of a function.
func (u *unwind) run(t *testing.T, ins []byte, off, frame uint64) uint64 {
	t.Helper()
	for at := uint64(0); len(ins) > 0; {
		switch op := ins[0]; {
		case op == 0: // nop
			ins = ins[1:]
		case op>>6 == 1: // advance_loc
			if at += uint64(op & 63); at > off {
				return frame
			}
			ins = ins[1:]
		case op == 0x0c && ins[1] == 7: // def_cfa rsp
			frame, ins = uint64(ins[2]), ins[3:]
		case op == 0x0e: // def_cfa_offset
			frame, ins = uint64(ins[1]), ins[2:]
		case op == 0x80|16 && ins[1] == 1: // return address at -8
			ins = ins[2:]
		default:
			t.Fatalf("instructions % x", ins)
		}
	}
	return frame
}
