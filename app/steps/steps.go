// Package steps counts the work of functions over text that strangers choose, so that
// a test can say how it grows without measuring time. Such a function adds a step for
// each character that it looks at, and the length of what it hands to others.
package steps
