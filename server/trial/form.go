package trial

import "natter/framing"

// form is a data form of this type (XEP-0004, XEP-0068).
func form(kind, formType string, fields ...*framing.Element) *framing.Element {
	return framing.New(nsForm, "x").Set("type", kind).Add(field("FORM_TYPE", "hidden", formType)).Add(fields...)
}

// field is a field of a form, with the value it has unless that is "".
func field(name, kind, value string) *framing.Element {
	f := framing.New(nsForm, "field").Set("var", name).Set("type", kind)
	if value != "" {
		f.Add(framing.New(nsForm, "value").AddText(value))
	}
	return f
}

func flag(name string, value bool) *framing.Element {
	if value {
		return field(name, "boolean", "1")
	}
	return field(name, "boolean", "0")
}
