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
	waiters []*futexWaiter
	owner   zx.Koid // a thread; KoidInvalid for none
}

type futexWaiter struct {
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
func (o FutexOwner) resolve(waiters ...*futexWaiter) (zx.Koid, zx.Status) {
	if o.Lookup == nil {
		return zx.KoidInvalid, zx.OK
	}
	owner, st := o.Lookup()
	if st == zx.OK && owner != zx.KoidInvalid &&
		slices.ContainsFunc(waiters, func(w *futexWaiter) bool { return w.thread == owner }) {
		return 0, zx.ErrInvalidArgs
	}
	return owner, st
}

// FutexWait lets thread of process wait at addr, if load still gives current:
// BAD_STATE otherwise. TIMED_OUT, CANCELED by done, INVALID_ARGS for an owner
// that waits itself, and what load and owner give.
func (k *Kernel) FutexWait(done <-chan struct{}, process, thread zx.Koid, addr uint64, load func() (uint32, zx.Status), current uint32, owner FutexOwner, deadline int64) zx.Status {
	key := futexKey{process, addr}
	w := &futexWaiter{thread: thread, ready: make(chan struct{}, 1)}
	w.key.Store(&key)
	s := k.futexes.shard(key)
	s.mu.Lock()
	v, st := load()
	if st == zx.OK && v != current {
		st = zx.ErrBadState
	}
	f := s.m[key]
	var koid zx.Koid
	if st == zx.OK {
		var waiters []*futexWaiter
		if f != nil {
			waiters = f.waiters
		}
		koid, st = owner.resolve(waiters...)
		if st == zx.OK && koid == thread && koid != zx.KoidInvalid {
			st = zx.ErrInvalidArgs
		}
	}
	if st != zx.OK {
		s.mu.Unlock()
		return st
	}
	if f == nil {
		f = &futex{}
		if s.m == nil {
			s.m = make(map[futexKey]*futex)
		}
		s.m[key] = f
	}
	f.waiters = append(f.waiters, w)
	f.owner = koid
	s.mu.Unlock()

	st = k.Block(w.ready, done, deadline)
	if st != zx.OK && !k.futexes.drop(w) {
		return zx.OK // woken in the same moment
	}
	return st
}

// drop takes w off the futex it waits at, and says whether it still waited.
func (t *futexTable) drop(w *futexWaiter) bool {
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
	var waiters []*futexWaiter
	if f != nil {
		waiters = append(waiters, f.waiters...)
	}
	if g != nil {
		waiters = append(waiters, g.waiters...)
	}
	koid, st := owner.resolve(waiters...)
	if st != zx.OK {
		return st
	}
	if f != nil {
		f.wakeLocked(n, ownWoken)
		m := int(min(uint64(move), uint64(len(f.waiters))))
		if m > 0 {
			if g == nil {
				g = &futex{}
				if d.m == nil {
					d.m = make(map[futexKey]*futex)
				}
				d.m[dest] = g
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
