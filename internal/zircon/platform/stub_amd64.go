//go:build linux

package platform

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// stubAddr gives where the linker put the stub.
func stubAddr() unsafe.Pointer

// stubCode is the stub's machine code and the addresses of its entries in a shell.
type stubCode struct {
	code                                    []byte
	zygote, fault, threadExit, linux, clock uint64
}

// loadStub finds the stub's code in this program's text.
func loadStub() (stubCode, error) {
	const longest = 4096
	mem := unsafe.Slice((*byte)(stubAddr()), longest)
	mark := func(n byte) []byte { return []byte{0x0f, 0x0b, 's', 't', 'u', 'b', '#', '0' + n} }
	end := bytes.Index(mem, mark(5))
	if end < 0 {
		return stubCode{}, errors.New("the stub has no end")
	}
	s := stubCode{code: bytes.Clone(mem[:end])}
	for n, p := range []*uint64{&s.zygote, &s.fault, &s.threadExit, &s.linux, &s.clock} {
		i := bytes.Index(s.code, mark(byte(n)))
		if i < 0 {
			return stubCode{}, errors.New("the stub lacks an entry")
		}
		*p = stubText + uint64(i) + 8
	}
	return s, nil
}

// image is the static executable that the zygote is: the stub's code and data,
// nothing else. restorer is never used, since the handler returns by itself,
// but Linux wants one on x86-64.
func (s stubCode) image(filter []bpf.RawInstruction) []byte {
	const (
		textOff = 0x1000
		dataOff = 0x2000
	)
	var b bytes.Buffer
	le := binary.LittleEndian
	binary.Write(&b, le, elf.Header64{
		Ident:     [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     s.zygote,
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
		Phnum:     3,
	})
	load := func(flags elf.ProgFlag, off, addr, size uint64) {
		binary.Write(&b, le, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(flags), Off: off, Vaddr: addr, Paddr: addr, Filesz: size, Memsz: size, Align: 0x1000})
	}
	load(elf.PF_R|elf.PF_X, textOff, stubText, uint64(len(s.code)))
	load(elf.PF_R|elf.PF_W, dataOff, stubData, dataSize)
	binary.Write(&b, le, elf.Prog64{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W)})

	img := make([]byte, dataOff+dataSize)
	copy(img, b.Bytes())
	copy(img[textOff:], s.code)
	data := img[dataOff:]
	put := func(off int, words ...uint64) {
		for i, w := range words {
			le.PutUint64(data[off+8*i:], w)
		}
	}
	put(dataSend, 0, 0, stubData+dataSendIovec, 1, stubData+dataSendCmsg, 24, 0)
	put(dataSendIovec, stubData+dataPayload, shellMessage)
	put(dataSendCmsg, 16+4, uint64(unix.SOL_SOCKET)|uint64(unix.SCM_RIGHTS)<<32)
	put(dataRecv, 0, 0, stubData+dataRecvIovec, 1, stubData+dataRecvCmsg, 0, 0)
	put(dataRecvIovec, stubData+dataCommand, zygoteCommand)
	put(dataFprog, uint64(len(filter)), stubData+dataFilter)
	const saSiginfo, saOnstack, saRestorer, saNodefer = 4, 0x08000000, 0x04000000, 0x40000000
	put(dataSigaction, s.fault, saSiginfo|saOnstack|saRestorer|saNodefer, s.fault, 0)
	for i, in := range filter {
		o := dataFilter + 8*i
		le.PutUint16(data[o:], in.Op)
		data[o+2], data[o+3] = in.Jt, in.Jf
		le.PutUint32(data[o+4:], in.K)
	}
	runtime.KeepAlive(s)
	return img
}
