// Package gallery opens every story of package stories in Chromium, under the policy the
// real page has, wide and narrow, light and then dark. It looks
// whether all is in order, and writes what it sees as pictures into the folder that the
// environment variable GALLERY names. The page's program is in page.
package gallery
