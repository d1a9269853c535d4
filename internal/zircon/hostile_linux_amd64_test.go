package zircon_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.fuchsia.dev/fidl-go/zx"
)

// How a hostile program may end.
const (
	exception = "exception" // with an exception that nobody handled
	slain     = "slain"     // killed, because it meddled with the host's part
	exits     = "exits"     // by itself, without a word more
	idles     = "idles"     // not: no thread of it is left, and it must be killed
	crashes   = exception + " " + slain
	anything  = crashes + " " + exits + " " + idles
)

// Where the host's pages are (internal/zircon/platform/layout.go).
const (
	stubText = 0x7fc000000000
	stubData = stubText + 0x1_0000
	cmdPage  = stubText + 0x2_0000
	slots    = stubText + 0x1000_0000
	slotSize = 0x8000
)

// outcome says how a hostile program ended: one of the constants, or what the
// last thing that it did gave.
func (r result) outcome() string {
	rest, ok := strings.CutPrefix(r.out, "before\n")
	switch {
	case !ok:
		return fmt.Sprintf("code %d and output %q", r.code, r.out)
	case r.killed:
		return idles
	case rest != "" && r.code == 0:
		lines := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
		return lines[len(lines)-1]
	case rest == "" && r.code == endedByException:
		return exception
	case rest == "" && r.code == killed:
		return slain
	case rest == "" && r.code == 0:
		return exits
	}
	return fmt.Sprintf("code %d and output %q", r.code, r.out)
}

// allows says whether the outcomes that may be have this one: by name, or for
// "after: R" a result that may be. "*" is any result.
func allows(may, outcome string) bool {
	for _, m := range strings.Fields(may) {
		v, after := strings.CutPrefix(outcome, "after: ")
		if m == v || m == "*" && after {
			return true
		}
	}
	return false
}

// tryAll runs the hostile program for each case, which is the arguments, and
// checks how it ends. It gives how often each outcome came.
func tryAll(t *testing.T, cases []string, may string) map[string]int {
	t.Helper()
	patience := ending
	if strings.Contains(may, idles) {
		patience = impatience
	}
	outcomes := make(chan string, len(cases))
	inParallel(cases, func(c string) {
		r, err := run(patience, hostileProgram, strings.Fields(c)...)
		o := r.outcome()
		if err != nil {
			t.Errorf("%s: %v", c, err)
		} else if !allows(may, o) {
			t.Errorf("%s: %s, want one of: %s", c, o, may)
		}
		outcomes <- o
	})
	close(outcomes)
	count := make(map[string]int)
	for o := range outcomes {
		count[o]++
	}
	return count
}

// impatience is for programs that are expected to stand still: they are given
// this long to do harm.
const impatience = 100 * time.Millisecond

// A program may jump to any system call of the stub, with registers of its own.
func TestHostileCalls(t *testing.T) {
	dir := t.TempDir()
	marker := filepath.Join(dir, "marker")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	nothingLeft(t)

	r, err := run(ending, hostileProgram, "count")
	n, bad := strconv.Atoi(strings.TrimPrefix(r.outcome(), "after: "))
	if err != nil || bad != nil || n < 10 {
		t.Fatalf("the stub's instructions: %+v, %v", r, err)
	}
	pid := os.Getpid()
	for _, tc := range []struct{ call, may string }{
		// Nobody may make them.
		{fmt.Sprint("open @", marker, " 0x41 0x1b6"), exception},
		{fmt.Sprint("openat -100 @", marker, " 0x41 0x1b6"), exception},
		{"read 0 " + fmt.Sprint(stubData) + " 8", exception},
		{"write 1 @text 4", exception},
		{"socket 1 1", exception},
		{"fork", exception},
		{"execve @/bin/true", exception},
		{fmt.Sprintf("kill %d %d", pid, syscall.SIGUSR1), exception},
		{fmt.Sprintf("ptrace 16 %d", pid), exception},
		{"ptrace", exception},
		{"prctl 1 0", exception},
		{"seccomp 1 8", exception},
		{"memfd_create @x", exception},
		{"getpid", exception},
		{"madvise 0x7fc000010000 4096 4", exception},
		{"mremap 0x7fc000000000 4096 4096 3 0x10000000", exception},
		{"-1", exception},
		{"0x40000027", exception}, // getpid of x32
		// They need the control thread's key.
		{"munmap 0x7fc000000000 4096", exception},
		{"munmap 0x7fc000020000 4096", exception},
		{"munmap 0x1000 0x7fbffffff000", exception},
		{"mprotect 0x7fc000000000 4096 7", exception},
		{"mprotect 0x7fc000020000 4096 7", exception},
		{"close 0", exception},
		{"recvmsg 0 0x7fc000010500", exception},
		{"clone 0x50b00", exception},
		{"clone 0x11", exception},
		{"clone 0x8011", exception},
		{"mmap 0x7fc000000000 4096 7 0x32 -1 0", exception}, // memory of nobody
		// There is no descriptor to map or to send on.
		{"mmap 0x7fc000000000 4096 7 0x11 0 0", crashes + " " + idles + " -9"},
		{"mmap 0x7fc000000000 4096 7 0x12 3 0", crashes + " " + idles + " -9"},
		{"mmap 0x7fc000020000 4096 7 0x11 4 0", crashes + " " + idles + " -9"},
		{"sendmsg 0 0x7fc000010080", crashes + " " + idles + " -9"},
		{"sendmsg 1 0x7fc000010080", crashes + " " + idles + " -9"},
		// They are a thread's own affair.
		{"arch_prctl 0x1002 0x10000", crashes + " " + idles + " 0"},
		{"arch_prctl 0x1001 0x7fc000010000", crashes + " " + idles + " 0"},
		{"clock_gettime 1 0x7fc000010600", crashes + " " + idles + " 0"},
		{"rt_sigreturn", crashes},
		{"exit", crashes + " " + idles},
		{"exit_group", crashes},
		// arch_prctl of another kind
		{"arch_prctl 0x1003 0x7fc000010000", exception},
		// The stub's own.
		{"control 1 2 3", exception},
		{"ready 0", crashes},
		{fmt.Sprint("ready ", slots+slotSize-512), crashes + " " + idles + " 0"}, // as it once was
		{fmt.Sprint("ready ", slots+2*slotSize-512), crashes},
		{"exiting", crashes + " " + exits},
		{"fault", crashes},
		{fmt.Sprint("fault 11 ", stubText, " ", stubData), crashes},
		{fmt.Sprint("fault 11 ", slots+64, " ", slots+256), anything},
	} {
		t.Run(tc.call, func(t *testing.T) {
			var cases []string
			for i := range n {
				cases = append(cases, fmt.Sprint("jump ", i, " ", tc.call))
			}
			t.Log(tryAll(t, cases, tc.may))
			hello(t)
		})
	}
	if files, err := os.ReadDir(dir); len(files) != 0 || err != nil {
		t.Errorf("a call reached Linux and made files: %v, %v", files, err)
	}
	select {
	case s := <-signals:
		t.Errorf("a call reached Linux and sent %v", s)
	default:
	}
}

// No number is let through that is not meant to be.
func TestHostileNumbers(t *testing.T) {
	nothingLeft(t)
	// Linux makes these two past any filter since 6.14, and does nothing but find
	// that no probe of its own makes them.
	const uretprobe, uprobe = 335, 336
	free := []int{uretprobe, uprobe, syscall.SYS_MMAP, syscall.SYS_RT_SIGRETURN, syscall.SYS_SENDMSG, syscall.SYS_EXIT,
		syscall.SYS_ARCH_PRCTL, syscall.SYS_CLOCK_GETTIME, syscall.SYS_EXIT_GROUP}
	var cases []string
	for nr := range 480 {
		if !slices.Contains(free, nr) {
			cases = append(cases, fmt.Sprint("call ", nr))
		}
		if nr%4 == 1 {
			cases = append(cases, fmt.Sprint("call ", nr|0x40000000), fmt.Sprint("own ", nr))
		}
	}
	tryAll(t, cases, exception)
	probes := []string{"call 335", "call 336", "own 335", "own 336", "own 0x4000014f", "own 0x40000150"}
	t.Log(tryAll(t, probes, exception+" "+strconv.Itoa(-int(syscall.ENXIO))))
}

// A program may jump to any byte of the stub.
func TestHostileJumps(t *testing.T) {
	nothingLeft(t)
	step := 1
	if testing.Short() {
		step = 7
	}
	var cases []string
	for off := 0; off < 0x2b0; off += step {
		cases = append(cases, fmt.Sprint("go ", stubText+off))
	}
	t.Log(tryAll(t, cases, anything+" *"))
}

// What else no sound program does.
func TestHostileKinds(t *testing.T) {
	nothingLeft(t)
	for _, tc := range []struct{ kind, may string }{
		{"steal-descriptors", "-1"},
		{"spoil-data", slain},
		{"spoil-receipt", slain + " -20"},
		{"spoil-frames", crashes + " 0"},
		{"pretend-ready", slain},
		{"faults", exception},
		{"single-step", exception},
		{"segment-bases", "-1"}, // Linux refuses the last
		{"messages", exception},
		{"packets", exception},
		{"sizes", "0"},
		{"mappings", fmt.Sprint(int(zx.ErrNoMemory))},
		{"handles 100000", "0"},
		{"no-such-kind", "code 2 and output \"before\\n\""},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			r, err := run(ending, hostileProgram, strings.Fields(tc.kind)...)
			if o := r.outcome(); err != nil || o != tc.may && !allows(tc.may, o) {
				t.Errorf("%s, %v; want %s", o, err, tc.may)
			}
			hello(t)
		})
	}
}

// Addresses that no program should use.
func TestHostileAddresses(t *testing.T) {
	const (
		nonCanonical = 0x8000_0000_0000
		linux        = -0x8000_0000_0000 // Linux's own half
		vsyscall     = -0xa0_0000
	)
	var cases []string
	for _, at := range []int64{
		0, 1, 0xfff, stubText, stubText + 0xfff, stubData, stubData + 8, cmdPage, cmdPage + 0xff0,
		slots, slots + slotSize, slots + slotSize - 512, 0x7fc000100000, nonCanonical - 8, nonCanonical, vsyscall, linux, -8,
	} {
		for _, kind := range []string{"write %d", "read %d", "go %d", "stack %d", "start-at %d 0", "start-at %[1]d %[1]d"} {
			cases = append(cases, fmt.Sprintf(kind, at))
		}
	}
	nothingLeft(t)
	t.Log(tryAll(t, cases, anything+" *"))
}
