package hostlink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/zx"
)

// token is a handle outside of this process: a socket stands for it.
type token struct {
	p      *packets
	typ    zx.ObjType
	o      zx.Object // none once a handle that cannot be duplicated was redeemed
	cookie uint64    // of the socket that was given away
}

// MaxReason is how much a task descriptor tells of why a process was killed, in
// bytes.
const MaxReason = 1024

// killCommand, written to a task descriptor, kills the task.
const killCommand = "kill"

// exportToken makes a socket that stands for a handle, which it consumes.
func (b *Bridge) exportToken(o zx.Object, typ zx.ObjType) (int, error) {
	ours, theirs, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		o.Close()
		return -1, err
	}
	t := &token{o: o, typ: typ}
	if t.cookie, err = cookie(theirs); err != nil {
		err = fmt.Errorf("SO_COOKIE: %w: %w", zx.ErrNotSupported, err)
		unix.Close(ours)
	} else {
		t.p, err = packetsFromFD(ours)
	}
	if err != nil {
		unix.Close(theirs)
		o.Close()
		return -1, err
	}
	b.mu.Lock()
	b.tokens[t.cookie] = t
	b.mu.Unlock()
	if !b.spawn(func(ctx context.Context) { b.run(ctx, t) }) {
		b.drop(t)
		unix.Close(theirs)
		return -1, errBridgeClosed
	}
	return theirs, nil
}

// redeem gives the handle that a socket stands for; false when it stands for
// none. A handle that cannot be duplicated is given away for good.
func (b *Bridge) redeem(fd int) (o zx.Object, ok bool, err error) {
	c, err := cookie(fd)
	if err != nil {
		return zx.Object{}, false, nil
	}
	b.mu.Lock()
	t := b.tokens[c]
	b.mu.Unlock()
	if t == nil {
		return zx.Object{}, false, nil
	}
	o, err = t.o.Duplicate(zx.RightSameRights)
	if errors.Is(err, zx.ErrAccessDenied) {
		return zx.ObjectFromHandle(t.o.Take()), true, nil
	}
	return o, true, err
}

// drop ends t.
func (b *Bridge) drop(t *token) {
	b.mu.Lock()
	delete(b.tokens, t.cookie)
	b.mu.Unlock()
	t.p.close()
	t.o.Close()
}

// run serves the socket of t until it is closed.
func (b *Bridge) run(ctx context.Context, t *token) {
	defer b.drop(t)
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	task := t.typ == zx.ObjTypeProcess || t.typ == zx.ObjTypeJob
	if task {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			b.sendEnd(ctx, t)
		}()
	}
	buf := make([]byte, len(killCommand)+1)
	for {
		n, fds, err := t.p.recv(ctx, buf)
		switch {
		case errors.Is(err, zx.ErrInvalidArgs): // too long for a command
		case err != nil:
			return
		case task && string(buf[:n]) == killCommand:
			p := zx.ProcessFromHandle(t.o.Handle()) // lent; killing is the same for a job
			_ = p.Kill()                            // a handle without the right to kill does not
		}
		closeFDs(fds)
	}
}

// sendEnd waits for the end of the task, and tells the return code and why it was
// killed.
func (b *Bridge) sendEnd(ctx context.Context, t *token) {
	if _, err := t.o.Wait(ctx, zx.TaskTerminated, zx.InfiniteFuture); err != nil {
		// When everything ends at once, the end of the task comes first.
		if _, err := t.o.Wait(context.Background(), zx.TaskTerminated, zx.InfinitePast); err != nil {
			return
		}
	}
	code, err := returnCode(&t.o, t.typ)
	if err != nil {
		return
	}
	end := binary.LittleEndian.AppendUint64(nil, uint64(code))
	if b.Reason != nil && t.typ == zx.ObjTypeProcess {
		reason := b.Reason(t.o.Handle())
		end = append(end, reason[:min(len(reason), MaxReason)]...)
	}
	_ = t.p.send(end, nil) // whoever has gone needs no answer
	t.p.endWrites()
}

// returnCode gives the return code of a task that has terminated.
func returnCode(o *zx.Object, typ zx.ObjType) (int64, error) {
	if typ == zx.ObjTypeJob {
		j := zx.JobFromHandle(o.Handle()) // lent
		i, err := j.Info()
		return i.ReturnCode, err
	}
	p := zx.ProcessFromHandle(o.Handle()) // lent
	i, err := p.Info()
	return i.ReturnCode, err
}
