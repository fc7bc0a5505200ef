package store

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// Parse reads rows from JSON as JSON.stringify writes it, with no space between. It puts
// them where encoding/json would, which takes four times as long: of somebody with a
// thousand contacts that was most of the work before the list is on screen.
func Parse(doc string, into any) error {
	p := &parser{doc: doc, fields: map[reflect.Type][]field{}}
	p.value(reflect.ValueOf(into).Elem())
	if p.at != len(p.doc) {
		return errRow
	}
	return nil
}

var errRow = errors.New("a row that nobody wrote")

type parser struct {
	doc    string
	at     int // more than len(doc) once it makes no sense
	fields map[reflect.Type][]field
}

// field is one of a struct, with its name on disk.
type field struct {
	name  string
	index []int
}

func (p *parser) fail() { p.at = len(p.doc) + 1 }

// next returns the byte that comes, 0 if there is none.
func (p *parser) next() byte {
	if p.at >= len(p.doc) {
		return 0
	}
	return p.doc[p.at]
}

// take goes past a text and reports whether it was there.
func (p *parser) take(text string) bool {
	if p.at > len(p.doc) || !strings.HasPrefix(p.doc[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *parser) need(text string) {
	if !p.take(text) {
		p.fail()
	}
}

// list calls item for each thing between two brackets.
func (p *parser) list(from, to string, item func()) {
	p.need(from)
	if p.take(to) {
		return
	}
	for p.at < len(p.doc) {
		item()
		if !p.take(",") {
			break
		}
	}
	p.need(to)
}

func (p *parser) members(member func(name string)) {
	p.list("{", "}", func() {
		name := p.text()
		p.need(":")
		member(name)
	})
}

func (p *parser) value(v reflect.Value) {
	if p.take("null") {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Clone(p.text())) // a row may stay long after all that came with it
	case reflect.Bool:
		v.SetBool(p.take("true"))
		if !v.Bool() {
			p.need("false")
		}
	case reflect.Int, reflect.Int8, reflect.Int64:
		n, err := strconv.ParseInt(p.number(), 10, v.Type().Bits())
		if err != nil {
			p.fail()
		}
		v.SetInt(n)
	case reflect.Uint32:
		n, err := strconv.ParseUint(p.number(), 10, 32)
		if err != nil {
			p.fail()
		}
		v.SetUint(n)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		p.value(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			raw, err := base64.StdEncoding.DecodeString(p.text())
			if err != nil {
				p.fail()
			}
			v.SetBytes(raw)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		p.list("[", "]", func() {
			n := v.Len()
			v.Grow(1)
			v.SetLen(n + 1)
			p.value(v.Index(n))
		})
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		p.members(func(name string) {
			key, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString(strings.Clone(name))
			p.value(item)
			v.SetMapIndex(key, item)
		})
	case reflect.Struct:
		fields, i := p.of(v.Type()), 0
		p.members(func(name string) {
			for range fields { // they come in the order in which they are written
				f := &fields[i]
				if i++; i == len(fields) {
					i = 0
				}
				if f.name == name {
					p.value(v.FieldByIndex(f.index))
					return
				}
			}
			p.skip()
		})
	default:
		p.fail()
	}
}

// of returns the fields of a struct and of those it is made of.
func (p *parser) of(t reflect.Type) []field {
	fields := p.fields[t]
	if fields == nil {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous {
				for _, inner := range p.of(f.Type) {
					fields = append(fields, field{inner.name, append([]int{i}, inner.index...)})
				}
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, field{name, []int{i}})
		}
		p.fields[t] = fields
	}
	return fields
}

func (p *parser) text() string {
	p.need(`"`)
	if p.at > len(p.doc) {
		return ""
	}
	rest := p.doc[p.at:]
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		p.fail()
		return ""
	}
	if strings.IndexByte(rest[:end], '\\') < 0 {
		p.at += end + 1
		return rest[:end]
	}
	for end = 0; end < len(rest) && rest[end] != '"'; end++ {
		if rest[end] == '\\' {
			end++
		}
	}
	var s string
	if end >= len(rest) || json.Unmarshal([]byte(p.doc[p.at-1:p.at+end+1]), &s) != nil {
		p.fail()
		return ""
	}
	p.at += end + 1
	return s
}

func (p *parser) number() string {
	from := p.at
	for strings.IndexByte("+-.eE0123456789", p.next()) >= 0 && p.at < len(p.doc) {
		p.at++
	}
	if from > len(p.doc) {
		return ""
	}
	return p.doc[from:p.at]
}

// skip goes past a value that nobody knows.
func (p *parser) skip() {
	switch c := p.next(); {
	case c == '"':
		p.text()
	case c == '{':
		p.members(func(string) { p.skip() })
	case c == '[':
		p.list("[", "]", func() { p.skip() })
	case p.take("null"), p.take("true"), p.take("false"):
	case p.number() == "":
		p.fail()
	}
}
