//go:build !linux

package vfs

import "go.fuchsia.dev/launcherd/zx"

// Host makes a node of a directory of the host. NOT_SUPPORTED on this system.
func Host(string, Options) (Node, error) { return nil, zx.ErrNotSupported }

// hostWatcher would tell of changes in host directories.
type hostWatcher struct{}

func (*FS) sweep() {}
