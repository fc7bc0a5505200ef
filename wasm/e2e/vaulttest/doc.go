// Package vaulttest looks at what the vault leaves behind in a real Chromium, under
// the policy of the real page: with the eyes of a script, of another installation, and
// of somebody with the disk.
package vaulttest
