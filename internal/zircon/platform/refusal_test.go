//go:build linux && amd64

package platform

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/fidl-go/zx"
)

const refusalVariable = "PLATFORM_TEST_REFUSAL"

// refusals are what containers and security modules refuse. says is part of the
// error that Check gives; without it, all works.
var refusals = []struct {
	name  string
	deny  []uint32 // system calls
	errno unix.Errno
	flags uintptr // of the seccomp filter that denies them
	says  string
}{
	{name: "nothing"},
	{name: "access to memory by call", deny: []uint32{unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV}, errno: unix.EPERM},
	{name: "access to memory, as if there were no such call", deny: []uint32{unix.SYS_PROCESS_VM_READV}, errno: unix.ENOSYS},
	{name: "access to memory by file too", deny: []uint32{unix.SYS_PROCESS_VM_READV, unix.SYS_PREAD64}, errno: unix.EPERM,
		says: "a container needs the capability SYS_PTRACE"},
	{name: "moving the vDSO", deny: []uint32{unix.SYS_MREMAP}, errno: unix.EPERM},
	{name: "files in memory", deny: []uint32{unix.SYS_MEMFD_CREATE}, errno: unix.EPERM, says: "memfd: operation not permitted"},
	{name: "seccomp", deny: []uint32{unix.SYS_SECCOMP}, errno: unix.EPERM, says: "a container's profile must allow it"},
	{name: "a second listener", flags: filterNewListener, says: "another program listens"},
}

// What a host refuses is done without, or it is said what it is and what helps.
func TestRefusals(t *testing.T) {
	for _, tc := range refusals {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRefused$", "-test.v", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), refusalVariable+"="+tc.name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if strings.Contains(string(out), "--- SKIP") {
				t.Skipf("%s", out)
			}
		})
	}
}

// TestRefused is one of refusals, in a process of its own.
func TestRefused(t *testing.T) {
	name := os.Getenv(refusalVariable)
	if name == "" {
		t.Skip("TestRefusals runs it")
	}
	for _, tc := range refusals {
		if tc.name != name {
			continue
		}
		// Linux calls that fail as they do where they are refused.
		denied := unix.SECCOMP_RET_ERRNO | uint32(tc.errno)
		var filter filterBuilder
		filter.load(scNr)
		for _, nr := range tc.deny {
			filter.when(bpf.JumpEqual, nr, "deny")
		}
		filter.ret(actAllow)
		filter.label("deny")
		filter.ret(denied)
		prog, err := filter.assemble()
		if err != nil {
			t.Fatal(err)
		}
		p := newPlatform(t)
		refuse(t, prog, tc.flags)
		err = p.Check()
		switch {
		case tc.says == "" && err != nil:
			t.Errorf("Check: %v", err)
		case tc.says != "" && (!errors.Is(err, zx.ErrNotSupported) || !strings.Contains(err.Error(), tc.says)):
			t.Errorf("Check: %v; want NOT_SUPPORTED and %q", err, tc.says)
		case tc.says != "":
			t.Log(err)
			if _, err := p.NewSpace(newKernel()); !errors.Is(err, zx.ErrNoResources) {
				t.Errorf("NewSpace: %v, want NO_RESOURCES", err)
			}
		default:
			k := newKernel()
			s := start(t, p, k, hang)
			var b [2]byte
			if err := s.ReadMemory(b[:], codeAt); err != nil || string(b[:]) != string(hang) {
				t.Errorf("its code reads %x, %v", b, err)
			}
			end(t, s, k)
		}
		return
	}
	t.Fatalf("no refusal %q", name)
}

// refuse sets a seccomp filter for this process and what it starts.
func refuse(t *testing.T, prog []bpf.RawInstruction, flags uintptr) {
	t.Helper()
	insns := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		insns[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(insns)), Filter: &insns[0]}
	const setModeFilter, tsync, tsyncEsrch = 1, 1, 1 << 4
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skip(err)
	}
	fd, _, e := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, flags|tsync|tsyncEsrch, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		t.Skip("seccomp: ", e)
	}
	if flags != 0 {
		t.Cleanup(func() { unix.Close(int(fd)) })
	}
}
