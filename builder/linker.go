package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.fuchsia.dev/fidl-go/fuchsia/ldsvc"

	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// maxInterp is the length in bytes of a name that the loader service takes.
const maxInterp = 1024

// loadLinker loads the dynamic linker that interp names and sends it its own
// bootstrap message, which moves the executable and the loader service to it.
func (b *ProcessBuilder) loadLinker(ctx context.Context, interp *elf.ProgramHeader, bootstrap *zx.Channel) (*elf.Loaded, error) {
	if !b.loader.IsValid() {
		return nil, invalid("the executable is dynamically linked, and there is no loader service")
	}
	linker, err := DynamicLinker(ctx, &b.loader, &b.executable, interp)
	if err != nil {
		return nil, err
	}
	defer linker.Close()
	headers, err := elf.Parse(&linker)
	if err != nil {
		return nil, fail("reading the dynamic linker", err)
	}
	loaded, err := elf.Load(&linker, headers, &b.rootVMAR)
	if err != nil {
		return nil, fail("loading the dynamic linker", err)
	}

	c := &processargs.MessageContents{
		Args:    b.msg.Args[:min(1, len(b.msg.Args))], // its messages begin with the program's name
		Environ: linkerEnviron(b.msg.Environ),
	}
	defer c.Close()
	addHandle(c, &b.loader.Object, processargs.LdsvcLoader)
	addHandle(c, &b.executable.Object, processargs.ExecutableVMO)
	addHandle(c, &loaded.VMAR.Object, processargs.LoadedVMAR)
	if err := addDuplicate(c, &b.process.Object, processargs.ProcessSelf); err != nil {
		return nil, err
	}
	if err := addDuplicate(c, &b.rootVMAR.Object, processargs.RootVMAR); err != nil {
		return nil, err
	}
	if err := send(c, bootstrap); err != nil {
		return nil, err
	}
	return loaded, nil
}

// linkerEnviron gives the variables that are for the dynamic linker.
func linkerEnviron(environ []string) []string {
	var vs []string
	for _, v := range environ {
		if strings.HasPrefix(v, "LD_DEBUG=") || strings.HasPrefix(v, "LD_TRACE=") {
			vs = append(vs, v)
		}
	}
	return vs
}

// DynamicLinker gets the dynamic linker that interp, the PT_INTERP header of
// executable, names from loader, a client's end of fuchsia.ldsvc.Loader. ctx
// ends the wait, which is 30 seconds at most. After an error loader may be
// closed. Errors are *Error.
func DynamicLinker(ctx context.Context, loader *zx.Channel, executable *zx.VMO, interp *elf.ProgramHeader) (zx.VMO, error) {
	if interp.Filesz == 0 || interp.Filesz > maxInterp+1 {
		return zx.VMO{}, invalid("PT_INTERP of %d bytes", interp.Filesz)
	}
	b := make([]byte, interp.Filesz)
	if err := executable.Read(b, interp.Offset); err != nil {
		return zx.VMO{}, fail("reading PT_INTERP", err)
	}
	last := len(b) - 1
	if b[last] != 0 {
		return zx.VMO{}, invalid("PT_INTERP does not end in NUL")
	}
	name := string(b[:last])
	if !utf8.ValidString(name) {
		return zx.VMO{}, invalid("PT_INTERP is not UTF-8")
	}

	limited, cancel := context.WithTimeout(ctx, loaderTimeout)
	defer cancel()
	rep, err := ldsvc.NewLoaderClient(loader).LoadObject(limited, &ldsvc.LoaderLoadObjectRequest{ObjectName: name})
	reason := fmt.Sprintf("asking the loader service for the dynamic linker %q", name)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return zx.VMO{}, fail(reason, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return zx.VMO{}, &Error{Reason: reason, Err: err, status: zx.ErrTimedOut}
	default:
		return zx.VMO{}, &Error{Reason: reason, Err: err, status: zx.ErrNotFound}
	}
	vmo := zx.VMOFromHandle(rep.Object)
	if rep.Rv != zx.OK {
		vmo.Close()
		return zx.VMO{}, fail(reason, rep.Rv)
	}
	if !vmo.IsValid() {
		return zx.VMO{}, &Error{Reason: reason + ": no VMO in the answer", status: zx.ErrInternal}
	}
	return vmo, nil
}
