//go:build !linux && !fuchsia

package main

import "github.com/spf13/cobra"

// daemonCommands are none: descriptors cross Unix sockets in Linux's way.
func daemonCommands(*globals) []*cobra.Command { return nil }
