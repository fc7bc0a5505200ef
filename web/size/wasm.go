package main

import (
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// The parts of a WebAssembly module that are read here (core specification, §5.5).
const (
	customSection = 0
	importSection = 2
	codeSection   = 10

	functionNames = 1 // in the custom section "name"
)

var errModule = errors.New("not a WebAssembly module that can be read")

// functionSizes returns the bytes of code of each function in a module, by name.
// Go's linker writes names unless it is told -s.
func functionSizes(module []byte) (map[string]int, error) {
	if len(module) < 8 || string(module[:4]) != "\x00asm" {
		return nil, errModule
	}
	var imported int
	var sizes []int
	var names map[int]string
	r := reader{data: module[8:]}
	for len(r.data) > 0 && !r.failed {
		id := r.byte()
		section := reader{data: r.bytes(r.number())}
		switch id {
		case importSection:
			imported = section.importedFunctions()
		case codeSection:
			for range section.number() {
				n := section.number()
				section.bytes(n)
				sizes = append(sizes, n)
			}
		case customSection:
			if string(section.bytes(section.number())) == "name" {
				names = section.functionNames()
			}
		}
		r.failed = r.failed || section.failed
	}
	if r.failed || names == nil {
		return nil, errModule
	}
	functions := map[string]int{}
	for i, size := range sizes {
		functions[names[imported+i]] += size
	}
	return functions, nil
}

// reader takes a module apart. After the first mistake it returns zeros.
type reader struct {
	data   []byte
	failed bool
}

func (r *reader) byte() byte {
	b := r.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.failed, r.data = true, nil
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

// number reads an unsigned LEB128.
func (r *reader) number() int {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || v > 1<<31 {
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return int(v)
}

// importedFunctions counts them: they come before the module's own. Go imports
// nothing but functions.
func (r *reader) importedFunctions() (n int) {
	for range r.number() {
		r.bytes(r.number()) // module
		r.bytes(r.number()) // name
		if r.byte() != 0 {
			r.failed = true
			return 0
		}
		r.number() // type
		n++
	}
	return n
}

func (r *reader) functionNames() map[int]string {
	for len(r.data) > 0 {
		id := r.byte()
		part := reader{data: r.bytes(r.number())}
		if id != functionNames {
			continue
		}
		names := map[int]string{}
		for range part.number() {
			index := part.number()
			names[index] = string(part.bytes(part.number()))
		}
		r.failed = r.failed || part.failed
		return names
	}
	return nil
}

// mangled is what the linker replaces in names.
var mangled = regexp.MustCompile(`[^\w.]`)

// bySource sums sizes by the package that a function's name begins with.
func bySource(functions map[string]int, packages []string) map[string]int {
	prefixes := map[string]string{} // as the linker writes them
	for _, name := range packages {
		prefixes[mangled.ReplaceAllString(name, "_")+"."] = name
	}
	sizes := map[string]int{}
	for function, size := range functions {
		sizes[source(function, prefixes)] += size
	}
	return sizes
}

func source(function string, prefixes map[string]string) string {
	dots := strings.Split(function, ".")
	for i := range slices.Backward(dots) {
		if name, ok := prefixes[strings.Join(dots[:i], ".")+"."]; ok {
			return name
		}
	}
	return "(generated)"
}
