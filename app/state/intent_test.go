package state

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"
	"time"
)

// Every intent can be sent to another tab, except the Own ones, of which one has a password.
func TestPromise16_IntentsAreTold(t *testing.T) {
	var decls []ast.Decl
	for _, name := range []string{"intent.go", "roomintent.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, file.Decls...)
	}
	own := map[string]bool{"SignIn": true, "Return": true, "Look": true}
	count := 0
	for _, d := range decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "traits" {
			continue
		}
		count++
		name := f.Recv.List[0].Type.(*ast.Ident).Name
		kind := intents[name]
		if kind == nil {
			t.Errorf("%s is not among the intents", name)
			continue
		}
		v := reflect.New(kind).Elem()
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
		in := v.Interface().(Intent)
		words, err := Tell(in)
		if own[name] {
			if err == nil {
				t.Errorf("%s is told: %s", name, words.What)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		message, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		var heard Said
		if err := json.Unmarshal(message, &heard); err != nil {
			t.Fatal(err)
		}
		if got, err := heard.Intent(); err != nil || !reflect.DeepEqual(got, in) {
			t.Errorf("told %+v, heard %+v, %v", in, got, err)
		}
	}
	if count != len(intents) {
		t.Errorf("%d intents, %d are among them", count, len(intents))
	}
	if _, err := (Said{Kind: "SignIn", What: []byte("{}")}).Intent(); err == nil {
		t.Error("a tab signs another one in")
	}
}

// fill gives a field a value, so that the test sees if a field is lost on the way.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(noon.Add(123 * time.Microsecond)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("words")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("what goes into a %s?", v.Type())
	}
}
