package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"session_exporter/internal/boundedfile"
	"session_exporter/internal/strictyaml"
	"session_exporter/secret"
)

// maxPEMSize is the size in bytes above which a file of certificates or keys is rejected.
const maxPEMSize = 1 << 20

// credentialsDirectory is the beginning of a path below systemd's directory of credentials.
const credentialsDirectory = "${" + secret.CredentialsVariable + "}/"

// absolute returns the path of a file that a key names, which may be relative to the
// directory of the configuration file with that key, or below systemd's directory of
// credentials.
func (r *resolver) absolute(key strictyaml.Key, file string) string {
	if file == "" {
		return ""
	}
	if name, ok := strings.CutPrefix(file, credentialsDirectory); ok {
		if dir := os.Getenv(secret.CredentialsVariable); dir != "" {
			return filepath.Join(dir, name)
		}
	}
	return promconfig.JoinDir(filepath.Dir(r.Position(key).File), file)
}

// checkPEM checks that a file of certificates or keys can be read.
func (r *resolver) checkPEM(key strictyaml.Key, file string) {
	if file == "" || r.Invalid(key) {
		return
	}
	if _, err := r.files.Read(r.absolute(key, file), maxPEMSize); err != nil {
		r.Add(key, "%s", fileProblem(file, err))
	}
}

// checkSecret checks that a secret can be read. If not, the configuration can be used
// nevertheless, because the file may be created later.
func (r *resolver) checkSecret(key strictyaml.Key, file string, source secret.Source) {
	if r.Invalid(key) {
		return
	}
	missing := func(text string) { r.Report(MissingSecret, key, r.Position(key), text) }
	if source.Env != "" {
		if _, set := os.LookupEnv(source.Env); !set {
			missing("no environment variable of this name is set")
			return
		}
	}
	_, err := source.Read()
	switch reason := errors.Unwrap(err); {
	case err == nil:
	case reason == nil:
		missing("the secret cannot be read")
	case source.Env != "":
		missing("cannot use this environment variable: " + reason.Error())
	case source.File != "":
		missing(fileProblem(file, reason))
	}
}

// fileProblem describes why a file cannot be read. It does not name the path, which may
// be a secret in the wrong place.
func fileProblem(file string, err error) string {
	credential := strings.HasPrefix(file, credentialsDirectory)
	if credential && os.Getenv(secret.CredentialsVariable) == "" {
		return secret.CredentialsVariable + " is not set: systemd sets it for a service with credentials"
	}
	text := "cannot read this file: " + boundedfile.Reason(err).Error()
	if errors.Is(err, fs.ErrNotExist) && !credential && !filepath.IsAbs(file) {
		text += "; relative paths are resolved from the directory of the configuration file"
	}
	return text
}

// fileSource returns the source that reads the file that a key names, the zero Source if
// file is empty.
func (r *resolver) fileSource(key strictyaml.Key, file string) secret.Source {
	if file == "" {
		return secret.Source{}
	}
	return secret.FromFile(r.absolute(key, file), r.files)
}

// rejectRef rejects a reference to a secret manager.
func (r *resolver) rejectRef(key strictyaml.Key, alternative string) {
	if r.IsSet(key) && !r.Invalid(key) {
		r.Add(key, "secret managers are not supported; use `%s`", alternative)
	}
}
