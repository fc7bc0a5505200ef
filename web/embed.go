// Package web holds the page as it was last built into this tree.
//
// The folder bundle is written by web/build and not kept in Git, so a clean
// checkout compiles to a program without a page; the server then says how to
// build one.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:bundle
var files embed.FS

// Bundle returns the built page.
func Bundle() fs.FS {
	bundle, err := fs.Sub(files, "bundle")
	if err != nil {
		panic(err) // only for a name that is no path
	}
	return bundle
}
