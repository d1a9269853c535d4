// Package fidlc compiles FIDL source to a model that a generator can walk:
// parsed, resolved, checked, with wire layouts and method ordinals.
//
// It goes in three steps: lex.go and parse.go make a syntax tree of each file
// (syntax.go), compile.go resolves names and checks what the language asks,
// and layout.go computes sizes in both wire formats. The language is that of
// Fuchsia's FIDL language specification and grammar; errors name file, line
// and column.
package fidlc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pos is a place in a source file; lines and columns count from 1.
type Pos struct {
	File string
	Line int
	Col  int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Error is a mistake in FIDL source.
type Error struct {
	Pos Pos
	Msg string
}

func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

func errf(p Pos, format string, args ...any) *Error {
	return &Error{Pos: p, Msg: fmt.Sprintf(format, args...)}
}

type tokenKind int

const (
	tokEOF tokenKind = iota
	tokIdent
	tokNumber
	tokString
	tokDoc
	tokPunct
)

type token struct {
	kind tokenKind
	text string // a string's value; a doc comment's line
	pos  Pos
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of file"
	case tokString:
		return strconv.Quote(t.text)
	case tokDoc:
		return "doc comment"
	}
	return "'" + t.text + "'"
}

type lexer struct {
	src  string
	i    int
	line int
	bol  int // where the line begins
	file string
}

func (l *lexer) pos() Pos {
	return Pos{File: l.file, Line: l.line, Col: utf8.RuneCountInString(l.src[l.bol:l.i]) + 1}
}

// lex splits a file into tokens, the last of which is tokEOF.
func lex(file, src string) ([]token, error) {
	l := &lexer{src: src, file: file, line: 1}
	if i := strings.IndexFunc(src, func(r rune) bool { return r == utf8.RuneError }); i >= 0 && !utf8.ValidString(src) {
		return nil, errf(Pos{file, 1, 1}, "source is not UTF-8")
	}
	var out []token
	for {
		t, err := l.token()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		if t.kind == tokEOF {
			return out, nil
		}
	}
}

func (l *lexer) token() (token, error) {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == '\n':
			l.i++
			l.line++
			l.bol = l.i
			continue
		case c == ' ' || c == '\t' || c == '\r':
			l.i++
			continue
		case strings.HasPrefix(l.src[l.i:], "//"):
			pos := l.pos()
			line := l.src[l.i:]
			if n := strings.IndexByte(line, '\n'); n >= 0 {
				line = line[:n]
			}
			l.i += len(line)
			if strings.HasPrefix(line, "///") && !strings.HasPrefix(line, "////") {
				return token{tokDoc, strings.TrimRight(line[3:], " \t\r"), pos}, nil
			}
			continue
		}
		return l.word()
	}
	return token{kind: tokEOF, pos: l.pos()}, nil
}

func (l *lexer) word() (token, error) {
	pos, rest := l.pos(), l.src[l.i:]
	c := rest[0]
	switch {
	case c == '_' || isLetter(c):
		n := 1
		for n < len(rest) && (rest[n] == '_' || isLetter(rest[n]) || isDigit(rest[n])) {
			n++
		}
		if rest[0] == '_' || rest[n-1] == '_' {
			return token{}, errf(pos, "identifier '%s' begins or ends with an underscore", rest[:n])
		}
		l.i += n
		return token{tokIdent, rest[:n], pos}, nil
	case isDigit(c) || c == '-' && len(rest) > 1 && isDigit(rest[1]):
		n := 1
		for n < len(rest) && (rest[n] == '.' || rest[n] == '_' || isLetter(rest[n]) || isDigit(rest[n])) {
			n++
		}
		l.i += n
		return token{tokNumber, rest[:n], pos}, nil
	case c == '"':
		return l.str(pos)
	case strings.HasPrefix(rest, "->"):
		l.i += 2
		return token{tokPunct, "->", pos}, nil
	case strings.IndexByte("{}()<>:;,.=|@", c) >= 0:
		l.i++
		return token{tokPunct, string(c), pos}, nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	if unicode.IsPrint(r) {
		return token{}, errf(pos, "unexpected character '%c'", r)
	}
	return token{}, errf(pos, "unexpected character %U", r)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// str reads a string literal.
func (l *lexer) str(pos Pos) (token, error) {
	var b strings.Builder
	for l.i++; l.i < len(l.src); l.i++ {
		switch c := l.src[l.i]; c {
		case '"':
			l.i++
			return token{tokString, b.String(), pos}, nil
		case '\n', '\r':
			return token{}, errf(pos, "string literal does not end on its line")
		case '\\':
			r, n, err := unescape(l.src[l.i:])
			if err != "" {
				return token{}, errf(l.pos(), "%s", err)
			}
			b.WriteRune(r)
			l.i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return token{}, errf(pos, "string literal does not end")
}

func unescape(s string) (r rune, n int, err string) {
	if len(s) < 2 {
		return 0, 0, "string literal does not end"
	}
	switch s[1] {
	case '\\', '"':
		return rune(s[1]), 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		end := strings.IndexByte(s, '}')
		if len(s) < 3 || s[2] != '{' || end < 4 || end > 9 {
			return 0, 0, "bad unicode escape: \\u{1 to 6 hex digits} is meant"
		}
		v, e := strconv.ParseUint(s[3:end], 16, 32)
		if e != nil || !utf8.ValidRune(rune(v)) {
			return 0, 0, "bad unicode escape: no such code point"
		}
		return rune(v), end + 1, ""
	}
	return 0, 0, fmt.Sprintf("unknown escape '\\%c'", s[1])
}
