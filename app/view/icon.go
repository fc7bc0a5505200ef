package view

import (
	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"natter/app/state"
)

// icons are paths on a grid of 20, drawn with a stroke of 1.75.
var icons = map[string]string{
	"alert":   "M10 6.5v4.25M10 13.6v.15M10 2.75a7.25 7.25 0 1 0 0 14.5 7.25 7.25 0 0 0 0-14.5Z",
	"back":    "M12.25 4.5 6.75 10l5.5 5.5",
	"bell":    "M10 3a4.75 4.75 0 0 0-4.75 4.75c0 4-1.75 5.5-1.75 5.5h13s-1.75-1.5-1.75-5.5A4.75 4.75 0 0 0 10 3ZM8.5 16a1.6 1.6 0 0 0 3 0",
	"chat":    "M10 3.25c-4.1 0-7.25 2.75-7.25 6.25 0 1.9.95 3.6 2.45 4.75L4.5 17l3.3-1.5c.7.2 1.45.25 2.2.25 4.1 0 7.25-2.75 7.25-6.25S14.1 3.25 10 3.25Z",
	"check":   "m4.5 10.5 3.75 3.75 7.5-8.5",
	"checks":  "m2 10.75 3.5 3.5 7-8M9.5 13l1.25 1.25 7-8",
	"clock":   "M10 6v4.25l2.75 1.5M10 2.75a7.25 7.25 0 1 0 0 14.5 7.25 7.25 0 0 0 0-14.5Z",
	"close":   "m5.25 5.25 9.5 9.5m0-9.5-9.5 9.5",
	"copy":    "M7.5 7.25V4.5c0-.55.45-1 1-1h7c.55 0 1 .45 1 1v7c0 .55-.45 1-1 1h-2.75m-8.25-5h7c.55 0 1 .45 1 1v7c0 .55-.45 1-1 1h-7c-.55 0-1-.45-1-1v-7c0-.55.45-1 1-1Z",
	"date":    "M4.5 4.5h11c.7 0 1.25.55 1.25 1.25v9.5c0 .7-.55 1.25-1.25 1.25h-11c-.7 0-1.25-.55-1.25-1.25v-9.5c0-.7.55-1.25 1.25-1.25ZM3.25 8.25h13.5M6.75 2.75v3M13.25 2.75v3",
	"down":    "m4.75 7.5 5.25 5.25 5.25-5.25",
	"leave":   "M8 3.5H4.75c-.55 0-1 .45-1 1v11c0 .55.45 1 1 1H8M12.5 13.5 16 10l-3.5-3.5M16 10H7.75",
	"more":    "M5 10h.01M10 10h.01M15 10h.01",
	"new":     "M15.75 10.5v4.75c0 .55-.45 1-1 1h-10c-.55 0-1-.45-1-1v-10c0-.55.45-1 1-1H9.5M8 12l.4-2.4 6.7-6.7a1.4 1.4 0 0 1 2 2l-6.7 6.7L8 12Z",
	"panel":   "M4.5 3.75h11c.7 0 1.25.55 1.25 1.25v10c0 .7-.55 1.25-1.25 1.25h-11c-.7 0-1.25-.55-1.25-1.25V5c0-.7.55-1.25 1.25-1.25Zm7.75 0v12.5",
	"person":  "M10 9.75a3.1 3.1 0 1 0 0-6.2 3.1 3.1 0 0 0 0 6.2ZM3.75 16.5c.7-2.6 3.1-4.25 6.25-4.25s5.55 1.65 6.25 4.25",
	"read":    "M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15ZM6 9.9 4.9 11l4 4 6.3-7.2L14 6.7l-5.2 6Z",
	"smile":   "M10 2.75a7.25 7.25 0 1 0 0 14.5 7.25 7.25 0 0 0 0-14.5ZM7.5 8v.15M12.5 8v.15M6.75 11.75c.7 1.25 1.9 2 3.25 2s2.55-.75 3.25-2",
	"room":    "M7.25 9.25a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8ZM13.4 9.25a2 2 0 1 0 0-4M2.5 15.5c.5-2.3 2.4-3.6 4.75-3.6s4.25 1.3 4.75 3.6M14 11.9c1.8.3 3.1 1.6 3.5 3.6",
	"remove":  "M4 5.75h12M8 5.5V4.25c0-.4.35-.75.75-.75h2.5c.4 0 .75.35.75.75V5.5m-6.5.25.6 9.5c.05.7.6 1.25 1.3 1.25h4.2c.7 0 1.25-.55 1.3-1.25l.6-9.5",
	"reply":   "M8 5 3.5 9.5 8 14M3.75 9.5h7.5c3 0 5.25 1.75 5.25 5.5",
	"retry":   "M16 10a6 6 0 1 1-1.75-4.25L16 7.5M16 3.75V7.5h-3.75",
	"search":  "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Zm4 9.5 3.75 3.75",
	"send":    "M10 16.25V4M4.75 9 10 3.75 15.25 9",
	"offline": "M3 3l14 14M6.2 6.6A9.6 9.6 0 0 0 2.75 8.7M17.25 8.7A10 10 0 0 0 9.4 5.6M5.5 11.7a6.3 6.3 0 0 1 4-1.75M8.1 14.4a2.7 2.7 0 0 1 3.6-.1",
}

// icon draws one of icons. It says nothing to a screen reader: what it stands in does.
func icon(name string) app.UI {
	return app.Elem("svg").XMLNS("http://www.w3.org/2000/svg").Class("icon").
		Attr("viewBox", "0 0 20 20").Attr("aria-hidden", "true").
		Body(app.Elem("path").XMLNS("http://www.w3.org/2000/svg").Attr("d", icons[name]))
}

// iconButton is a button that shows an icon and is called by its label.
func iconButton(name, label string, do Command) app.HTMLButton {
	return app.Button().Type("button").Class("icon-button").Aria("label", label).Title(label).
		DataSet("do", string(do)).Body(icon(name))
}

// avatar is a coloured disc with the first letter of a name; dot adds presence.
func avatar(identity, name string, size string, dot app.UI) app.UI {
	return pictured("", identity, name, size, dot)
}

// pictured is an avatar with a picture over the letter, unless url is "".
func pictured(url, identity, name string, size string, dot app.UI) app.UI {
	body := []app.UI{app.Span().Class("avatar-disc " + hueClass(identity)).Text(initial(name))}
	if url != "" {
		body = append(body, app.Img().Class("avatar-picture").Src(url).Alt(""))
	}
	if dot != nil {
		body = append(body, dot)
	}
	return app.Span().Class("avatar "+size).Aria("hidden", "true").Body(body...)
}

// picture is the picture of whom a conversation is with, as a data: URL, "" if there is none.
func (d *desk) picture(conv state.ConvID) string {
	if conv.Kind() != state.Groupchat {
		return ""
	}
	if r := d.s.Room(conv.JID()); r != nil {
		return r.Picture.URL
	}
	return ""
}

// size is the class of an avatar: that of a room is a square.
func size(conv state.ConvID, class string) string {
	if conv.Kind() == state.Groupchat {
		return class + " avatar-room"
	}
	return class
}

// dot shows presence; its shape differs too, for those who do not see the colour.
func dot(show state.Show) app.UI {
	class := map[state.Show]string{
		state.Available: "online", state.ChatShow: "online", state.Away: "away", state.XA: "away", state.DND: "busy",
	}[show]
	if class == "" {
		return nil
	}
	return app.Span().Class("dot dot-" + class)
}

// presenceWords says what a presence means.
func presenceWords(show state.Show) string {
	switch show {
	case state.Available, state.ChatShow:
		return "Online"
	case state.Away:
		return "Away"
	case state.XA:
		return "Away for longer"
	case state.DND:
		return "Do not disturb"
	}
	return "Offline"
}
