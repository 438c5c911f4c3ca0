package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	"stafette/internal/diagnosis"
	"stafette/internal/event"
	"stafette/internal/fault"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
)

func delivered() (insight.Delivery, event.Event) {
	return insight.Delivery{State: event.Delivered, Host: gmx, Attempts: 1, UpdatedAt: start.Add(-time.Hour)}, attempt(time.Hour, event.OutcomeDelivered, gmx, 250, "ok")
}

func TestAskUnderstandsWhatPeopleType(t *testing.T) {
	w := newWorld(t)
	d, a := delivered()
	first := w.put(w.a, 5*time.Hour, "Rechnung 4711", "Eva Sommer|Eva.Sommer@gmx.de", d, a)
	second := w.put(w.a, 3*time.Hour, "Besichtigung", "Eva Sommer|eva.sommer@gmx.de", d, a)
	other := w.put(w.a, 2*time.Hour, "Angebot", "Karl Brandt|k.brandt@yahoo.de", d, a)
	w.messages[2].Metadata, w.messages[2].Tags = map[string]string{"auftrag": "HK-2214"}, []string{"messe"}
	foreign := w.put(w.b, time.Hour, "Termin", "Ada Holm|ada@holm.example", d, a)
	id := func(m insight.Message) string { return m.Deliveries[0].ID.String() }
	for q, want := range map[string][]string{
		"":                              nil,
		" \t\x00":                       nil,
		"EVA.SOMMER@GMX.DE":             {id(second), id(first)},
		"<eva.sommer@gmx.de>\r\n":       {id(second), id(first)},
		"Eva Sommer":                    {id(second), id(first)},
		"rechnung 47":                   {id(first)},
		"hk-2214":                       {id(other)},
		"messe":                         {id(other)},
		other.ID.String():               {id(other)},
		id(first):                       {id(first)},
		"nrA@hafenkontor.example":       {id(other)},
		id(foreign):                     {""},
		foreign.ID.String():             {""},
		"ada@holm.example":              {""},
		"Termin":                        {""},
		"niemand@gmx.de":                {""},
		strings.Repeat("x", 5000) + "@": {""},
	} {
		got, err := w.Ask(t.Context(), w.a, q)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, v := range got.Verdicts {
			have = append(have, v.Delivery.ID.String())
		}
		if strings.Join(have, " ") != strings.Join(want, " ") {
			t.Errorf("%.40q: %v, want %v", q, have, want)
		}
		if got.Found() != (len(want) > 0 && want[0] != "") || len([]rune(got.Query)) > 200 {
			t.Errorf("%.40q: found %v, query %.40q", q, got.Found(), got.Query)
		}
	}
	if _, err := w.Verdict(t.Context(), w.a, foreign.Deliveries[0].ID); fault.As(err) == nil || fault.As(err).Code != "delivery_not_found" {
		t.Errorf("another tenant's delivery: %v", err)
	}
}

func TestNearMisses(t *testing.T) {
	w := newWorld(t)
	d, a := delivered()
	for _, to := range []string{
		"Eva Sommer|eva.sommer@gmial.com", "Eva Sommer|e.sommer@sommer-architektur.de", "|evasommer@web.de", "E. S.|eva.sommer@firma.de",
		"|eva.sommer@t-online.de", "Info|info@gmx.de", "|eva@gmx.de", "|sommer.eva@posteo.de", "Jürgen Müller|juergen.mueller@gmx.de",
	} {
		w.put(w.a, time.Hour, "Betreff", to, d, a)
	}
	w.put(w.b, time.Hour, "Betreff", "Eva Sommer|eva.sommer@salon.de", d, a)
	for q, want := range map[string]string{
		"eva.sommer@gmail.com": "eva.sommer@gmial.com slip, eva.sommer@t-online.de local, eva.sommer@firma.de local, sommer.eva@posteo.de alike, evasommer@web.de alike, e.sommer@sommer-architektur.de alike",
		"eva.sommer@gmial.com": "e.sommer@sommer-architektur.de name, eva.sommer@t-online.de local, eva.sommer@firma.de local, sommer.eva@posteo.de alike, evasommer@web.de alike",
		"Eva Sommer":           "sommer.eva@posteo.de alike, eva.sommer@t-online.de alike, eva.sommer@firma.de alike, evasommer@web.de alike",
		"Müller, Jürgen":       "juergen.mueller@gmx.de alike",
		"eva.sommer@t-onlin.de": "eva.sommer@t-online.de slip, eva.sommer@firma.de local, eva.sommer@gmial.com local, sommer.eva@posteo.de alike, evasommer@web.de alike, " +
			"e.sommer@sommer-architektur.de alike",
		"x@gmx.de": "",
	} {
		got, err := w.Ask(t.Context(), w.a, q)
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, n := range got.Near {
			have = append(have, n.Address.Local+"@"+n.Address.Domain+" "+string(n.Why))
			if n.Delivery.State != event.Delivered {
				t.Errorf("%s: no newest delivery", n.Address)
			}
		}
		if strings.Join(have, ", ") != want {
			t.Errorf("%s:\nhave %s\nwant %s", q, strings.Join(have, ", "), want)
		}
	}
}

func TestSendAgain(t *testing.T) {
	w := newWorld(t)
	d, a := delivered()
	m := w.put(w.a, time.Hour, "Betreff", "Jürgen \"J\" Müller|jm@gmx.de", d, a)
	at := &w.messages[0]
	at.Tags, at.Metadata = []string{"messe", "again:dlv_old"}, map[string]string{"auftrag": "HK-1"}
	id := m.Deliveries[0].ID
	who := ingest.Principal{Tenant: w.a, Actor: "usr_1", Door: "office"}
	for _, c := range []struct {
		to   message.Mailbox
		want string
	}{
		{message.Mailbox{}, "To: =?utf-8?b?SsO8cmdlbiAiSiIgTcO8bGxlcg==?= <jm@gmx.de>\r\n"},
		{message.Mailbox{Name: "J. Müller", Address: message.Address{Local: "j", Domain: "web.de"}}, "To: =?utf-8?q?J=2E_M=C3=BCller?= <j@web.de>\r\n"},
		{message.Mailbox{Address: message.Address{Local: "jürgen", Domain: "web.de"}}, "To: jürgen@web.de\r\n"},
	} {
		if _, err := w.SendAgain(t.Context(), who, id, c.to, "key"); err != nil {
			t.Fatal(err)
		}
		s := w.accepted[len(w.accepted)-1]
		raw := string(s.Raw)
		if !strings.HasPrefix(raw, c.want) {
			t.Errorf("header %q, want %q", raw[:min(len(raw), 90)], c.want)
		}
		for _, never := range []string{"geheim@", "Message-ID", "DKIM-Signature", "Date:", "a=b"} {
			if strings.Contains(raw, never) {
				t.Errorf("%s is left in %q", never, raw)
			}
		}
		if !strings.HasSuffix(raw, "Subject: S\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n") || len(s.Recipients) != 1 || s.Metadata["auftrag"] != "HK-1" {
			t.Errorf("%+v", s)
		}
		if got := strings.Join(s.Tags, " "); got != "again:"+m.ID.String()+" messe" {
			t.Errorf("tags %s", got)
		}
		if _, err := message.Inspect(append([]byte("Message-ID: <x@y>\r\nDate: Thu, 19 Nov 2026 10:00:00 +0100\r\n"), s.Raw...), message.Limits{}); err != nil {
			t.Errorf("not a message: %v", err)
		}
	}
	if first, ok := ingest.AgainOf(w.accepted[0].Tags); !ok || first != m.ID {
		t.Errorf("repeats %q", first)
	}
	again := w.put(w.a, time.Minute, "Betreff", "|jm@gmx.de", d)
	w.messages[1].Tags = []string{"again:" + m.ID.String()}
	if v, err := w.Verdict(t.Context(), w.a, id); err != nil || len(v.Again) != 1 || v.Again[0].ID != again.ID {
		t.Errorf("sent again: %+v, %v", v.Again, err)
	}
	code := func(err error) string {
		if e := fault.As(err); e != nil {
			return e.Code
		}
		return "none"
	}
	_, err := w.SendAgain(t.Context(), ingest.Principal{Tenant: w.b}, id, message.Mailbox{}, "key")
	if code(err) != "delivery_not_found" {
		t.Errorf("another tenant's: %v", err)
	}
	w.bodies[m.ID] = nil
	if _, err = w.SendAgain(t.Context(), who, id, message.Mailbox{}, "key"); code(err) != "content_expired" {
		t.Errorf("without content: %v", err)
	}
}

func TestSendLetter(t *testing.T) {
	w := newWorld(t)
	d, a := delivered()
	m := w.put(w.a, time.Hour, "Betreff", "Eva|eva@gmx.de", d, a)
	to := message.Mailbox{Address: message.Address{Local: "eva", Domain: "web.de"}}
	if _, err := w.SendLetter(t.Context(), ingest.Principal{Tenant: w.a}, m.Deliveries[0].ID, to, diagnosis.Letter{Subject: "Zu", Text: "Guten Tag"}, "key"); err != nil {
		t.Fatal(err)
	}
	s := w.accepted[0]
	if s.Draft == nil || s.Draft.From != m.From || s.Draft.To[0] != to || s.Draft.Text != "Guten Tag" || s.Idempotency != "letter/key" {
		t.Errorf("%+v", s)
	}
}
