// Package fuchsiacheck holds the test that type-checks the build for Fuchsia.
//
// That build needs Fuchsia's Go toolchain, with its package syscall/zx. Where
// there is none the test compiles the same files, chosen by the tag fuchsia,
// with the toolchain at hand and a declaration of syscall/zx
// (testdata/syscall/zx). So names, types and build constraints are checked;
// that the declaration is right, and what the code does there, are not.
package fuchsiacheck
