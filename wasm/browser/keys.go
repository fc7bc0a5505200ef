//go:build js && wasm

package browser

// Keys of PageStorage and TabStorage. web/types.d.ts has the same list for the page's scripts, and a
// test in package web compares the two with what the scripts use. A key that ends with a dot is
// followed by a hash: of an account, or of a domain.
const (
	AccountKey    = "natter.account"    // tab: the account of a remembered person, by the name of its database
	CrashesKey    = "natter.crashes"    // tab: when the program has died lately (boot.js)
	EmojiKey      = "natter.emoji"      // both: the skin tone and the emoji that were chosen last (natter.js)
	EndpointsKey  = "natter.endpoints." // page: discover.Cache
	NoticesKey    = "natter.notices."   // page: whether an account wants notifications (natter.js)
	OpenKey       = "natter.open"       // both: the conversation that was open (natter.js)
	PoisonKey     = "natter.poison"     // tab: hashes of the stanzas that the program has died of (boot.js)
	RememberedKey = "natter.remembered" // page: a copy of the account that opens next (storage.js, signin.js)
	SCRAMKey      = "natter.scram."     // page: connect.Pins
	TabKey        = "natter.tab"        // tab: connect.UserAgent
	ThemeKey      = "natter.theme"      // page: the colours the person chose (natter.js, storage.js)
)
