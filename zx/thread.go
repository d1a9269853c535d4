package zx

// Thread is a thread of a process.
type Thread struct{ task }

// ThreadFromHandle makes a Thread that owns h.
func ThreadFromHandle(h Handle) Thread { return Thread{task{Object{h}}} }

// Duplicate gives a second handle with rights r.
func (t *Thread) Duplicate(r Rights) (Thread, error) {
	o, err := t.Object.Duplicate(r)
	return Thread{task{o}}, err
}

// Start has the thread, of a process that runs, begin at entry with the stack
// pointer sp and two arguments (zx_thread_start).
func (t *Thread) Start(entry, sp, arg1, arg2 uint64) error {
	return sysThreadStart(t.Handle(), entry, sp, arg1, arg2).Err()
}
