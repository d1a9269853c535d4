package main

import (
	"github.com/spf13/cobra"

	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
)

func newWait() *cobra.Command {
	f := new(clientFlags)
	cmd := &cobra.Command{
		Use:   "wait KOID",
		Short: "Wait for the end of a job or process of a daemon",
		Long: `Wait for the end of a job or process of a daemon. The exit code is made of its
return code as by launcherd run.`,
		Args: takes("KOID", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := parseKoid(args[0])
			if err != nil {
				return err
			}
			return f.monitor(cmd.Context(), func(m *wire.MonitorClient) error {
				rep, err := m.Wait(cmd.Context(), &wire.MonitorWaitRequest{Koid: k})
				if err != nil {
					return taskError(k, err)
				}
				if rep.Reason != "" {
					return exit(exitFor(rep.ReturnCode), "task %d: %s", k, printable(rep.Reason))
				}
				return errorFor(rep.ReturnCode)
			})
		},
	}
	f.add(cmd)
	return cmd
}
