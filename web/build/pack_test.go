package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// program returns a module with a section before and one after its data.
func program(segments ...segment) []byte {
	data := appendSegments(nil, segments)
	b := []byte("\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x0b")
	b = append(binary.AppendUvarint(b, uint64(len(data))), data...)
	return append(b, "\x00\x05\x04name"...)
}

// memory returns what the data of a module makes of 1 MiB.
func memory(t *testing.T, module []byte) []byte {
	t.Helper()
	memory := make([]byte, 1<<20)
	for rest := module[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if rest[0] == dataSection {
			segments, err := readSegments(rest[1+n:][:size])
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range segments {
				copy(memory[s.at:], s.data)
			}
		}
		rest = rest[1+n+int(size):]
	}
	return memory
}

func TestPack(t *testing.T) {
	module := program(
		segment{0x80000, []byte("out of order")},
		segment{4096, []byte("first")},
		segment{4101 + joined, []byte("near enough")},
		segment{4112 + 2*joined + 1, []byte("too far")},
	)
	packed, err := pack(module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(memory(t, packed), memory(t, module)) {
		t.Error("the program begins with another memory")
	}
	if want := "first" + strings.Repeat("\x00", joined) + "near enough"; !bytes.Contains(packed, []byte(want)) {
		t.Error("near segments are not joined")
	}
	if bytes.Contains(packed, make([]byte, joined+1)) {
		t.Error("far segments are joined")
	}
	if again, err := pack(packed); err != nil || !bytes.Equal(again, packed) {
		t.Errorf("packed again it is another program, %v", err)
	}
}

// What is not understood ends the build: half a program is worse than a large one.
func TestPack_Refused(t *testing.T) {
	module := program(segment{8, []byte("a")}, segment{100, []byte("b")})
	whole := map[int]bool{8: true, 14: true, len(module) - 7: true, len(module): true} // ends of sections
	for cut := range len(module) {
		if _, err := pack(module[:cut]); (err == nil) != whole[cut] {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if _, err := pack(program(segment{8, []byte("abc")}, segment{10, []byte("d")})); err == nil {
		t.Error("segments that overlap were joined")
	}
}

func TestSigned(t *testing.T) {
	for _, want := range []int32{0, 1, -1, 63, 64, -64, -65, 1 << 20, -1 << 20, 1<<31 - 1, -1 << 31} {
		b := appendSigned(nil, want)
		if got, n := signed(append(b, 0xff)); got != want || n != len(b) {
			t.Errorf("%d: %d of %d bytes", want, got, n)
		}
	}
}
