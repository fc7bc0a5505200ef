package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"natter/server/site"
)

// compress writes compressed forms of all assets that gain by it and notes them.
func compress(o options, assets []site.Asset, files map[string][]byte) error {
	codings := []string{"br", "gzip"}
	if o.best {
		codings = []string{"br", "gzip", "zstd"}
	}
	type job struct {
		asset  *site.Asset
		coding string
	}
	var jobs []job
	for i := range assets {
		if path.Ext(assets[i].Path) == ".png" {
			continue
		}
		for _, coding := range codings {
			jobs = append(jobs, job{&assets[i], coding})
		}
	}
	// The longest first, so that the cores finish together.
	slices.SortStableFunc(jobs, func(a, b job) int { return cmp.Compare(b.asset.Size, a.asset.Size) })

	var (
		mu    sync.Mutex
		first error
		wg    sync.WaitGroup
		next  = make(chan job)
	)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for j := range next {
				encoded, err := writeCompressed(o, j.asset.Path, j.coding, files[j.asset.Path])
				mu.Lock()
				if err != nil && first == nil {
					first = fmt.Errorf("%s: %w", j.asset.Path, err)
				}
				if encoded.Size > 0 {
					if j.asset.Encoded == nil {
						j.asset.Encoded = map[string]site.Encoded{}
					}
					j.asset.Encoded[j.coding] = encoded
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
	return first
}

// writeCompressed writes one form beside its file and returns what it wrote, or
// nothing if the form is no smaller.
func writeCompressed(o options, name, coding string, data []byte) (site.Encoded, error) {
	out, err := encode(coding, data, o.best)
	if err != nil || len(out) >= len(data) {
		return site.Encoded{}, err
	}
	file := filepath.Join(o.out, filepath.FromSlash(name)+site.Suffix[coding])
	return site.Encoded{SHA256: site.Hash(out), Size: len(out)}, os.WriteFile(file, out, 0o644)
}

// encode compresses data. The same data gives the same bytes each time.
func encode(coding string, data []byte, best bool) ([]byte, error) {
	var out bytes.Buffer
	var err error
	switch coding {
	case "br":
		quality := 5
		if best {
			quality = brotli.BestCompression
		}
		w := brotli.NewWriterOptions(&out, brotli.WriterOptions{Quality: quality, LGWin: 24})
		if _, err = w.Write(data); err == nil {
			err = w.Close()
		}
	case "gzip":
		level := 6
		if best {
			level = gzip.BestCompression
		}
		w, _ := gzip.NewWriterLevel(&out, level) // fails for unknown levels only
		if _, err = w.Write(data); err == nil {
			err = w.Close()
		}
	case "zstd":
		// RFC 9659: browsers refuse a window above 8 MB.
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return w.EncodeAll(data, nil), w.Close()
	}
	return out.Bytes(), err
}
