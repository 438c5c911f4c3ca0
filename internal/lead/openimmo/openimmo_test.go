package openimmo_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stafette/internal/lead/openimmo"
)

var update = flag.Bool("update", false, "write the documents anew")

func full() openimmo.Lead {
	return openimmo.Lead{
		ID: "lead_1", Sender: "Portal <Muster> & Söhne", Date: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), AdvertiserID: "4711",
		Object: openimmo.Object{PortalID: "P123", AdvertiserRef: "MA-1024", Title: "Haus „am See“ – 5 ½ Zimmer", URL: "https://portal.example/expose/P123?a=1&b=2",
			Street: "Weg 1", City: "Dortmund", Marketing: []string{"KAUF"}, Price: "450000", Rooms: "5.5", Area: "140"},
		Prospect: openimmo.Prospect{Salutation: "Frau", FirstName: "Eva", LastName: "Müßter", Company: "Muster KG", Street: "Gasse 2", PostalCode: "44135",
			City: "Köln", Phone: "+49 231 1", Mobile: "+49 170 1", Fax: "+49 231 2", Email: "eva@example.org",
			Preferred: []openimmo.Channel{openimmo.ByEmail, openimmo.ByPhone}, Wishes: []openimmo.Wish{openimmo.Viewing, openimmo.Details}},
		Message: "Guten Tag,\n\n\tist das Haus noch frei? 🏡 ]]> <b>€</b> \u0085\n",
		Extra:   []openimmo.Extra{{Name: "code", Value: "X7"}, {Name: "leer", Value: ""}},
	}
}

// What is written is what the kept documents say, and reads back as it was.
func TestWrite(t *testing.T) {
	bare := openimmo.Lead{ID: "lead_2", Sender: "portal.example", Date: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), AdvertiserID: "1"}
	for name, c := range map[string]struct {
		lead     openimmo.Lead
		format   openimmo.Format
		encoding openimmo.Encoding
	}{
		"feedback":        {full(), openimmo.Feedback, openimmo.UTF8},
		"feedback-latin1": {full(), openimmo.Feedback, openimmo.Latin1},
		"feedback-bare":   {bare, openimmo.Feedback, openimmo.UTF8},
		"immowelt":        {full(), openimmo.Immowelt, openimmo.Latin1},
		"immowelt-bare":   {bare, openimmo.Immowelt, openimmo.UTF8},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := openimmo.Write(c.lead, c.format, c.encoding)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".xml")
			if *update {
				if err := os.WriteFile(file, raw, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, want) {
				t.Errorf("got\n%s\nwant\n%s", raw, want)
			}
			got, format, err := openimmo.Read(raw)
			if err != nil || format != c.format {
				t.Fatalf("read as %q: %v", format, err)
			}
			lead := c.lead
			if format == openimmo.Immowelt { // it has no place for these
				lead.ID, lead.Sender, lead.Extra, lead.Prospect.Preferred, lead.Prospect.Wishes = "", "", nil, nil, nil
				lead.Object.PortalID, lead.Object.Rooms, lead.Object.Area = "", "", ""
			}
			if d := cmp.Diff(lead, got); d != "" {
				t.Errorf("(-written +read)\n%s", d)
			}
		})
	}
}

// T9 and the rest of what nobody may make us write.
func TestUnwritable(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*openimmo.Lead)
		path   string
	}{
		"NUL":             {func(l *openimmo.Lead) { l.Message = "a\x00b" }, "openimmo_feedback/objekt/interessent/anfrage"},
		"vertical tab":    {func(l *openimmo.Lead) { l.Prospect.LastName = "a\vb" }, "openimmo_feedback/objekt/interessent/nachname"},
		"carriage return": {func(l *openimmo.Lead) { l.Message = "a\r\nb" }, "openimmo_feedback/objekt/interessent/anfrage"},
		"non-character":   {func(l *openimmo.Lead) { l.Object.Title = "\uffff" }, "openimmo_feedback/objekt/bezeichnung"},
		"not UTF-8":       {func(l *openimmo.Lead) { l.Object.City = "K\xf6ln" }, "openimmo_feedback/objekt/ort"},
		"channel":         {func(l *openimmo.Lead) { l.Prospect.Preferred = []openimmo.Channel{"POST"} }, "openimmo_feedback/objekt/interessent/bevorzugt"},
		"wish":            {func(l *openimmo.Lead) { l.Prospect.Wishes = []openimmo.Wish{"RÜCKRUF"} }, "openimmo_feedback/objekt/interessent/wunsch"},
		"no number":       {func(l *openimmo.Lead) { l.ID = "" }, "ID"},
		"no date":         {func(l *openimmo.Lead) { l.Date = time.Time{} }, "Date"},
	} {
		t.Run(name, func(t *testing.T) {
			l := full()
			c.change(&l)
			_, err := openimmo.Write(l, openimmo.Feedback, openimmo.UTF8)
			var invalid *openimmo.InvalidError
			if !errors.As(err, &invalid) || invalid.Problems[0].Path != c.path {
				t.Errorf("%v, want a problem with %s", err, c.path)
			}
		})
	}
}

const (
	head   = `<?xml version="1.0" encoding="UTF-8"?><openimmo_feedback><version>1.2.7</version><sender><name>n</name><datum>2026-11-21</datum><makler_id>1</makler_id></sender>`
	middle = `<objekt><oobj_id>1</oobj_id><interessent><int_id>1</int_id></interessent></objekt>`
	tail   = `</openimmo_feedback>`
)

func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // code and path, relative to the root
	}{
		"good":                  {head + middle + tail, nil},
		"several objects":       {head + middle + middle + tail, nil},
		"status alone":          {head + `<status><statusnr>1</statusnr><text>ok</text></status>` + tail, nil},
		"namespace of old":      {strings.Replace(head, "<openimmo_feedback>", `<openimmo_feedback xmlns="http://www.openimmo.de">`, 1) + middle + tail, nil},
		"comment":               {head + "<!-- x -->" + middle + tail, nil},
		"no prospect":           {head + `<objekt><oobj_id>1</oobj_id></objekt>` + tail, []string{"missing objekt/interessent"}},
		"no sender":             {`<openimmo_feedback><version>1.2.7</version>` + middle + tail, []string{"missing sender"}},
		"sender without date":   {`<openimmo_feedback><version>1.2.7</version><sender><name>n</name><makler_id>1</makler_id></sender>` + middle + tail, []string{"missing sender/datum"}},
		"order":                 {head + `<objekt><interessent/><oobj_id>1</oobj_id></objekt>` + tail, []string{"misplaced objekt/oobj_id"}},
		"twice":                 {head + `<objekt><oobj_id>1</oobj_id><oobj_id>2</oobj_id><interessent/></objekt>` + tail, []string{"repeated objekt/oobj_id"}},
		"unknown":               {head + `<objekt><interessent><alter>3</alter></interessent></objekt>` + tail, []string{"unknown objekt/interessent"}},
		"element in text":       {head + `<objekt><interessent><anfrage><b>x</b></anfrage></interessent></objekt>` + tail, []string{"unknown objekt/interessent/anfrage"}},
		"text for elements":     {head + `<objekt>x</objekt>` + tail, []string{"text objekt", "missing objekt/interessent"}},
		"enumeration":           {head + `<objekt><interessent><bevorzugt>POST</bevorzugt></interessent></objekt>` + tail, []string{"value objekt/interessent/bevorzugt"}},
		"attribute":             {head + `<objekt art="x"><interessent/></objekt>` + tail, []string{"attribute objekt"}},
		"attribute of text":     {head + `<objekt><interessent><anfrage a="1">x</anfrage></interessent></objekt>` + tail, []string{"attribute objekt/interessent/anfrage"}},
		"number":                {head + `<status><statusnr>viele</statusnr></status>` + tail, []string{"number status/statusnr"}},
		"version":               {strings.Replace(head, "1.2.7", "2.0", 1) + middle + tail, []string{"value version"}},
		"too new for version":   {strings.Replace(head, "1.2.7", "1.2.4", 1) + `<objekt><flaeche>1</flaeche><interessent/></objekt>` + tail, []string{"too_new objekt/flaeche"}},
		"many in old version":   {strings.Replace(head, "1.2.7", "1.2.4", 1) + `<objekt><interessent><wunsch>ANRUF</wunsch><wunsch>DETAIL</wunsch></interessent></objekt>` + tail, nil},
		"extension":             {head + `<objekt><interessent><user_defined_extend><feld><name>a</name><wert>b</wert></feld></user_defined_extend></interessent></objekt>` + tail, nil},
		"empty extension":       {head + `<objekt><interessent><user_defined_extend/></interessent></objekt>` + tail, []string{"missing objekt/interessent/user_defined_extend/feld"}},
		"an object, no enquiry": {`<openimmo><version>1</version></openimmo>`, []string{"unknown openimmo"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := openimmo.Read([]byte(c.text))
			var got []string
			var invalid *openimmo.InvalidError
			if errors.As(err, &invalid) {
				for _, p := range invalid.Problems {
					got = append(got, p.Code+" "+strings.TrimPrefix(p.Path, "openimmo_feedback/"))
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// T9: what is no lead, or is made to hurt, is refused before it costs anything.
func TestNotRead(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":          "",
		"torn":             head,
		"torn attribute":   head[:30],
		"laughs":           `<!DOCTYPE l [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><openimmo_feedback>&b;</openimmo_feedback>`,
		"entity":           head + `<objekt><interessent><anfrage>&xxe;</anfrage></interessent></objekt>` + tail,
		"instruction":      head + `<?php echo 1 ?>` + middle + tail,
		"deep":             strings.Repeat("<objekt>", 100_000),
		"many":             head + strings.Repeat("<objekt/>", 20_000) + tail,
		"long":             head + strings.Repeat(" ", 1<<20) + tail,
		"two roots":        head + tail + head + tail,
		"text after":       head + middle + tail + "x",
		"mixed":            head + "x" + middle + tail,
		"not closed":       head + middle + "</objekt>",
		"encoding":         `<?xml version="1.0" encoding="EBCDIC"?><openimmo_feedback/>`,
		"not its encoding": "<?xml version=\"1.0\" encoding=\"UTF-8\"?><openimmo_feedback><version>1.2.7</version><sender><name>K\xf6ln</name></sender></openimmo_feedback>",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := openimmo.Read([]byte(text))
			var invalid *openimmo.InvalidError
			if err == nil || errors.As(err, &invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzRead: what is read can be written again and says the same, and Go's own decoder
// takes whatever is taken.
func FuzzRead(f *testing.F) {
	for _, e := range []openimmo.Encoding{openimmo.UTF8, openimmo.Latin1} {
		for _, format := range []openimmo.Format{openimmo.Feedback, openimmo.Immowelt} {
			raw, err := openimmo.Write(full(), format, e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Add([]byte(head + middle + tail))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lead, format, err := openimmo.Read(raw)
		if err != nil {
			return
		}
		lead.Date = full().Date // others in use are longer or none
		again, err := openimmo.Write(lead, format, openimmo.Latin1)
		var invalid *openimmo.InvalidError
		if errors.As(err, &invalid) {
			return // carriage returns by reference, empty numbers
		}
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := openimmo.Read(again)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(lead, got); d != "" && format == openimmo.Feedback {
			t.Fatalf("(-first +second)\n%s", d)
		}
	})
}

// FuzzWrite: any text arrives as it was or is refused.
func FuzzWrite(f *testing.F) {
	f.Add("Eva", "Guten Tag <&>\"'", "ö🏡\u0085")
	f.Add("\x00", "\r\n", "]]>")
	f.Fuzz(func(t *testing.T, id, message, extra string) {
		l := full()
		l.ID, l.Message, l.Extra = id, message, []openimmo.Extra{{Name: extra, Value: message}}
		for _, e := range []openimmo.Encoding{openimmo.UTF8, openimmo.Latin1} {
			raw, err := openimmo.Write(l, openimmo.Feedback, e)
			var invalid *openimmo.InvalidError
			if errors.As(err, &invalid) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := openimmo.Read(raw); err != nil || got.Message != message || got.ID != id || got.Extra[0].Name != extra {
				t.Fatalf("%q came as %q (%v)", message, got.Message, err)
			}
			d := xml.NewDecoder(bytes.NewReader(raw))
			if e == openimmo.UTF8 {
				if err := d.Decode(new(struct{})); err != nil {
					t.Fatalf("another reader refuses it: %v", err)
				}
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	l := full()
	l.Message = strings.Repeat("Guten Tag, ", 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openimmo.Write(l, openimmo.Feedback, openimmo.UTF8); err != nil {
			b.Fatal(err)
		}
	}
}
