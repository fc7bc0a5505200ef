package state

import (
	"slices"
	"strings"

	"natter/app/jid"
)

// Form is a form that the person fills in (XEP-0004). A Form never changes.
type Form struct {
	Title        string  `json:"title,omitempty"`
	Instructions string  `json:"instructions,omitempty"`
	Fields       []Field `json:"fields,omitempty"`
	More         int     `json:"more,omitempty"` // how many fields were left out, see MostFields
}

// Field is a field of a form.
type Field struct {
	Var      string   `json:"var,omitempty"`
	Type     string   `json:"type"` // boolean, fixed, hidden, jid-multi, jid-single, list-multi, list-single, text-multi, text-private or text-single
	Label    string   `json:"label,omitempty"`
	About    string   `json:"about,omitempty"`
	Required bool     `json:"required,omitempty"`
	Values   []string `json:"values,omitempty"`
	Options  []Option `json:"options,omitempty"` // of a list
}

// Option is a choice in a list.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label,omitempty"`
}

// MostFields bounds the fields of a Form. The room leaves the others as they are.
const MostFields = 200

// Filled is a field that was filled in.
type Filled struct {
	Var    string
	Values []string
}

// On reports whether a boolean field is true.
func (f *Field) On() bool {
	return len(f.Values) > 0 && (f.Values[0] == "1" || f.Values[0] == "true")
}

// Fill returns the field filled with these values. If it cannot have them, the second result is a sentence that
// says why, else "".
func (f *Field) Fill(values []string) (Filled, string) {
	many := f.Type == "text-multi" || f.Type == "jid-multi"
	var kept []string
	for _, v := range values {
		if f.Type != "text-multi" && f.Type != "text-private" {
			v = strings.TrimSpace(v)
		}
		if v != "" || f.Type == "text-multi" {
			kept = append(kept, v)
		}
	}
	if !many && f.Type != "list-multi" && len(kept) > 1 {
		kept = kept[:1]
	}
	switch f.Type {
	case "boolean":
		if len(kept) == 0 {
			kept = []string{"0"}
		}
		return Filled{f.Var, kept}, ""
	case "list-single", "list-multi":
		for _, v := range kept {
			if !slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == v }) && !slices.Contains(f.Values, v) {
				return Filled{}, "Choose one of these."
			}
		}
	case "jid-single", "jid-multi":
		for _, v := range kept {
			if _, err := jid.Parse(v); err != nil {
				return Filled{}, v + " is no address: it looks like name@example.org."
			}
		}
	}
	if f.Required && strings.Join(kept, "") == "" {
		return Filled{}, "This is needed."
	}
	return Filled{f.Var, kept}, ""
}

// RoomFormRead: this is the form to configure a room, nil if it is not known.
type RoomFormRead struct {
	Room jid.JID
	Form *Form
}

func (ev RoomFormRead) apply(s *State) { s.changeRoom(ev.Room, func(r *Room) { r.Form = ev.Form }) }
