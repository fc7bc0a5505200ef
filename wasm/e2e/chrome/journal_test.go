//go:build linux

package chrome

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// part is a part of a record.
func part(kind byte, length int) []byte {
	data := make([]byte, head+length)
	binary.LittleEndian.PutUint16(data[4:], uint16(length))
	data[6] = kind
	return data
}

func TestWhole(t *testing.T) {
	const first, middle = 2, 3
	a := part(full, 100)
	upToEnd := part(full, block-head-3) // leaves room for no head
	for _, tc := range []struct {
		name string
		good [][]byte
		torn []byte
	}{
		{"empty", nil, nil},
		{"whole", [][]byte{a, a}, nil},
		{"half a head", [][]byte{a}, a[:5]},
		{"a head alone", [][]byte{a}, a[:head]},
		{"half", [][]byte{a, a}, a[:60]},
		{"in parts", [][]byte{part(first, block-head), part(middle, block-head), part(last, 5), a}, nil},
		{"the last part is missing", [][]byte{a}, append(part(first, block-2*head-100), part(middle, block-head)...)},
		{"zeros at the end of a block", [][]byte{upToEnd, {0, 0, 0}, a}, nil},
		{"only zeros", [][]byte{upToEnd, {0, 0, 0}}, nil},
		{"half behind them", [][]byte{upToEnd, {0, 0, 0}}, a[:60]},
	} {
		good := bytes.Join(tc.good, nil)
		if got := whole(append(good, tc.torn...)); got != len(good) {
			t.Errorf("%s: %d, want %d", tc.name, got, len(good))
		}
	}
}
