//go:build linux

package vfs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/internal/vfs"
	"go.fuchsia.dev/launcherd/zx"
)

// A directory of the host is served, and a client reads a file in it.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "greeting"), []byte("hello"), 0o644); err != nil {
		panic(err)
	}

	fs := vfs.New(zap.NewNop())
	defer fs.Close()
	node, err := vfs.Host(dir, vfs.Options{})
	if err != nil {
		panic(err)
	}
	defer node.Close()
	channel, err := fs.Connect(node)
	if err != nil {
		panic(err)
	}

	// What follows is any client's doing.
	ctx := context.Background()
	d := io.NewDirectoryClient(&channel, nil)
	defer d.Client.Close()
	client, server, err := zx.NewChannel()
	if err != nil {
		panic(err)
	}
	f := io.NewFileClient(&client, nil)
	defer f.Client.Close()
	if err := d.Open(ctx, &io.DirectoryOpenRequest{Path: "greeting", Flags: io.PermReadable, Object: server.Take()}); err != nil {
		panic(err)
	}
	r, err := f.Read(ctx, &io.ReadableReadRequest{Count: io.MaxTransferSize})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(r.Data))
	// Output: hello
}
