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
	n, err := strconv.ParseUint(s, 0, 31)
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
			continue
		case "added", "removed", "replaced", "deprecated":
		default:
			return a, errf(g.pos, "@available has no argument '%s'", g.name)
		}
		l, err := ParseLevel(g.value.text)
		if err != nil {
			return a, errf(g.value.pos, "%v", err)
		}
		if g.name == "added" && l < parent.added || g.name != "added" && l > parent.removed {
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

// platform is the library's platform: what @available says, or the first part
// of the name.
func (f *file) platform() string {
	if at := f.attrs.get("available"); at != nil {
		for _, g := range at.args {
			if g.name == "platform" {
				return g.value.text
			}
		}
	}
	first, _, _ := strings.Cut(f.library, ".")
	return first
}
