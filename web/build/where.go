package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// lines are what the program that is shipped lacks: the files and lines of a program as it
// was linked.
type lines struct {
	functions
	memory []byte
	data   int // where the things that functions have begin (gofunc)
}

// readLines reads them from a module that has not been packed.
func readLines(module []byte) (lines, error) {
	sections, err := readSections(module)
	if err != nil {
		return lines{}, err
	}
	i := slices.IndexFunc(sections, func(s section) bool { return s.id == dataSection })
	if i < 0 {
		return lines{}, errModule
	}
	segments, err := readSegments(sections[i].content)
	if err != nil {
		return lines{}, err
	}
	memory, err := memoryOf(segments)
	if err != nil {
		return lines{}, err
	}
	t, ok := findFunctions(memory)
	// runtime.moduledata begins with the addresses of the table and of the names. The 41st of
	// its words is that of what functions have (gofunc).
	begin := le.AppendUint64(le.AppendUint64(nil, uint64(bytes.Index(memory, header))), uint64(t.names))
	at := bytes.Index(memory, begin)
	if !ok || at < 0 || at+41*8 > len(memory) {
		return lines{}, errModule
	}
	return lines{t, memory, int(le.Uint64(memory[at+40*8:]))}, nil
}

// What a trace of Go says of a function: its name and what it was called with, or who began a
// goroutine, and below it the place that is to be found.
var (
	calledLine = regexp.MustCompile(`^\s*(.+)\(([^()]*)\)$`)
	beganLine  = regexp.MustCompile(`^\s*created by (.+?)(?: in goroutine \d+)?$`)
	placeLine  = regexp.MustCompile(`^\s+\?:0(?: \+0x([0-9a-f]+))?(.*)$`)
)

// where returns a trace of the program with its files and lines.
func (l lines) where(trace string) string {
	rows := strings.Split(trace, "\n")
	var waiting []int // rows of functions that were copied into their caller, which comes next
	name, copied := "", false
	trap := strings.Contains(trace, "[signal ") // what the program did itself, below what the runtime did about it
	for i, row := range rows {
		row = strings.TrimRight(row, "\r")
		if m := beganLine.FindStringSubmatch(row); m != nil {
			name, copied = m[1], false
		} else if m := calledLine.FindStringSubmatch(row); m != nil {
			name, copied = m[1], m[2] == "..."
		}
		m := placeLine.FindStringSubmatch(row)
		if m == nil || name == "" {
			continue
		}
		waiting = append(waiting, i)
		if m[1] == "" && copied {
			continue
		}
		offset, _ := strconv.ParseInt(cmp.Or(m[1], "0"), 16, 32)
		// The place is behind a call, where there was one.
		if trap && name != "panic" && !strings.HasPrefix(name, "runtime.") {
			trap = false
		} else if offset > 0 {
			offset--
		}
		found := l.find(name, int(offset))
		for j, row := range waiting {
			var all []string
			for _, places := range found {
				if j < len(places) && !slices.Contains(all, places[j]) {
					all = append(all, places[j])
				}
			}
			if len(all) > 0 {
				rows[row] = strings.Replace(rows[row], "?:0", strings.Join(all, " or "), 1)
			}
		}
		waiting, name = nil, ""
	}
	return strings.Join(rows, "\n")
}

// find returns the file and the line of a place in each function with a name as traces write it; and
// behind them, where it is in what was copied, that of the caller and so on.
func (l lines) find(function string, place int) (found [][]string) {
	for i := range l.count {
		r := l.record(l.memory, i)
		if printed(l.text(l.names+l.field(r, fieldName))) != function {
			continue
		}
		var places []string
		for at := place; len(places) < 100; {
			file, fileOK := l.value(r, fieldFile, at)
			line, lineOK := l.value(r, fieldLine, at)
			if !fileOK || !lineOK {
				break
			}
			unit := l.files + 4*(l.field(r, fieldUnit)+file)
			places = append(places, fmt.Sprint(l.text(l.fileNames+int(le.Uint32(l.memory[unit:]))), ":", line))
			const treeTable, tree = 2, 3 // abi.PCDATA_InlTreeIndex, abi.FUNCDATA_InlTree
			if l.field(r, fieldTables) <= treeTable || l.memory[r+fieldData] <= tree {
				break
			}
			call, ok := l.value(r, recordSize+4*treeTable, at)
			if !ok || call < 0 {
				break
			}
			// runtime.inlinedCall has four words; the third is where in the caller.
			calls := l.data + l.field(r, recordSize+4*l.field(r, fieldTables)+4*tree)
			at = int(int32(le.Uint32(l.memory[calls+16*call+8:])))
		}
		if len(places) > 0 {
			found = append(found, places)
		}
	}
	return found
}

func (l lines) field(r, field int) int { return int(le.Uint32(l.memory[r+field:])) }

func (l lines) text(at int) string {
	text, _, _ := bytes.Cut(l.memory[at:], []byte{0})
	return string(text)
}

// value returns what the table of places in a field says of a place.
func (l lines) value(r, field, place int) (value int, ok bool) {
	at := l.field(r, field)
	if at == 0 {
		return -1, false
	}
	p := l.memory[l.places+at:]
	value = -1
	for begin, first := 0, true; first || p[0] != 0; first = false {
		change, n := binary.Uvarint(p)
		size, m := binary.Uvarint(p[n:])
		value += int(int32(-(uint32(change) & 1) ^ uint32(change)>>1))
		if begin += int(size); place < begin {
			return value, true
		}
		p = p[n+m:]
	}
	return -1, false
}

// printed returns a function's name as traces have it: without types in brackets.
func printed(name string) string {
	i, j := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if i < 0 || j <= i {
		return name
	}
	return name[:i] + "[...]" + name[j+1:]
}
