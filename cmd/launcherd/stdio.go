//go:build !fuchsia

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/zx"
)

// stdio carries this process's standard input, output and error to and from a
// program's, which are sockets.
type stdio struct {
	ends [3]zx.Socket

	out   outputs
	ctx   context.Context // ended when no more output comes
	ended context.CancelFunc
}

// connect makes the sockets and gives p its ends.
func (s *stdio) connect(p *fdio.Program) (err error) {
	s.ctx, s.ended = context.WithCancel(context.Background())
	for fd := range s.ends {
		if s.ends[fd], err = p.Pipe(fd); err != nil {
			return err
		}
	}
	return nil
}

// start starts to copy. Output that cannot be written closes the program's
// descriptor.
func (s *stdio) start(log *zap.Logger) {
	in := zx.SocketFromHandle(s.ends[0].Take())
	go func() {
		// The read may outlast the run: nothing can end it.
		copyInput(log, &in)
		in.Close()
	}()
	for fd, f := range map[int]*os.File{1: os.Stdout, 2: os.Stderr} {
		from := zx.SocketFromHandle(s.ends[fd].Take())
		s.out.copy(f, func(b []byte) (int, error) { return from.ReadContext(s.ctx, b) }, func() { from.Close() })
	}
}

// drain waits until all output is copied, as outputs.wait does, and gives why it
// could not be. No process is left that could write, though handles of its sockets
// may be, in messages that nobody will read.
func (s *stdio) drain(ctx context.Context) error {
	s.ended()
	return s.out.wait(ctx)
}

func (s *stdio) close() {
	s.ended()
	for i := range s.ends {
		s.ends[i].Close()
	}
}

// outputs are copies of what a program writes that are under way.
type outputs struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	err error // guarded by mu: the first that the user does not know of
}

// copy copies to f, in the background, until read gives an error or f takes no
// more; then it calls end.
func (o *outputs) copy(f *os.File, read func([]byte) (int, error), end func()) {
	o.wg.Add(1)
	go func() {
		defer o.wg.Done()
		defer end()
		buf := make([]byte, copySize)
		for {
			n, err := read(buf)
			if n > 0 {
				if _, err := f.Write(buf[:n]); err != nil {
					o.fail(err)
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
}

// fail keeps an error of writing. A reader that has gone, as head does, knows
// what it wanted.
func (o *outputs) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && !errors.Is(err, syscall.EPIPE) {
		o.err = err
	}
}

// lastOutput is how long the last output may take when the user wants the end.
const lastOutput = time.Second

// wait waits for the copies to end, and gives why one did before its time. Once
// ctx has ended it waits no longer than lastOutput: a reader that has stopped
// reading must not keep launcherd from ending.
func (o *outputs) wait(ctx context.Context) error {
	copied := make(chan struct{})
	go func() {
		o.wg.Wait()
		close(copied)
	}()
	select {
	case <-copied:
	case <-ctx.Done():
		select {
		case <-copied:
		case <-time.After(lastOutput):
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// copySize is how much is copied at once.
const copySize = 64 << 10

// copyInput copies standard input to its end, or until w takes no more. It tells log
// of an error of reading: the program may not want to read. nohup gives a standard
// input that cannot be read.
func copyInput(log *zap.Logger, w io.Writer) {
	buf := make([]byte, copySize)
	for {
		n, err := readInput(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
		}
		switch {
		case err == io.EOF || errors.Is(err, syscall.EBADF):
			return
		case err != nil:
			log.Warn("no more input", zap.Error(err))
			return
		}
	}
}
