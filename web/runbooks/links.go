package runbooks

import (
	"net/url"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// home is the URL of the folder of the runbooks in the repository.
var home = &url.URL{Scheme: "https", Host: "github.com", Path: "/session-exporter/session_exporter/blob/main/docs/" + folder}

// linkRewriter makes links to other runbooks point to this server, and links to other
// files of the repository absolute.
type linkRewriter struct{}

func (linkRewriter) Transform(document *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := node.(*ast.Link); ok && entering {
			link.Destination = []byte(rewrite(string(link.Destination)))
		}
		return ast.WalkContinue, nil
	})
}

func rewrite(link string) string {
	if strings.HasPrefix(link, "#") {
		return link
	}
	to, err := home.Parse(link)
	if err != nil {
		return link
	}
	file, inside := strings.CutPrefix(to.Path, home.Path)
	name, isPage := strings.CutSuffix(file, ".md")
	switch {
	case to.Host != home.Host || !inside || !isPage:
		return to.String()
	case name == index:
		name = "./"
	case !slices.Contains(Names(), name):
		return to.String()
	}
	if to.Fragment != "" {
		name += "#" + to.EscapedFragment()
	}
	return name
}
