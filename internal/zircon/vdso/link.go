package vdso

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"slices"
)

var le = binary.LittleEndian

// Sizes of the structures of ELF64.
const (
	headerSize  = 64
	programSize = 56
	sectionSize = 64
	symbolSize  = 24
	dynSize     = 16
	buildIDSize = 20
	noteSize    = 12 + 4 + buildIDSize
)

const soname = "libzircon.so"

// The sections, in the order of the section headers.
const (
	secNull = iota
	secNote
	secHash
	secGNUHash
	secDynsym
	secDynamic
	secDynstr
	secRodata
	secUnwindIndex
	secUnwind
	secShstrtab
	secText
	numSections
)

var sectionNames = [numSections]string{
	secNote:        ".note.gnu.build-id",
	secHash:        ".hash",
	secGNUHash:     ".gnu.hash",
	secDynsym:      ".dynsym",
	secDynamic:     ".dynamic",
	secDynstr:      ".dynstr",
	secRodata:      ".rodata",
	secUnwindIndex: ".eh_frame_hdr",
	secUnwind:      ".eh_frame",
	secShstrtab:    ".shstrtab",
	secText:        ".text",
}

// section is a section header and, as addr equals offset, a place in the file.
type section struct {
	typ           elf.SectionType
	flags         elf.SectionFlag
	off, size     uint64
	link, info    uint32
	align, entLen uint64
}

// symbol is a dynamic symbol in the making.
type symbol struct {
	name []byte
	hash uint32 // of DT_GNU_HASH
	str  uint32 // offset of the name in the string table
	bind elf.SymBind
	fn   *function
}

// linker lays out and writes one image.
type linker struct {
	*program
	secs [numSections]section
	syms []symbol // the null symbol left out
	strs []byte
	so   uint32 // offset of soname in strs
	out  []byte

	hashBuckets   uint32 // of DT_HASH
	gnuBuckets    uint32 // of DT_GNU_HASH
	bloomWords    uint32 // a power of two
	headers       uint64 // offset of the section headers
	firstSize     uint64 // bytes of the read-only segment
	textOff, size uint64
}

// link gives p's code and data addresses and writes the ELF file around them.
func link(p *program, pageSize uint64) *Image {
	l := linker{program: p}
	l.symbols()
	l.layout(pageSize)

	l.out = make([]byte, l.size)
	l.elfHeader()
	l.programHeaders(pageSize)
	l.sectionHeaders()
	l.sysvHash()
	l.gnuHash()
	l.dynsym()
	l.dynamic()
	copy(l.at(secDynstr), l.strs)
	copy(l.at(secRodata), p.data)
	l.unwind()
	l.text()
	l.note() // last: it digests all the others

	im := &Image{
		Bytes:      l.out,
		TextOffset: l.textOff,
		TextSize:   l.size - l.textOff,
		traps:      make([]trap, len(p.code)/functionAlign),
	}
	for i := range p.funcs {
		if f := &p.funcs[i]; f.trap != 0 {
			im.traps[f.trap/functionAlign] = trap{next: uint32(l.textOff) + f.trap, number: f.number}
		}
	}
	return im
}

// symbols makes the symbols and their strings: _NAME and its weak alias NAME,
// which shares the tail of its string, and puts them in the order of their
// DT_GNU_HASH buckets, as that table wants them.
func (l *linker) symbols() {
	n := uint32(2 * len(l.funcs))
	l.hashBuckets = n/2 | 1
	l.gnuBuckets = n/4 | 1
	for l.bloomWords = 1; l.bloomWords*8 < n; { // 8 bits a symbol, or more
		l.bloomWords *= 2
	}

	l.strs = append(make([]byte, 0, 32*n), 0)
	l.so = uint32(len(l.strs))
	l.strs = append(append(l.strs, soname...), 0)
	l.syms = make([]symbol, 0, n)
	for i := range l.funcs {
		f := &l.funcs[i]
		off := uint32(len(l.strs))
		l.strs = append(append(append(l.strs, '_'), f.name...), 0)
		strong := l.strs[off : len(l.strs)-1]
		weak := strong[1:]
		l.syms = append(l.syms,
			symbol{name: strong, hash: gnuHash(strong), str: off, bind: elf.STB_GLOBAL, fn: f},
			symbol{name: weak, hash: gnuHash(weak), str: off + 1, bind: elf.STB_WEAK, fn: f})
	}
	slices.SortFunc(l.syms, func(a, b symbol) int {
		if c := cmp.Compare(a.hash%l.gnuBuckets, b.hash%l.gnuBuckets); c != 0 {
			return c
		}
		return cmp.Compare(a.str, b.str)
	})
}

// layout decides where everything goes.
func (l *linker) layout(pageSize uint64) {
	n := uint64(len(l.syms))
	off := uint64(headerSize + numPrograms*programSize)
	place := func(i int, s section) {
		off = roundUp(off, s.align)
		s.off = off
		off += s.size
		l.secs[i] = s
	}
	alloc := elf.SHF_ALLOC
	var nameBytes uint64
	for _, name := range sectionNames {
		nameBytes += uint64(len(name)) + 1
	}
	place(secNote, section{typ: elf.SHT_NOTE, flags: alloc, size: noteSize, align: 4})
	place(secHash, section{typ: elf.SHT_HASH, flags: alloc, link: secDynsym, align: 8, entLen: 4,
		size: 4 * (2 + uint64(l.hashBuckets) + 1 + n)})
	place(secGNUHash, section{typ: elf.SHT_GNU_HASH, flags: alloc, link: secDynsym, align: 8,
		size: 16 + 8*uint64(l.bloomWords) + 4*(uint64(l.gnuBuckets)+n)})
	place(secDynsym, section{typ: elf.SHT_DYNSYM, flags: alloc, link: secDynstr, info: 1, align: 8,
		entLen: symbolSize, size: symbolSize * (1 + n)})
	place(secDynamic, section{typ: elf.SHT_DYNAMIC, flags: alloc, link: secDynstr, align: 8,
		entLen: dynSize, size: dynSize * numDyn})
	place(secDynstr, section{typ: elf.SHT_STRTAB, flags: alloc, align: 1, size: uint64(len(l.strs))})
	place(secRodata, section{typ: elf.SHT_PROGBITS, flags: alloc, align: 16, size: uint64(len(l.data))})
	place(secUnwindIndex, section{typ: elf.SHT_PROGBITS, flags: alloc, align: 4,
		size: unwindIndexSize(len(l.funcs))})
	place(secUnwind, section{typ: elf.SHT_PROGBITS, flags: alloc, align: 8,
		size: unwindSize(l.cie, len(l.funcs))})
	// The rest of the read-only segment is for debuggers. It lies in front of the
	// code so that the code ends the file.
	place(secShstrtab, section{typ: elf.SHT_STRTAB, align: 1, size: nameBytes})
	l.headers = roundUp(off, 8)
	l.firstSize = l.headers + numSections*sectionSize
	off = roundUp(l.firstSize, pageSize)
	place(secText, section{typ: elf.SHT_PROGBITS, flags: alloc | elf.SHF_EXECINSTR, align: functionAlign,
		size: uint64(len(l.code))})
	l.textOff = l.secs[secText].off
	l.size = roundUp(off, pageSize)
}

// at returns the bytes of a section.
func (l *linker) at(i int) []byte {
	s := &l.secs[i]
	return l.out[s.off:][:s.size:s.size]
}

func (l *linker) elfHeader() {
	h := l.out
	copy(h, elf.ELFMAG)
	h[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	h[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	h[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	le.PutUint16(h[16:], uint16(elf.ET_DYN))
	le.PutUint16(h[18:], uint16(l.machine))
	le.PutUint32(h[20:], uint32(elf.EV_CURRENT))
	le.PutUint64(h[32:], headerSize) // program headers
	le.PutUint64(h[40:], l.headers)
	le.PutUint16(h[52:], headerSize)
	le.PutUint16(h[54:], programSize)
	le.PutUint16(h[56:], numPrograms)
	le.PutUint16(h[58:], sectionSize)
	le.PutUint16(h[60:], numSections)
	le.PutUint16(h[62:], secShstrtab)
}

const numPrograms = 6

func (l *linker) programHeaders(pageSize uint64) {
	h := l.out[headerSize:]
	add := func(typ elf.ProgType, flags elf.ProgFlag, off, size, align uint64) {
		le.PutUint32(h[0:], uint32(typ))
		le.PutUint32(h[4:], uint32(flags))
		le.PutUint64(h[8:], off)
		le.PutUint64(h[16:], off)
		le.PutUint64(h[24:], off)
		le.PutUint64(h[32:], size)
		le.PutUint64(h[40:], size)
		le.PutUint64(h[48:], align)
		h = h[programSize:]
	}
	of := func(i int) (off, size, align uint64) { s := &l.secs[i]; return s.off, s.size, s.align }

	add(elf.PT_LOAD, elf.PF_R, 0, l.firstSize, pageSize)
	add(elf.PT_LOAD, elf.PF_R|elf.PF_X, l.textOff, l.size-l.textOff, pageSize)
	off, size, align := of(secDynamic)
	add(elf.PT_DYNAMIC, elf.PF_R, off, size, align)
	off, size, align = of(secNote)
	add(elf.PT_NOTE, elf.PF_R, off, size, align)
	off, size, align = of(secUnwindIndex)
	add(elf.PT_GNU_EH_FRAME, elf.PF_R, off, size, align)
	add(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 0, 0, 16)
}

func (l *linker) sectionHeaders() {
	names, next := l.at(secShstrtab), uint32(1)
	for i := 1; i < numSections; i++ {
		s, h := &l.secs[i], l.out[l.headers+uint64(i)*sectionSize:]
		le.PutUint32(h[0:], next)
		next += uint32(copy(names[next:], sectionNames[i])) + 1
		le.PutUint32(h[4:], uint32(s.typ))
		le.PutUint64(h[8:], uint64(s.flags))
		if s.flags&elf.SHF_ALLOC != 0 {
			le.PutUint64(h[16:], s.off)
		}
		le.PutUint64(h[24:], s.off)
		le.PutUint64(h[32:], s.size)
		le.PutUint32(h[40:], s.link)
		le.PutUint32(h[44:], s.info)
		le.PutUint64(h[48:], s.align)
		le.PutUint64(h[56:], s.entLen)
	}
}

// sysvHash writes DT_HASH: buckets with the index of their first symbol, and
// for each symbol the next of its bucket.
func (l *linker) sysvHash() {
	h := l.at(secHash)
	le.PutUint32(h[0:], l.hashBuckets)
	le.PutUint32(h[4:], uint32(len(l.syms))+1)
	buckets := h[8:]
	chains := buckets[4*l.hashBuckets:]
	for i := range l.syms {
		head := buckets[4*(sysvHash(l.syms[i].name)%l.hashBuckets):]
		copy(chains[4*(i+1):], head[:4])
		le.PutUint32(head, uint32(i)+1)
	}
}

// sysvHash is the hash function of DT_HASH.
func sysvHash(name []byte) uint32 {
	var h uint32
	for _, c := range name {
		h = h<<4 + uint32(c)
		h ^= h >> 24 & 0xf0
		h &= 0x0fffffff
	}
	return h
}

// bloomShift is how far the hash is shifted for the second bit of the filter.
const bloomShift = 26

// gnuHash writes DT_GNU_HASH: a filter of two bits a symbol, buckets with the
// index of their first symbol, and the hash of each symbol, its lowest bit set
// in the last of a bucket.
func (l *linker) gnuHash() {
	h := l.at(secGNUHash)
	le.PutUint32(h[0:], l.gnuBuckets)
	le.PutUint32(h[4:], 1) // the first symbol that is hashed
	le.PutUint32(h[8:], l.bloomWords)
	le.PutUint32(h[12:], bloomShift)
	bloom := h[16:]
	buckets := bloom[8*l.bloomWords:]
	chains := buckets[4*l.gnuBuckets:]
	for i := range l.syms {
		hash := l.syms[i].hash
		word := bloom[8*(hash/64%l.bloomWords):]
		le.PutUint64(word, le.Uint64(word)|1<<(hash%64)|1<<(hash>>bloomShift%64))

		bucket := hash % l.gnuBuckets
		if head := buckets[4*bucket:]; le.Uint32(head) == 0 {
			le.PutUint32(head, uint32(i)+1)
		}
		hash &^= 1
		if i+1 == len(l.syms) || l.syms[i+1].hash%l.gnuBuckets != bucket {
			hash |= 1
		}
		le.PutUint32(chains[4*i:], hash)
	}
}

// gnuHash is the hash function of DT_GNU_HASH.
func gnuHash(name []byte) uint32 {
	h := uint32(5381)
	for _, c := range name {
		h = h*33 + uint32(c)
	}
	return h
}

func (l *linker) dynsym() {
	out := l.at(secDynsym)[symbolSize:]
	for i := range l.syms {
		s := &l.syms[i]
		le.PutUint32(out[0:], s.str)
		out[4] = elf.ST_INFO(s.bind, elf.STT_FUNC)
		out[5] = byte(elf.STV_DEFAULT)
		le.PutUint16(out[6:], secText)
		le.PutUint64(out[8:], l.textOff+uint64(s.fn.start))
		le.PutUint64(out[16:], uint64(s.fn.size))
		out = out[symbolSize:]
	}
}

const numDyn = 8

func (l *linker) dynamic() {
	out := l.at(secDynamic)
	add := func(tag elf.DynTag, v uint64) {
		le.PutUint64(out[0:], uint64(tag))
		le.PutUint64(out[8:], v)
		out = out[dynSize:]
	}
	add(elf.DT_SONAME, uint64(l.so))
	add(elf.DT_HASH, l.secs[secHash].off)
	add(elf.DT_GNU_HASH, l.secs[secGNUHash].off)
	add(elf.DT_SYMTAB, l.secs[secDynsym].off)
	add(elf.DT_SYMENT, symbolSize)
	add(elf.DT_STRTAB, l.secs[secDynstr].off)
	add(elf.DT_STRSZ, l.secs[secDynstr].size)
	add(elf.DT_NULL, 0)
}

// text writes the code, gives it the addresses of its data, and fills its last
// page with traps.
func (l *linker) text() {
	text := l.out[l.textOff:]
	n := copy(text, l.code)
	for i := n; i < len(text); i++ {
		text[i] = l.fill
	}
	data := l.secs[secRodata].off
	for _, r := range l.refs {
		end := l.textOff + uint64(r.at) + 4
		le.PutUint32(text[r.at:], uint32(data+uint64(r.data)-end))
	}
}

// note writes the build id, a digest of the rest of the image.
func (l *linker) note() {
	const typeBuildID = 3 // NT_GNU_BUILD_ID
	n := l.at(secNote)
	le.PutUint32(n[0:], 4)
	le.PutUint32(n[4:], buildIDSize)
	le.PutUint32(n[8:], typeBuildID)
	copy(n[12:], "GNU\x00")
	id := sha256.Sum256(l.out)
	copy(n[16:], id[:buildIDSize])
}

// roundUp returns the multiple of n, a power of two, at or above v.
func roundUp(v, n uint64) uint64 { return (v + n - 1) &^ (n - 1) }
