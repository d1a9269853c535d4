package fidlc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Level is an API level: a number, NEXT or HEAD.
type Level uint64

// The named levels come after all numbers.
const (
	Next  Level = 1 << 32
	Head  Level = 1 << 33
	never Level = math.MaxUint64
)

// ParseLevel reads "12", "NEXT" or "HEAD".
func ParseLevel(s string) (Level, error) {
	switch s {
	case "NEXT", "fuchsia.NEXT":
		return Next, nil
	case "HEAD", "fuchsia.HEAD":
		return Head, nil
	}
	n, err := strconv.ParseUint(s, 0, 32)
	switch { // the numbers that stand for the names
	case n == 0xFFD00000:
		return Next, nil
	case n == 0xFFE00000:
		return Head, nil
	case n > math.MaxInt32:
		n = 0
	}
	if err != nil || n == 0 {
		return 0, fmt.Errorf("'%s' is not an API level: a number from 1, NEXT or HEAD is meant", s)
	}
	return Level(n), nil
}

// avail is when an element exists: from added until before removed.
type avail struct {
	added, removed, deprecated Level
	note                       string
}

func (a avail) at(l Level) bool { return a.added <= l && l < a.removed }

// deprecatedAt gives the deprecation note for level l, empty when not deprecated.
func (a avail) deprecatedAt(l Level) string {
	switch {
	case a.deprecated > l:
		return ""
	case a.note != "":
		return a.note
	}
	return "deprecated"
}

// readAvail applies the @available of an element to what it inherits.
func readAvail(at *attr, parent avail, library bool) (avail, error) {
	if at == nil {
		return parent, nil
	}
	a := parent
	a.note = ""
	seen := map[string]bool{}
	if len(at.args) == 0 {
		return a, errf(at.pos, "@available needs arguments")
	}
	for _, g := range at.args {
		if seen[g.name] {
			return a, errf(g.pos, "argument '%s' is given twice", g.name)
		}
		seen[g.name] = true
		switch g.name {
		case "platform":
			if !library {
				return a, errf(g.pos, "only a library has a platform")
			}
			continue
		case "note":
			a.note = g.value.text
			continue
		case "renamed":
			if library {
				return a, errf(g.pos, "a library cannot be renamed")
			}
			continue
		case "legacy": // once it kept what was removed, for binaries; no source needs it
			continue
		case "added", "removed", "replaced", "deprecated":
		default:
			return a, errf(g.pos, "@available has no argument '%s'", g.name)
		}
		l, err := ParseLevel(g.value.text)
		if err != nil {
			return a, errf(g.value.pos, "%v", err)
		}
		outside := l < parent.added || l >= parent.removed
		switch g.name {
		case "removed":
			outside = l <= parent.added || l > parent.removed
		case "replaced":
			outside = l <= parent.added || l >= parent.removed
		case "deprecated":
			outside = outside || l > parent.deprecated
		}
		if outside && !library {
			return a, errf(g.pos, "'%s=%s' lies outside of the availability of what it is in", g.name, g.value.text)
		}
		switch g.name {
		case "added":
			a.added = l
			a.deprecated = max(a.deprecated, l)
		case "removed", "replaced":
			a.removed = l
		case "deprecated":
			a.deprecated = l
		}
	}
	switch {
	case seen["removed"] && seen["replaced"]:
		return a, errf(at.pos, "'removed' and 'replaced' exclude each other")
	case seen["renamed"] && !seen["replaced"] && !seen["removed"]:
		return a, errf(at.pos, "'renamed' needs 'replaced' or 'removed'")
	case a.added >= a.removed:
		return a, errf(at.pos, "is removed before it is added")
	case seen["deprecated"] && (a.deprecated < a.added || a.deprecated >= a.removed):
		return a, errf(at.pos, "is deprecated while it does not exist")
	}
	return a, nil
}

// available is the @available of a library, which one of its files has.
func (l *Library) available() *attr {
	for _, f := range l.files {
		if at := f.attrs.get("available"); at != nil {
			return at
		}
	}
	return nil
}

// platform is the library's platform: what @available says, or the first part
// of the name.
func (l *Library) platform() string {
	if at := l.available(); at != nil {
		for _, g := range at.args {
			if g.name == "platform" {
				return g.value.text
			}
		}
	}
	first, _, _ := strings.Cut(l.Name, ".")
	return first
}
