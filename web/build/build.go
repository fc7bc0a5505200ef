package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"natter/server/site"
)

// options are what a bundle is made from.
type options struct {
	out      string
	source   string // folder with index.html and its companions
	wasm     []byte
	wasmExec []byte // Go's own glue
	best     bool   // compress as well as possible
	number   int64  // larger for newer builds, 0 if unknown
}

// kinds are the kinds of files a bundle has, and how they are served.
var kinds = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".wasm":        "application/wasm",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".json":        "application/json",
	".txt":         "text/plain; charset=utf-8",
	".webmanifest": "application/manifest+json",
}

// build writes the bundle and returns its list.
func build(o options) (*site.Bundle, error) {
	b := builder{hashed: map[string]string{}, files: map[string][]byte{}, within: map[string][]byte{}}
	if err := b.addHashed(o); err != nil {
		return nil, err
	}
	if err := b.addManifest(o); err != nil {
		return nil, err
	}
	if err := b.addPage(o); err != nil {
		return nil, err
	}
	// What a static host answers until its operator writes something else.
	b.files["config.json"] = []byte("{\n  \"anyServer\": true,\n  \"domains\": []\n}\n")
	version, err := b.addWorker(o)
	if err != nil {
		return nil, err
	}
	bundle := &site.Bundle{Number: o.number, Version: version, Inline: b.inline}
	if err := removeOld(o.out); err != nil {
		return nil, err
	}
	if bundle.Assets, err = b.write(o); err != nil {
		return nil, err
	}
	list, err := json.MarshalIndent(bundle, "", "  ")
	if err != nil {
		return nil, err
	}
	return bundle, os.WriteFile(filepath.Join(o.out, site.BundleIndex), append(list, '\n'), 0o644)
}

type builder struct {
	hashed map[string]string // name in the source to name in the bundle
	files  map[string][]byte // by name in the bundle
	within map[string][]byte // what stands in the page itself, by name in the source
	inline site.Inline       // and what the policy says of it
}

// within are the files that stand in the page itself: all that a form needs which can be
// seen and used, so that it is there with the page. The program and the rest are asked
// for by then.
var within = []string{"tokens.css", "shell.css", "trusted.js", "start.js", "storage.js", "signin.js"}

// addHashed adds what never changes under its name: scripts, styles, icons, the
// program. Files that refer to others come later, when those have their names.
func (b *builder) addHashed(o options) error {
	b.hash("app.wasm", o.wasm)
	b.hash("wasm_exec.js", o.wasmExec)
	for _, pattern := range []string{"*.js", "*.css", "icons/*", "emoji/*.txt"} {
		names, err := fs.Glob(os.DirFS(o.source), pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == "worker.js" {
				continue // the browser knows a worker by its address
			}
			data, err := readBare(filepath.Join(o.source, name))
			if err != nil {
				return err
			}
			if slices.Contains(within, name) {
				b.within[name] = data
				continue
			}
			b.hash(name, data)
		}
	}
	return nil
}

// comments are those of CSS, but for where one stands in quotes; types are those comments of a script
// that tsc reads; trailing is a comment behind something, unless a quote in it may mean that it is none.
var (
	comments = regexp.MustCompile(`/\*(?s:.*?)\*/`)
	types    = regexp.MustCompile(`/\*\*(?s:.*?)\*/ ?`)
	trailing = regexp.MustCompile("^([^\"'`]*(?:\"[^\"\\\\]*\"[^\"'`]*|'[^'\\\\]*'[^\"'`]*|`[^`\\\\]*`[^\"'`]*)*?)\\s+// [^\"'`]*$")
)

// readBare reads a file, and a script or a style without what is for its readers: comments
// and indentation. Half of what comes before the form was that. Lines
// keep their numbers, so that what the browser says of them holds for the source.
func readBare(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	script := path.Ext(file) == ".js"
	if !script && path.Ext(file) != ".css" {
		return data, nil
	}
	unread := comments
	if script {
		unread = types
	}
	data = unread.ReplaceAllFunc(data, func(comment []byte) []byte {
		return bytes.Repeat([]byte("\n"), bytes.Count(comment, []byte("\n")))
	})
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if strings.Count(line, "`")%2 != 0 || strings.HasSuffix(line, "\\") {
			return nil, fmt.Errorf("%s:%d: what spans lines would lose spaces", file, i+1)
		}
		lines[i] = strings.TrimSpace(line)
		if script && strings.HasPrefix(lines[i], "//") {
			lines[i] = ""
		} else if script {
			lines[i] = trailing.ReplaceAllString(lines[i], "$1")
		}
	}
	return []byte(strings.Join(lines, "\n")), nil
}

func (b *builder) hash(name string, data []byte) {
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + site.Hash(data)[:8] + ext
	b.hashed[name] = hashed
	b.files[hashed] = data
}

// addManifest puts the icons' names into the manifest. It has no id on purpose:
// an id is relative to the origin, not to the manifest, so two Natters below two
// paths of one host would be one app. Without it start_url is the identity.
func (b *builder) addManifest(o options) error {
	data, err := os.ReadFile(filepath.Join(o.source, "manifest.webmanifest"))
	if err != nil {
		return err
	}
	for name, hashed := range b.hashed {
		data = bytes.ReplaceAll(data, []byte(`"`+name+`"`), []byte(`"`+hashed+`"`))
	}
	b.files["manifest.webmanifest"] = data
	return nil
}

// addPage fills in index.html. Scripts and styles it does not name itself are
// added at its end, so that a new file needs no second edit.
func (b *builder) addPage(o options) error {
	elements := map[string]template.HTML{}
	for _, name := range within {
		data, ok := b.within[name]
		if !ok {
			return fmt.Errorf("%s is to stand in the page and does not exist", name)
		}
		element, err := b.element(name, string(data))
		if err != nil {
			return err
		}
		elements[name] = element
	}
	var unknown error
	named := map[string]bool{"boot.js": true, "wasm_exec.js": true}
	functions := template.FuncMap{
		"policy": func() string { return site.MetaPolicy(b.inline) },
		"number": func() int64 { return o.number },
		"within": func(name string) template.HTML {
			if elements[name] == "" {
				unknown = fmt.Errorf("index.html is to hold %s, of which the policy knows nothing", name)
			}
			return elements[name]
		},
		"asset": func(name string) string {
			if b.hashed[name] == "" {
				unknown = fmt.Errorf("index.html names %s, which does not exist", name)
			}
			named[name] = true
			return b.hashed[name]
		},
		"styles":  func() string { return strings.Join(b.rest(".css", named), " ") },
		"scripts": func() []string { return append(b.rest(".js", named), b.hashed["wasm_exec.js"], b.hashed["boot.js"]) },
	}
	page, err := template.New("index.html").Funcs(functions).ParseFiles(filepath.Join(o.source, "index.html"))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := errors.Join(page.Execute(&out, nil), unknown); err != nil {
		return err
	}
	b.files["index.html"] = out.Bytes()
	return nil
}

// element returns a script or a style as it stands in the page, and notes its hash for the
// policy (CSP Level 3 §2.3.1): without that the browser ignores it.
func (b *builder) element(name, text string) (template.HTML, error) {
	tag, list := "script", &b.inline.Scripts
	if path.Ext(name) == ".css" {
		tag, list = "style", &b.inline.Styles
	}
	// What a parser would take for something else, or changes before it hashes.
	if lower := strings.ToLower(text); strings.Contains(lower, "</"+tag) || strings.ContainsAny(text, "\r\x00") || strings.Contains(text, "<!--") {
		return "", fmt.Errorf("%s cannot stand in a page as it is", name)
	}
	sum := sha256.Sum256([]byte(text))
	*list = append(*list, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	return template.HTML("<" + tag + ">" + text + "</" + tag + ">"), nil
}

// rest returns the hashed names of the files with this extension that the page
// has not named, in order.
func (b *builder) rest(ext string, named map[string]bool) []string {
	var names []string
	for name := range b.hashed {
		if path.Ext(name) == ext && !named[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = b.hashed[name]
	}
	return names
}

// addWorker writes the list of files into the service worker and returns the
// version: a hash over everything, the worker itself and the number included.
func (b *builder) addWorker(o options) (string, error) {
	source, err := readBare(filepath.Join(o.source, "worker.js"))
	if err != nil {
		return "", err
	}
	keep := map[string]string{"./": site.Hash(b.files["index.html"])}
	for _, hashed := range b.hashed {
		keep[hashed] = site.Hash(b.files[hashed])
	}
	var all strings.Builder
	fmt.Fprintln(&all, o.number)
	for _, name := range sorted(b.files) {
		fmt.Fprintln(&all, name, site.Hash(b.files[name]))
	}
	all.Write(source)
	version := site.Hash([]byte(all.String()))[:16]
	list, err := json.Marshal(map[string]any{"number": o.number, "version": version, "files": keep})
	if err != nil {
		return "", err
	}
	worker := bytes.Replace(source, []byte("= BUILD;"), []byte("= "+string(list)+";"), 1)
	if bytes.Equal(worker, source) {
		return "", errors.New("worker.js has no place for the list of files (= BUILD;)")
	}
	b.files["worker.js"] = worker
	return version, nil
}

// write writes all files and their compressed forms.
func (b *builder) write(o options) ([]site.Asset, error) {
	immutable := map[string]bool{}
	for _, hashed := range b.hashed {
		immutable[hashed] = true
	}
	var assets []site.Asset
	for _, name := range sorted(b.files) {
		data := b.files[name]
		kind := kinds[path.Ext(name)]
		if kind == "" {
			return nil, fmt.Errorf("%s: no type is known for such a file", name)
		}
		file := filepath.Join(o.out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return nil, err
		}
		assets = append(assets, site.Asset{Path: name, Type: kind, SHA256: site.Hash(data), Size: len(data), Immutable: immutable[name]})
	}
	return assets, compress(o, assets, b.files)
}

func sorted(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(a, b) })
	return names
}

// removeOld removes what an earlier build listed, and nothing else: the folder
// may hold more than ours.
func removeOld(out string) error {
	old, err := site.ReadBundle(os.DirFS(out))
	if errors.Is(err, site.ErrNoBundle) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, asset := range old.Assets {
		if !filepath.IsLocal(asset.Path) {
			return fmt.Errorf("%s lists %q, outside of its folder", site.BundleIndex, asset.Path)
		}
		names := []string{asset.Path}
		for coding := range asset.Encoded {
			names = append(names, asset.Path+site.Suffix[coding])
		}
		for _, name := range names {
			err := os.Remove(filepath.Join(out, filepath.FromSlash(name)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
