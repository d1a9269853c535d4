package fdio_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/process"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// A program's namespace, here with a Launcher in /svc and a program in /pkg, is
// what these examples have by hand. A component on Fuchsia has it from the
// system.
func world() (*fdio.Namespace, func()) {
	fs := vfs.New(zap.NewNop())
	svc := vfs.NewDir()
	l := &launcher.Server{VDSO: zx.VDSO, Log: zap.NewNop()}
	service := vfs.Service(func(server zx.Channel) { go l.Serve(context.Background(), &server) })
	if err := svc.Add(process.LauncherName, service); err != nil {
		log.Fatal(err)
	}
	pkg, err := vfs.Host("../examples", vfs.Options{Executable: true})
	if err != nil {
		log.Fatal(err)
	}
	ns := new(fdio.Namespace)
	for path, node := range map[string]vfs.Node{"/svc": svc, "/pkg": pkg} {
		dir, err := fs.Connect(node)
		if err == nil {
			err = ns.Bind(path, dir)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	return ns, func() {
		ns.Close()
		fs.Close()
		svc.Close()
		pkg.Close()
	}
}

// A program is started with its standard output in a socket, which is read to
// its end.
func ExampleSpawn() {
	ns, done := world()
	defer done()
	ctx := context.Background()

	connection, err := ns.Connect("/svc/" + process.LauncherName)
	if err != nil {
		log.Fatal(err)
	}
	l := process.NewLauncherClient(&connection)
	defer l.Close()

	executable, err := ns.Executable(ctx, "/pkg/hello")
	if err != nil {
		log.Fatal(err)
	}
	p := &fdio.Program{
		Executable: executable,
		Args:       []string{"hello", "one", "--return=3"},
		Env:        []string{"HOME=/data"},
		Job:        zx.DefaultJob(),
	}
	stdout, err := p.Pipe(1)
	if err != nil {
		log.Fatal(err)
	}
	defer stdout.Close()
	if err := p.CloneNamespace(ns, "/svc"); err != nil {
		log.Fatal(err)
	}

	started, err := fdio.Spawn(ctx, l, p)
	if err != nil {
		log.Fatal(err)
	}
	defer started.Close()
	if _, err := io.Copy(os.Stdout, &stdout); err != nil {
		log.Fatal(err)
	}
	code, err := fdio.Wait(ctx, &started)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("return code", code)
	// Output:
	// arg[0]=hello
	// arg[1]=one
	// arg[2]=--return=3
	// env: HOME=/data
	// return code 3
}

// The process is made by the Launcher and started by its client.
func ExampleCreateWithoutStarting() {
	ns, done := world()
	defer done()
	ctx := context.Background()

	connection, err := ns.Connect("/svc/" + process.LauncherName)
	if err != nil {
		log.Fatal(err)
	}
	l := process.NewLauncherClient(&connection)
	defer l.Close()
	executable, err := ns.Executable(ctx, "/pkg/hello")
	if err != nil {
		log.Fatal(err)
	}

	data, err := fdio.CreateWithoutStarting(ctx, l, &fdio.Program{
		Executable: executable,
		Args:       []string{"hello", "--return=4"},
		Job:        zx.DefaultJob(),
	})
	if err != nil {
		log.Fatal(err)
	}
	made := zx.ProcessFromHandle(data.Process)
	defer made.Close()
	thread := zx.ThreadFromHandle(data.Thread)
	defer thread.Close()
	defer zx.CloseAll(data.RootVmar)
	if err := made.Start(&thread, data.Entry, data.Stack, data.Bootstrap, data.VdsoBase); err != nil {
		log.Fatal(err)
	}
	code, err := fdio.Wait(ctx, &made)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("return code", code)
	// Output: return code 4
}

// A service is reached by its name in a directory.
func ExampleConnect() {
	greeter := vfs.Service(func(server zx.Channel) {
		defer server.Close()
		if err := server.Write([]byte("hello"), nil); err != nil {
			log.Fatal(err)
		}
	})
	dir := vfs.NewDir()
	if err := dir.Add("example.Greeter", greeter); err != nil {
		log.Fatal(err)
	}
	fs := vfs.New(zap.NewNop())
	defer fs.Close()
	svc, err := fs.Connect(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()

	c, err := fdio.Connect(&svc, "example.Greeter")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Wait(context.Background(), zx.ChannelReadable, zx.InfiniteFuture); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, zx.ChannelMaxMsgBytes)
	n, _, err := c.Read(b, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", b[:n])
	// Output: hello
}
