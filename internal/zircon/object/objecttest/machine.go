// Package objecttest is a machine for tests of kernel objects and system calls.
// Its memory is in Go's heap, its processes have address spaces and threads that
// run no code: a test makes their system calls for them.
package objecttest

import (
	"sync"
	"time"

	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/internal/zircon/vm/vmtest"
)

// Machine implements object.Machine.
type Machine struct {
	vmtest.Host
	start time.Time

	mu     sync.Mutex
	spaces map[object.SpaceEvents]*Space // guarded by mu
}

var (
	_ object.Machine = (*Machine)(nil)
	_ object.Space   = (*Space)(nil)
)

// NewMachine makes a machine without processes.
func NewMachine() *Machine {
	return &Machine{start: time.Now().Add(-time.Hour), spaces: make(map[object.SpaceEvents]*Space)}
}

// Monotonic implements object.Clock. The machine was started an hour ago.
func (m *Machine) Monotonic() int64 { return int64(time.Since(m.start)) }

// Boot implements object.Clock: it slept for a second.
func (m *Machine) Boot() int64 { return m.Monotonic() + int64(time.Second) }

// UTC implements object.Clock.
func (m *Machine) UTC() int64 { return time.Now().UnixNano() }

// NewSpace implements object.Machine.
func (m *Machine) NewSpace(ev object.SpaceEvents) (object.Space, error) {
	s := &Space{events: ev, machine: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spaces[ev] = s
	return s, nil
}

// Space gives the address space of a process that runs, nil for none.
func (m *Machine) Space(p *object.Process) *Space {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spaces[p]
}

// Space is an address space with threads that stand still. It implements
// object.Space.
type Space struct {
	vmtest.Space
	events  object.SpaceEvents
	machine *Machine

	mu      sync.Mutex
	threads []any // guarded by mu: the cookies
	killed  bool  // guarded by mu
}

// StartThread implements object.Space.
func (s *Space) StartThread(cookie any, _ object.StartRegs) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.threads = append(s.threads, cookie)
	return nil
}

// Threads are the threads that were started, in their order.
func (s *Space) Threads() []*object.Thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts := make([]*object.Thread, len(s.threads))
	for i, c := range s.threads {
		ts[i] = c.(*object.Thread)
	}
	return ts
}

// Kill implements object.Space: the process is gone soon.
func (s *Space) Kill() {
	s.mu.Lock()
	again := s.killed
	s.killed = true
	s.mu.Unlock()
	if again {
		return
	}
	s.Close()
	go func() {
		s.events.Gone(true, "killed")
		s.machine.mu.Lock()
		delete(s.machine.spaces, s.events)
		s.machine.mu.Unlock()
	}()
}

// ID implements object.Space.
func (s *Space) ID() int { return 1 }
