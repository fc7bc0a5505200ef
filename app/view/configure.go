package view

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/legible"
	"natter/app/state"
)

// askConfigure asks how a room is configured, and shows it.
func (d *desk) askConfigure(sig Signal) {
	r := d.s.Room(sig.JID)
	if !r.In() {
		return
	}
	d.ask(dialog{kind: string(doConfigure), peer: r.JID})
	d.dialog.since, d.dialog.stale = r.Outcome.N, r.Form
	d.model.Do(state.ReadRoomForm{Room: r.JID})
}

// configure is the dialog with the settings of a room.
func (m *modal) configure() app.UI {
	d := m.Desk
	r := d.s.Room(d.dialog.peer)
	switch {
	case r == nil:
		return app.Div()
	case r.Form == nil && r.Outcome.N != d.dialog.since && r.Outcome.Problem != nil:
		return app.P().Class("field-fault").Attr("role", "alert").Text(r.Outcome.Problem.Text + " " + r.Outcome.Problem.Advice)
	case r.Form == nil:
		return app.P().Class("dialog-doing").Attr("role", "status").Text("Waiting for the room…")
	}
	var body []app.UI
	if about := legible.Short(r.Form.Instructions, 500); about != "" {
		body = append(body, app.P().Class("details-hint").Dir("auto").Text(about))
	}
	for i := range r.Form.Fields {
		if r.Form.Fields[i].Type != "hidden" {
			body = append(body, d.field(i, &r.Form.Fields[i]))
		}
	}
	if r.Form.More > 0 {
		body = append(body, app.P().Class("details-hint").Text(count(r.Form.More)+" more settings are not shown, and stay as they are."))
	}
	return m.answerable(doSetConfiguration, "Save", "button-primary", app.Div().Class("form-fields").Body(body...))
}

// firstField is the id of the first field of a form that can be filled in, "" if there is none.
func firstField(f *state.Form) string {
	i := slices.IndexFunc(f.Fields, func(f state.Field) bool { return f.Type != "hidden" && f.Type != "fixed" && f.Type != "list-multi" })
	if i < 0 {
		return ""
	}
	return "f" + strconv.Itoa(i)
}

// field draws a field of a form. Its name is where it stands: those of the form are a stranger's.
func (d *desk) field(i int, f *state.Field) app.UI {
	name := "f" + strconv.Itoa(i)
	label := legible.Short(f.Label, 200)
	if label == "" {
		label = legible.Short(f.Var, 200)
	}
	fault := d.dialog.faults[f.Var]
	invalid := strconv.FormatBool(fault != "")
	said := name + "-fault " + name + "-about" // who hears the page hears both with the field
	value := strings.Join(f.Values, "\n")
	title := app.Label().Class("field-label field-next").For(name).Body(app.Elem("bdi").Text(label))
	var body []app.UI
	switch f.Type {
	case "fixed":
		return app.P().Class("form-fixed").Dir("auto").Text(legible.Body(value))
	case "boolean":
		box := app.Input().Type("checkbox").ID(name).Name(name).Value("1").Aria("describedby", said)
		if f.On() {
			box = box.Attr("checked", "true")
		}
		body = []app.UI{app.Label().Class("check").Body(box, app.Span().Dir("auto").Text(label))}
	case "list-single":
		var options []app.UI
		chosen := false
		for _, o := range f.Options {
			chosen = chosen || o.Value == value
		}
		if !chosen {
			options = append(options, app.Option().Value(value).Selected(true).Text(legible.Short(value, 200)))
		}
		for _, o := range f.Options {
			options = append(options, app.Option().Value(o.Value).Selected(o.Value == value).Text(optionLabel(o)))
		}
		body = []app.UI{title, app.Select().ID(name).Class("field-input").Name(name).Aria("invalid", invalid).Aria("describedby", said).Body(options...)}
	case "list-multi":
		boxes := []app.UI{app.Elem("legend").Class("field-label field-next").Dir("auto").Text(label)}
		for _, o := range f.Options {
			box := app.Input().Type("checkbox").Name(name).Value(o.Value)
			for _, v := range f.Values {
				if v == o.Value {
					box = box.Attr("checked", "true")
				}
			}
			boxes = append(boxes, app.Label().Class("check").Body(box, app.Span().Dir("auto").Text(optionLabel(o))))
		}
		body = []app.UI{app.Elem("fieldset").Class("form-list").Aria("describedby", said).Body(boxes...)}
	case "text-multi", "jid-multi":
		body = []app.UI{title, app.Textarea().ID(name).Class("field-input field-long").Name(name).Rows(3).Dir("auto").Aria("invalid", invalid).Aria("describedby", said).Text(value)}
	default:
		typ := "text"
		if f.Type == "text-private" {
			typ = "password"
		}
		body = []app.UI{title, app.Input().Type(typ).ID(name).Class("field-input").Name(name).Attr("autocomplete", "off").Dir("auto").
			Aria("invalid", invalid).Aria("describedby", said).Attr("value", value)}
	}
	if about := legible.Short(f.About, 300); about != "" {
		body = append(body, app.P().ID(name+"-about").Class("details-hint").Dir("auto").Text(about))
	}
	return app.Div().Class("form-field").Body(append(body, app.P().ID(name+"-fault").Class("field-fault").Text(fault))...)
}

func optionLabel(o state.Option) string {
	if label := legible.Short(o.Label, 200); label != "" {
		return label
	}
	return legible.Short(o.Value, 200)
}

// setConfiguration sends the settings of a room that were typed: a list of names of fields and values.
func (d *desk) setConfiguration(sig Signal) {
	d.rev++
	r := d.s.Room(sig.JID)
	var entries [][2]string
	if r == nil || r.Form == nil || json.Unmarshal([]byte(sig.Text), &entries) != nil {
		return
	}
	typed := map[string][]string{}
	for _, e := range entries {
		typed[e[0]] = append(typed[e[0]], e[1])
	}
	faults := map[string]string{}
	var filled []state.Filled
	for i := range r.Form.Fields {
		f, name := &r.Form.Fields[i], "f"+strconv.Itoa(i)
		if f.Type == "hidden" || f.Type == "fixed" {
			continue
		}
		values := typed[name]
		if f.Type == "text-multi" || f.Type == "jid-multi" {
			values = strings.Split(strings.ReplaceAll(strings.Join(values, "\n"), "\r\n", "\n"), "\n")
		}
		if has, fault := f.Fill(values); fault != "" {
			if faults[f.Var] = fault; len(faults) == 1 {
				d.settling.Focus = name
			}
		} else {
			filled = append(filled, has)
		}
	}
	if d.dialog.faults = faults; len(faults) > 0 {
		d.dialog.fault = "Something is missing or wrong above."
		return
	}
	d.want(state.NewConfiguration, state.ConfigureRoom{Room: r.JID, Fields: filled})
}

// destroy is the dialog that ends a room.
func (m *modal) destroy() app.UI {
	return m.answerable(doSetDestroy, "Destroy for everybody", "button-danger-solid",
		app.P().Class("dialog-lead").Text("Everybody has to leave, and what was said in this room is lost on its server. This cannot be undone."), whyField())
}

// ownership are the buttons of the details that only owners of a room have.
func ownership(r *state.Room) app.UI {
	if me := r.Myself(); me == nil || me.Affiliation != state.Owner {
		return app.Div().Attr("hidden", "true")
	}
	return app.Div().Class("details-part").Body(
		app.Span().Class("details-label").Text("You own this room"),
		insideButton(r, doConfigure, "Room settings"),
		app.Div().Body(app.Label().Class("button-quiet button-small file").Body(
			app.Input().Type("file").ID("picture").Class("sr").Accept("image/*").DataSet("jid", string(r.JID)),
			app.Text("Change picture"))),
		app.If(r.Picture.URL != "", func() app.UI { return insideButton(r, doPicture, "Remove picture") }),
		insideButton(r, doDestroy, "Destroy room"))
}
