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

// choice is a field with one of several values.
func choice(name, value string, of ...string) *framing.Element {
	f := field(name, "list-single", value)
	for _, v := range of {
		f.Add(framing.New(nsForm, "option").Add(framing.New(nsForm, "value").AddText(v)))
	}
	return f
}

// readForm returns the values of a form by the names of its fields. A second field of a
// name adds to the first.
func readForm(x *framing.Element) map[string][]string {
	fields := make(map[string][]string)
	for _, f := range x.Elements() {
		if !f.Is(nsForm, "field") {
			continue
		}
		name := f.Attr("var")
		for _, v := range f.Elements() {
			if v.Is(nsForm, "value") {
				fields[name] = append(fields[name], v.Text())
			}
		}
	}
	return fields
}

// boolean reads a value as XML Schema has it.
func boolean(value string) (is, ok bool) {
	switch value {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}
