package zircon_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/internal/zircon/platform"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// Programs that these tests run.
const (
	helloProgram   = "../../examples/hello"
	hostileProgram = "../../testdata/hostile"
	sleepProgram   = "../../testdata/sleep"
	spinProgram    = "../../testdata/spin"
	threadsProgram = "../../testdata/threads"
)

// Return codes of processes that did not end themselves, from
// <zircon/syscalls/object.h>.
const (
	killed           = -1024 // ZX_TASK_RETCODE_SYSCALL_KILL
	endedByException = -1028 // ZX_TASK_RETCODE_EXCEPTION_KILL
)

// pool is the number of shells that the kernel keeps ready.
const pool = 2

func TestMain(m *testing.M) {
	if err := zircon.Configure(zircon.Config{Pool: pool}); err != nil {
		panic(err)
	}
	code := m.Run()
	zircon.Close()
	os.Exit(code)
}

// program is a program that runs, in a job of its own.
type program struct {
	job     zx.Job
	process zx.Process
	stdout  zx.Socket
}

// launch starts a program. It leaves nothing behind when it fails.
func launch(path string, args ...string) (_ *program, err error) {
	p := new(program)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	executable, err := zx.VMOFromFile(f, true)
	f.Close()
	if err != nil {
		return nil, err
	}
	defer executable.Close()
	vdso, err := zx.VDSO()
	if err != nil {
		return nil, err
	}
	defer vdso.Close()
	if p.job, err = zx.DefaultJob().CreateJob(); err != nil {
		return nil, err
	}
	var theirs zx.Socket
	if p.stdout, theirs, err = zx.NewSocket(zx.SocketStream); err != nil {
		return nil, err
	}
	defer theirs.Close()
	b, err := builder.New(filepath.Base(path), &p.job, 0, zx.VMOFromHandle(executable.Take()), zx.VMOFromHandle(vdso.Take()))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.AddArguments(append([]string{path}, args...)...); err != nil {
		return nil, err
	}
	if err := b.AddHandles(builder.StartupHandle{Handle: theirs.Take(), Info: processargs.NewHandleInfo(processargs.FileDescriptor, 1)}); err != nil {
		return nil, err
	}
	built, err := b.Build(context.Background())
	if err != nil {
		return nil, err
	}
	p.process, err = built.Start()
	return p, err
}

func (p *program) close() {
	if p.job.Handle() != zx.HandleInvalid {
		p.job.Kill()
	}
	p.job.Close()
	p.process.Close()
	p.stdout.Close()
}

// result is how a program ended. killed says that it did not by itself.
type result struct {
	out    string
	code   int64
	killed bool
}

// ending is a deadline for what happens at once unless something hangs.
const ending = time.Minute

// end waits until the program ends, and kills it when it takes longer than
// patience after its first output.
func (p *program) end(patience time.Duration) (r result, err error) {
	defer p.close()
	begins, cancel := context.WithTimeout(context.Background(), ending)
	defer cancel()
	if _, err := p.stdout.Wait(begins, zx.SocketReadable|zx.SocketPeerClosed, zx.InfiniteFuture); err != nil {
		return r, fmt.Errorf("the process does not begin: %w", err)
	}
	var mu sync.Mutex
	kill := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		r.killed = true
		p.job.Kill()
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience+ending)
	defer cancel()
	_, err = p.process.Wait(ctx, zx.ProcessTerminated, zx.InfiniteFuture)
	kill.Stop()
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		return r, fmt.Errorf("the process does not end: %w", err)
	}
	out, err := io.ReadAll(&p.stdout)
	if err != nil {
		return r, err
	}
	info, err := p.process.Info()
	r.out, r.code = string(out), info.ReturnCode
	return r, err
}

// run runs a program to its end.
func run(patience time.Duration, path string, args ...string) (result, error) {
	p, err := launch(path, args...)
	if err != nil {
		return result{}, err
	}
	return p.end(patience)
}

// hello makes sure that programs run as ever.
func hello(t testing.TB) {
	t.Helper()
	r, err := run(ending, helloProgram)
	if err != nil || r.code != 0 || r.out != "Hello, Fuchsia!\n" {
		t.Errorf("hello, afterwards: %+v, %v", r, err)
	}
}

// census counts all that a process could leave behind.
type census struct {
	Objects             map[zx.ObjType]int64 // of the kernel
	Handles             int                  // of Self
	Pages, Shells       int64
	Goroutines          int
	Descriptors, Childs int
}

func takeCensus() census {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return census{
		Objects:     zircon.Kernel().LiveObjects(),
		Handles:     zircon.Self().Handles().Len(),
		Pages:       platform.LivePages.Load(),
		Shells:      platform.LiveShells.Load(),
		Goroutines:  runtime.NumGoroutine(),
		Descriptors: len(fds),
		Childs:      len(children()),
	}
}

// children are the Linux processes that this one has started.
func children() (pids []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	for _, s := range stats {
		b, _ := os.ReadFile(s) // it may have ended meanwhile
		_, fields, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(fields); len(f) > 1 && f[1] == fmt.Sprint(os.Getpid()) {
			pids = append(pids, filepath.Base(filepath.Dir(s)))
		}
	}
	return pids
}

// atRest is the census before any test: what is made once is made, and nothing
// is under way.
var atRest = sync.OnceValue(func() census {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR2) // Go keeps a goroutine for signals
	run(ending, helloProgram)
	const calm = 200 * time.Millisecond
	var last census
	for since := time.Now(); time.Since(since) < calm; time.Sleep(5 * time.Millisecond) {
		if now := takeCensus(); now.Shells != pool || !cmp.Equal(now, last) {
			last, since = now, time.Now()
		}
	}
	return last
})

// nothingLeft fails the test, at its end, if it leaves anything behind. What
// ends in the background gets time to. It is for tests, and not for tests within
// tests, which have a goroutine more.
func nothingLeft(t testing.TB) {
	t.Helper()
	before := atRest()
	t.Cleanup(func() {
		hello(t)
		var after census
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			if after = takeCensus(); cmp.Equal(before, after) {
				return
			}
		}
		t.Errorf("left behind (- before, + after):\n%s", cmp.Diff(before, after))
		if before.Goroutines != after.Goroutines {
			b := make([]byte, 1<<20)
			t.Logf("%s", b[:runtime.Stack(b, true)])
		}
	})
}

// inParallel calls f for each case, some at once.
func inParallel[T any](cases []T, f func(T)) {
	work := make(chan T)
	var workers sync.WaitGroup
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for c := range work {
				f(c)
			}
		}()
	}
	for _, c := range cases {
		work <- c
	}
	close(work)
	workers.Wait()
}
