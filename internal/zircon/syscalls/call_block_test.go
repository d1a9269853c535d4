package syscalls

import (
	"runtime"
	"sync/atomic"
	"testing"

	"go.fuchsia.dev/fidl-go/zx"
)

// TestBlockUnless: an answer of a goroutine that the call has just woken is
// there before a goroutine is made to wait for it.
func TestBlockUnless(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who runs first is then known
	inline := func() bool {
		// The call is of no thread: to block with it is a panic.
		defer func() { recover() }()
		var answered atomic.Bool
		go answered.Store(true)
		st := new(Call).BlockUnless(answered.Load, 0, func() zx.Status { return zx.ErrPeerClosed })
		return st == zx.ErrPeerClosed
	}
	// Now and then Go's scheduler does without the order, but not thrice running.
	for range 3 {
		if inline() {
			return
		}
	}
	t.Error("the wait was not over after the answerer's turn")
}
