// Package workertest tests the service worker in Chromium: what it keeps, what it
// refuses, how a new build takes over and how an operator gets rid of it all.
//
// The page and the worker are the real ones, as web/build makes them. The program
// is not: a WebAssembly module that does nothing stands in for it, so that a build
// takes no time and a test is about one build against another.
package workertest
