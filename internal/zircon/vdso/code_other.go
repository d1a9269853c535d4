//go:build !amd64

package vdso

import (
	"fmt"
	"runtime"

	"go.fuchsia.dev/fidl-go/zx"
)

func assemble(*Config, *program) error {
	return fmt.Errorf("no machine code for %s: %w", runtime.GOARCH, zx.ErrNotSupported)
}
