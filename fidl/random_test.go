package fidl_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"go/constant"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.fuchsia.dev/fidl-go"
	"go.fuchsia.dev/fidl-go/fidltest"
	"go.fuchsia.dev/fidl-go/internal/fidlc"
	"go.fuchsia.dev/fidl-go/zx"
)

// writer makes random valid messages from the description of their types. It
// knows nothing of generated code: what it writes and what that code writes
// are two readings of the same specification.
type writer struct {
	r       *rand.Rand
	format  int // fidlc.V2 or fidlc.V1
	b       []byte
	handles int
	depth   int
}

func (w *writer) alloc(n int) int {
	off := len(w.b)
	w.b = append(w.b, make([]byte, (n+7)/8*8)...)
	return off
}

func (w *writer) put(off, size int, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(w.b[off:off+size], b[:])
}

func (w *writer) size(t *fidlc.Type) int {
	s, _ := t.Shape()
	return s[w.format]
}

// shallow says whether the message is deep enough, so that all that can end ends.
func (w *writer) shallow() bool { return w.depth < 4 }

func (w *writer) typ(t *fidlc.Type, off int) {
	switch t.Kind {
	case fidlc.TypePrim:
		v := w.r.Uint64()
		if t.Prim == "bool" {
			v &= 1
		}
		w.put(off, w.size(t), v)
	case fidlc.TypeString, fidlc.TypeVector:
		if t.Optional && w.r.IntN(2) == 0 {
			return
		}
		n := 0
		if w.shallow() {
			n = min(w.r.IntN(4), int(t.Count))
		}
		w.put(off, 8, uint64(n))
		w.put(off+8, 8, 1<<64-1)
		if t.Kind == fidlc.TypeString {
			o := w.alloc(n)
			for i := range n {
				w.b[o+i] = byte('a' + w.r.IntN(26))
			}
			return
		}
		size := w.size(t.Elem)
		o := w.alloc(n * size)
		w.depth++
		for i := range n {
			w.typ(t.Elem, o+i*size)
		}
		w.depth--
	case fidlc.TypeArray:
		size := w.size(t.Elem)
		for i := range int(t.Count) {
			w.typ(t.Elem, off+i*size)
		}
	case fidlc.TypeStringArray:
		w.put(off, min(int(t.Count), 8), w.r.Uint64())
	case fidlc.TypeBox:
		if !w.shallow() || w.r.IntN(3) == 0 {
			return
		}
		w.put(off, 8, 1<<64-1)
		o := w.alloc(w.size(t.Elem))
		w.depth++
		w.typ(t.Elem, o)
		w.depth--
	case fidlc.TypeHandle, fidlc.TypeClientEnd, fidlc.TypeServerEnd:
		if t.Optional && w.r.IntN(2) == 0 {
			return
		}
		w.put(off, 4, 1<<32-1)
		w.handles++
	default:
		if t.Optional && (!w.shallow() || w.r.IntN(2) == 0) {
			return
		}
		w.decl(t.Decl, off)
	}
}

func (w *writer) decl(d *fidlc.Decl, off int) {
	switch d.Kind {
	case fidlc.KindBits:
		var all uint64
		for _, m := range d.Members {
			all |= value(m)
		}
		if !d.Strict {
			all = 1<<64 - 1
		}
		w.put(off, w.size(d.Type), w.r.Uint64()&all)
	case fidlc.KindEnum:
		v := w.r.Uint64()
		if d.Strict {
			v = value(d.Members[w.r.IntN(len(d.Members))])
		}
		w.put(off, w.size(d.Type), v)
	case fidlc.KindStruct:
		for _, m := range d.Members {
			w.typ(m.Type, off+m.Offset[w.format])
		}
	case fidlc.KindUnion:
		if !d.Strict && w.r.IntN(4) == 0 {
			w.put(off, 8, 1000)
			w.unknown(off+8, d.Resource)
			return
		}
		m := d.Members[w.r.IntN(len(d.Members))]
		w.put(off, 8, m.Ordinal)
		w.envelope(off+8, m.Type)
	case fidlc.KindTable:
		present := map[uint64]*fidlc.Type{}
		last := uint64(0)
		for _, m := range d.Members {
			if w.shallow() && w.r.IntN(2) == 0 {
				present[m.Ordinal] = m.Type
				last = m.Ordinal
			}
		}
		if w.shallow() && w.r.IntN(3) == 0 { // a member of the future
			last = uint64(len(d.Members)) + 20
			present[last] = nil
		}
		w.put(off, 8, last)
		w.put(off+8, 8, 1<<64-1)
		size := w.envelopeSize()
		o := w.alloc(int(last) * size)
		w.depth++
		for ord := uint64(1); ord <= last; ord++ {
			at := o + int(ord-1)*size
			if t, ok := present[ord]; ok && t != nil {
				w.envelope(at, t)
			} else if ok {
				w.unknown(at, d.Resource)
			}
		}
		w.depth--
	}
}

func (w *writer) envelopeSize() int { return []int{8, 16}[w.format] }

func value(m *fidlc.Member) uint64 {
	if v, ok := constant.Int64Val(m.Value); ok {
		return uint64(v)
	}
	v, _ := constant.Uint64Val(m.Value)
	return v
}

func (w *writer) envelope(off int, t *fidlc.Type) {
	h := w.handles
	if w.format == fidlc.V2 && w.size(t) <= 4 {
		w.typ(t, off)
		w.put(off+4, 2, uint64(w.handles-h))
		w.put(off+6, 2, 1)
		return
	}
	o := w.alloc(w.size(t))
	w.depth++
	w.typ(t, o)
	w.depth--
	w.header(off, len(w.b)-o, w.handles-h)
}

func (w *writer) header(off, nb, nh int) {
	w.put(off, 4, uint64(nb))
	if w.format == fidlc.V1 {
		w.put(off+4, 4, uint64(nh))
		w.put(off+8, 8, 1<<64-1)
		return
	}
	w.put(off+4, 2, uint64(nh))
}

func (w *writer) unknown(off int, resource bool) {
	nh := 0
	if resource || w.r.IntN(8) == 0 { // a value type may meet handles, and closes them
		nh = w.r.IntN(3)
	}
	w.handles += nh
	if w.format == fidlc.V2 && w.r.IntN(2) == 0 {
		w.put(off, 4, w.r.Uint64())
		w.put(off+4, 2, uint64(nh))
		w.put(off+6, 2, 1)
		return
	}
	n := 8 * (1 + w.r.IntN(3))
	o := w.alloc(n)
	for i := range n {
		w.b[o+i] = byte(w.r.Uint32())
	}
	w.header(off, n, nh)
}

// libraries reads all FIDL that there are bindings of for these tests.
func libraries(tb testing.TB) map[string]*fidlc.Decl {
	tb.Helper()
	var sources []fidlc.Source
	for _, g := range []string{"lib/*/*.fidl", "internal/gentest/*.fidl"} {
		names, err := filepath.Glob(g)
		if err != nil {
			tb.Fatal(err)
		}
		for _, n := range names {
			text, err := os.ReadFile(n)
			if err != nil {
				tb.Fatal(err)
			}
			sources = append(sources, fidlc.Source{Name: n, Text: string(text)})
		}
	}
	libs, err := fidlc.Compile(sources, fidlc.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]*fidlc.Decl{}
	for _, l := range libs {
		for _, d := range l.Decls {
			if name := l.Name + "/" + d.Name; messages[name] != nil {
				out[name] = d
			}
		}
	}
	if len(out) != len(messages) {
		tb.Fatalf("%d types, %d messages", len(out), len(messages))
	}
	return out
}

// looseHandles makes n handles that pass every constraint.
func looseHandles(hs *fidltest.Handles, n int) []zx.HandleInfo {
	out := make([]zx.HandleInfo, n)
	for i := range out {
		out[i] = zx.HandleInfo{Handle: hs.New(zx.ObjTypeNone, zx.RightSameRights), Rights: zx.RightSameRights}
	}
	return out
}

// accept decodes b into a fresh message and, if that goes well, encodes it
// again: the same bytes and handles must come, unless a value type had handles
// in what it does not know. If not, no handle may be left.
func accept(t *testing.T, name string, b []byte, handles int, f fidl.WireFormat) error {
	t.Helper()
	var hs fidltest.Handles
	hi := looseHandles(&hs, handles)
	want := slices.Clone(hi)
	m := messages[name]()
	err := fidl.Unmarshal(m, slices.Clone(b), hi, f, &hs)
	if err != nil {
		hs.Check(t)
		return err
	}
	if hs.Open() < handles { // of unknown members, which are gone with them
		fidl.Discard(&hs, m)
		hs.Check(t)
		return nil
	}
	again, ds, err := fidl.Marshal(m, f)
	if err != nil {
		t.Fatalf("%s in %v: what was decoded cannot be encoded: %v\n%s", name, f, err, hex.Dump(b))
	}
	if !bytes.Equal(b, again) {
		t.Fatalf("%s in %v: encoded differently\n%s\nfrom\n%s", name, f, hex.Dump(again), hex.Dump(b))
	}
	for i, d := range ds {
		if d.Handle != want[i].Handle {
			t.Fatalf("%s in %v: handle %d is another", name, f, i)
		}
	}
	fidl.Discard(&hs, m)
	hs.Check(t)
	return nil
}

// Every message that the specification allows is decoded, and encoded as it was.
func TestRandomMessages(t *testing.T) {
	decls := libraries(t)
	for name, d := range decls {
		for f := range 2 {
			w := &writer{r: rand.New(rand.NewPCG(1, uint64(len(name)))), format: f}
			for range 60 {
				w.b, w.handles = nil, 0
				w.decl(d, w.alloc(d.Size[f]))
				if w.handles > zx.ChannelMaxMsgHandles {
					continue
				}
				if err := accept(t, name, w.b, w.handles, fidl.WireFormat(f)); err != nil {
					t.Fatalf("%s in %v: %v\n%s", name, fidl.WireFormat(f), err, hex.Dump(w.b))
				}
			}
		}
	}
}

// A message with a damaged byte, or cut short, is refused, or is another good one.
func TestDamagedMessages(t *testing.T) {
	decls := libraries(t)
	for name, d := range decls {
		for f := range 2 {
			w := &writer{r: rand.New(rand.NewPCG(2, uint64(len(name)))), format: f}
			for range 60 {
				w.b, w.handles = nil, 0
				w.decl(d, w.alloc(d.Size[f]))
				b := w.b
				if w.r.IntN(4) == 0 {
					b = b[:w.r.IntN(len(b))]
				} else {
					for range 1 + w.r.IntN(2) {
						b[w.r.IntN(len(b))] ^= 1 << w.r.IntN(8)
					}
				}
				_ = accept(t, name, b, min(w.handles, 64), fidl.WireFormat(f)) // refusing is as good
			}
		}
	}
}

// FuzzDecode decodes bytes as any message, in either format.
func FuzzDecode(f *testing.F) {
	decls := libraries(f)
	var names []string
	for n := range decls {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		for format := range 2 {
			w := &writer{r: rand.New(rand.NewPCG(3, uint64(i))), format: format}
			w.decl(decls[n], w.alloc(decls[n].Size[format]))
			f.Add(uint16(i), format == 1, uint8(w.handles), w.b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, v1 bool, handles uint8, b []byte) {
		format := fidl.V2
		if v1 {
			format = fidl.V1
		}
		_ = accept(t, names[int(which)%len(names)], b, int(handles), format) // most are refused
	})
}
