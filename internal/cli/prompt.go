package cli

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/term"

	"session_exporter/internal/report"
	"session_exporter/secret"
)

// readPassword asks for the password of a user on the terminal, without echo.
func readPassword(ctx context.Context, username string, s streams) (secret.Secret, error) {
	fd := int(s.in.Fd())
	if !term.IsTerminal(fd) {
		return secret.Secret{}, errors.New("--username: cannot ask for the password, because standard input is not a terminal; use --password-file")
	}
	before, err := term.GetState(fd)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("asking for the password: %w", err)
	}
	fmt.Fprintf(s.err, "Password for %s: ", report.Printable(username))
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // after an interrupt, echo is still off
	fmt.Fprintln(s.err)
	switch {
	case ctx.Err() != nil:
		return secret.Secret{}, err
	case err != nil || len(text) == 0:
		return secret.Secret{}, errors.New("no password was typed")
	}
	return secret.New(string(text)), nil
}
