package strictyaml

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
)

var (
	errorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)
	// quotedText matches what the library quotes from the file: anchor names. A password
	// that starts with `*` is parsed as one.
	quotedText = regexp.MustCompile(`'.*'`)
	// unclear matches messages without a line, or with the line where the enclosing
	// block starts.
	unclear = regexp.MustCompile(`expected key|expected '-'|tab character`)
	// indentation matches messages about an item that does not fit its block.
	indentation = regexp.MustCompile(`expected key|expected '-'`)
	// special matches messages about text that has a meaning in YAML.
	special = regexp.MustCompile(`anchor|cannot start any token|mapping values|escape`)
)

// syntaxError returns the line and the message of the library's error about a text. read is
// the number of lines that the library had read. It omits what the message quotes.
func syntaxError(err error, read int) (line int, message string) {
	match := errorLine.FindStringSubmatch(err.Error())
	line, _ = strconv.Atoi(match[1])
	message = err.Error()[len(match[0]):]
	expected := strings.Contains(message, "find expected")
	switch {
	case line == 0 || unclear.MatchString(message):
		line = read
	case expected && strings.HasPrefix(message, "did not"):
		line++ // the library's parser counts from 0, its scanner from 1
	}
	if !expected { // otherwise it quotes only punctuation
		message = quotedText.ReplaceAllString(message, "'…'")
	}
	switch {
	case special.MatchString(message):
		message += "; if this is text, put it in single quotes"
	case indentation.MatchString(message):
		message += ": inconsistent indentation, or a quote that is not closed"
	}
	return line, message
}

// lineReader returns at most one line at a time, so that begun shows how far the parser
// got.
type lineReader struct {
	rest  []byte
	begun int // lines returned, the last one perhaps in part
	mid   bool
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if !r.mid {
		r.begun++
	}
	line := r.rest
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	n := copy(p, line)
	r.mid = n < len(line)
	r.rest = r.rest[n:]
	return n, nil
}
