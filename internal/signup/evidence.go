package signup

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"time"

	"stafette/internal/audience/consent"
	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/spool"
	"stafette/internal/tenant"
)

// EvidenceFormat is the kind of statement that evidence is; see diagnosis.VerifyStatement.
const EvidenceFormat = "stafette-consent-1"

// Prover signs what is stated; *diagnosis.Service does.
type Prover interface {
	State(name string, content any) (diagnosis.Statement, error)
}

// Mail reads the mail that asked for confirmation and what became of it.
type Mail interface {
	Message(ctx context.Context, t tenant.ID, m message.ID) (insight.Message, error)
}

// Bodies reads kept mail; *spool.Spool does.
type Bodies interface {
	Body(ctx context.Context, h spool.Handle) ([]byte, error)
}

// Evidence puts together what proves a consent: a signed statement, a sheet to print and
// one to read, and the mail that asked.
type Evidence struct {
	Service *Service
	Prover  Prover
	Mail    Mail
	Bodies  Bodies
	Zone    *time.Location
}

// fact is one line of evidence: a key of the statement, the same in words, and its value.
type fact struct {
	Key, Name, Value string
}

// Pack writes the evidence of a consent as a ZIP file in a language. Errors: NotFound
// "consent_not_found".
func (e Evidence) Pack(ctx context.Context, t tenant.ID, number consent.ID, lang i18n.Lang) ([]byte, error) {
	c, err := e.Service.c.Store.Consent(ctx, t, number)
	if err != nil {
		return nil, err
	}
	who, _, err := e.Service.Sender(ctx, t)
	if err != nil {
		return nil, err
	}
	mail, sent, err := e.mail(ctx, c)
	if err != nil {
		return nil, err
	}
	facts := e.facts(c, who, sent, mail, lang)
	content := map[string]any{"format": EvidenceFormat}
	for _, f := range facts {
		content[f.Key] = f.Value
	}
	statement, err := e.Prover.State("consent", content)
	if err != nil {
		return nil, err
	}
	signed, err := statement.JSON()
	if err != nil {
		return nil, err
	}
	sheet, err := e.print(facts, signed, lang)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := evidencePage.Execute(&page, map[string]any{"Lang": lang, "Title": e.text(lang, "signup.evidence.title"), "Facts": facts}); err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"consent.json", signed}, {"consent.pdf", sheet}, {"consent.html", page.Bytes()}, {"confirmation.eml", mail}} {
		if file.content == nil {
			continue
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: file.name, Method: zip.Deflate, Modified: e.Service.c.Now()})
		if err == nil {
			_, err = w.Write(file.content)
		}
		if err != nil {
			return nil, fmt.Errorf("write evidence: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	return b.Bytes(), nil
}

// mail is the one that asked, as far as it is kept, and what became of it.
func (e Evidence) mail(ctx context.Context, c consent.Consent) (body []byte, sent *insight.Delivery, err error) {
	if c.Mail.IsZero() {
		return nil, nil, nil
	}
	m, err := e.Mail.Message(ctx, c.Tenant, c.Mail)
	if fault.IsKind(err, fault.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read mail of consent: %w", err)
	}
	if len(m.Deliveries) > 0 {
		sent = &m.Deliveries[0]
	}
	body, err = e.Bodies.Body(ctx, m.Body)
	if errors.Is(err, spool.ErrGone) {
		return nil, sent, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read mail of consent: %w", err)
	}
	return body, sent, nil
}

func (e Evidence) text(lang i18n.Lang, key string) string {
	return e.Service.c.Catalog.Text(lang, i18n.Sie, key, nil)
}

func (e Evidence) facts(c consent.Consent, who tenant.Tenant, sent *insight.Delivery, mail []byte, lang i18n.Lang) (list []fact) {
	add := func(key, value string) {
		if value != "" {
			list = append(list, fact{key, e.text(lang, "signup.evidence."+key), value})
		}
	}
	at := func(key string, t time.Time) {
		if !t.IsZero() {
			add(key, t.In(e.Zone).Format(time.RFC3339))
		}
	}
	add("id", c.ID.String())
	add("tenant", who.Name)
	add("address", addressOf(c))
	for _, name := range Fields() {
		add(string(name), c.Person[string(name)])
	}
	add("purpose", string(c.Purpose))
	add("basis", string(c.Basis))
	add("state", string(c.State))
	add("wording", c.Wording)
	add("version", c.Version())
	add("notice", c.Notice)
	add("privacy_url", c.PrivacyURL)
	add("form", c.Form)
	add("form_url", c.FormURL)
	add("language", c.Lang)
	at("asked_at", c.AskedAt)
	add("ip", c.IP)
	add("user_agent", c.Agent)
	if !c.Mail.IsZero() {
		add("mail", c.Mail.String())
	}
	if mail != nil {
		sum := sha256.Sum256(mail)
		add("mail_sha256", hex.EncodeToString(sum[:]))
	}
	if sent != nil {
		add("mail_state", string(sent.State))
		add("mail_host", sent.Host)
		at("mail_at", sent.UpdatedAt)
	}
	at("confirmed_at", c.ConfirmedAt)
	add("confirmed_ip", c.ConfirmedIP)
	add("confirmed_user_agent", c.ConfirmedAgent)
	add("evidence", c.Evidence)
	add("sale", c.Sale)
	add("goods", c.Goods)
	add("notice_on_collection", c.NoticeOnCollect)
	at("withdrawn_at", c.WithdrawnAt)
	add("way", c.Way)
	return list
}

func addressOf(c consent.Consent) string {
	if c.Address.IsZero() {
		return ""
	}
	return c.Address.String()
}

func (e Evidence) print(facts []fact, signed []byte, lang i18n.Lang) ([]byte, error) {
	p := diagnosis.NewPrint(e.text(lang, "signup.evidence.title"), e.text(lang, "signup.evidence.under"))
	for _, f := range facts {
		p.Row(f.Name, f.Value)
	}
	sum := sha256.Sum256(signed)
	p.Heading(e.text(lang, "signup.evidence.signature"))
	p.Paragraph(e.text(lang, "signup.evidence.signature.text"))
	p.Reply("SHA-256", hex.EncodeToString(sum[:]))
	return p.Bytes(func(page, pages int) string {
		return e.Service.c.Catalog.Text(lang, i18n.Sie, "signup.evidence.page", i18n.Args{"page": page, "pages": pages})
	})
}

// evidencePage is the sheet to read. It loads nothing.
var evidencePage = template.Must(template.New("evidence").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}dt{color:#555;font-size:.875rem;margin-top:.75rem}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}</style>
</head><body><h1>{{.Title}}</h1><dl>{{range .Facts}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl></body></html>
`))
