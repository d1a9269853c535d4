package vdso

// The unwind tables (.eh_frame and its index, .eh_frame_hdr) let debuggers and
// language runtimes walk from a function of the vDSO to its caller. Their form
// is that of the Linux Standard Base, with DWARF's instructions.

// fdeSize is the size of every function's entry: length, distance to the CIE,
// start, size, no augmentation data, and room for 7 bytes of instructions.
const fdeSize = 24

// cieSize is the size of a CIE with the given contents: length, id, contents.
func cieSize(cie []byte) uint64 { return roundUp(8+uint64(len(cie)), 8) }

// unwindSize is the size of .eh_frame, which a zero length ends.
func unwindSize(cie []byte, funcs int) uint64 { return cieSize(cie) + fdeSize*uint64(funcs) + 4 }

// unwindIndexSize is the size of .eh_frame_hdr.
func unwindIndexSize(funcs int) uint64 { return 12 + 8*uint64(funcs) }

func (l *linker) unwind() {
	// Pointer encodings: signed 32-bit distances from where they stand (0x1b) or
	// from the start of the index (0x3b), and plain unsigned 32-bit counts (3).
	const fromHere, fromIndex, count = 0x1b, 0x3b, 0x03
	// DWARF's instructions. The first has a distance up to 63 in its low bits.
	const advanceLoc, defCFAOffset = 0x40, 0x0e
	const slot = 8 // the frame's size on entry: the return address

	frames, index := l.at(secUnwind), l.at(secUnwindIndex)
	base, indexBase := l.secs[secUnwind].off, l.secs[secUnwindIndex].off

	index[0], index[1], index[2], index[3] = 1, fromHere, count, fromIndex
	le.PutUint32(index[4:], uint32(base-(indexBase+4)))
	le.PutUint32(index[8:], uint32(len(l.funcs)))
	index = index[12:]

	le.PutUint32(frames, uint32(cieSize(l.cie))-4) // id stays 0: a CIE
	copy(frames[8:], l.cie)
	off := cieSize(l.cie)
	for i := range l.funcs { // in the order of their addresses, as the index wants them
		f, fde := &l.funcs[i], frames[off:]
		start := l.textOff + uint64(f.start)
		le.PutUint32(fde[0:], fdeSize-4)
		le.PutUint32(fde[4:], uint32(off)+4)
		le.PutUint32(fde[8:], uint32(start-(base+off+8)))
		le.PutUint32(fde[12:], f.size)
		if f.depth != 0 {
			copy(fde[17:], []byte{advanceLoc | f.deeper, defCFAOffset, slot + f.depth})
			if f.shallower != 0 {
				copy(fde[20:], []byte{advanceLoc | (f.shallower - f.deeper), defCFAOffset, slot})
			}
		}
		le.PutUint32(index[0:], uint32(start-indexBase))
		le.PutUint32(index[4:], uint32(base+off-indexBase))
		index, off = index[8:], off+fdeSize
	}
}
