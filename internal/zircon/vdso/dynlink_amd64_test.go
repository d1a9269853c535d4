package vdso_test

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

var le = binary.LittleEndian

// object is a shared object in memory, seen as a dynamic linker sees it: by
// program headers and the dynamic section, without section headers.
type object struct {
	mem []byte // from the lowest virtual address, which is 0
	dyn map[elf.DynTag]uint64
}

// open reads what a dynamic linker reads before it looks up a symbol.
func open(mem []byte) (*object, error) {
	o := &object{mem: mem, dyn: map[elf.DynTag]uint64{}}
	phdrs, n := le.Uint64(mem[32:]), le.Uint16(mem[56:])
	for i := range uint64(n) {
		ph := mem[phdrs+i*56:]
		if elf.ProgType(le.Uint32(ph)) != elf.PT_DYNAMIC {
			continue
		}
		for d := mem[le.Uint64(ph[16:]):]; ; d = d[16:] {
			tag := elf.DynTag(le.Uint64(d))
			if tag == elf.DT_NULL {
				return o, nil
			}
			o.dyn[tag] = le.Uint64(d[8:])
		}
	}
	return nil, fmt.Errorf("no PT_DYNAMIC")
}

// symbol is an entry of the dynamic symbol table.
type symbol struct {
	value, size uint64
	bind        elf.SymBind
	typ         elf.SymType
}

// nameAt reports whether symbol i is called name, and what it is.
func (o *object) nameAt(i uint32, name string) (symbol, bool) {
	s := o.mem[o.dyn[elf.DT_SYMTAB]+uint64(i)*24:]
	str := o.mem[o.dyn[elf.DT_STRTAB]+uint64(le.Uint32(s)):]
	if string(str[:len(name)]) != name || str[len(name)] != 0 {
		return symbol{}, false
	}
	return symbol{
		value: le.Uint64(s[8:]),
		size:  le.Uint64(s[16:]),
		bind:  elf.ST_BIND(s[4]),
		typ:   elf.ST_TYPE(s[4]),
	}, true
}

// gnuLookup finds a symbol by DT_GNU_HASH.
func (o *object) gnuLookup(name string) (symbol, bool) {
	hash := uint32(5381)
	for _, c := range []byte(name) {
		hash += hash<<5 + uint32(c)
	}
	t := o.mem[o.dyn[elf.DT_GNU_HASH]:]
	nbuckets, first, words, shift := le.Uint32(t), le.Uint32(t[4:]), le.Uint32(t[8:]), le.Uint32(t[12:])
	bloom, t := t[16:], t[16+8*words:]
	buckets, chain := t, t[4*nbuckets:]
	word := le.Uint64(bloom[8*(hash/64&(words-1)):])
	if word>>(hash%64)&1 == 0 || word>>(hash>>shift%64)&1 == 0 {
		return symbol{}, false
	}
	i := le.Uint32(buckets[4*(hash%nbuckets):])
	if i == 0 {
		return symbol{}, false
	}
	for ; ; i++ {
		h := le.Uint32(chain[4*(i-first):])
		if h|1 == hash|1 {
			if s, ok := o.nameAt(i, name); ok {
				return s, true
			}
		}
		if h&1 != 0 {
			return symbol{}, false
		}
	}
}

// gnuChained counts the symbols that the buckets of DT_GNU_HASH lead to.
func (o *object) gnuChained() int {
	t := o.mem[o.dyn[elf.DT_GNU_HASH]:]
	nbuckets, first, words := le.Uint32(t), le.Uint32(t[4:]), le.Uint32(t[8:])
	buckets := t[16+8*words:]
	chain, n := buckets[4*nbuckets:], 0
	for b := range nbuckets {
		i := le.Uint32(buckets[4*b:])
		if i == 0 {
			continue
		}
		for n++; le.Uint32(chain[4*(i-first):])&1 == 0; i++ {
			n++
		}
	}
	return n
}

// sysvLookup finds a symbol by DT_HASH.
func (o *object) sysvLookup(name string) (symbol, bool) {
	var hash uint32
	for _, c := range []byte(name) {
		hash = hash<<4 + uint32(c)
		top := hash & 0xf0000000
		hash ^= top >> 24
		hash &^= top
	}
	t := o.mem[o.dyn[elf.DT_HASH]:]
	nbuckets := le.Uint32(t)
	buckets, chain := t[8:], t[8+4*nbuckets:]
	for i := le.Uint32(buckets[4*(hash%nbuckets):]); i != 0; i = le.Uint32(chain[4*i:]) {
		if s, ok := o.nameAt(i, name); ok {
			return s, true
		}
	}
	return symbol{}, false
}

// lookup finds a symbol by whichever hash table there is.
func (o *object) lookup(name string) (symbol, bool) {
	if o.dyn[elf.DT_GNU_HASH] != 0 {
		return o.gnuLookup(name)
	}
	return o.sysvLookup(name)
}
