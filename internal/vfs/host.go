package vfs

// Options say what a host directory allows besides reading.
type Options struct {
	// Writable: clients can change what is in it.
	Writable bool
	// Executable: clients can get files as memory to execute.
	Executable bool
	// Released, unless nil, is called when nobody has the directory, or anything
	// below it, any more: not as a Node nor by a connection. It must not wait for
	// the FS.
	Released func()
}
