//go:build !fuchsia

package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// endSignals are the signals that end a command, save those that it was started
// to ignore, as by nohup.
func endSignals() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	return slices.DeleteFunc(all, signal.Ignored)
}

// lastResort is how long the end may take that a signal asked for.
const lastResort = 5 * time.Second

// untilSignal gives a context that ends with the first signal that ends a command,
// of which further ones do not cut the end short. What keeps the command from
// ending then, such as a standard error that nobody reads or a daemon that does
// not answer, does so for lastResort only.
func untilSignal(ctx context.Context) context.Context {
	ctx, _ = signal.NotifyContext(ctx, endSignals()...) // until launcherd has ended
	context.AfterFunc(ctx, func() {
		time.AfterFunc(lastResort, func() { os.Exit(exitKilled) })
	})
	return ctx
}
