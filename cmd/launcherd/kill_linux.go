package main

import (
	"github.com/spf13/cobra"

	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
)

func newKill() *cobra.Command {
	f := new(clientFlags)
	cmd := &cobra.Command{
		Use:   "kill KOID...",
		Short: "Kill jobs and processes of a daemon",
		Long:  `Kill jobs, with all that is in them, and processes of a daemon, by their koids.`,
		Args:  takes("KOID", 1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.monitor(cmd.Context(), func(m *wire.MonitorClient) error {
				for _, a := range args {
					k, err := parseKoid(a)
					if err != nil {
						return err
					}
					if err := m.Kill(cmd.Context(), &wire.MonitorKillRequest{Koid: k}); err != nil {
						return taskError(k, err)
					}
				}
				return nil
			})
		},
	}
	f.add(cmd)
	return cmd
}
