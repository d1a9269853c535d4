//go:build fuchsia

package fdio

import (
	"errors"
	"fmt"
	"path"
	sys "syscall/zx"
	"syscall/zx/fdio"

	"go.fuchsia.dev/launcherd/zx"
)

// ConnectPath gives a client's end of a connection to what is at an absolute
// path of this program's own namespace, such as
// /svc/fuchsia.process.Launcher: fdio_service_connect. On Fuchsia only:
// elsewhere a Go program has no namespace but those that it makes.
func ConnectPath(at string) (zx.Channel, error) {
	if !path.IsAbs(at) {
		return zx.Channel{}, fmt.Errorf("path %q: %w", at, zx.ErrInvalidArgs)
	}
	client, server, err := zx.NewChannel()
	if err != nil {
		return zx.Channel{}, err
	}
	if err := fdio.ServiceConnect(at, sys.Handle(server.Take())); err != nil {
		client.Close()
		var failed *sys.Error
		if errors.As(err, &failed) {
			return zx.Channel{}, fmt.Errorf("connect to %s: %w", at, zx.Status(failed.Status))
		}
		return zx.Channel{}, fmt.Errorf("connect to %s: %w: %w", at, zx.ErrInternal, err)
	}
	return client, nil
}
