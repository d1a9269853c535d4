//go:build !fuchsia

package main

import (
	"fmt"

	"go.uber.org/zap"

	"go.fuchsia.dev/launcherd/fdio"
	"go.fuchsia.dev/launcherd/launcher"
	"go.fuchsia.dev/launcherd/zx"
)

// newNamespace serves what a program finds in its namespace: /svc, /pkg, /tmp and
// what --bind adds. It adds them to p.
func newNamespace(f *runFlags, program string, log *zap.Logger, p *fdio.Program) (_ *services, err error) {
	places, err := f.places(program)
	if err != nil {
		return nil, err
	}
	s, err := newServices(&launcher.Server{VDSO: zx.VDSO, Log: log}, f.packages, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	add := func(at string, c zx.Channel, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		p.Namespace = append(p.Namespace, fdio.NamespaceEntry{Path: at, Directory: c})
		return nil
	}
	svc, err := s.connect()
	if err := add(servicesPath, svc, err); err != nil {
		return nil, err
	}
	for _, d := range places {
		c, err := s.directory(d.dir, d.options())
		if err := add(d.at, c, err); err != nil {
			return nil, err
		}
	}
	tmp, err := s.temporary()
	if err := add(temporaryPath, tmp, err); err != nil {
		return nil, err
	}
	return s, nil
}
