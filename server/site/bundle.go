package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// ErrNoBundle means that the page has not been built into this program.
var ErrNoBundle = errors.New("the page has not been built: `make natter` builds both; `make run` does and starts it")

// BundleIndex is the name of the file that lists the others.
const BundleIndex = "assets.json"

// Bundle lists the files of a built page. web/build writes it, the server serves
// exactly what it lists.
type Bundle struct {
	// Number grows from build to build, so that an older one is known as such.
	// It is 0 if unknown.
	Number int64 `json:"number"`

	// Version is a hash over all files. The service worker carries it.
	Version string  `json:"version"`
	Assets  []Asset `json:"assets"`

	// Inline is what stands in the page itself.
	Inline Inline `json:"inline"`
}

// Inline are the scripts and styles that stand in the page itself, as the policy names
// them: 'sha256-…'. No others are run.
type Inline struct {
	Scripts []string `json:"scripts"`
	Styles  []string `json:"styles"`
}

// Asset is a file of the bundle.
type Asset struct {
	Path   string `json:"path"` // relative, with slashes
	Type   string `json:"type"` // Content-Type
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`

	// Immutable files carry their hash in their name and never change.
	Immutable bool `json:"immutable,omitempty"`

	// Encoded are the compressed forms beside it, by content coding.
	Encoded map[string]Encoded `json:"encoded,omitempty"`
}

// Encoded is a compressed form of an Asset, in the file Path+Suffix[coding].
type Encoded struct {
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
}

// Suffix is how the name of a compressed file ends, by content coding.
var Suffix = map[string]string{"br": ".br", "zstd": ".zst", "gzip": ".gz"}

// ReadBundle reads the list of a bundle. A missing list is ErrNoBundle.
func ReadBundle(files fs.FS) (*Bundle, error) {
	data, err := fs.ReadFile(files, BundleIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoBundle
	}
	if err != nil {
		return nil, err
	}
	var b Bundle
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", BundleIndex, err)
	}
	return &b, nil
}

// read returns a file's bytes after checking that they are those listed.
func read(files fs.FS, name, hash string) ([]byte, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("the bundle is incomplete: %w", err)
	}
	if Hash(data) != hash {
		return nil, fmt.Errorf("the bundle is damaged: %s is not the file that was built", name)
	}
	return data, nil
}

// Hash returns the SHA-256 of data in hexadecimal.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
