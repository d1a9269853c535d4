package zx

import (
	"context"
	"errors"
)

// StatusOf gives the status that an error means: the Status it wraps, TIMED_OUT
// or CANCELED for a context that ended, INTERNAL for anything else.
func StatusOf(err error) Status {
	var st Status
	switch {
	case err == nil:
		return OK
	case errors.As(err, &st):
		return st
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimedOut
	case errors.Is(err, context.Canceled):
		return ErrCanceled
	}
	return ErrInternal
}
