package zx

import "encoding/binary"

// Process is a process.
type Process struct{ task }

// ProcessFromHandle makes a Process that owns h.
func ProcessFromHandle(h Handle) Process { return Process{task{Object{h}}} }

// Duplicate gives a second handle with rights r.
func (p *Process) Duplicate(r Rights) (Process, error) {
	o, err := p.Object.Duplicate(r)
	return Process{task{o}}, err
}

// CreateThread makes a thread of the process, which does not run yet
// (zx_thread_create).
func (p *Process) CreateThread(name string) (Thread, error) {
	h, st := sysThreadCreate(p.Handle(), name, 0)
	return ThreadFromHandle(h), st.Err()
}

// Start has the process begin with thread at entry, with the stack pointer sp
// (zx_process_start). arg1 is moved into the process, whose first argument is
// its value there; it is consumed whether or not the call succeeds.
func (p *Process) Start(thread *Thread, entry, sp uint64, arg1 Handle, arg2 uint64) error {
	return sysProcessStart(p.Handle(), thread.Handle(), entry, sp, arg1, arg2).Err()
}

// ReadMemory fills b from the process's memory and gives how much it read
// (zx_process_read_memory).
func (p *Process) ReadMemory(b []byte, addr uint64) (int, error) {
	n, st := sysProcessReadMemory(p.Handle(), addr, b)
	return n, st.Err()
}

// WriteMemory writes b to the process's memory and gives how much it wrote
// (zx_process_write_memory).
func (p *Process) WriteMemory(b []byte, addr uint64) (int, error) {
	n, st := sysProcessWriteMemory(p.Handle(), addr, b)
	return n, st.Err()
}

// ProcessInfo is zx_info_process_t.
type ProcessInfo struct {
	ReturnCode int64 // once Exited
	StartTime  Time
	Started    bool // or killed without ever running
	Exited     bool
}

// Info tells the process's state (ZX_INFO_PROCESS).
func (p *Process) Info() (ProcessInfo, error) {
	var b [24]byte
	err := p.info(infoProcess, b[:])
	le := binary.LittleEndian
	flags := le.Uint32(b[16:])
	return ProcessInfo{
		ReturnCode: int64(le.Uint64(b[0:])),
		StartTime:  Time(le.Uint64(b[8:])),
		Started:    flags&1 != 0,
		Exited:     flags&2 != 0,
	}, err
}

// Threads gives the koids of the process's threads.
func (p *Process) Threads() ([]Koid, error) { return p.koids(infoProcessThreads) }

// Child gives a handle to the thread of the process that has the koid
// (zx_object_get_child).
func (p *Process) Child(k Koid, r Rights) (Thread, error) {
	h, st := sysObjectGetChild(p.Handle(), k, r)
	return ThreadFromHandle(h), st.Err()
}

// VDSOBase is the address of the vDSO in the process, 0 when it is not mapped
// (ZX_PROP_PROCESS_VDSO_BASE_ADDRESS).
func (p *Process) VDSOBase() (uint64, error) { return p.property(propProcessVDSOBase) }

// TaskStats is zx_info_task_stats_t: memory in bytes.
type TaskStats struct {
	Mapped, Private, Shared uint64
}

// Stats tells the process's use of memory (ZX_INFO_TASK_STATS).
func (p *Process) Stats() (TaskStats, error) {
	var b [32]byte
	err := p.info(infoTaskStats, b[:])
	le := binary.LittleEndian
	return TaskStats{le.Uint64(b[0:]), le.Uint64(b[8:]), le.Uint64(b[16:])}, err
}
