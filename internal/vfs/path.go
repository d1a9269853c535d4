package vfs

import (
	"strings"

	"go.fuchsia.dev/fidl-go/fuchsia/io"

	"go.fuchsia.dev/launcherd/zx"
)

// path is names joined by "/", or "" for the directory itself.
type path string

// parsePath checks a path as fuchsia.io has them. A leading "/" means nothing,
// one at the end asks for a directory. INVALID_ARGS for an empty path and for
// empty, "." and ".." components; BAD_PATH for what is too long.
func parsePath(s string) (p path, mustBeDir bool, err error) {
	if len(s) > int(io.MaxPathLength) {
		return "", false, zx.ErrBadPath
	}
	if s == "." || s == "/" {
		return "", false, nil
	}
	s = strings.TrimPrefix(s, "/")
	s, mustBeDir = strings.CutSuffix(s, "/")
	for name := range strings.SplitSeq(s, "/") {
		if err := checkName(name); err != nil {
			return "", false, err
		}
	}
	return path(s), mustBeDir, nil
}

// checkName is INVALID_ARGS or BAD_PATH for what cannot be a component.
func checkName(s string) error {
	if len(s) > int(io.MaxNameLength) {
		return zx.ErrBadPath
	}
	if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\x00") {
		return zx.ErrInvalidArgs
	}
	return nil
}

// parseName takes the "/" off the end that asks for a directory, and checks the
// rest. "." is UNAVAILABLE: a directory cannot be moved or removed by that name.
func parseName(s string) (name string, mustBeDir bool, err error) {
	name = strings.TrimRight(s, "/")
	if name == "." {
		return "", false, zx.ErrUnavailable
	}
	return name, name != s, checkName(name)
}

// dot says whether p is the directory itself.
func (p path) dot() bool { return p == "" }

// cut gives the first component and the rest.
func (p path) cut() (name string, rest path) {
	name, r, _ := strings.Cut(string(p), "/")
	return name, path(r)
}

// split gives what holds the last component, and that.
func (p path) split() (parent path, name string) {
	if i := strings.LastIndexByte(string(p), '/'); i >= 0 {
		return p[:i], string(p[i+1:])
	}
	return "", string(p)
}
