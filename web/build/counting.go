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

// findCounting returns the table, without buckets if there is none.
func findCounting(memory []byte) counting {
	for at := 0; at+leastTable <= len(memory); at += 4 {
		if table := countingTable(memory[at:]); table.buckets >= leastTable/bucketSize {
			table.at = uint32(at)
			return table
		}
	}
	return counting{}
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

// cut takes the table out of the memory, and adds what writes it: for b from 0 to the number of
// buckets, memory[at+20*b] = first + b/16.
func (c counting) cut(memory []byte, w *code) {
	clear(memory[c.at:][:c.buckets*bucketSize])
	w.each(c.buckets, func() {
		w.get(item).number(bucketSize).op(opMul)
		w.get(item).number(4).op(opShiftRight).number(int32(c.first)).op(opAdd)
		w.store(c.at)
	})
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
