package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
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

// The table that only counts is left out, and there once the program is about to run: Node
// says whether the memory is the same. One that differs anywhere stays.
func TestPack_Counting(t *testing.T) {
	table := bytes.Repeat([]byte("before"), 100)
	for n := range uint32(1200) {
		bucket := append(binary.LittleEndian.AppendUint32(nil, 7+n), make([]byte, 16)...)
		table = append(table, bytes.Repeat(bucket, 16)...)
	}
	table = append(table, "behind"...)
	other := bytes.Clone(table)
	other[len(other)/2]++
	for _, data := range [][]byte{table, other} {
		module := runnable(data)
		packed, err := pack(module)
		if err != nil {
			t.Fatal(err)
		}
		if less := len(packed) < len(module)/2; less != (&data[0] == &table[0]) {
			t.Errorf("%d bytes were %d", len(packed), len(module))
		}
		if a, b := started(t, module), started(t, packed); !bytes.Equal(a, b) || len(a) == 0 {
			t.Error("the memory is another")
		}
	}
}

// runnable returns a module that imports a function, has one, and exports its memory.
func runnable(data []byte) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x08\x02\x60\x00\x00\x60\x01\x7f\x00" + // types: (), (i32)
		"\x02\x07\x01\x01m\x01f\x00\x01" + // m.f is (i32)
		"\x03\x02\x01\x00" + // one ()
		"\x05\x03\x01\x00\x20" + // 32 pages
		"\x07\x07\x01\x03mem\x02\x00" +
		"\x0a\x04\x01\x02\x00\x0b")
	section := appendSegments(nil, []segment{{5000, data}})
	b = binary.AppendUvarint(append(b, dataSection), uint64(len(section)))
	return append(b, section...)
}

// started returns a module's memory after its start.
func started(t *testing.T, module []byte) []byte {
	t.Helper()
	node := exec.Command("node", "-e", `
		const module = new WebAssembly.Module(require("fs").readFileSync(0));
		const imports = {};
		for (const { module: from, name } of WebAssembly.Module.imports(module)) (imports[from] ??= {})[name] = () => {};
		const { mem } = new WebAssembly.Instance(module, imports).exports;
		require("fs").writeSync(1, new Uint8Array(mem.buffer))`)
	node.Stdin = bytes.NewReader(module)
	node.Stderr = os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSigned(t *testing.T) {
	for _, want := range []int32{0, 1, -1, 63, 64, -64, -65, 1 << 20, -1 << 20, 1<<31 - 1, -1 << 31} {
		b := appendSigned(nil, want)
		if got, n := signed(append(b, 0xff)); got != want || n != len(b) {
			t.Errorf("%d: %d of %d bytes", want, got, n)
		}
	}
}
