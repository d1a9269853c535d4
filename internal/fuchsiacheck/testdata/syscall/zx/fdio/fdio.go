// Package fdio declares what of syscall/zx/fdio, a package of the Go toolchain
// for Fuchsia, this repository uses, as package zx does for syscall/zx.
package fdio

import "syscall/zx"

// ServiceConnect has what is at a path of the program's namespace serve h.
func ServiceConnect(path string, h zx.Handle) error
