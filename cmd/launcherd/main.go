//go:build !fuchsia

// Command launcherd runs Fuchsia programs: on Linux natively, as Linux
// processes, by a Zircon kernel hosted in this process.
//
//	launcherd run PROGRAM [ARGS…]   run one program
//	launcherd serve                 serve fuchsia.process.Launcher on a Unix socket
//	launcherd spawn PROGRAM …       run a program in a daemon
//	launcherd ps, kill, wait        look after a daemon's tasks
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() { os.Exit(Main()) }

// Main runs the command line and gives the exit code.
func Main() int {
	err := newRoot().Execute()
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		if code.err != nil {
			fmt.Fprintln(os.Stderr, "launcherd:", code.err)
		}
		return code.code
	default:
		fmt.Fprintln(os.Stderr, "launcherd:", err)
		return exitFailure
	}
}

// globals are the flags of every command.
type globals struct {
	level zapcore.Level
}

func newRoot() *cobra.Command {
	g := &globals{level: zap.WarnLevel}
	root := &cobra.Command{
		Use:           "launcherd",
		Short:         "Run Fuchsia programs",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().Var(&levelFlag{&g.level}, "log-level", "tell more or less on stderr: debug, info, warn or error")
	root.AddCommand(newRun(g))
	root.AddCommand(daemonCommands(g)...)
	return root
}

// logger gives the log that the flags ask for, on stderr.
func (g *globals) logger() *zap.Logger {
	enc := zap.NewDevelopmentEncoderConfig()
	enc.EncodeLevel = zapcore.LowercaseLevelEncoder
	enc.TimeKey, enc.CallerKey, enc.NameKey = "", "", "name"
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(os.Stderr), g.level))
}

// levelFlag is a zapcore.Level as a flag.
type levelFlag struct{ *zapcore.Level }

func (levelFlag) Type() string { return "LEVEL" }
