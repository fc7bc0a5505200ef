// Package gallery opens every story of package stories in Chromium, each on a page of
// its own under the policy the real page has, wide and narrow, light and dark. It looks
// whether all is in order, and writes what it sees as pictures into the folder that the
// environment variable GALLERY names. The page's program is in page.
package gallery
