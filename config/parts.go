package config

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

type sessionPartShape struct {
	From   Place  `yaml:"from,omitempty"`
	Name   string `yaml:"name,omitempty"`
	To     Place  `yaml:"to,omitempty"`
	As     string `yaml:"as,omitempty"`
	Prefix string `yaml:"prefix,omitempty"`
}

// session checks the parts of a session.
func (l *loader) session(key string, shape apiShape) []SessionPart {
	parts := make([]SessionPart, 0, len(shape.Session))
	for i, own := range shape.Session {
		at := index(join(key, "session"), i)
		part := SessionPart{From: own.From, Name: own.Name, To: own.To, As: cmp.Or(own.As, own.Name), Prefix: own.Prefix}
		l.partFrom(at, own, &part)
		l.partTo(at, own, &part)
		for _, earlier := range parts {
			if earlier.To == part.To && (part.To == InPath || strings.EqualFold(earlier.As, part.As)) {
				l.add(at, "goes where another part of the session goes already")
			}
		}
		parts = append(parts, part)
	}
	return parts
}

func (l *loader) partFrom(at string, own sessionPartShape, part *SessionPart) {
	switch own.From {
	case InHeader, InCookie:
		if own.Name == "" {
			l.needs(at, "name", "needs a `name`: of the %s that has the session", own.From)
		}
	case InBody:
		if own.Name != "" {
			part.Path = strings.Split(own.Name, ".")
		}
		if own.To == "" {
			l.needs(at, "to", "needs a `to`: header, cookie or path")
		}
	case "":
		l.needs(at, "from", "needs a `from`, one of: header, cookie, body")
	default:
		l.add(join(at, "from"), "must be one of: header, cookie, body")
	}
}

func (l *loader) partTo(at string, own sessionPartShape, part *SessionPart) {
	switch part.To {
	case "":
		part.To = own.From
	case InHeader, InCookie, InPath:
		if own.To != InPath && own.To != own.From && own.As == "" {
			l.needs(at, "as", "needs an `as`: the name of the %s that presents it", own.To)
		}
	default:
		l.add(join(at, "to"), "must be one of: header, cookie, path")
	}
	name := join(at, "as")
	if own.As == "" {
		name = join(at, "name")
	}
	switch {
	case l.wrong[name] || part.As == "":
	case part.To == InHeader:
		l.checkHeaderName(name, part.As)
		if canonical := http.CanonicalHeaderKey(part.As); slices.Contains(ownHeaders, canonical) {
			l.add(name, "cannot carry a session; name another header")
		} else {
			part.As = canonical
		}
	case part.To == InCookie && !httpguts.ValidHeaderFieldName(part.As):
		l.add(name, "not a cookie's name; use letters, digits and dashes")
	}
	if own.As != "" && part.To == InPath {
		l.add(join(at, "as"), "goes with `to: header` or `to: cookie`")
	}
	if own.Prefix != "" && part.To != InHeader {
		l.add(join(at, "prefix"), "goes with `to: header`")
	} else {
		l.checkHeaderValue(join(at, "prefix"), own.Prefix)
	}
}
