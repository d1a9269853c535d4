package processargs_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// newHandles gives n handles to new events, closed with the test.
func newHandles(t *testing.T, n int) []zx.Handle {
	t.Helper()
	hs := make([]zx.Handle, n)
	for i := range hs {
		e, err := zx.NewEvent()
		if err != nil {
			t.Fatal(err)
		}
		hs[i] = e.Take()
	}
	return hs
}

func koid(t *testing.T, h zx.Handle) zx.Koid {
	t.Helper()
	o := zx.ObjectFromHandle(h)
	k, err := o.Koid()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The bytes of a message, as <zircon/processargs.h> lays them out, after a trip
// through a channel.
func TestWrite(t *testing.T) {
	hs := newHandles(t, 3)
	koids := []zx.Koid{koid(t, hs[0]), koid(t, hs[1]), koid(t, hs[2])}
	c := &processargs.MessageContents{
		Args:           []string{"prog", "", "two"},
		Environ:        []string{"A=b"},
		NamespacePaths: []string{"/svc", "/pkg"},
		Handles: []processargs.StartupHandle{
			{Handle: hs[0], Info: processargs.NewHandleInfo(processargs.User1, 0x1234)},
			{Handle: hs[1], Info: processargs.NewHandleInfo(processargs.NamespaceDirectory, 0)},
			{Handle: hs[2], Info: processargs.NewHandleInfo(processargs.NamespaceDirectory, 1)},
		},
	}
	size, err := processargs.Size(c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := processargs.Build(c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Handles != nil {
		t.Error("Build left the handles with the contents too")
	}
	us, them, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer us.Close()
	defer them.Close()
	if err := m.Write(&us); err != nil {
		t.Fatal(err)
	}

	b := make([]byte, zx.ChannelMaxMsgBytes)
	got := make([]zx.Handle, zx.ChannelMaxMsgHandles)
	nb, nh, err := them.Read(b, got)
	if err != nil {
		t.Fatal(err)
	}
	b, got = b[:nb], got[:nh]
	defer zx.CloseAll(got...)

	const want = "\x5d\x58\x50\x41" + "\x00\x10\x00\x00" + // protocol, version
		"\x24\x00\x00\x00" + // handle infos
		"\x30\x00\x00\x00" + "\x03\x00\x00\x00" + // arguments
		"\x3a\x00\x00\x00" + "\x01\x00\x00\x00" + // environment
		"\x3e\x00\x00\x00" + "\x02\x00\x00\x00" + // names
		"\xf1\x00\x34\x12" + "\x20\x00\x00\x00" + "\x20\x00\x01\x00" +
		"prog\x00\x00two\x00" + "A=b\x00" + "/svc\x00/pkg\x00"
	if string(b) != want {
		t.Errorf("bytes\n%q, want\n%q", b, want)
	}
	if size != len(b) {
		t.Errorf("Size says %d, the message has %d bytes", size, len(b))
	}
	if len(got) != 3 {
		t.Fatalf("%d handles arrived, want 3", len(got))
	}
	for i, h := range got {
		if k := koid(t, h); k != koids[i] {
			t.Errorf("handle %d is koid %d, want %d", i, k, koids[i])
		}
	}

	back, err := processargs.Parse(b, got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Args, c.Args) || !reflect.DeepEqual(back.Environ, c.Environ) || !reflect.DeepEqual(back.NamespacePaths, c.NamespacePaths) {
		t.Errorf("Parse(Build(c)) = %+v, want %+v", back, c)
	}
	if i := back.Handles[0].Info; i.Type() != processargs.User1 || i.Arg() != 0x1234 {
		t.Errorf("handle info 0 is %v, want User1(4660)", i)
	}
}

func TestLimits(t *testing.T) {
	const room = zx.ChannelMaxMsgBytes - 36 - 1 // one string, with its NUL
	handles := func(n int) []processargs.StartupHandle { return make([]processargs.StartupHandle, n) }
	for _, tt := range []struct {
		name string
		c    processargs.MessageContents
		ok   bool
	}{
		{"empty", processargs.MessageContents{}, true},
		{"as many bytes as fit", processargs.MessageContents{Args: []string{strings.Repeat("a", room)}}, true},
		{"one more", processargs.MessageContents{Args: []string{strings.Repeat("a", room+1)}}, false},
		{"one more in the names", processargs.MessageContents{NamespacePaths: []string{strings.Repeat("/", room+1)}}, false},
		{"as many handles as fit", processargs.MessageContents{Handles: handles(64)}, true},
		{"one more handle", processargs.MessageContents{Handles: handles(65)}, false},
		{"NUL in an argument", processargs.MessageContents{Args: []string{"a\x00b"}}, false},
		{"NUL in the environment", processargs.MessageContents{Environ: []string{"A=\x00"}}, false},
		{"NUL in a path", processargs.MessageContents{NamespacePaths: []string{"/\x00"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			had := len(tt.c.Handles)
			m, err := processargs.Build(&tt.c)
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Bytes) > zx.ChannelMaxMsgBytes {
					t.Errorf("%d bytes", len(m.Bytes))
				}
				return
			}
			var e *processargs.Error
			if !errors.As(err, &e) || !errors.Is(err, zx.ErrInvalidArgs) {
				t.Fatalf("error %v, want an *Error that is %v", err, zx.ErrInvalidArgs)
			}
			if len(tt.c.Handles) != had {
				t.Error("a failed Build took the handles")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	m, err := processargs.Build(&processargs.MessageContents{
		Args: []string{"a"}, Environ: []string{"B=c"}, NamespacePaths: []string{"/d"},
		Handles: make([]processargs.StartupHandle, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	put := func(off int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[off:], v); return b }
	}
	for _, tt := range []struct {
		name   string
		change func(b []byte) []byte
	}{
		{"another protocol", put(0, 0)},
		{"another version", put(5, 0x20)},
		{"handle infos in the header", put(8, 0x20)},
		{"handle infos not aligned", put(8, 0x25)},
		{"handle infos beyond the end", put(8, 0x40)},
		{"handle infos far beyond the end", put(8, 0xfc, 0xff, 0xff, 0xff)},
		{"arguments in the header", put(12, 0)},
		{"arguments beyond the end", put(12, 0xff)},
		{"more arguments than bytes", put(16, 0xff, 0xff, 0xff, 0xff)},
		{"more names than there are", put(32, 2)},
		{"last string does not end", func(b []byte) []byte { return b[:len(b)-1] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.change(append([]byte(nil), m.Bytes...))
			if c, err := processargs.Parse(b, m.Handles); !errors.Is(err, zx.ErrInvalidArgs) {
				t.Errorf("Parse = %+v, %v, want %v", c, err, zx.ErrInvalidArgs)
			}
		})
	}
	for n := range m.Bytes {
		if c, err := processargs.Parse(m.Bytes[:n], m.Handles); err == nil {
			t.Errorf("Parse of the first %d bytes = %+v, want an error", n, c)
		}
	}
}

func TestHandleInfo(t *testing.T) {
	for _, tt := range []struct {
		raw uint32
		str string // "" when refused
	}{
		{0x0000_0001, "ProcessSelf"},
		{0x0002_0030, "FileDescriptor(2)"},
		{0x0000_003c, "EscrowedDictionary"},
		{0xffff_00f2, "User2(65535)"},
		{0x0000_0000, ""},
		{0x0000_0012, ""},
		{0x0000_003d, ""},
		{0x0000_0130, ""}, // a reserved bit
	} {
		i, err := processargs.ParseHandleInfo(tt.raw)
		switch {
		case tt.str == "" && !errors.Is(err, zx.ErrInvalidArgs):
			t.Errorf("ParseHandleInfo(%#x) = %v, %v, want %v", tt.raw, i, err, zx.ErrInvalidArgs)
		case tt.str != "" && (err != nil || i.String() != tt.str || uint32(i) != tt.raw):
			t.Errorf("ParseHandleInfo(%#x) = %v, %v, want %s", tt.raw, i, err, tt.str)
		}
	}
}

// What Parse takes, Build gives back: the same contents, if not the same bytes.
func FuzzParse(f *testing.F) {
	m, err := processargs.Build(&processargs.MessageContents{
		Args: []string{"a", ""}, Environ: []string{"B=c"}, NamespacePaths: []string{"/d"},
		Handles: make([]processargs.StartupHandle, 2),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Bytes, 2)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if len(b) > zx.ChannelMaxMsgBytes {
			return
		}
		c, err := processargs.Parse(b, make([]zx.Handle, min(uint(n), zx.ChannelMaxMsgHandles)))
		if err != nil {
			return
		}
		want := fmt.Sprintf("%q %q %q %v", c.Args, c.Environ, c.NamespacePaths, c.Handles)
		m, err := processargs.Build(c)
		if err != nil {
			return // overlapping strings can be more than a message holds
		}
		c, err = processargs.Parse(m.Bytes, m.Handles)
		if err != nil {
			t.Fatalf("Parse refuses what Build made of its result: %v", err)
		}
		if got := fmt.Sprintf("%q %q %q %v", c.Args, c.Environ, c.NamespacePaths, c.Handles); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
