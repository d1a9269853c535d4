package vfs

import (
	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// service is a node that hands on who connects to it.
type service struct {
	fixed
	connect func(zx.Channel)
}

// Service makes a node that gives the server's end of each connection to
// connect, which owns it and returns without waiting for anything.
func Service(connect func(server zx.Channel)) Node { return &service{connect: connect} }

func (s *service) open() node { return s }
func (s *service) hold() node { return s }
func (*service) kind() kind   { return kindService }

func (*service) allowed() io.Operations { return everything }

func (*service) attributes() (attributes, error) {
	return attributes{
		kind:      kindService,
		abilities: io.OperationsGetAttributes | io.OperationsConnect,
		mode:      uint32(io.ModeTypeService) | 0o600,
		id:        io.InoUnknown,
		links:     1,
	}, nil
}
