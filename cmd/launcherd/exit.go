//go:build !fuchsia

package main

import (
	"errors"
	"fmt"

	"go.fuchsia.dev/launcherd/zx"
)

// Exit codes, as env, docker run and shells have them.
const (
	exitFailure       = 125 // launcherd itself failed
	exitNotExecutable = 126 // the program is there but cannot be run
	exitNotFound      = 127 // there is no such program
	exitKilled        = 137 // the program was killed
	exitException     = 139 // an exception that nobody handled ended the program
)

// exitCode is an error that ends launcherd with a code, and a line on stderr
// when err is not nil.
type exitCode struct {
	code int
	err  error
}

func (e exitCode) Error() string {
	if e.err == nil {
		return fmt.Sprint("exit code ", e.code)
	}
	return e.err.Error()
}

func (e exitCode) Unwrap() error { return e.err }

// exit makes an exitCode of a formatted error.
func exit(code int, format string, args ...any) error {
	return exitCode{code, fmt.Errorf(format, args...)}
}

// exitFor gives the exit code for a process's return code: the code itself
// within 0 to 255; 137 and 139 for those of Zircon's that say how it was ended;
// of any other the low byte, but never 0.
func exitFor(retcode int64) int {
	switch retcode {
	case zx.RetcodeSyscallKill, zx.RetcodeOOMKill, zx.RetcodePolicyKill, zx.RetcodeVDSOKill, zx.RetcodeCriticalProcessKill:
		return exitKilled
	case zx.RetcodeExceptionKill:
		return exitException
	}
	code := int(uint8(retcode))
	if code == 0 && retcode != 0 {
		return 1
	}
	return code
}

// errorFor is what a command returns for a process that has ended.
func errorFor(retcode int64) error {
	if code := exitFor(retcode); code != 0 {
		return exitCode{code: code}
	}
	return nil
}

// ended is errorFor when there may be an error of writing what the process wrote,
// which is told, and not success.
func ended(retcode int64, output error) error {
	if output == nil {
		return errorFor(retcode)
	}
	code := exitFor(retcode)
	if code == 0 {
		code = exitFailure
	}
	return exitCode{code, output}
}

// launchError gives the exit code for a failed launch: the statuses that the
// program itself is to blame for, and all others, which are ours. missing is the
// library that was not found, or "".
func launchError(program, missing string, err error) error {
	if missing != "" && errors.Is(err, zx.ErrNotFound) {
		return exit(exitNotExecutable, "%s: %w: no library directory has %s: name one with --lib, or a Fuchsia SDK with $FUCHSIA_SDK", program, zx.ErrNotFound, missing)
	}
	switch st := zx.StatusOf(err); {
	case errors.Is(st, zx.ErrNotFound), errors.Is(st, zx.ErrInvalidArgs), errors.Is(st, zx.ErrNoMemory),
		errors.Is(st, zx.ErrAccessDenied), errors.Is(st, zx.ErrOutOfRange), errors.Is(st, zx.ErrAlreadyExists):
		return exit(exitNotExecutable, "%s: %w", program, err)
	}
	return exit(exitFailure, "%s: %w", program, err)
}
