package audience_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/fault"
)

func TestSegmentsAreBounded(t *testing.T) {
	test := `{"of":"tag","is":"has","value":"x"}`
	for name, c := range map[string]struct{ text, code string }{
		"one test":          {test, ""},
		"fifty":             {`{"all":[` + strings.TrimSuffix(strings.Repeat(test+",", 50), ",") + `]}`, ""},
		"fifty-one":         {`{"any":[` + strings.TrimSuffix(strings.Repeat(test+",", 51), ",") + `]}`, "segment_too_large"},
		"too deep":          {strings.Repeat(`{"not":`, 4) + test + strings.Repeat("}", 4), "segment_too_large"},
		"endlessly deep":    {strings.Repeat(`{"not":`, 10_000), "segment_too_large"},
		"too long":          {`{"of":"tag","is":"has","value":"` + strings.Repeat("x", 20_000) + `"}`, "segment_too_large"},
		"nothing":           {`{}`, "segment_malformed"},
		"two things":        {`{"of":"tag","is":"has","value":"x","not":` + test + `}`, "segment_malformed"},
		"unknown word":      {`{"sql":"1=1"}`, "segment_malformed"},
		"two values":        {test + test, "segment_malformed"},
		"unknown subject":   {`{"of":"fields/shoe","is":"equals","value":"43"}`, "segment_subject_unknown"},
		"SQL as a subject":  {`{"of":"1=1 OR tag","is":"has","value":"x"}`, "segment_subject_unknown"},
		"SQL to compare by": {`{"of":"company","is":"= 1 OR","value":"x"}`, "segment_comparison_unknown"},
		"number wanted":     {`{"of":"fields/rooms","is":"more","value":"viele"}`, "segment_value_malformed"},
		"day wanted":        {`{"of":"created_at","is":"before","value":"gestern"}`, "segment_value_malformed"},
		"two lines":         {`{"of":"company","is":"equals","value":"a\nb"}`, "segment_value_malformed"},
		"no group":          {`{"of":"group","is":"has","value":"x"}`, "segment_value_malformed"},
	} {
		s, err := audience.ParseSegment([]byte(c.text))
		if err == nil {
			err = s.Check([]audience.Field{{Key: "rooms", Type: audience.NumberField}})
		}
		f := fault.As(err)
		if c.code == "" && err != nil || c.code != "" && (f == nil || f.Code != c.code) {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

// What is read is written so that it reads the same again, and none of it is taken that
// the rules do not know.
func FuzzSegment(f *testing.F) {
	f.Add([]byte(`{"all":[{"of":"tag","is":"has","value":"vip"},{"not":{"of":"company","is":"contains","value":"'; DROP TABLE contacts; --"}}]}`))
	f.Add([]byte(`{"any":[{"of":"created_at","is":"within","value":"7"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := audience.ParseSegment(text)
		if err != nil || s.Check(nil) != nil {
			return
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := audience.ParseSegment(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		twice, err := json.Marshal(again)
		if err != nil || string(twice) != string(written) {
			t.Errorf("%s became %s, %v", written, twice, err)
		}
	})
}
