//go:build linux

package chrome

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Mend cuts off what a killed browser has half written at the end of the journals of its
// databases, and returns of how many in IndexedDB.
//
// Chromium does not: it writes on behind it, takes that for damage the next time, and
// removes all that a site has kept (google/leveldb issue 1287, "reuse_logs can reuse a log
// with an incomplete record"; seen in one of about a hundred kills in the middle of
// writing). No page can do anything about that. What somebody then sees is shown by
// wasm/e2e.
func Mend(profile string) (torn int, err error) {
	err = filepath.WalkDir(profile, func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err != nil || d.IsDir() || !strings.HasPrefix(name, "MANIFEST-") && filepath.Ext(name) != ".log" {
			return err
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "CURRENT")); err != nil {
			return nil // no database
		}
		journal, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		good := whole(journal)
		if good == len(journal) {
			return nil
		}
		if strings.Contains(path, "/IndexedDB/") {
			torn++
		}
		return os.Truncate(path, int64(good))
	})
	return torn, err
}

// Tear takes away the end of what was written last to the journal of IndexedDB, as a kill
// in the middle of it may.
func Tear(profile string) error {
	journals, err := filepath.Glob(filepath.Join(profile, "*", "IndexedDB", "*", "*.log"))
	if err != nil {
		return err
	}
	for _, path := range journals {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := os.Truncate(path, max(info.Size()-3, 0)); err != nil {
			return err
		}
	}
	return nil
}

// The format of a journal (doc/log_format.md in google/leveldb): blocks, in them parts
// of records, each after its checksum (4 bytes), length (2) and kind (1). Where no head
// fits any more a block ends in zeros.
const (
	block = 32 << 10
	head  = 7

	full, last = 1, 4 // kinds of parts with which a record ends
)

// whole returns how much of a journal is whole records.
func whole(journal []byte) (good int) {
	for at := 0; at < len(journal); {
		if room := block - at%block; room < head {
			if good == at {
				good = min(at+room, len(journal))
			}
			at += room
			continue
		}
		if at+head > len(journal) {
			break
		}
		kind := journal[at+6]
		at += head + int(binary.LittleEndian.Uint16(journal[at+4:]))
		if at <= len(journal) && (kind == full || kind == last) {
			good = at
		}
	}
	return good
}
