//go:build js && wasm

package browser

import "syscall/js"

// Form is the sign-in form that stands in the page itself; web/signin.js says what
// the two expect of each other.
type Form struct{ natter js.Value }

// OpenForm returns the form of this page.
func OpenForm() Form { return Form{global.Get("natter")} }

// SignIn is what was typed into the form.
type SignIn struct {
	Address, Password string
	Server            string // "" unless typed
	Remember          bool
	As                string // the account of a Problem that the person goes on as, or ""
}

// OnSubmit calls f with what was typed each time Sign in is pressed, and at once if that has
// happened already.
func (f Form) OnSubmit(submitted func(SignIn)) {
	f.natter.Set("onSignIn", js.FuncOf(func(_ js.Value, args []js.Value) any {
		form := args[0]
		submitted(SignIn{
			Address: form.Get("address").String(), Password: form.Get("password").String(), Server: form.Get("server").String(),
			Remember: form.Get("remember").Bool(), As: form.Get("as").String(),
		})
		return nil
	}))
}

// Busy says that the attempt is under way.
func (f Form) Busy(text string) { f.natter.Call("signInBusy", text) }

// Fail says why the attempt failed, which field it is about, and as which account the person could
// go on, "" for none.
func (f Form) Fail(text, field, account string) {
	f.natter.Call("signInError", map[string]any{"text": text, "field": field, "account": account})
}

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
