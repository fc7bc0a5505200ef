package feature

import (
	"natter/app/state"
	"natter/framing"
)

// NSForm is the namespace of data forms (XEP-0004).
const NSForm = "jabber:x:data"

// Submit returns a data form that is sent back with these fields (XEP-0004 §3). The field FORM_TYPE is hidden
// (XEP-0068).
func Submit(fields ...state.Filled) *framing.Element {
	x := framing.New(NSForm, "x").Set("type", "submit")
	for _, f := range fields {
		field := framing.New(NSForm, "field").Set("var", f.Var)
		if f.Var == "FORM_TYPE" {
			field.Set("type", "hidden")
		}
		for _, v := range f.Values {
			field.Add(framing.New(NSForm, "value").AddText(v))
		}
		x.Add(field)
	}
	return x
}

// Field returns a field with one value.
func Field(name, value string) state.Filled {
	return state.Filled{Var: name, Values: []string{value}}
}
