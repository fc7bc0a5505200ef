package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// functions is Go's table of all functions (runtime.pclntab), with which it unwinds and moves
// stacks, collects garbage and writes traces. Addresses are those of the memory; the names of
// its parts are those of runtime/symtab.go.
//
// It was a fifth of the program's brotli. What is shipped says less, and says it shorter:
//
//   - Files and lines are left out. A trace says a function and a place in it instead, and -where
//     finds the line of that. Places and names stay: stacks are unwound by them.
//   - Its records are shipped as columns of small numbers, and the start makes records of these.
//     It counts what only counts: the numbers of functions, and where a record, a name or a
//     table of places begins that stands behind the one before.
//
// It is found by what it looks like. Where Go makes it another way it stays as it is.
type functions struct {
	names, files, fileNames, places, records int    // funcnametab, cutab, filetab, pctab, ftab
	first                                    uint32 // the number of the first function; the others follow
	count, end                               int
}

// header is what the table begins with: the magic number of Go 1.20 and later (abi.Go120PCLnTabMagic),
// two zeros, the least size of an instruction and that of a pointer.
var header = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

// The fields of a record (runtime._func), of 32 bits each but for the last.
const (
	fieldEntry  = 0
	fieldName   = 4
	fieldArgs   = 8
	fieldDefer  = 12
	fieldStack  = 16 // pcsp
	fieldFile   = 20 // pcfile
	fieldLine   = 24 // pcln
	fieldTables = 28 // npcdata
	fieldUnit   = 32 // cuOffset
	fieldBegin  = 36 // startLine
	fieldKind   = 40 // funcID, flag, a byte, nfuncdata
	fieldData   = 43 // nfuncdata
	recordSize  = 44 // npcdata tables of places and nfuncdata things follow
)

var le = binary.LittleEndian

// findFunctions returns the table if there is one that is as it is known.
func findFunctions(memory []byte) (functions, bool) {
	at := bytes.Index(memory, header)
	if at < 0 || at+72 > len(memory) {
		return functions{}, false
	}
	number := func(i int) int { return int(le.Uint64(memory[at+8*i:]) & (1<<40 - 1)) }
	t := functions{
		names: at + number(4), files: at + number(5), fileNames: at + number(6), places: at + number(7), records: at + number(8),
		count: number(1),
	}
	ordered := slices.IsSorted([]int{at, t.names, t.files, t.fileNames, t.places, t.records})
	if t.end = t.records + 8*t.count; t.count < 1 || !ordered || t.end+4 > len(memory) {
		return t, false
	}
	t.first = le.Uint32(memory[t.records:])
	t.end += 4
	for i := range t.count {
		entry, r := le.Uint32(memory[t.records+8*i:]), t.record(memory, i)
		if entry != t.first+uint32(i) || r != aligned(t.end) || r+recordSize > len(memory) || le.Uint32(memory[r:]) != entry {
			return t, false
		}
		if t.end = t.after(memory, r); t.end > len(memory) {
			return t, false
		}
	}
	return t, t.first != 0
}

// record returns the address of a record.
func (t functions) record(memory []byte, i int) int {
	return t.records + int(le.Uint32(memory[t.records+8*i+4:]))
}

// after returns where a record ends.
func (t functions) after(memory []byte, r int) int {
	return r + recordSize + 4*int(le.Uint32(memory[r+fieldTables:])) + 4*int(memory[r+fieldData])
}

// aligned returns the next address at which a record may begin.
func aligned(at int) int { return (at + 7) &^ 7 }

// column is a field of all records, or of those that have so many.
type column struct {
	at   int  // in the record
	nth  int  // of the tables or the things that follow a record, if it is one of those
	list bool // it is
	data bool // it is one of the things
	kind kind
}

// kind is how a column is written.
type kind byte

const (
	plain kind = iota // one more than what it is, for many are -1
	name              // how many names behind the one before, or 0 and where it is
	table             // where it is, or behind for behind the last that was behind
)

const behind = 1

// columns returns the columns that are written one after the other; what records have most of
// is counted.
func (t functions) columns(memory []byte) []column {
	columns := []column{
		{at: fieldName, kind: name}, {at: fieldArgs}, {at: fieldDefer}, {at: fieldStack, kind: table},
	}
	tables, data := 0, 0
	for i := range t.count {
		r := t.record(memory, i)
		tables, data = max(tables, int(le.Uint32(memory[r+fieldTables:]))), max(data, int(memory[r+fieldData]))
	}
	for i := range tables {
		columns = append(columns, column{at: recordSize + 4*i, nth: i, list: true, kind: table})
	}
	for i := range data {
		columns = append(columns, column{at: recordSize + 4*i, nth: i, list: true, data: true})
	}
	return columns
}

// find returns the address of a column in a record, if that has it.
func (c column) find(memory []byte, r int) (int, bool) {
	tables := int(le.Uint32(memory[r+fieldTables:]))
	switch {
	case !c.list:
		return r + c.at, true
	case c.data:
		return r + c.at + 4*tables, c.nth < int(memory[r+fieldData])
	}
	return r + c.at, c.nth < tables
}

// shorten takes files and lines out of the memory, and the records, and adds what writes them.
func (t functions) shorten(memory []byte, w *code) error {
	columns := t.columns(memory)
	places, shared, err := t.usedPlaces(memory, columns)
	if err != nil {
		return err
	}
	var out []byte
	for i := range t.count {
		r := t.record(memory, i)
		out = binary.AppendUvarint(out, uint64(le.Uint32(memory[r+fieldTables:])))
		out = append(out, memory[r+fieldKind:][:4]...)
	}
	names := memory[t.names:t.files]
	begins := make([]int, 0, len(columns)+1) // where each column does
	for _, c := range columns {
		begins = append(begins, len(out))
		last := 0 // the end of the last name
		for i := range t.count {
			at, ok := c.find(memory, t.record(memory, i))
			if !ok {
				continue
			}
			v := le.Uint32(memory[at:])
			switch c.kind {
			case plain:
				out = binary.AppendUvarint(out, uint64(v+1))
			case name:
				if int(v) < last || int(v) >= len(names) || v > 0 && names[v-1] != 0 {
					out = binary.AppendUvarint(append(out, 0), uint64(v))
					continue
				}
				between := bytes.Count(names[last:v], []byte{0})
				out = binary.AppendUvarint(out, uint64(between)+1)
				last = int(v) + bytes.IndexByte(names[v:], 0) + 1
			case table:
				to := places.moved[v]
				if to >= shared {
					to = behind
				}
				out = binary.AppendUvarint(out, uint64(to))
			}
		}
	}
	// There is room for them behind the places, and where that does not do for the last ones where the
	// files were.
	begins = append(begins, len(out))
	here := len(columns)
	for here > 0 && len(places.kept)+begins[here] > t.records-t.places {
		here--
	}
	if len(out)-begins[here] > t.places-t.files {
		return fmt.Errorf("%w: there is no room for the columns of its functions", errModule)
	}
	clear(memory[t.files:t.end])
	copy(memory[t.places:], places.kept)
	from := t.places + len(places.kept)
	copy(memory[from:], out[:begins[here]])
	copy(memory[t.files:], out[begins[here]:])
	t.write(w, from, t.places+shared, columns, here)
	return nil
}

// usedPlaces are the tables of places that stay.
type usedPlaces struct {
	kept  []byte
	moved map[uint32]int // from where to where
}

// usedPlaces returns them with those first that several records share, most shared first: up
// to shared. The others follow in the order in which columns have them.
func (t functions) usedPlaces(memory []byte, columns []column) (used usedPlaces, shared int, err error) {
	places := memory[t.places:t.records]
	count := map[uint32]int{}
	var order []uint32
	for _, c := range columns {
		for i := range t.count {
			at, ok := c.find(memory, t.record(memory, i))
			if c.kind != table || !ok {
				continue
			}
			v := le.Uint32(memory[at:])
			if count[v]++; count[v] == 1 {
				order = append(order, v)
			}
		}
	}
	byUse := slices.Clone(order)
	slices.SortStableFunc(byUse, func(a, b uint32) int { return count[b] - count[a] })
	used = usedPlaces{kept: []byte{0, 0}, moved: map[uint32]int{0: 0}} // no table is at 0, which stands for none, or behind
	keep := func(v uint32) {
		n := tableSize(places[min(int(v), len(places)):])
		if n == 0 {
			err = fmt.Errorf("%w: no table of places at %d", errModule, v)
			return
		}
		used.moved[v] = len(used.kept)
		used.kept = append(used.kept, places[v:][:n]...)
	}
	for _, v := range byUse {
		if v != 0 && count[v] > 1 {
			keep(v)
		}
	}
	shared = len(used.kept)
	for _, v := range order {
		if v != 0 && count[v] == 1 {
			keep(v)
		}
	}
	return used, shared, err
}

// tableSize returns the size of the table of places that p begins with: pairs of numbers
// up to a first one of a pair that is 0, but for that of the first pair. It is 0 if there is none.
func tableSize(p []byte) int {
	for at := 0; ; {
		for range 2 {
			_, n := binary.Uvarint(p[at:])
			if n <= 0 {
				return 0
			}
			at += n
		}
		if at == len(p) {
			return 0
		}
		if p[at] == 0 {
			return at + 1
		}
	}
}

// write adds what makes the records of their columns, which stand at from; those from the column
// here on where the files were. Tables of places that only one record has begin at alone.
func (t functions) write(w *code, from, alone int, columns []column, here int) {
	w.number(int32(from)).set(stream)
	w.number(int32(aligned(t.records + 8*t.count + 4))).set(record)
	w.each(t.count, func() {
		entry := func() { w.get(item).number(int32(t.first)).op(opAdd) }
		w.get(item).number(8).op(opMul, opTee, field)
		entry()
		w.store(uint32(t.records))
		w.get(field).get(record).number(int32(t.records)).op(opSubtract).store(uint32(t.records) + 4)
		w.get(record)
		entry()
		w.store(fieldEntry)
		w.read().get(record).get(value).store(fieldTables)
		w.get(record).number(recordSize).op(opAdd)
		w.get(value).number(4).op(opMul, opAdd)
		w.get(record).get(stream).load(0).store(fieldKind)
		w.get(record).load8(fieldData).number(4).op(opMul, opAdd).add(stream, 4)
		w.number(7).op(opAdd).number(-8).op(opAnd).set(record)
	})
	// Behind the last record, of which only the number is there.
	w.number(0).get(item).number(int32(t.first)).op(opAdd).store(uint32(t.records + 8*t.count))
	for i, c := range columns { // names come first
		if i == here {
			w.number(int32(t.files)).set(stream)
		}
		if c.kind == name {
			w.number(int32(t.names)).set(next)
		}
		w.each(t.count, func() { t.writeField(w, c) })
		if c.kind == name {
			w.number(int32(alone)).set(next)
		}
	}
}

// writeField adds what writes a column of the record with the number item.
func (t functions) writeField(w *code, c column) {
	w.get(item).number(8).op(opMul).load(uint32(t.records) + 4).number(int32(t.records)).op(opAdd).set(record)
	w.get(record)
	switch {
	case c.data:
		w.get(record).load8(fieldData).number(int32(c.nth)).op(opAtMost, opBrIf, 0)
		w.get(record).load(fieldTables).number(4).op(opMul, opAdd)
	case c.list:
		w.get(record).load(fieldTables).number(int32(c.nth)).op(opAtMost, opBrIf, 0)
	}
	w.set(field)
	w.read()
	switch c.kind {
	case plain:
		w.get(field).get(value).number(1).op(opSubtract).store(uint32(c.at))
	case name:
		w.get(value).op(opIf, nothing)
		w.loop(func() {
			w.get(field).get(next).number(int32(t.names)).op(opSubtract).store(uint32(c.at))
			w.loop(func() { w.get(next).load8(0).add(next, 1) })
			w.get(value).number(1).op(opSubtract, opTee, value)
		})
		w.op(opElse).read().get(field).get(value).store(uint32(c.at)).op(opEnd)
	case table:
		w.get(value).number(behind).op(opEqual, opIf, nothing)
		w.get(next).number(int32(t.places)).op(opSubtract).set(value)
		w.loop(func() {
			for range 2 {
				w.loop(func() { w.get(next).load8(0).add(next, 1).number(0x80).op(opAtLeast) })
			}
			w.get(next).load8(0)
		})
		w.add(next, 1).op(opEnd)
		w.get(field).get(value).store(uint32(c.at))
	}
}
