package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"natter/app/jid"
)

// fill sets all there is in a row to something of its own.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%d \"\\/\b\n\x01 <é> \u2028😀", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-1_700_000_000_000_000 - int64(*n))
	case reflect.Int8:
		v.SetInt(int64(*n % 128))
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(uint64(*n % 256))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(item, n)
			v.SetMapIndex(key, item)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("rows have no " + v.Kind().String())
	}
}

func marshal(t testing.TB, row any) string {
	t.Helper()
	raw, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What is on disk is read as encoding/json reads it, every field of every row; what is
// cut off is no row.
func TestParse(t *testing.T) {
	for _, row := range []any{
		&Snapshot{}, &Avatar{}, &[]Message{}, new(*Message),
		&struct {
			Found []Message `json:"found"`
			Next  int64     `json:"next"`
		}{},
	} {
		n := 0
		empty := reflect.New(reflect.TypeOf(row).Elem())
		for _, what := range []string{"nothing", "all"} {
			doc := marshal(t, row)
			want, got := reflect.New(empty.Type().Elem()).Interface(), reflect.New(empty.Type().Elem()).Interface()
			if err := json.Unmarshal([]byte(doc), want); err != nil {
				t.Fatal(err)
			}
			if err := Parse(doc, got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%T with %s: %v\n%+v, want\n%+v", row, what, err, got, want)
			}
			for i := 0; i < len(doc); i += 1 + len(doc)/500 {
				if err := Parse(doc[:i], reflect.New(empty.Type().Elem()).Interface()); err == nil {
					t.Errorf("%T is read from %.60q, cut off after %d", row, doc, i)
				}
			}
			fill(reflect.ValueOf(row).Elem(), &n)
		}
	}
}

// A newer build may have written fields that this one does not know.
func TestParseUnknown(t *testing.T) {
	var d Draft
	doc := `{"a":{"b":[1,-2.5e3,{}],"c":[]},"peer":"ada@localhost","d":"\"}","e":null,"text":"hi","f":true,"g":false}`
	if err := Parse(doc, &d); err != nil || d != (Draft{"ada@localhost", "hi"}) {
		t.Errorf("%+v, %v", d, err)
	}
	for _, doc := range []string{
		``, `{`, `{}{}`, `{"peer"}`, `{"peer":1}`, `{"peer":"a",}`, `{"peer":"\x"}`, `{"peer":"\u12"}`, `{"peer":"a" }`, `{"g":nil}`, `[]`, `{"text":[]}`, `{"a":}`, `{"a":[}`, `{"a":"`, `{"a":"\`,
	} {
		if err := Parse(doc, &d); err == nil {
			t.Errorf("%q is a row", doc)
		}
	}
	for _, doc := range []string{`{"priority":128}`, `{"priority":1.5}`, `{"priority":true}`, `{"show":{}}`} {
		if err := Parse(doc, &Presence{}); err == nil {
			t.Errorf("%q is a row", doc)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("hello", int64(1), `{"peer":"a","body":"\ud83d\ude00\ud83d"}`)
	f.Fuzz(func(t *testing.T, text string, n int64, doc string) {
		row := Message{Peer: jid.JID(text), Body: text, Key: Key{n, -n}, Mine: n > 0}
		var want, got Message
		written := marshal(t, row)
		if err := json.Unmarshal([]byte(written), &want); err != nil {
			t.Fatal(err)
		}
		if err := Parse(written, &got); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		var any Message
		_ = Parse(doc, &any)
	})
}

func BenchmarkParse(b *testing.B) {
	var sn Snapshot
	for i := range 1000 {
		peer, key := jid.JID(fmt.Sprintf("friend%d@trial.test", i)), Key{1_732_218_453_123_456 + int64(i), 12}
		last := Message{Peer: peer, Key: key, ID: strings.Repeat("A", 26), Archive: "1732218453123456", Author: peer, Body: "message 12 of a conversation like others", At: key.Time}
		sn.Chats = append(sn.Chats, Chat{Peer: peer, Unread: 20, Read: key, High: 20, Last: &last})
		sn.Contacts = append(sn.Contacts, Contact{JID: peer, Name: fmt.Sprint("Friend ", i), InRoster: true, Subscription: "both"})
	}
	doc := marshal(b, sn)
	for _, by := range []struct {
		name  string
		parse func(string, any) error
	}{
		{"store", Parse},
		{"encoding/json", func(doc string, into any) error { return json.Unmarshal([]byte(doc), into) }},
	} {
		b.Run(by.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if err := by.parse(doc, &Snapshot{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
