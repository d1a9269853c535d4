package vfs

// Options say what a host directory allows besides reading.
type Options struct {
	// Writable: clients can change what is in it.
	Writable bool
	// Executable: clients can get files as memory to execute.
	Executable bool
}
