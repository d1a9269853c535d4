package examples_test

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// prebuilt gives the path, from this directory, of every ELF that build.sh
// makes.
func prebuilt(t *testing.T) []string {
	t.Helper()
	var elfs []string
	for _, dir := range []string{"../examples", "../testdata"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if f, err := elf.Open(path); err == nil {
				f.Close()
				elfs = append(elfs, path)
			}
		}
	}
	if len(elfs) < 6 {
		t.Fatalf("only %d ELFs: %v", len(elfs), elfs)
	}
	return elfs
}

// The ELFs in the repository are what build.sh makes of their sources.
func TestPrebuiltMatchSources(t *testing.T) {
	for tool, comment := range map[string]string{"clang": "clang version", "ld.lld": "LLD"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("rebuilding takes clang and ld.lld: %v", err)
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil {
			t.Skipf("%s --version: %v", tool, err)
		}
		if want := madeBy(t, "hello", comment); !strings.Contains(string(out), want) {
			t.Skipf("the prebuilt ELFs are made by %q, and %s here is %q", want, tool, out)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("./build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	for _, path := range prebuilt(t) {
		built, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(path, "../")))
		if err != nil {
			t.Errorf("%s: build.sh does not make it: %v", path, err)
			continue
		}
		if checkedIn, _ := os.ReadFile(path); !bytes.Equal(built, checkedIn) {
			t.Errorf("%s is not what its source gives: run examples/build.sh", path)
		}
	}
}

// madeBy gives the part of an ELF's .comment that tells of a tool and version,
// without the distribution's own additions, such as "clang version 14.0.6".
func madeBy(t *testing.T, path, tool string) string {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	comment := f.Section(".comment")
	if comment == nil {
		t.Fatalf("%s has no .comment", path)
	}
	data, err := comment.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\x00") {
		if _, after, ok := strings.Cut(line, tool+" "); ok {
			return tool + " " + strings.Fields(after)[0]
		}
	}
	t.Fatalf("%s: .comment %q names no %s", path, data, tool)
	return ""
}

// Zircon's program loader maps segments as they are: whole pages, from a
// position-independent file, never writable and executable at once.
func TestPrebuiltShape(t *testing.T) {
	interp := map[string]string{"../testdata/dyn": "ld.so.1"}
	needed := map[string]string{
		"../testdata/dyn":         "libgreet.so libzircon.so",
		"../testdata/libgreet.so": "libword.so libzircon.so",
	}
	for _, path := range prebuilt(t) {
		t.Run(path, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			limit := 16 << 10
			if path == "../testdata/kernel" || path == "../testdata/spawn" {
				limit = 100 << 10 // of checks
			}
			if len(data) > limit {
				t.Errorf("%d bytes; these programs are to be small", len(data))
			}
			for _, place := range []string{"home", "root", "tmp", "usr", "work"} {
				if bytes.Contains(data, []byte("/"+place+"/")) {
					t.Errorf("holds a path of the machine that built it (%s)", place)
				}
			}
			f, err := elf.NewFile(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 {
				t.Errorf("is %v for %v", f.Type, f.Machine)
			}
			var interpreter string
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP {
					raw, err := io.ReadAll(p.Open())
					if err != nil {
						t.Fatal(err)
					}
					interpreter = strings.TrimSuffix(string(raw), "\x00")
				}
				const wx = elf.PF_W | elf.PF_X
				if (p.Type == elf.PT_LOAD || p.Type == elf.PT_GNU_STACK) && p.Flags&wx == wx {
					t.Errorf("%v at %#x is writable and executable", p.Type, p.Vaddr)
				}
				if p.Type == elf.PT_LOAD && (p.Off-p.Vaddr)%4096 != 0 {
					t.Errorf("PT_LOAD at %#x is not at a page of the file (%#x)", p.Vaddr, p.Off)
				}
			}
			if interpreter != interp[path] {
				t.Errorf("interpreter %q, want %q", interpreter, interp[path])
			}
			libs, err := f.ImportedLibraries()
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(libs, " "); got != needed[path] {
				t.Errorf("needs %q, want %q", got, needed[path])
			}
		})
	}
}
