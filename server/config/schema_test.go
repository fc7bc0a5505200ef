package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	generate "github.com/invopop/jsonschema"
	validate "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite natter.schema.json")

// The schema is what the types say, comments included.
func TestSchema(t *testing.T) {
	r := &generate.Reflector{ExpandedStruct: true, RequiredFromJSONSchemaTags: true, Anonymous: true}
	if err := r.AddGoComments("natter/server/config", "./"); err != nil {
		t.Fatal(err)
	}
	schema := r.Reflect(&File{})
	schema.Title = "natter.json"
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("natter.schema.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(Schema, want.Bytes()) {
		t.Errorf("natter.schema.json is not what the types say: go test ./server/config -update\n%s", want.Bytes())
	}
	if n := strings.Count(want.String(), `"description"`); n < 30 {
		t.Errorf("only %d keys are described", n)
	}
}

// valid reports whether the schema takes a file.
func valid(t *testing.T, file string) bool {
	t.Helper()
	schema, err := validate.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := validate.NewCompiler()
	if err := c.AddResource("natter.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("natter.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := validate.UnmarshalJSON(strings.NewReader(file))
	return err == nil && compiled.Validate(instance) == nil
}
