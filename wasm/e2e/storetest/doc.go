// Package storetest runs the contract of a store on the real IndexedDB, and what only
// a real browser can show: full disks, other tabs, other builds, and being killed.
//
// It is a program of two halves. The tests built for js run in a page under the
// policy of the real one; the native ones build them, serve the page, do to Chromium
// what a page cannot do to itself, and report what both have found. Asked by its
// address, the page plays a part in a native test instead (parts_js_test.go).
//
// KILLS is how often the browser is killed in each way: if it is not set 3 times, and 50
// in make prove. With BENCH the benchmarks are run too and printed:
//
//	BENCH=. go test -v -run=TestPage ./wasm/e2e/storetest
package storetest
