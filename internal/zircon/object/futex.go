package object

import (
	"slices"
	"sync"
	"sync/atomic"

	"go.fuchsia.dev/fidl-go/zx"
)

// futexShards spreads futexes over locks, one of which is held while a word of
// a program's memory is read.
const futexShards = 64

// futexTable is who waits at which address of which process. An address where
// nobody waits has no entry, and no owner.
type futexTable struct {
	shards [futexShards]futexShard
}

type futexShard struct {
	mu sync.Mutex
	m  map[futexKey]*futex // guarded by mu
}

type futexKey struct {
	process zx.Koid
	addr    uint64
}

type futex struct {
	waiters []*FutexWaiter
	owner   zx.Koid // a thread; KoidInvalid for none
}

// FutexWaiter is a thread that waits at a futex.
type FutexWaiter struct {
	key    atomic.Pointer[futexKey] // changed with the locks of both shards
	thread zx.Koid
	ready  chan struct{} // has something once woken
}

func (t *futexTable) shard(k futexKey) *futexShard {
	h := (k.addr>>2)*0x9e3779b97f4a7c15 ^ uint64(k.process)*0xff51afd7ed558ccd
	return &t.shards[h>>(64-6)]
}

// FutexOwner is the thread that a futex is to belong to.
type FutexOwner struct {
	// Lookup gives the thread's koid, KoidInvalid for none, or why it cannot be
	// the owner. It is called once the futex's value is known to match.
	Lookup func() (zx.Koid, zx.Status)
}

// resolve also refuses an owner that waits for the futex itself.
func (o FutexOwner) resolve(waiters []*FutexWaiter, more ...*FutexWaiter) (zx.Koid, zx.Status) {
	if o.Lookup == nil {
		return zx.KoidInvalid, zx.OK
	}
	owner, st := o.Lookup()
	is := func(w *FutexWaiter) bool { return w.thread == owner }
	if st == zx.OK && owner != zx.KoidInvalid &&
		(slices.ContainsFunc(waiters, is) || slices.ContainsFunc(more, is)) {
		return zx.KoidInvalid, zx.ErrInvalidArgs
	}
	return owner, st
}

// FutexEnqueue makes thread of process wait at addr, if load still gives current:
// BAD_STATE otherwise. INVALID_ARGS for an owner that waits itself, and what
// load and owner give. FutexWait must follow.
func (k *Kernel) FutexEnqueue(process, thread zx.Koid, addr uint64, load func() (uint32, zx.Status), current uint32, owner FutexOwner) (*FutexWaiter, zx.Status) {
	key := futexKey{process, addr}
	s := k.futexes.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, st := load()
	if st != zx.OK {
		return nil, st
	}
	if v != current {
		return nil, zx.ErrBadState
	}
	f := s.m[key]
	w := &FutexWaiter{thread: thread, ready: make(chan struct{}, 1)}
	w.key.Store(&key)
	var waiters []*FutexWaiter
	if f != nil {
		waiters = f.waiters
	}
	koid, st := owner.resolve(waiters, w)
	if st != zx.OK {
		return nil, st
	}
	if f == nil {
		f = s.newLocked(key)
	}
	f.waiters = append(f.waiters, w)
	f.owner = koid
	return w, zx.OK
}

// FutexWait waits until w is woken: TIMED_OUT, CANCELED by done.
func (k *Kernel) FutexWait(w *FutexWaiter, done <-chan struct{}, deadline int64) zx.Status {
	st := k.Block(w.ready, done, deadline)
	if st != zx.OK && !k.futexes.drop(w) {
		return zx.OK // woken in the same moment
	}
	return st
}

// newLocked makes the futex of a key that has none.
func (s *futexShard) newLocked(key futexKey) *futex {
	if s.m == nil {
		s.m = make(map[futexKey]*futex)
	}
	f := &futex{}
	s.m[key] = f
	return f
}

// drop takes w off the futex it waits at, and says whether it still waited.
func (t *futexTable) drop(w *FutexWaiter) bool {
	for {
		key := w.key.Load()
		s := t.shard(*key)
		s.mu.Lock()
		if w.key.Load() != key { // moved to another futex
			s.mu.Unlock()
			continue
		}
		defer s.mu.Unlock()
		f := s.m[*key]
		if f == nil {
			return false
		}
		i := slices.Index(f.waiters, w)
		if i < 0 {
			return false
		}
		f.waiters = slices.Delete(f.waiters, i, i+1)
		s.tidyLocked(*key, f)
		return true
	}
}

func (s *futexShard) tidyLocked(key futexKey, f *futex) {
	if len(f.waiters) == 0 {
		delete(s.m, key)
	}
}

// wakeLocked wakes up to n waiters, oldest first. The last one woken becomes the
// owner if ownWoken is set; else nobody is.
func (f *futex) wakeLocked(n uint32, ownWoken bool) {
	f.owner = zx.KoidInvalid
	m := int(min(uint64(n), uint64(len(f.waiters))))
	for _, w := range f.waiters[:m] {
		w.ready <- struct{}{}
		Wakeups.Add(1)
		if ownWoken {
			f.owner = w.thread
		}
	}
	f.waiters = slices.Delete(f.waiters, 0, m)
}

// FutexWake wakes up to n of those who wait at addr. The futex then belongs to
// nobody, or with ownWoken to the one that was woken.
func (k *Kernel) FutexWake(process zx.Koid, addr uint64, n uint32, ownWoken bool) {
	key := futexKey{process, addr}
	s := k.futexes.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.m[key]; f != nil {
		f.wakeLocked(n, ownWoken)
		s.tidyLocked(key, f)
	}
}

// FutexRequeue wakes as FutexWake does, if load still gives current, and lets up
// to move of the others wait at to instead, which then belongs to owner. Errors
// are those of FutexWait; nothing is done then.
func (k *Kernel) FutexRequeue(process zx.Koid, addr uint64, n uint32, ownWoken bool, load func() (uint32, zx.Status), current uint32, to uint64, move uint32, owner FutexOwner) zx.Status {
	if addr == to {
		return zx.ErrInvalidArgs
	}
	key, dest := futexKey{process, addr}, futexKey{process, to}
	s, d := k.futexes.shard(key), k.futexes.shard(dest)
	unlock := k.futexes.lockBoth(s, d)
	defer unlock()
	v, st := load()
	if st != zx.OK {
		return st
	}
	if v != current {
		return zx.ErrBadState
	}
	f, g := s.m[key], d.m[dest]
	// Neither one who waits at either address may own the destination.
	var here, there []*FutexWaiter
	if f != nil {
		here = f.waiters
	}
	if g != nil {
		there = g.waiters
	}
	koid, st := owner.resolve(here, there...)
	if st != zx.OK {
		return st
	}
	if f != nil {
		f.wakeLocked(n, ownWoken)
		m := int(min(uint64(move), uint64(len(f.waiters))))
		if m > 0 {
			if g == nil {
				g = d.newLocked(dest)
			}
			for _, w := range f.waiters[:m] {
				w.key.Store(&dest)
			}
			g.waiters = append(g.waiters, f.waiters[:m]...)
			f.waiters = slices.Delete(f.waiters, 0, m)
		}
		s.tidyLocked(key, f)
	}
	if g != nil {
		g.owner = koid
	}
	return zx.OK
}

// lockBoth locks two shards, always in the same order.
func (t *futexTable) lockBoth(a, b *futexShard) (unlock func()) {
	if a == b {
		a.mu.Lock()
		return a.mu.Unlock
	}
	for i := range t.shards {
		if s := &t.shards[i]; s == a || s == b {
			s.mu.Lock()
		}
	}
	return func() { a.mu.Unlock(); b.mu.Unlock() }
}

// FutexOwnerOf gives the thread that the futex at addr belongs to.
func (k *Kernel) FutexOwnerOf(process zx.Koid, addr uint64) zx.Koid {
	key := futexKey{process, addr}
	s := k.futexes.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.m[key]; f != nil {
		return f.owner
	}
	return zx.KoidInvalid
}
