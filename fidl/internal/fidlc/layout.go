package fidlc

// Format indexes the sizes of the two wire formats.
const (
	V2 = 0
	V1 = 1
)

var primSize = map[string]int{
	"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2,
	"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}

// maxSize is the limit of an inline object: what a message can hold.
const maxSize = 1<<16 - 1

// Shape gives the inline size, by wire format, and the alignment of a type.
func (t *Type) Shape() (size [2]int, align int) {
	same := func(n, a int) ([2]int, int) { return [2]int{n, n}, a }
	switch t.Kind {
	case TypePrim:
		return same(primSize[t.Prim], primSize[t.Prim])
	case TypeHandle, TypeClientEnd, TypeServerEnd:
		return same(4, 4)
	case TypeString, TypeVector:
		return same(16, 8)
	case TypeBox:
		return same(8, 8)
	case TypeStringArray:
		return same(int(t.Count), 1)
	case TypeArray:
		s, a := t.Elem.Shape()
		return [2]int{s[0] * int(t.Count), s[1] * int(t.Count)}, a
	}
	switch t.Decl.Kind {
	case KindBits, KindEnum:
		return t.Decl.Type.Shape()
	}
	return t.Decl.Size, t.Decl.Align
}

// shape lays out d and what it holds inline.
func (c *compiler) shape(d *Decl) {
	switch d.shaping {
	case 1:
		fail(d.Pos, "'%s' contains itself without an end; a box, or an optional vector or union, can give it one", d.Name)
	case 2:
		return
	}
	d.shaping = 1
	switch d.Kind {
	case KindUnion:
		for _, m := range d.Members { // out of line, but a value all the same
			c.shapeType(m.Pos, m.Type)
		}
	case KindStruct:
		c.shapeStruct(d)
	}
	d.shaping = 2
	if d.Kind == KindTable {
		for _, m := range d.Members {
			c.shapeType(m.Pos, m.Type)
		}
	}
}

func (c *compiler) shapeStruct(d *Decl) {
	d.Align = 1
	for _, m := range d.Members {
		c.shapeType(m.Pos, m.Type)
		size, align := m.Type.Shape()
		d.Align = max(d.Align, align)
		for f := range size {
			m.Offset[f] = roundUp(d.Size[f], align)
			d.Size[f] = m.Offset[f] + size[f]
		}
		if d.Size[V1] > maxSize {
			fail(m.Pos, "'%s' is too large for any message", d.Name)
		}
	}
	if len(d.Members) == 0 {
		d.Size = [2]int{1, 1}
	}
	for f := range d.Size {
		d.Size[f] = roundUp(d.Size[f], d.Align)
	}
}

func roundUp(n, a int) int { return (n + a - 1) / a * a }

// shapeType lays out what a value of type t holds inline, or by value in a
// union or a vector; boxes and what is optional end the search.
func (c *compiler) shapeType(pos Pos, t *Type) {
	switch {
	case t.Kind == TypeArray:
		c.shapeType(pos, t.Elem)
		if s, _ := t.Elem.Shape(); s[V1] > maxSize/int(t.Count) {
			fail(pos, "array is too large for any message")
		}
	case t.Kind == TypeVector && !t.Optional:
		c.shapeType(pos, t.Elem)
	case t.Kind == TypeDecl && t.Decl.Kind >= KindStruct && t.Decl.Kind <= KindUnion && !t.Optional:
		c.shape(t.Decl)
	}
}
