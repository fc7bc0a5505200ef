package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// The parts of a WebAssembly module that are read here (core specification, §5).
const (
	typeSection     = 1
	importSection   = 2
	functionSection = 3
	startSection    = 8
	codeSection     = 10
	dataSection     = 11

	opI32Const = 0x41
	opEnd      = 0x0b
)

// joined is how many zeros between two segments are written out instead of beginning
// another segment.
const joined = 64

// mostMemory is more than any program begins with.
const mostMemory = 1 << 28

var errModule = errors.New("the program is not laid out as Go's linker does it")

// segment is a piece of the program's first memory.
type segment struct {
	at   uint32
	data []byte
}

// pack makes the first memory of a program lighter to send.
//
// Go's linker begins a segment, whose header says where, after any eight zeros: 100,000
// segments, the most it makes. That is smaller as it stands, but not once it is compressed:
// zeros cost next to nothing then. Joined, what was 2.05 MB of brotli is 1.94 MB.
//
// Two tables are written by a function that runs before the program, for they take more bytes
// than what they say: the one that only counts (counting) and the one of all functions
// (functions), which is left without files and lines. All else is as the linker has it.
func pack(module []byte) ([]byte, error) {
	sections, err := readSections(module)
	if err != nil {
		return nil, err
	}
	for i, s := range sections {
		if s.id != dataSection {
			continue
		}
		segments, err := readSegments(s.content)
		if err != nil {
			return nil, err
		}
		memory, err := memoryOf(segments)
		if err != nil {
			return nil, err
		}
		var start code
		if table, ok := findFunctions(memory); ok {
			if err := table.shorten(memory, &start); err != nil {
				return nil, err
			}
		}
		if table := findCounting(memory); table.buckets > 0 {
			table.cut(memory, &start)
		}
		sections[i].content = appendSegments(nil, split(memory))
		if len(start) > 0 {
			if sections, err = addStart(sections, start.body()); err != nil {
				return nil, err
			}
		}
		break
	}
	out := slices.Clone(module[:8])
	for _, s := range sections {
		out = binary.AppendUvarint(append(out, s.id), uint64(len(s.content)))
		out = append(out, s.content...)
	}
	return out, nil
}

type section struct {
	id      byte
	content []byte
}

func readSections(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, errModule
	}
	var sections []section
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errModule
		}
		sections = append(sections, section{rest[0], rest[1+n:][:size]})
		rest = rest[1+n+int(size):]
	}
	return sections, nil
}

// readSegments takes a data section apart. All its segments must be active ones of the
// first memory with a constant address, as Go's are.
func readSegments(section []byte) ([]segment, error) {
	count, n := binary.Uvarint(section)
	if n <= 0 || count > uint64(len(section)) {
		return nil, errModule
	}
	section = section[n:]
	segments := make([]segment, 0, count)
	for range count {
		if len(section) < 2 || section[0] != 0 || section[1] != opI32Const {
			return nil, errModule
		}
		at, n := signed(section[2:])
		if section = section[2+n:]; n == 0 || len(section) == 0 || section[0] != opEnd {
			return nil, errModule
		}
		size, n := binary.Uvarint(section[1:])
		if n <= 0 || size > uint64(len(section)-1-n) {
			return nil, errModule
		}
		segments = append(segments, segment{uint32(at), section[1+n:][:size]})
		section = section[1+n+int(size):]
	}
	if len(section) > 0 {
		return nil, errModule
	}
	return segments, nil
}

// memoryOf returns the memory that the segments make, up to the end of the last.
func memoryOf(segments []segment) ([]byte, error) {
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	var memory []byte
	for _, s := range segments {
		if uint64(s.at) < uint64(len(memory)) || s.at > mostMemory {
			return nil, errModule
		}
		memory = append(memory, make([]byte, int(s.at)-len(memory))...)
		memory = append(memory, s.data...)
	}
	return memory, nil
}

// split returns the segments of a memory, without longer runs of zeros.
func split(memory []byte) []segment {
	var segments []segment
	begin, end := 0, 0 // of the last segment
	for at, b := range memory {
		if b == 0 {
			continue
		}
		if at-end > joined {
			if end > begin {
				segments = append(segments, segment{uint32(begin), memory[begin:end]})
			}
			begin = at
		}
		end = at + 1
	}
	if end > begin {
		segments = append(segments, segment{uint32(begin), memory[begin:end]})
	}
	return segments
}

func appendSegments(b []byte, segments []segment) []byte {
	b = binary.AppendUvarint(b, uint64(len(segments)))
	for _, s := range segments {
		b = appendSigned(append(b, 0, opI32Const), int32(s.at))
		b = binary.AppendUvarint(append(b, opEnd), uint64(len(s.data)))
		b = append(b, s.data...)
	}
	return b
}

// signed reads a signed LEB128 of up to 32 bits; n is 0 if there is none.
func signed(b []byte) (v int32, n int) {
	for shift := 0; n < len(b) && n < 5; shift += 7 {
		c := b[n]
		n++
		v |= int32(c&0x7f) << shift
		if c&0x80 == 0 {
			if shift < 25 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v, n
		}
	}
	return 0, 0
}

func appendSigned(b []byte, v int32) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
