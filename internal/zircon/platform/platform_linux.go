//go:build amd64

package platform

import (
	"errors"
	"fmt"
	"maps"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
)

// Platform is object.Machine on Linux.
type Platform struct {
	clock
	log      *zap.Logger
	stub     stubCode
	features features

	ready  chan *shell   // the pool
	want   chan struct{} // asks the filler to look
	closed chan struct{}
	once   sync.Once
	filler sync.WaitGroup

	cgroup string // where threadRoom looks
	tasks  atomic.Uint64

	trouble atomic.Pointer[string] // what was last told of why no process can be made

	zygoteMu sync.Mutex
	current  *zygote // guarded by zygoteMu; nil until it is first needed

	mu     sync.Mutex
	spaces map[*space]bool // guarded by mu: those not reaped
	live   sync.WaitGroup  // of spaces
}

// New readies the platform. It starts the zygote, and fills the pool, in the
// background. The error wraps zx.ErrNotSupported where Linux is too old.
//
// From then on this program ignores SIGXFSZ: a limit on the size of files holds
// for VMOs too, and is to be an error and not this program's end.
func New(c Config) (*Platform, error) {
	stub, err := loadStub()
	if err != nil {
		return nil, err
	}
	f, err := hostFeatures()
	if err != nil {
		return nil, err
	}
	if c.features != nil {
		f = *c.features
	}
	signal.Ignore(unix.SIGXFSZ)
	log := c.Log
	if log == nil {
		log = zap.NewNop()
	}
	p := &Platform{
		clock:    newClock(),
		log:      log,
		stub:     stub,
		features: f,
		ready:    make(chan *shell, c.Pool),
		want:     make(chan struct{}, 1),
		closed:   make(chan struct{}),
		spaces:   make(map[*space]bool),
		cgroup:   ownCgroup(),
	}
	if c.Pool > 0 {
		p.wanted()
		p.filler.Add(1)
		go p.fill()
	}
	return p, nil
}

// zygote gives the zygote, starting one if there is none or it has died.
func (p *Platform) zygote() (*zygote, error) {
	p.zygoteMu.Lock()
	defer p.zygoteMu.Unlock()
	if p.current != nil && !p.current.isDead() {
		return p.current, nil
	}
	z, err := startZygote(p.stub, p.features)
	if err != nil {
		return nil, err
	}
	if p.current != nil {
		p.log.Warn("the process that others are forked from had died; there is a new one", zap.Int("pid", z.pid))
	}
	p.current = z
	return z, nil
}

// newShell makes a shell, with a new zygote if the zygote turns out to be dead.
// Somebody may kill what is about to be one: then it is tried again.
func (p *Platform) newShell() (*shell, error) {
	for tries := 5; ; tries-- {
		var s *shell
		var z *zygote
		err := p.threadRoom()
		if err == nil {
			z, err = p.zygote()
		}
		if err == nil {
			s, err = z.newShell()
		}
		if tries == 1 || !errors.Is(err, errDied) && !errors.Is(err, errGone) {
			p.tell(err)
			return s, err
		}
	}
}

// tell logs why no process can be made, once for as long as it is the same.
func (p *Platform) tell(err error) {
	old := p.trouble.Load()
	switch {
	case err == nil && old != nil:
		p.trouble.Store(nil)
	case err != nil && (old == nil || *old != err.Error()):
		text := err.Error()
		if p.trouble.CompareAndSwap(old, &text) {
			p.log.Error("no process can be made on this host", zap.Error(err))
		}
	}
}

// fill keeps the pool full.
func (p *Platform) fill() {
	defer p.filler.Done()
	for {
		select {
		case <-p.closed:
			return
		case <-p.want:
		}
		for len(p.ready) < cap(p.ready) {
			s, err := p.newShell()
			if err != nil {
				break // which is told, and met again by who needs a shell
			}
			select {
			case p.ready <- s:
			case <-p.closed:
				s.end()
				return
			}
		}
	}
}

// wanted tells the filler to look at the pool.
func (p *Platform) wanted() {
	select {
	case p.want <- struct{}{}:
	default: // it is about to
	}
}

// take gives a shell from the pool, or a new one.
func (p *Platform) take() (*shell, error) {
	defer p.wanted()
	for {
		select {
		case s := <-p.ready:
			if s.gone() { // killed from outside while it waited
				s.end()
				continue
			}
			return s, nil
		default:
			return p.newShell()
		}
	}
}

// Check says what on this host keeps processes from being made, if anything.
// It makes one.
func (p *Platform) Check() error {
	s, err := p.newShell()
	if err != nil {
		return fmt.Errorf("%w: %w", zx.ErrNotSupported, err)
	}
	select {
	case p.ready <- s:
	default:
		s.end()
	}
	return nil
}

// NewSpace implements object.Machine.
func (p *Platform) NewSpace(ev object.SpaceEvents) (object.Space, error) {
	s, err := p.take()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", zx.ErrNoResources, err)
	}
	sp := &space{p: p, shell: s, ev: ev, threads: make(map[uint32]*thread)}
	p.live.Add(1)
	p.mu.Lock()
	p.spaces[sp] = true
	p.mu.Unlock()
	return sp, nil
}

// reaped is called for a space that has left nothing on the host.
func (p *Platform) reaped(s *space) {
	p.mu.Lock()
	delete(p.spaces, s)
	p.mu.Unlock()
	p.live.Done()
}

// Entries are addresses of the stub in every process, for the vDSO.
type Entries struct {
	ThreadExit uint64 // ends the calling thread
	Linux      uint64 // makes the Linux call whose number and arguments are set, and returns
}

// Entries gives the stub's addresses.
func (p *Platform) Entries() Entries {
	return Entries{ThreadExit: p.stub.threadExit, Linux: p.stub.linux}
}

// Close kills every space, ends the pool and the zygote, and waits until nothing
// of them is left. It is for a platform of which no more spaces are asked.
func (p *Platform) Close() {
	p.once.Do(func() {
		close(p.closed)
		p.filler.Wait()
		p.mu.Lock()
		spaces := slices.Collect(maps.Keys(p.spaces))
		p.mu.Unlock()
		for _, s := range spaces {
			s.Kill()
		}
		p.live.Wait()
		for {
			select {
			case s := <-p.ready:
				s.end()
				continue
			default:
			}
			break
		}
		p.zygoteMu.Lock()
		defer p.zygoteMu.Unlock()
		if p.current != nil {
			p.current.close()
		}
	})
}

// PhysicalMemory is the host's memory in bytes.
func PhysicalMemory() uint64 {
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) != nil {
		return 0
	}
	return i.Totalram * uint64(i.Unit)
}
