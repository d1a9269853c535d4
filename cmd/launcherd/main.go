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
	"runtime/debug"

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
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().Var(&levelFlag{&g.level}, "log-level", "tell more or less on stderr: debug, info, warn or error")
	root.SetFlagErrorFunc(usageError)
	root.AddCommand(newRun(g))
	root.AddCommand(daemonCommands(g)...)
	return root
}

// version is what the go command says of what launcherd was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// usageError adds where to read about a command.
func usageError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
}

// takes checks the number of arguments: at least so many (none or one), which are
// called what, and at most so many, or any number for -1.
func takes(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError(cmd, fmt.Errorf("no %s is given", what))
		case most >= 0 && len(args) > most:
			return usageError(cmd, fmt.Errorf("unexpected argument %q", args[most]))
		}
		return nil
	}
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
