//go:build !fuchsia

package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/pflag"

	"go.fuchsia.dev/launcherd/internal/zircon/syscalls"
)

// traceHelp is what launcherd run's help says of tracing.
const traceHelp = `
With --trace it writes a line for each system call, and for the start, the
exceptions and the end of each process, to stderr or to --trace-output; with
--summary, a table of the calls at the end. What the vDSO answers without the kernel
(clocks, ticks, status strings, constants of the system) is not seen.`

// traceFlags are the flags about tracing.
type traceFlags struct {
	calls   string
	output  string
	summary bool
}

func (f *traceFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.calls, "trace", "", "trace system calls: all, or `CALLS`, a list such as channel,vmo_* of families, names and patterns; !CALLS for all others")
	fl.Lookup("trace").NoOptDefVal = "all"
	fl.StringVar(&f.output, "trace-output", "", "write the trace and the summary to `FILE`")
	fl.BoolVar(&f.summary, "summary", false, "count system calls, those of --trace if that is given a list, and tell at the end")
}

// start gives the tracer that the flags ask for, nil for none, and what ends it.
func (f *traceFlags) start() (*syscalls.Tracer, func(), error) {
	if f.calls == "" && !f.summary {
		if f.output != "" {
			return nil, nil, errors.New("--trace-output: neither --trace nor --summary is given")
		}
		return nil, func() {}, nil
	}
	out, file := io.Writer(os.Stderr), (*os.File)(nil)
	if f.output != "" {
		var err error
		if file, err = os.Create(f.output); err != nil {
			return nil, nil, err
		}
		out = file
	}
	t, err := syscalls.NewTracer(syscalls.TraceOptions{
		Out:     out,
		Calls:   f.calls != "",
		Summary: f.summary,
		Filter:  f.calls,
	})
	stop := func() {
		if t != nil {
			t.Close()
		}
		if file != nil {
			file.Close()
		}
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return t, stop, nil
}
