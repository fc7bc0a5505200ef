//go:build js && wasm

package browser

import "syscall/js"

// Form is the sign-in form that stands in the page itself; web/signin.js says what
// the two expect of each other.
type Form struct{ natter js.Value }

// OpenForm returns the form of this page.
func OpenForm() Form { return Form{global.Get("natter")} }

// OnSubmit has f called with what was typed each time Sign in is pressed, at once if
// that has happened already.
func (f Form) OnSubmit(submitted func(address, password, server string, remember bool, as string)) {
	f.natter.Set("onSignIn", js.FuncOf(func(_ js.Value, args []js.Value) any {
		submitted(args[0].String(), args[1].String(), args[2].String(), args[3].Bool(), args[4].String())
		return nil
	}))
}

// Busy says that the attempt is under way.
func (f Form) Busy(text string) { f.natter.Call("signInBusy", text) }

// Fail says why the attempt failed, which field it is about, and who the person would be
// instead, if anybody.
func (f Form) Fail(text, field, account string) { f.natter.Call("signInError", text, field, account) }

// Hide shows the app instead of the form.
func (f Form) Hide() { f.natter.Call("showApp") }

// Show shows the form instead of the app.
func (f Form) Show(reason string) { f.natter.Call("showSignIn", reason) }

// Endpoints returns the operator's WebSockets by domain, from config.json.
func (f Form) Endpoints() map[string][]string {
	endpoints := map[string][]string{}
	domains := f.natter.Get("config").Get("domains")
	if !domains.Truthy() {
		return endpoints
	}
	for i := range domains.Length() {
		if ws := domains.Index(i).Get("websocket"); ws.Truthy() {
			name := domains.Index(i).Get("name").String()
			endpoints[name] = append(endpoints[name], ws.String())
		}
	}
	return endpoints
}
