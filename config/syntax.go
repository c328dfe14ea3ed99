package config

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
)

const quoteIt = "put the value in quotes"

// syntaxAdvice says what to change for each of the YAML library's messages that
// people meet, most of which speak about its own parser.
var syntaxAdvice = []struct{ message, advice string }{
	// The only message that quotes the text, which may be a password.
	{"unknown anchor", "what starts with `*` stands for an anchor (`&`), and there is none of this name; if it is text, " + quoteIt},
	{"tab character", "indented with a tab; use spaces"},
	{"cannot start any token", "a tab, or a value that starts with @, % or `; use spaces, or " + quoteIt},
	{"mapping values are not allowed", "a second `: ` in one line, or a line indented too far; align it, or " + quoteIt},
	{"did not find expected key", "does not continue the block above; align it, or check the quotes"},
	{"did not find expected '-'", "does not continue the list above; align it, or start it with `-`"},
	{"did not find expected ','", "a bracket that is not closed"},
	{"unexpected end of stream", "a quote that is not closed"},
	{"could not find expected ':'", "a key without `: ` and a value"},
	{"unknown escape", "a `\\` in double quotes starts an escape; write it twice, or use single quotes"},
	{"node content", "a bracket that is not closed, or nothing between commas"},
	{"UTF-8", "bytes that are not UTF-8; save the file as UTF-8"},
	{"exceeded max depth", "nested too deeply"},
}

// syntaxError says where a text, of which a number of lines were read, is not
// YAML, and what to change.
func syntaxError(err error, text []byte, read int) (line int, advice string) {
	line, message := splitYAMLError(err)
	if line == 0 || !unclosed(message) {
		line = firstLine(text, message, read)
	} else if strings.HasPrefix(message, "did not") {
		line++ // the library's parser counts from 0, its scanner from 1
	}
	for _, known := range syntaxAdvice {
		if strings.Contains(message, known.message) {
			return line, known.advice
		}
	}
	return line, message
}

// unclosed reports whether a message may be about what a text lacks at its end,
// so that cutting a good text gives it too.
func unclosed(message string) bool {
	return strings.Contains(message, "end of stream") || strings.Contains(message, "expected ','") || strings.Contains(message, "node content")
}

// firstLine finds the line that brings a message about, from the last one that
// was read back to where it does not come up any more: the library names no line, or
// where the block around it begins.
func firstLine(text []byte, message string, read int) int {
	for ; read > 1; read-- {
		_, err := documents(bytes.NewReader(firstLines(text, read-1)))
		if err == nil {
			break
		}
		if _, other := splitYAMLError(err); other != message {
			break
		}
	}
	return max(read, 1)
}

func firstLines(text []byte, n int) []byte {
	end := 0
	for range n {
		end += bytes.IndexByte(text[end:], '\n') + 1
	}
	return text[:end]
}

// lineReader gives at most a line at a time, so that it tells how far a parser
// came.
type lineReader struct {
	rest  []byte
	begun int // lines given, the last one perhaps in part
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

var yamlErrorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// splitYAMLError takes the line out of the YAML library's message.
func splitYAMLError(err error) (line int, message string) {
	match := yamlErrorLine.FindStringSubmatch(err.Error())
	line, _ = strconv.Atoi(match[1])
	return line, err.Error()[len(match[0]):]
}
