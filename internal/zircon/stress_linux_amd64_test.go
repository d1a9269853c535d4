package zircon_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/internal/zircon"
	"go.fuchsia.dev/launcherd/internal/zircon/object"
	"go.fuchsia.dev/launcherd/zx"
)

// Launches in sequence and many at once, of which every other is killed at some
// moment in one of all the ways there are, and the process that they are forked
// from is killed too. Afterwards nothing is left. STRESS multiplies the number.
func TestStress(t *testing.T) {
	inSequence, parallel, each := 150, 50, 10
	if testing.Short() {
		inSequence, each = 50, 3
	}
	if n, err := strconv.Atoi(os.Getenv("STRESS")); err == nil {
		inSequence, each = inSequence*n, each*n
	}
	nothingLeft(t)
	var launched, refused atomic.Int64
	for range inSequence {
		if err := launchOne(t); err != nil {
			t.Fatal(err)
		}
	}

	stop := make(chan struct{})
	var murderer sync.WaitGroup
	murderer.Add(1)
	go func() {
		defer murderer.Done()
		next := int64(20)
		for killed := 0; ; {
			select {
			case <-stop:
				t.Logf("%d zygotes killed", killed)
				return
			case <-time.After(time.Millisecond):
			}
			if launched.Load() < next {
				continue
			}
			if pids := zygotes(); len(pids) > 0 {
				unix.Kill(pids[rand.IntN(len(pids))], unix.SIGKILL)
				killed++
				next = launched.Load() + 40 + rand.Int64N(80)
			}
		}
	}()
	var all sync.WaitGroup
	for range parallel {
		all.Add(1)
		go func() {
			defer all.Done()
			for range each {
				// A launch survives the zygote's death, but not too many of them.
				if err := launchOne(t); err != nil {
					refused.Add(1)
					t.Log(err)
					continue
				}
				launched.Add(1)
			}
		}()
	}
	all.Wait()
	close(stop)
	murderer.Wait()
	t.Logf("%d in sequence, %d at once, %d refused", inSequence, launched.Load(), refused.Load())
	if refused.Load() > launched.Load()/10 {
		t.Errorf("%d launches failed and %d did not", refused.Load(), launched.Load())
	}
}

// zygotes are the processes of this one that others are forked from: they have
// not given up the descriptor of the command pages.
func zygotes() (pids []int) {
	for _, pid := range children() {
		if l, err := os.Readlink("/proc/" + pid + "/fd/4"); err == nil && strings.Contains(l, "launcherd-commands") {
			n, _ := strconv.Atoi(pid)
			pids = append(pids, n)
		}
	}
	return pids
}

// launchOne launches a program, which may be one that does not end, and perhaps
// kills it. The error is the launch's.
func launchOne(t *testing.T) error {
	programs := [][]string{
		{helloProgram}, {helloProgram}, {helloProgram}, {threadsProgram, "4", "20"},
		{threadsProgram, "4", "20"}, {sleepProgram, "1000000000000"}, {sleepProgram, "1000000000000"}, {spinProgram},
	}
	command := programs[rand.IntN(len(programs))]
	p, err := launch(command[0], command[1:]...)
	if err != nil {
		return err
	}
	endless := command[0] == spinProgram || command[0] == sleepProgram
	murder := endless || rand.IntN(2) == 0
	if murder {
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		switch rand.IntN(3) {
		case 0:
			p.process.Kill()
		case 1:
			p.job.Kill()
		case 2:
			killNative(t, &p.process)
		}
	}
	r, err := p.end(ending)
	switch {
	case err != nil:
		t.Errorf("%q: %v", command, err)
	case r.killed:
		t.Errorf("%q did not end", command)
	case !murder && r.code != 0:
		t.Errorf("%q, which nobody killed, ended with %d", command, r.code)
	}
	return nil
}

// killNative kills the Linux process of a Zircon process, if it is there still.
func killNative(t *testing.T, p *zx.Process) {
	proc, st := object.Get[*object.Process](zircon.Self().Handles(), p.Handle(), 0)
	if st != zx.OK {
		t.Error(st)
		return
	}
	space := proc.Space()
	if space == nil {
		return
	}
	// Its number may be another's by now, but not if that is our child: no other
	// test runs meanwhile.
	fd, err := unix.PidfdOpen(space.ID(), 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if slices.Contains(children(), strconv.Itoa(space.ID())) {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
