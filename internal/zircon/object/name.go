package object

import (
	"strings"
	"sync"

	"go.fuchsia.dev/fidl-go/zx"
)

// named is the name of an object: ZX_PROP_NAME.
type named struct {
	mu   sync.Mutex
	name string // guarded by mu
}

// Name is the object's name.
func (n *named) Name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name
}

// SetName changes the name, which ends at the first NUL and after
// zx.MaxNameLen-1 bytes.
func (n *named) SetName(s string) {
	s, _, _ = strings.Cut(s, "\x00")
	s = strings.Clone(s[:min(len(s), zx.MaxNameLen-1)])
	n.mu.Lock()
	n.name = s
	n.mu.Unlock()
}
