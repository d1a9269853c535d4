//go:build !linux || !amd64

package platform

import (
	"fmt"
	"os"
	"runtime"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm"
)

// Platform is what there is on hosts that run no processes: nothing.
type Platform struct{ object.Machine }

// features are nothing: see features_linux.go.
type features struct{}

// Entries are addresses of host code in every process.
type Entries struct{ ThreadExit, Linux uint64 }

var errHost = fmt.Errorf("it takes Linux on x86-64 to run Fuchsia programs; this is %s/%s: %w",
	runtime.GOOS, runtime.GOARCH, zx.ErrNotSupported)

// New says what is needed. The error wraps zx.ErrNotSupported.
func New(Config) (*Platform, error) { return nil, errHost }

// FilePages fails as New does.
func FilePages(*os.File, bool) (vm.Pages, uint64, error) { return nil, 0, errHost }

// Entries gives no addresses.
func (*Platform) Entries() Entries { return Entries{} }

// Check fails as New does.
func (*Platform) Check() error { return errHost }

// Close does nothing.
func (*Platform) Close() {}

// PhysicalMemory is not known here.
func PhysicalMemory() uint64 { return 0 }
