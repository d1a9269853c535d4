//go:build !fuchsia

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// endSignals are the signals that end a command, save those that it was started
// to ignore, as by nohup.
func endSignals() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	return slices.DeleteFunc(all, signal.Ignored)
}
