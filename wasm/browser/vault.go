//go:build js && wasm

package browser

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

// Vault keeps secrets between visits, each sealed with a key that no script can read
// (web/vault.js says what that is good for and what not). A name is stored as it is:
// who should not be seen in it is to be hashed.
type Vault struct{}

var (
	// ErrNoSecret: nothing is kept under this name.
	ErrNoSecret = errors.New("vault: nothing is kept under this name")

	// ErrSealed: what is kept is bound to something else, or damaged.
	ErrSealed = errors.New("vault: the secret does not open")

	// ErrNoVault: the browser keeps nothing for this page, as in some private modes,
	// or has no WebCrypto, as on plain http.
	ErrNoVault = errors.New("vault: the browser has no place for secrets")
)

// Save seals a secret, binds it to aad and replaces what was kept under the name. When
// it returns nil the secret is on disk, and with it the note, which is no secret, in
// place of the last one of this name. The caller overwrites secret.
func (Vault) Save(ctx context.Context, name string, aad, secret []byte, note string) error {
	_, err := answer(ctx, global.Get("natterVault").Call("save", name, bytesToJS(aad), bytesToJS(secret), note))
	return vaultError("save", err)
}

// Load opens what is kept under the name and bound to aad: else the error is
// ErrNoSecret or ErrSealed. The caller overwrites the result.
func (Vault) Load(ctx context.Context, name string, aad []byte) ([]byte, error) {
	opened, err := answer(ctx, global.Get("natterVault").Call("load", name, bytesToJS(aad)))
	if err != nil {
		return nil, vaultError("load", err)
	}
	if opened.IsNull() {
		return nil, ErrNoSecret
	}
	secret := bytesToGo(opened)
	opened.Call("fill", 0)
	return secret, nil
}

// Notes returns the notes of all names, the newest first.
func (Vault) Notes(ctx context.Context) (notes []string, err error) {
	list, err := answer(ctx, global.Get("natterVault").Call("notes"))
	if err != nil {
		return nil, vaultError("notes", err)
	}
	for i := range list.Length() {
		notes = append(notes, list.Index(i).String())
	}
	return notes, nil
}

// Mark puts a note in place of the last one of this name, when it returns nil on disk
// too.
func (Vault) Mark(ctx context.Context, name, note string) error {
	_, err := answer(ctx, global.Get("natterVault").Call("mark", name, note))
	return vaultError("mark", err)
}

// Forget is Delete, of the note too.
func (Vault) Forget(ctx context.Context, name string) error {
	_, err := answer(ctx, global.Get("natterVault").Call("forget", name))
	return vaultError("forget", err)
}

// Delete forgets what is kept under the name, and the key to it. It is no error if
// there is nothing.
func (Vault) Delete(ctx context.Context, name string) error {
	_, err := answer(ctx, global.Get("natterVault").Call("remove", name))
	return vaultError("delete", err)
}

func vaultError(what string, err error) error {
	var thrown js.Error
	if !errors.As(err, &thrown) {
		return err
	}
	switch thrown.Get("name").String() {
	case "OperationError": // all that WebCrypto says of a wrong key, binding or tag
		return ErrSealed
	case "NotSupportedError", "SecurityError", "InvalidStateError", "QuotaExceededError":
		return fmt.Errorf("%w: %s: %s", ErrNoVault, what, thrown.Get("message").String())
	}
	return fmt.Errorf("vault: %s: %w", what, err)
}
