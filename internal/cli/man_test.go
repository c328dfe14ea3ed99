package cli

import "testing"

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"a plain text":             "a plain text",
		"--flag, `command`, \\n":   `\-\-flag, \fBcommand\fR, \en`,
		".dot":                     `\&.dot`,
		"'quote'":                  `\&'quote'`,
		`"session_exporter.yml" …`: `\(dqsession_exporter.yml\(dq …`,
	} {
		if got := roff(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
