package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"stafette/internal/httpapi"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/offer"
	"stafette/internal/offer/offertest"
	"stafette/internal/seal"
)

func (w *world) offers(keeper *seal.Keeper, acceptor ingest.Acceptor) *offer.Service {
	w.Helper()
	catalog, err := i18n.Load()
	if err != nil {
		w.Fatal(err)
	}
	s, err := offer.New(offer.Config{Store: &offertest.Store{}, Tenants: w.tenants, Acceptor: acceptor, Keeper: keeper, Catalog: catalog, PublicURL: "https://post.example", Now: func() time.Time { return start }})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

const offerText = `{"title":"Speicherblock 7","from":"info@muster.example","units":[{"name":"4.1"}],"links":[{"label":"Rundgang","url":"https://r.example/"}],
	"legal":{"gate":true,"notice":"Text","boxes":[{"kind":"notice","text":"Gelesen","needed":true}]}}`

func (w *world) offer() httpapi.Offer {
	w.Helper()
	return read[httpapi.Offer](w, w.post("/v1/offers", offerText), 201)
}

func TestAnOfferIsMadeOverTheAPI(t *testing.T) {
	w := newWorld(t)
	o := w.offer()
	at := "/v1/offers/" + o.ID.String()
	w.wantProblem(w.post(at+"/publish", ""), 422, offer.CodeGate, "")
	w.wantProblem(w.post(at+"/recipients", `{"to":["eva@kunde.example"]}`), 409, offer.CodeUnsent, "")
	file := read[httpapi.OfferFile](w, w.ask(http.MethodPost, at+"/files?kind=expose&name=a.pdf", w.key, strings.NewReader("%PDF-1.4\n%%EOF")), 201)
	if file.Version != 1 || file.Media != "application/pdf" {
		t.Errorf("file %+v", file)
	}
	w.wantProblem(w.ask(http.MethodPost, at+"/files?kind=document", w.key, strings.NewReader("<script>")), 422, offer.CodeFileMedia, "")
	if v := read[httpapi.Offer](w, w.post(at+"/publish", ""), 200); v.Version != 1 || v.State != offer.Published || len(v.Files) != 1 || v.Draft.Units[0].ID == "" {
		t.Errorf("published %+v", v)
	}
	sent := read[struct{ Data []httpapi.OfferRecipient }](w, w.post(at+"/recipients", `{"to":["Eva <eva@kunde.example>","max@kunde.example"],"subject":"Für {name}","text":"Hier: {link}"}`), 200)
	if len(sent.Data) != 2 || sent.Data[0].MessageID == nil || sent.Data[0].Link == sent.Data[1].Link {
		t.Fatalf("sent %+v", sent)
	}
	mails := w.store.Accepted()
	if len(mails) != 2 || mails[0].Message.Subject != "Für Eva" || mails[0].Message.Stream != "transactional" {
		t.Errorf("%d mails, %+v", len(mails), mails[0].Message)
	}
	one := read[struct {
		Email string
		Acts  []httpapi.OfferAct
	}](w, w.ask(http.MethodGet, at+"/recipients/"+sent.Data[1].ID.String(), w.key, nil), 200)
	if one.Email != "max@kunde.example" || one.Acts == nil {
		t.Errorf("read %+v", one)
	}
	if v := read[httpapi.Offer](w, w.post(at+"/end", ""), 200); v.State != offer.Ended {
		t.Errorf("ended: %s", v.State)
	}
	w.wantProblem(w.post(at+"/recipients", `{"to":["nein"]}`), 422, offer.CodeAddress, "/to/0")
}

func TestBadOffers(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ from, to, code, pointer string }{
		"title":  {"Speicherblock 7", " ", offer.CodeMissing, "/title"},
		"script": {"https://r.example/", "javascript:alert(1)", offer.CodeURL, "/links/0/url"},
		"line":   {"4.1", `4.1\nBcc: x`, offer.CodeLine, "/units/0/name"},
		"box":    {`"notice":"Text",`, ``, offer.CodeBoxText, "/legal/notice"},
		"from":   {"info@muster.example", "info", offer.CodeFrom, "/from"},
	} {
		t.Run(name, func(t *testing.T) {
			p := read[struct{ Errors []httpapi.ProblemError }](w, w.post("/v1/offers", strings.Replace(offerText, c.from, c.to, 1)), 422)
			if len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer || p.Errors[0].Code != c.code {
				t.Errorf("got %+v", p)
			}
		})
	}
}

// T20: offers are listed by their own tenant alone.
func TestOffersAreTheTenantsOwn(t *testing.T) {
	w := newWorld(t)
	w.offer()
	if p := read[struct{ Data []httpapi.OfferHead }](w, w.ask(http.MethodGet, "/v1/offers", w.other, nil), 200); len(p.Data) != 0 {
		t.Errorf("listed %+v", p)
	}
	if p := read[struct{ Data []httpapi.OfferHead }](w, w.ask(http.MethodGet, "/v1/offers", w.key, nil), 200); len(p.Data) != 1 {
		t.Errorf("listed %+v", p)
	}
}
