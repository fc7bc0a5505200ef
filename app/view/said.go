package view

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/text"
)

// draw is what a tree of text looks like.
func draw(blocks []text.Block) (out []app.UI) {
	for _, b := range blocks {
		for _, r := range b.Runs {
			said := legible.Body(r.Text)
			switch {
			case r.Peer != "":
				out = append(out, app.Button().Type("button").Class("link").DataSet("do", string(doLink)).DataSet("text", said).Text(said))
			case r.Href != "":
				out = append(out, app.A().Class("link").Href(r.Href).Target("_blank").Rel("noopener noreferrer nofollow").Text(said))
			default:
				out = append(out, app.Text(said))
			}
			if r.Host != "" {
				out = append(out, app.Span().Class("link-host").Text(" (goes to "+r.Host+")"))
			}
		}
	}
	return out
}
