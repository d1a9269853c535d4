//go:build !linux

package main

import "github.com/spf13/cobra"

// daemonCommands are none: descriptors cross Unix sockets in Linux's way.
func daemonCommands(*globals) []*cobra.Command { return nil }
