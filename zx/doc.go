// Package zx is Zircon as Go sees it: handles with their methods, waiting,
// time. It is a thin seam. On Fuchsia a method is the system call of its name;
// on other systems launcherd is itself a process of the Zircon kernel it hosts,
// and a method is a plain call into that kernel.
//
// # Ownership
//
// A handle has one owner. In this repository's signatures a value (zx.VMO) is
// given away and a pointer (*zx.VMO) is lent. Whoever owns a handle closes it;
// Close of a closed or zero handle does nothing. Take gives a handle up without
// closing it, for the calls that consume handles whether they succeed or not.
// The zero value of each type holds no handle.
//
// # Errors
//
// Errors are a Status, nil for ZX_OK, so errors.Is(err, zx.ErrNotFound) works
// through any wrapping. A wait that a context ended gives the context's error
// instead.
//
// # Concurrency
//
// Methods may be called by several goroutines at once, Close included: a wait
// on a handle that is closed ends with ErrCanceled.
package zx
