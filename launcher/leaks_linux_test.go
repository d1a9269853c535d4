package launcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noHostLeaks checks, once all other cleanups have run, that the test left this
// process with the descriptors and the Linux processes that it had.
func noHostLeaks(t *testing.T) {
	t.Helper()
	fds, children := hostResources(t)
	t.Cleanup(func() {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			f, c := hostResources(t)
			if f <= fds && c <= children {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d descriptors, %d before; %d Linux processes, %d before", f, fds, c, children)
			}
		}
	})
}

// hostResources counts this process's descriptors and its children.
func hostResources(t *testing.T) (fds, children int) {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(t, err)
	parent := fmt.Sprint(os.Getpid())
	for _, s := range stats {
		b, _ := os.ReadFile(s) // it may have ended
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == parent {
			children++
		}
	}
	return len(es), children
}
