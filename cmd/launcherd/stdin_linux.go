package main

import (
	"errors"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// readInput reads standard input. It reads ahead of the program, which may not
// want any: in the background of a terminal that would stop launcherd, so it waits
// until it is in the foreground.
func readInput(b []byte) (int, error) {
	signal.Ignore(unix.SIGTTIN) // a read gives EIO instead
	for {
		for inBackground() {
			time.Sleep(50 * time.Millisecond)
		}
		n, err := os.Stdin.Read(b)
		if !errors.Is(err, unix.EIO) || !inBackground() {
			return n, err
		}
	}
}

// inBackground says whether standard input is this process's terminal, and others
// read from it now.
func inBackground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group != unix.Getpgrp()
}
