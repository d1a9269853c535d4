package zircon_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// limitVariable names the case of TestLimits that this process is started for.
const limitVariable = "ZIRCON_TEST_LIMIT"

// limits are what Linux can refuse, each in a process of its own.
var limits = []struct {
	name     string
	resource int
	limit    uint64
	kinds    []string // of hostile programs, and how they may end
	may      string
}{
	{"descriptors", unix.RLIMIT_NOFILE, 64, []string{"vmos", "mappings", "sizes"}, anything + " 0 -4"},
	{"few descriptors", unix.RLIMIT_NOFILE, 40, []string{"vmos", "sizes"}, anything + " 0 -4"},
	{"threads", unix.RLIMIT_NPROC, 100, []string{"threads", "spoil-frames", "faults"}, crashes + " -4 0"},
	{"file size", unix.RLIMIT_FSIZE, 8 << 20, []string{"sizes", "vmos"}, "0 -4"},
	{"address space", unix.RLIMIT_AS, 3 << 30, []string{"sizes", "vmos"}, "0 -4"},
}

// Whatever Linux refuses, programs get a status for it, and when they are gone
// there is room again.
func TestLimits(t *testing.T) {
	for _, tc := range limits {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUnderLimit$", "-test.v", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), limitVariable+"="+tc.name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			if strings.Contains(string(out), "--- SKIP") {
				t.Skip()
			}
		})
	}
}

func TestUnderLimit(t *testing.T) {
	name := os.Getenv(limitVariable)
	if name == "" {
		t.Skip("TestLimits runs it")
	}
	for _, tc := range limits {
		if tc.name != name {
			continue
		}
		if tc.resource == unix.RLIMIT_NPROC {
			becomeNobody(t)
		}
		if err := unix.Setrlimit(tc.resource, &unix.Rlimit{Cur: tc.limit, Max: tc.limit}); err != nil {
			t.Fatal(err)
		}
		nothingLeft(t)
		for _, kind := range tc.kinds {
			r, err := run(ending, hostileProgram, kind)
			if o := r.outcome(); err != nil || !allows(tc.may, o) {
				t.Errorf("%s: %s, %v; want one of %s", kind, o, err, tc.may)
			}
			t.Logf("%s: %q", kind, r.out)
			hello(t)
		}
		return
	}
	t.Fatalf("no limit %q", name)
}

// becomeNobody makes this process one of a user who has no other: the limit of
// threads is each user's, and root has none.
func becomeNobody(t *testing.T) {
	const nobody = 60999
	if os.Getuid() != 0 {
		t.Skip("needs root, to be a user without processes")
	}
	f, err := os.Open(hostileProgram)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, err := range []error{
		unix.Setgroups(nil),
		unix.Setresgid(nobody, nobody, nobody),
		unix.Setresuid(nobody, nobody, nobody),
		// It is lost with the user, and with it what is this process's in /proc.
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0),
	} {
		if err != nil {
			t.Skip("cannot be another user: ", err)
		}
	}
	if err := unix.Access(hostileProgram, unix.R_OK); err != nil {
		t.Skip("nobody may not read the programs: ", err)
	}
}

// Where there are too few descriptors for any process, a launch is refused and
// leaves nothing.
func TestNoRoomAtAll(t *testing.T) {
	nothingLeft(t)
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	few := l
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
	before := takeCensus()
	for n := uint64(3); n < uint64(before.Descriptors)+30; n++ {
		few.Cur = n
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		r, err := run(ending, helloProgram)
		if err == nil && (r.code != 0 || r.killed) {
			t.Errorf("%d descriptors: %+v", n, r)
		}
		if n > uint64(before.Descriptors)+25 && err != nil {
			t.Errorf("%d descriptors, of which %d are in use: %v", n, before.Descriptors, err)
		}
	}
}
