package main

import (
	"errors"
	"os"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// A directory for a /tmp that cannot be served is not left behind.
func TestTemporaryWithoutDescriptors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s, err := newServices(&launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}, "", zap.NewNop())
	must(t, err)
	defer s.close()
	var l unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: l.Max}))
	_, err = s.temporary()
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &l))
	if !errors.Is(err, zx.ErrNoResources) {
		t.Errorf("%v, want %v", err, zx.ErrNoResources)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
