package hostlink

import (
	"context"
	"io"
	"maps"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/zx"
)

// noLeaks checks, once all other cleanups have run, that the test left this
// process with the handles, objects, descriptors and goroutines it had.
func noLeaks(t *testing.T) {
	t.Helper()
	zx.DefaultJob() // has a handle
	r, w, err := os.Pipe()
	if err != nil { // starts the poller, which has descriptors
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	handles, objects, fds := zircon.Self().Handles().Len(), zircon.Kernel().LiveObjects(), openFDs(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if n := zircon.Self().Handles().Len(); n != handles {
			t.Errorf("%d handles, %d before", n, handles)
		}
		if o := zircon.Kernel().LiveObjects(); !maps.Equal(o, objects) {
			t.Errorf("kernel objects %v, before %v", o, objects)
		}
		// A process that ended before the test gives its descriptors back when
		// it likes, so there may be fewer; and one of the test may take a moment.
		for tries := 0; openFDs(t) > fds; tries++ {
			if tries == 2000 {
				t.Errorf("%d descriptors, %d before", openFDs(t), fds)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func openFDs(t *testing.T) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

// bridge gives a Bridge that ends with the test, at once.
func bridge(t *testing.T) *Bridge {
	t.Helper()
	noLeaks(t)
	log := zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	fs := vfs.New(log)
	t.Cleanup(fs.Close)
	b := NewBridge(fs, log)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		b.Close(ctx)
	})
	return b
}

// connect gives the two ends of a connection.
func connect(t *testing.T, b *Bridge) (*Link, *Transport) {
	t.Helper()
	ours, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		t.Fatal(err)
	}
	p, err := packetsFromFD(ours)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLink(packetsFromFD(theirs))
	if err != nil {
		t.Fatal(err)
	}
	tr := &Transport{b, p, sender{trusted: true}}
	t.Cleanup(func() { l.Close(); tr.Close() })
	return l, tr
}

// ctx gives a context that ends before the test binary would.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// dup gives a descriptor to give away.
func dup(t *testing.T, f *os.File) int {
	t.Helper()
	rc, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if err := rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
		t.Fatal(err)
	}
	return fd
}

// importAs imports a descriptor that must become an object of the type.
func importAs(t *testing.T, b *Bridge, fd int, want zx.ObjType) zx.Handle {
	t.Helper()
	o, err := b.importFD(fd, sender{trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	bi, err := o.BasicInfo()
	if err != nil || bi.Type != want {
		t.Fatalf("a %v (%v), want a %v", bi.Type, err, want)
	}
	return o.Take()
}

func exportFile(t *testing.T, b *Bridge, h zx.Handle) *os.File {
	t.Helper()
	fd, err := b.export(zx.ObjectFromHandle(h), true)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "exported")
	t.Cleanup(func() { f.Close() })
	return f
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
