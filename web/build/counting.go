package main

import (
	"encoding/binary"
	"slices"
)

// counting is Go's table from places in the code to functions (runtime.findfuncbucket), or
// the part of it that counts: every 4,096 places there is a bucket of 20 bytes, the number of
// a function and 16 bytes that say how many more begin within. In WebAssembly a function
// has 65,536 places to itself: 16 buckets with the same number, and 16 zeros in each. It is
// found by what it looks like and not by where it is, so that where Go makes it another way, nothing is cut.
type counting struct {
	at      uint32 // where in memory
	first   uint32 // the first number
	buckets int
}

const (
	bucketSize = 20
	perNumber  = 16 // buckets with the same number
	leastTable = 1000 * bucketSize * perNumber
)

// cut takes the table out of the segments, if it is in one of them.
func cut(segments []segment) ([]segment, counting) {
	for i, s := range segments {
		for from := 0; from+leastTable <= len(s.data); from += 4 {
			table := countingTable(s.data[from:])
			if table.buckets < leastTable/bucketSize {
				continue
			}
			table.at = s.at + uint32(from)
			size := table.buckets * bucketSize
			rest := segment{table.at + uint32(size), s.data[from+size:]}
			segments[i].data = s.data[:from]
			return slices.Insert(segments, i+1, rest), table
		}
	}
	return segments, counting{}
}

// countingTable returns the table that data begins with, none of which is half a number.
func countingTable(data []byte) counting {
	c := counting{first: binary.LittleEndian.Uint32(data)}
	if c.first == 0 {
		return c
	}
	var bucket [bucketSize]byte
	for number := c.first; len(data) >= perNumber*bucketSize; number++ {
		binary.LittleEndian.PutUint32(bucket[:], number)
		for i := range perNumber {
			if [bucketSize]byte(data[i*bucketSize:]) != bucket {
				return c
			}
		}
		data = data[perNumber*bucketSize:]
		c.buckets += perNumber
	}
	return c
}

// code is the body of a function that writes the table: for b from 0 to the number of
// buckets, memory[at+20*b] = first + b/16.
func (c counting) code() []byte {
	constant := func(b []byte, v int32) []byte { return appendSigned(append(b, opI32Const), v) }
	b := []byte{1, 1, 0x7f} // one local, an i32: b
	b = append(b, 0x03, 0x40, 0x20, 0)
	b = append(constant(b, bucketSize), 0x6c)  // b*20
	b = append(constant(b, int32(c.at)), 0x6a) // + at
	b = append(b, 0x20, 0)
	b = append(constant(b, 4), 0x76)              // b>>4
	b = append(constant(b, int32(c.first)), 0x6a) // + first
	b = append(b, 0x36, 2, 0, 0x20, 0)            // i32.store
	b = append(constant(b, 1), 0x6a, 0x22, 0)     // b = b+1
	b = append(constant(b, int32(c.buckets)), 0x49, 0x0d, 0)
	return append(b, opEnd, opEnd)
}

// addStart adds a function without parameters or results that runs before all others. It
// comes after them, so that none gets another number.
func addStart(sections []section, body []byte) ([]section, error) {
	var function, kind uint64
	before := 0 // the sections that come before that of the start
	for i, s := range sections {
		n, skip := binary.Uvarint(s.content)
		if s.id != 0 && s.id < startSection {
			before = i + 1
		}
		switch s.id {
		case typeSection:
			kind = n
			sections[i].content = appended(n, s.content[skip:], []byte{0x60, 0, 0})
		case importSection:
			function += n // Go imports nothing but functions
		case functionSection:
			function += n
			sections[i].content = appended(n, s.content[skip:], binary.AppendUvarint(nil, kind))
		case codeSection:
			sections[i].content = appended(n, s.content[skip:], append(binary.AppendUvarint(nil, uint64(len(body))), body...))
		case startSection:
			return nil, errModule
		}
	}
	return slices.Insert(sections, before, section{startSection, binary.AppendUvarint(nil, function)}), nil
}

// appended is the list of n things with one more.
func appended(n uint64, list, more []byte) []byte {
	return slices.Concat(binary.AppendUvarint(nil, n+1), list, more)
}
