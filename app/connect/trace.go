package connect

import (
	"fmt"
	"strings"

	"natter/framing"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
	nsFAST  = "urn:xmpp:fast:0"
)

// blank replaces the secrets in a document: tokens (XEP-0484) and the SASL messages of
// both profiles, because a weak password could be guessed from these too. All other
// documents are returned as they are.
func blank(doc string) string {
	if !strings.Contains(doc, nsSASL) && !strings.Contains(doc, nsSASL2) && !strings.Contains(doc, nsFAST) {
		return doc
	}
	e, err := framing.Parse(doc, framing.Limits{})
	if err != nil {
		return fmt.Sprintf("<!-- %d bytes that cannot be read, not shown -->", len(doc))
	}
	blankTree(e)
	return e.String()
}

func blankTree(e *framing.Element) {
	if isSecret(e) {
		e.Children = []framing.Node{{Text: "***"}}
	}
	if e.Name.Space == nsFAST && e.Attr("token") != "" {
		e.Set("token", "***")
	}
	for _, child := range e.Elements() {
		blankTree(child)
	}
}

func isSecret(e *framing.Element) bool {
	if len(e.Children) == 0 {
		return false
	}
	switch e.Name.Space {
	case nsSASL:
		switch e.Name.Local {
		case "auth", "challenge", "response", "success":
			return true
		}
	case nsSASL2:
		switch e.Name.Local {
		case "initial-response", "challenge", "response", "additional-data", "task-data":
			return true
		}
	}
	return false
}
