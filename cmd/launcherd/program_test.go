//go:build amd64

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Files say that they are for Linux by their dynamic linker's path or a note.
func TestIsLinux(t *testing.T) {
	const interp, note = 3, 4
	// file gives an ELF with one segment.
	file := func(segment uint32, content string) []byte {
		b := make([]byte, 64+56, 64+56+len(content))
		copy(b, "\x7fELF\x02\x01\x01")
		le := binary.LittleEndian
		le.PutUint16(b[16:], 3)                     // a shared object
		le.PutUint16(b[18:], 62)                    // x86-64
		le.PutUint64(b[32:], 64)                    // where the program header is
		le.PutUint16(b[54:], 56)                    // its size
		le.PutUint16(b[56:], 1)                     // how many
		le.PutUint32(b[64:], segment)               // its type
		le.PutUint64(b[72:], 64+56)                 // where it is in the file
		le.PutUint64(b[96:], uint64(len(content)))  // its size there
		le.PutUint64(b[104:], uint64(len(content))) // and in memory
		return append(b, content...)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"glibc's dynamic linker", file(interp, "/lib64/ld-linux-x86-64.so.2\x00"), true},
		{"Fuchsia's dynamic linker", file(interp, "ld.so.1\x00"), false},
		{"one with a sanitizer", file(interp, "asan/ld.so.1\x00"), false},
		{"a note of Linux's version", file(note, "\x04\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00GNU\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"), true},
		{"a note of the build", file(note, "\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00GNU\x00\x12\x34\x56\x78"), false},
		{"no ELF", []byte("#!/bin/sh\n"), false},
		{"nothing", nil, false},
	} {
		if got := isLinux(bytes.NewReader(tt.b), int64(len(tt.b))); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	for _, pattern := range []string{"../../examples/*", "../../testdata/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err == nil && isLinux(bytes.NewReader(b), int64(len(b))) {
				t.Errorf("%s is taken for a Linux program", name)
			}
		}
	}
}
