// Package fuchsiacheck holds the tests of the build for Fuchsia.
//
// That build needs Fuchsia's source tree: its Go toolchain, with the packages
// syscall/zx and syscall/zx/fdio, and its C library. Where there is none the
// tests type-check the same files, chosen by the build tag fuchsia and a system
// that no other file of this repository is for, against declarations of those
// two packages (testdata/syscall/zx). What that does and does not tell is in
// docs/fuchsia.md.
//
// They also keep BUILD.gn: its libraries are those of that build, with the same
// files and imports. go test -update ./internal/fuchsiacheck rewrites it.
package fuchsiacheck
