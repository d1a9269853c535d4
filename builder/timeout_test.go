package builder

import (
	"errors"
	"testing"
	"time"

	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/zx"
)

// A loader service that never answers is waited for so long and no longer.
func TestLoaderTimeout(t *testing.T) {
	defer func(d time.Duration) { loaderTimeout = d }(loaderTimeout)
	loaderTimeout = time.Millisecond
	loader, server, err := zx.NewChannel()
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	defer server.Close()
	v, err := zx.NewVMO(4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Write([]byte("ld.so.1\x00"), 0); err != nil {
		t.Fatal(err)
	}
	_, err = DynamicLinker(t.Context(), &loader, &v, &elf.ProgramHeader{Type: elf.PTInterp, Filesz: 8})
	var e *Error
	if !errors.As(err, &e) || e.Status() != zx.ErrTimedOut {
		t.Errorf("error %v, want one with %v", err, zx.ErrTimedOut)
	}
}
