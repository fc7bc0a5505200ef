package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decode reads JSON into v, a pointer to a struct. It notes the line of each key in lines.
// Fields are those with a json tag; those of an embedded struct count as its own. A field
// whose type is an encoding.TextUnmarshaler is written as text.
func decode(data []byte, v any, lines map[string]int) error {
	d := &decoder{data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: lines}
	d.dec.UseNumber()
	if err := d.value(reflect.ValueOf(v).Elem(), ""); err != nil {
		return err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return d.fail("", "something follows the end")
	}
	return nil
}

type decoder struct {
	data  []byte
	dec   *json.Decoder
	lines map[string]int
}

// line is that of what was read last. No token has a line break in it.
func (d *decoder) line() int {
	return 1 + bytes.Count(d.data[:d.dec.InputOffset()], []byte("\n"))
}

func (d *decoder) fail(key, problem string) error {
	return &Error{Line: d.line(), Key: key, Problem: problem}
}

func (d *decoder) token(key string) (json.Token, error) {
	token, err := d.dec.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.fail(key, "not JSON: it ends too early")
	case err != nil:
		return nil, d.fail(key, "not JSON: "+err.Error())
	}
	return token, nil
}

func (d *decoder) value(v reflect.Value, key string) error {
	token, err := d.token(key)
	if err != nil {
		return err
	}
	if token == nil {
		return d.fail(key, "must not be null")
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	wrong := func(want string) error { return d.fail(key, "must be "+want+", not "+kind(token)) }
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := token.(string)
		if !ok {
			return wrong("text in quotes")
		}
		if err := text.UnmarshalText([]byte(s)); err != nil {
			return d.fail(key, err.Error())
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := token.(string)
		if !ok {
			return wrong("text in quotes")
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := token.(bool)
		if !ok {
			return wrong("true or false")
		}
		v.SetBool(b)
	case reflect.Int:
		n, ok := token.(json.Number)
		i, err := strconv.Atoi(n.String())
		if !ok || err != nil {
			return wrong("a whole number")
		}
		v.SetInt(int64(i))
	case reflect.Slice:
		if token != json.Delim('[') {
			return wrong("a list, [ … ]")
		}
		return d.list(v, key)
	case reflect.Struct:
		if token != json.Delim('{') {
			return wrong("an object, { … }")
		}
		return d.object(v, key)
	default:
		panic("config: no file can hold a " + v.Type().String())
	}
	return nil
}

func (d *decoder) list(v reflect.Value, key string) error {
	for i := 0; d.dec.More(); i++ {
		at := fmt.Sprintf("%s[%d]", key, i)
		element := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(element, at); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}
	_, err := d.token(key)
	return err
}

func (d *decoder) object(v reflect.Value, key string) error {
	known := fields(v.Type())
	var seen []string
	for d.dec.More() {
		token, err := d.token(key)
		if err != nil {
			return err
		}
		name := token.(string) // or token would have failed
		at := strings.TrimPrefix(key+"."+name, ".")
		i := slices.IndexFunc(known, func(f reflect.StructField) bool { return f.Tag.Get("json") == name })
		switch {
		case i < 0:
			return d.fail(at, "there is no such key here; there are "+names(known))
		case slices.Contains(seen, name):
			return d.fail(at, "is there twice")
		}
		seen = append(seen, name)
		d.lines[at] = d.line()
		field := v.FieldByIndex(known[i].Index)
		if err := d.value(field, at); err != nil {
			return err
		}
		if allowed := enum(known[i]); allowed != nil && !slices.Contains(allowed, field.String()) {
			return d.fail(at, fmt.Sprintf("must be one of %s, not %q", strings.Join(allowed, ", "), field))
		}
	}
	if _, err := d.token(key); err != nil {
		return err
	}
	for _, f := range known {
		if name := f.Tag.Get("json"); required(f) && !slices.Contains(seen, name) {
			return d.fail(strings.TrimPrefix(key+"."+name, "."), "is missing")
		}
	}
	return nil
}

// fields returns those that stand in a file, in order.
func fields(t reflect.Type) (all []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		if f.Tag.Get("json") != "" && f.IsExported() {
			all = append(all, f)
		}
	}
	return all
}

func names(all []reflect.StructField) string {
	var s []string
	for _, f := range all {
		s = append(s, f.Tag.Get("json"))
	}
	return strings.Join(s, ", ")
}

// required and enum read the tag that the schema is made of too.
func required(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("jsonschema"), ","), "required")
}

func enum(f reflect.StructField) (allowed []string) {
	for _, rule := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		if s, ok := strings.CutPrefix(rule, "enum="); ok {
			allowed = append(allowed, s)
		}
	}
	return allowed
}

// kind says what a token is, in an operator's words.
func kind(token json.Token) string {
	switch t := token.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case json.Number:
		return "the number " + t.String()
	case json.Delim:
		return map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	}
	return "null"
}
