package builder_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"go.fuchsia.dev/launcherd/builder"
	"go.fuchsia.dev/launcherd/processargs"
	"go.fuchsia.dev/launcherd/zx"
)

// A program is started, its output read, and its end waited for.
func Example() {
	ctx := context.Background()
	f, err := os.Open("../examples/hello")
	if err != nil {
		log.Fatal(err)
	}
	executable, err := zx.VMOFromFile(f, true)
	f.Close()
	if err != nil {
		log.Fatal(err)
	}
	vdso, err := zx.VDSO()
	if err != nil {
		log.Fatal(err)
	}

	b, err := builder.New("hello", zx.DefaultJob(), 0, executable, vdso)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	if err := b.AddArguments("hello", "world", "--return=7"); err != nil {
		log.Fatal(err)
	}
	if err := b.AddEnvironmentVariables("PATH=/pkg/bin"); err != nil {
		log.Fatal(err)
	}
	ours, theirs, err := zx.NewSocket(zx.SocketStream)
	if err != nil {
		log.Fatal(err)
	}
	defer ours.Close()
	stdout := processargs.NewHandleInfo(processargs.FileDescriptor, 1)
	if err := b.AddHandles(builder.StartupHandle{Handle: theirs.Take(), Info: stdout}); err != nil {
		log.Fatal(err)
	}

	built, err := b.Build(ctx)
	if err != nil {
		log.Fatal(err)
	}
	process, err := built.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer process.Close()

	if _, err := io.Copy(os.Stdout, &ours); err != nil {
		log.Fatal(err)
	}
	if _, err := process.Wait(ctx, zx.ProcessTerminated, zx.InfiniteFuture); err != nil {
		log.Fatal(err)
	}
	info, err := process.Info()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("returned", info.ReturnCode)
	// Output:
	// arg[0]=hello
	// arg[1]=world
	// arg[2]=--return=7
	// env: PATH=/pkg/bin
	// returned 7
}
