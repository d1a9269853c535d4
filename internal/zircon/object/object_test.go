package object_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/object/objecttest"
)

func newKernel() *object.Kernel { return object.NewKernel(objecttest.NewMachine()) }

func TestHandleValues(t *testing.T) {
	k := newKernel()
	ev := object.NewEvent(k)
	a, b := object.NewHandleTable(), object.NewHandleTable()
	seen := make(map[zx.Handle]bool)
	for range 1000 {
		v := a.Add(object.NewHandle(ev, 0))
		if v&zx.HandleFixedBitsMask != zx.HandleFixedBitsMask || seen[v] {
			t.Fatalf("value %#x, given before: %v", v, seen[v])
		}
		seen[v] = true
	}
	// A value is of its table, and of its time.
	misses := 0
	for v := range seen {
		if b.Lookup(v) == nil {
			misses++
		}
		h := a.Remove(v)
		if h == nil || a.Lookup(v) != nil || a.Remove(v) != nil {
			t.Fatalf("handle %#x is not gone after it was removed", v)
		}
		h.Close()
		w := a.Add(object.NewHandle(ev, 0))
		if w == v {
			t.Fatalf("value %#x is given again at once", v)
		}
		a.Remove(w).Close()
	}
	if misses != len(seen) || a.Len() != 0 || k.Live(zx.ObjTypeEvent) != 0 {
		t.Errorf("%d of %d values miss in another table; %d handles are left, %d events", misses, len(seen), a.Len(), k.Live(zx.ObjTypeEvent))
	}
}

func TestHandleTableDrain(t *testing.T) {
	k := newKernel()
	tab := object.NewHandleTable()
	a, b := object.NewChannel(k)
	va := tab.Add(object.NewHandle(a, 0))
	hb := object.NewHandle(b, 0)
	tab.Drain()
	if tab.Lookup(va) != nil || tab.Add(hb) != zx.HandleInvalid {
		t.Error("a table that was drained has, or takes, handles")
	}
	if n := k.Live(zx.ObjTypeChannel); n != 0 {
		t.Errorf("%d channel ends are left", n)
	}
	tab.Drain()
}

func TestHandleTableAddAll(t *testing.T) {
	k := newKernel()
	tab := object.NewHandleTable()
	for range object.MaxHandles - 1 {
		tab.Add(object.NewHandle(object.NewEvent(k), 0))
	}
	two := func() []*object.Handle {
		a, b := object.NewEventpair(k)
		return []*object.Handle{object.NewHandle(a, 0), object.NewHandle(b, 0)}
	}
	values := make([]zx.Handle, 2)
	if tab.AddAll(two(), values) {
		t.Fatal("two handles have the room of one")
	}
	if values[0] != 0 || tab.Len() != object.MaxHandles-1 || k.Live(zx.ObjTypeEventpair) != 0 {
		t.Errorf("values %v, %d handles, %d ends of eventpairs", values, tab.Len(), k.Live(zx.ObjTypeEventpair))
	}
	var first zx.Handle
	tab.All(func(v zx.Handle, _ *object.Handle) bool { first = v; return false })
	tab.Remove(first).Close()
	if !tab.AddAll(two(), values) || tab.Len() != object.MaxHandles {
		t.Errorf("%d handles", tab.Len())
	}
	tab.Drain()
}

// A handle can be observed until it leaves its table, and an observer that was
// added is told when it does, however closely one follows the other.
func TestObserveRacesRemove(t *testing.T) {
	k := newKernel()
	for range 2000 {
		ev := object.NewEvent(k)
		tab, other := object.NewHandleTable(), object.NewHandleTable()
		v := tab.Add(object.NewHandle(ev, object.EventRights))
		o := &counting{}
		var both sync.WaitGroup
		both.Add(2)
		var st zx.Status
		go func() { defer both.Done(); _, st = tab.Observe(v, o) }()
		go func() { defer both.Done(); other.Add(tab.Remove(v)) }()
		both.Wait()
		if want := map[bool]int{true: 1, false: 0}[st == zx.OK]; o.canceled != want || object.Observers(ev) != 0 {
			t.Fatalf("Observe: %v; canceled %d times; %d observers", st, o.canceled, object.Observers(ev))
		}
		other.Drain()
	}
}

type counting struct {
	object.Observation
	canceled int
}

func (c *counting) OnSignals(zx.Signals) bool { return false }
func (c *counting) OnCancel(zx.Signals)       { c.canceled++ }

func TestKoids(t *testing.T) {
	k := newKernel()
	a, b := object.NewChannel(k)
	if a.Koid() < zx.KoidFirst || b.Koid() == a.Koid() || a.RelatedKoid() != b.Koid() || b.RelatedKoid() != a.Koid() {
		t.Errorf("koids %d and %d, related %d and %d", a.Koid(), b.Koid(), a.RelatedKoid(), b.RelatedKoid())
	}
}

// A socket's buffer keeps what is in it through every size it grows to.
func TestSocketBuffer(t *testing.T) {
	k := newKernel()
	a, b := object.NewSocket(k, false)
	ha, hb := object.NewHandle(a, 0), object.NewHandle(b, 0)
	defer hb.Close()
	defer ha.Close()
	rnd := rand.New(rand.NewPCG(3, 4))
	var want []byte
	for range 3000 {
		if rnd.IntN(3) > 0 {
			p := make([]byte, rnd.IntN(3000))
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			n, _ := a.Write(p)
			want = append(want, p[:n]...)
		} else {
			p := make([]byte, 1+rnd.IntN(9000))
			n, st := b.Read(p, false)
			if st == zx.OK && !bytes.Equal(p[:n], want[:n]) {
				t.Fatal("other bytes were read than written")
			}
			want = slices.Delete(want, 0, n)
		}
		if n := int(b.Info().RxAvailable); n != len(want) {
			t.Fatalf("%d bytes can be read, want %d", n, len(want))
		}
	}
}

// A timer that is set while its last handle is closed stays with nobody.
func TestTimerOfNobody(t *testing.T) {
	k := newKernel()
	tm := object.NewTimer(k, 0, false)
	object.NewHandle(tm, object.TimerRights).Close()
	tm.Set(k.Monotonic()+int64(time.Hour), 0)
	if i := tm.Info(); i.Deadline != 0 {
		t.Errorf("it is set to %d", i.Deadline)
	}
}

// Clocks far from their points saturate and do not wrap.
func TestClockSaturates(t *testing.T) {
	k := newKernel()
	for _, value := range []int64{math.MaxInt64, math.MaxInt64 - 1, 0} {
		c, st := object.NewClock(k, 0, 0)
		if st != zx.OK {
			t.Fatal(st)
		}
		if st := c.Update(object.ClockUpdate{Options: object.ClockUpdateValue, Value: value}); st != zx.OK {
			t.Fatal(st)
		}
		if v := c.Read(); v < value {
			t.Errorf("set to %d, the clock is at %d", value, v)
		}
	}
}

func TestPortPacketEncoding(t *testing.T) {
	p := object.PortPacket{Key: 0x1122334455667788, Type: 1, Status: zx.ErrStop, Payload: [32]byte{31: 9}}
	var b [object.PortPacketSize]byte
	p.Encode(b[:])
	if b[0] != 0x88 || b[8] != 1 || b[12] != 0xc4 || b[47] != 9 {
		t.Errorf("% x", b)
	}
	if q := object.DecodePortPacket(b[:]); q != p {
		t.Errorf("%+v became %+v", p, q)
	}
}
