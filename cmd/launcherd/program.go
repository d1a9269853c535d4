//go:build !fuchsia

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	fio "go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/elf"
	"go.fuchsia.dev/launcherd/internal/vfs"
)

// programFlags say how a program is run, here or in a daemon.
type programFlags struct {
	libs  []string
	env   []string
	name  string
	pkg   string
	binds []string
}

func (f *programFlags) add(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.libs, "lib", nil, "look for shared libraries in `DIR` (repeatable; then in the program's ../lib and in $FUCHSIA_SDK)")
	fl.StringArrayVar(&f.env, "env", nil, "set an environment variable: `NAME=VALUE`, or NAME to pass on one's own (repeatable)")
	fl.StringVar(&f.pkg, "pkg", "", "serve `DIR` as /pkg (the directory above the program's, if that is bin/)")
	fl.StringArrayVar(&f.binds, "bind", nil, "serve a directory: `PATH=DIR`, or PATH=DIR:rw for one that can be changed (repeatable)")
	fl.StringVar(&f.name, "name", "", "the process's `NAME` (the program's file name)")
}

// addPackages adds the flag of who serves fuchsia.process.Resolver.
func addPackages(fl *pflag.FlagSet, dir *string) {
	fl.StringVar(dir, "packages", "", "let #!resolve and fuchsia.process.Resolver find programs in the packages in `DIR`")
}

// openProgram opens a program's file, or gives the error that ends the command.
func openProgram(name string) (*os.File, error) {
	// Without O_NONBLOCK the open of a pipe would wait for its other end.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil, exit(exitNotFound, "%s: %w", name, err)
		}
		code := exitNotExecutable
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) {
			code = exitFailure // not the program's fault
		}
		return nil, exit(code, "%s: %w", name, err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = errors.New("not a regular file")
	case isLinux(f, st.Size()):
		err = errors.New("a program for Linux, not for Fuchsia")
	}
	if err != nil {
		f.Close()
		return nil, exit(exitNotExecutable, "%s: %w", name, err)
	}
	return f, nil
}

// isLinux says whether a file is an ELF that was made for Linux, as far as it
// tells: by naming its dynamic linker with an absolute path, or in a note.
func isLinux(f io.ReaderAt, size int64) bool {
	const (
		ptNote = 4
		note   = "\x04\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00GNU\x00\x00\x00\x00\x00" // NT_GNU_ABI_TAG, Linux
		most   = 4096                                                                      // bytes of what is looked at
	)
	h, err := elf.ParseReaderAt(f, size)
	if err != nil {
		return false
	}
	for _, p := range h.Programs {
		if p.Type != elf.PTInterp && p.Type != ptNote {
			continue
		}
		b := make([]byte, min(p.Filesz, most))
		n, _ := f.ReadAt(b, int64(p.Offset)) // what is not there says nothing
		b = b[:n]
		if p.Type == elf.PTInterp && bytes.HasPrefix(b, []byte("/")) || p.Type == ptNote && bytes.Contains(b, []byte(note)) {
			return true
		}
	}
	return false
}

// environment gives NAME=VALUE strings.
func (f *programFlags) environment() ([]string, error) {
	var env []string
	for _, e := range f.env {
		name, _, given := strings.Cut(e, "=")
		if name == "" {
			return nil, fmt.Errorf("--env %q: no name", e)
		}
		if given {
			env = append(env, e)
		} else if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env, nil
}

// sdkArch is what the SDK calls an architecture.
var sdkArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// libraryDirs are where the program's shared libraries are looked for.
func (f *programFlags) libraryDirs(program string) []string {
	dirs := f.libs
	candidates := []string{filepath.Join(filepath.Dir(program), "..", "lib")}
	if sdk := os.Getenv("FUCHSIA_SDK"); sdk != "" {
		arch := filepath.Join(sdk, "arch", sdkArch[runtime.GOARCH])
		candidates = append(candidates, filepath.Join(arch, "sysroot", "dist", "lib"), filepath.Join(arch, "dist"))
	}
	for _, d := range candidates {
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// place is a directory of the host in a program's namespace.
type place struct {
	at, dir  string
	writable bool // and cannot be executed from; else it is the other way round
	implied  bool // no flag asks for it
}

// options are those that the directory is served with.
func (p *place) options() vfs.Options {
	return vfs.Options{Writable: p.writable, Executable: !p.writable}
}

// flags ask for all that options allow.
func (p *place) flags() fio.Flags {
	if p.writable {
		return fio.PermReadable | fio.PermWritable
	}
	return fio.PermReadable | fio.PermExecutable
}

// Where every program has directories that are not the host's.
const (
	servicesPath  = "/svc"
	temporaryPath = "/tmp"
)

// places gives the program's package and what --bind adds.
func (f *programFlags) places(program string) ([]place, error) {
	var ps []place
	switch {
	case f.pkg != "":
		ps = append(ps, place{at: "/pkg", dir: f.pkg})
	case filepath.Base(filepath.Dir(absolute(program))) == "bin":
		ps = append(ps, place{at: "/pkg", dir: filepath.Join(filepath.Dir(program), ".."), implied: true})
	}
	for _, b := range f.binds {
		at, dir, ok := strings.Cut(b, "=")
		if !ok || !path.IsAbs(at) || path.Clean(at) != at || at == "/" {
			return nil, fmt.Errorf("--bind %q: want PATH=DIR or PATH=DIR:rw, PATH absolute", b)
		}
		dir, writable := strings.CutSuffix(dir, ":rw")
		ps = append(ps, place{at: at, dir: dir, writable: writable})
	}
	given := []string{servicesPath, temporaryPath}
	for _, p := range ps {
		for _, g := range given {
			switch {
			case p.at == g:
				return nil, fmt.Errorf("%s is given twice", p.at)
			case strings.HasPrefix(p.at, g+"/"), strings.HasPrefix(g, p.at+"/"):
				return nil, fmt.Errorf("%s and %s: one is within the other", g, p.at)
			}
		}
		given = append(given, p.at)
	}
	return ps, nil
}

// absolute is filepath.Abs, or the path itself where the working directory is
// not known.
func absolute(p string) string {
	if a, err := filepath.Abs(p); err == nil {
		return a
	}
	return p
}
