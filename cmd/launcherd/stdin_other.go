//go:build !linux && !fuchsia

package main

import "os"

// readInput reads standard input.
func readInput(b []byte) (int, error) { return os.Stdin.Read(b) }
