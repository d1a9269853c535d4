package builder

import (
	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/zx"
)

// BuiltProcess is a process that is ready and does not run yet. Its owner starts
// it, by Start or by zx_process_start with the fields, or closes it. Addresses
// are of the process.
type BuiltProcess struct {
	Process      zx.Process
	RootVMAR     zx.VMAR
	Thread       zx.Thread  // the initial thread
	Entry        uint64     // where it begins
	StackPointer uint64     // its stack pointer there
	StackBase    uint64     // the lowest address of its stack
	StackVMO     zx.VMO     // all of its stack
	Bootstrap    zx.Channel // the first argument: zx_process_start's arg1
	VDSOBase     uint64     // the second: zx_process_start's arg2
	ELFBase      uint64     // where the executable or its dynamic linker was loaded
	ELFHeaders   *elf.Headers
}

// Start starts the process (zx_process_start), gives it, and closes all else. An
// *Error has the status of the call, and closes the process too.
func (p *BuiltProcess) Start() (zx.Process, error) {
	defer p.Close()
	if err := p.Process.Start(&p.Thread, p.Entry, p.StackPointer, p.Bootstrap.Take(), p.VDSOBase); err != nil {
		return zx.Process{}, fail("starting the process", err)
	}
	return zx.ProcessFromHandle(p.Process.Take()), nil
}

// Close closes the handles. A process that was not started ends.
func (p *BuiltProcess) Close() {
	for _, o := range []*zx.Object{
		&p.Bootstrap.Object, &p.StackVMO.Object, &p.Thread.Object,
		&p.RootVMAR.Object, &p.Process.Object,
	} {
		o.Close()
	}
}
