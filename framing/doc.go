// Package framing is XMPP over WebSocket as RFC 7395 has it between clients and
// servers, and XEP-0468 between servers: one message is one document is one
// element. Parse and Element.Append go between the two, Conn keeps the rules of a
// stream over a Socket. StreamReader reads the same elements from the bytes of a TCP
// stream (RFC 6120), for gateways. It imports nothing of ours, and serves both sides.
//
// Surprises:
//
//   - The parser is our own because encoding/xml accepts what XMPP must refuse:
//     several roots, undeclared prefixes, duplicate attributes, comments.
//   - Parsed strings share the memory of their message, and elements that of their
//     neighbours. Clone what is kept for long.
//   - An element that has no XML name writes as nothing; see Element.Append.
//   - Read returns stream errors, closes and broken input as errors, each of its
//     own type, after having answered them.
//   - A close without attributes is written with a space before its slash, since
//     Strophe recognises no other.
//
// # Speed
//
// BenchmarkArchivePage reads a page of 50 archive results of 787 bytes. Parse
// builds the tree; the token loop of encoding/xml throws its tokens away, and
// Unmarshal fills a struct of five fields.
//
//	                       native          wasm (node 20)   allocations
//	Parse                  95 µs           482 µs             250
//	encoding/xml, tokens   662 µs  7.0 ×   3374 µs  7.0 ×    7000  28 ×
//	encoding/xml, struct   786 µs  8.3 ×   3974 µs  8.3 ×    8150  33 ×
//
// StreamReader takes one and a half times as long as Parse for the same page in one
// stream, since it looks for the end of each element first and copies it.
//
// The times are the least of 15 runs (native) and 20 (wasm) on two shared and
// busy cores; by medians the ratios to the token loop are 7.0 and 6.8. A single
// run on such a machine says little, and the first in a wasm process times the
// browser's compiler instead.
package framing
