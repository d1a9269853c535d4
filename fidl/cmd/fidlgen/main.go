// Fidlgen writes Go bindings for FIDL libraries.
//
//	fidlgen -out DIR [-prefix IMPORT_PATH] [-library NAME]... [-package LIBRARY=IMPORT_PATH]... [-available PLATFORM:LEVEL]... FILE.fidl...
//	fidlgen -registry FILE_test.go ... FILE.fidl...
//
// The files are all those of the libraries and of what they use, in any order.
// The bindings of library a.b.c go to DIR/a/b/c/c.fidl.go, whose import path is
// PREFIX/a/b/c. Without -library, all libraries but zx are written; zx is a
// package of the runtime. Elements that do not exist at the API level of their
// platform (default HEAD) are left out.
//
// With -registry it writes, instead, a test file of package fidl_test that can
// make every message by its FIDL name.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.fuchsia.dev/fidl-go/internal/fidlc"
	"go.fuchsia.dev/fidl-go/internal/gogen"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("fidlgen", flag.ContinueOnError)
	out := fs.String("out", ".", "directory that the packages go to")
	prefix := fs.String("prefix", gogen.Module, "import path of -out")
	registry := fs.String("registry", "", "write a list of all messages to this test file, and nothing else")
	var only []string
	fs.Func("library", "library to write; may be given again", func(s string) error {
		only = append(only, s)
		return nil
	})
	levels := map[string]fidlc.Level{}
	fs.Func("available", "API level, as in fuchsia:12 or fuchsia:HEAD; may be given again", func(s string) error {
		platform, level, ok := strings.Cut(s, ":")
		if !ok {
			return errors.New("PLATFORM:LEVEL is meant")
		}
		l, err := fidlc.ParseLevel(level)
		levels[platform] = l
		return err
	})
	paths := map[string]string{}
	fs.Func("package", "LIBRARY=IMPORT_PATH of a library that is elsewhere; may be given again", func(s string) error {
		lib, path, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("LIBRARY=IMPORT_PATH is meant")
		}
		paths[lib] = path
		return nil
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("fidlgen: no .fidl files given")
	}
	var sources []fidlc.Source
	for _, name := range fs.Args() {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sources = append(sources, fidlc.Source{Name: name, Text: string(text)})
	}
	libs, err := fidlc.Compile(sources, fidlc.Options{Levels: levels})
	if err != nil {
		return err
	}
	for _, name := range only {
		if !slices.ContainsFunc(libs, func(l *fidlc.Library) bool { return l.Name == name }) {
			return fmt.Errorf("fidlgen: no file is of library %s", name)
		}
	}
	opt := gogen.Options{Prefix: *prefix, Paths: paths}
	if *registry != "" {
		libs = slices.DeleteFunc(libs, func(l *fidlc.Library) bool { return l.Name == "zx" })
		src, err := gogen.Registry(libs, "fidl_test", opt)
		if err != nil {
			return err
		}
		return os.WriteFile(*registry, src, 0o644)
	}
	for _, l := range libs {
		if l.Name == "zx" || len(only) > 0 && !slices.Contains(only, l.Name) {
			continue
		}
		src, err := gogen.Generate(l, opt)
		if err != nil {
			return err
		}
		name := filepath.Join(*out, filepath.FromSlash(strings.ReplaceAll(l.Name, ".", "/")), opt.PackageName(l.Name)+".fidl.go")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, src, 0o644); err != nil {
			return err
		}
	}
	return nil
}
