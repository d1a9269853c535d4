package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	wire "go.fuchsia.dev/launcherd/internal/monitor/bindings/launcherd/monitor"
	"go.fuchsia.dev/launcherd/zx"
)

func newPS() *cobra.Command {
	f := new(clientFlags)
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show the jobs and processes of a daemon",
		Long: `Show the jobs and processes of a daemon as a tree: each task's koid, what it is,
its state, its private memory in bytes, a job's with all that is in it, and its
name, further right the deeper it is in the tree.`,
		Args: takes("", 0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.monitor(cmd.Context(), func(m *wire.MonitorClient) error {
				ts, err := allTasks(cmd.Context(), m)
				if err != nil {
					return exit(exitFailure, "listing tasks: %w", err)
				}
				return printTasks(cmd.OutOrStdout(), ts)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// allTasks gives the daemon's tasks in the order of their koids.
func allTasks(ctx context.Context, m *wire.MonitorClient) ([]wire.Task, error) {
	var ts []wire.Task
	var last zx.Koid
	for {
		rep, err := m.GetTasks(ctx, &wire.MonitorGetTasksRequest{After: last})
		if err != nil {
			return nil, err
		}
		ts = append(ts, rep.Tasks...)
		if !rep.More || len(rep.Tasks) == 0 {
			return ts, nil
		}
		last = ts[len(ts)-1].Koid
	}
}

var stateNames = map[wire.TaskState]string{
	wire.TaskStateCreated: "created",
	wire.TaskStateRunning: "running",
	wire.TaskStateExited:  "exited",
}

var kindNames = map[wire.TaskKind]string{
	wire.TaskKindJob:     "job",
	wire.TaskKindProcess: "process",
}

// printable gives a name that a program chose without what a terminal obeys.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}

// printTasks prints the tree of tasks that are in the order of their koids. One
// whose job has gone in the meantime is printed as a root.
func printTasks(w io.Writer, ts []wire.Task) error {
	children := map[zx.Koid][]int{}
	known := map[zx.Koid]bool{}
	for i, t := range ts {
		children[t.Parent] = append(children[t.Parent], i)
		known[t.Koid] = true
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "KOID\tKIND\tSTATE\tMEMORY\tNAME")
	var show func(i, depth int)
	show = func(i, depth int) {
		t := &ts[i]
		fmt.Fprintf(tw, "%d\t%s\t%s\t%d\t%*s%s\n", t.Koid, kindNames[t.Kind], stateNames[t.State], t.Memory, 2*depth, "", printable(t.Name))
		for _, c := range children[t.Koid] {
			show(c, depth+1)
		}
	}
	for i, t := range ts {
		if !known[t.Parent] {
			show(i, 0)
		}
	}
	return tw.Flush()
}
