package signup

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"

	"stafette/internal/audience/consent"
	"stafette/internal/diagnosis"
	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

// PersonFormat is the kind of statement that the evidence of a person is; see
// diagnosis.VerifyStatement.
const PersonFormat = "stafette-consents-1"

// maxPack bounds what the mails of one pack may have together, in bytes; those beyond it are
// left out, and their SHA-256 stands in the statement all the same.
const maxPack = 64 << 20

// dossier is all that is kept of a person's consents, in words.
type dossier struct {
	addresses []string
	consents  []proof
}

// proof is one consent of a dossier.
type proof struct {
	Title string
	Facts []fact
	file  string // of the mail that asked, "" where it is not there
	mail  []byte
}

// PersonPack writes the evidence of all consents of a person, whose addresses these are, as
// one ZIP file in a language: a signed statement, a sheet to print and one to read, and the
// mails that asked for confirmation. Errors: NotFound "consent_not_found" where no consent of
// any of the addresses is kept.
func (e Evidence) PersonPack(ctx context.Context, t tenant.ID, addresses []message.Address, lang i18n.Lang) ([]byte, error) {
	d, who, err := e.dossier(ctx, t, addresses, lang)
	if err != nil {
		return nil, err
	}
	said := make([]map[string]string, len(d.consents))
	for i, one := range d.consents {
		said[i] = map[string]string{}
		for _, f := range one.Facts {
			said[i][f.Key] = f.Value
		}
	}
	statement, err := e.Prover.State("consents", map[string]any{"format": PersonFormat, "tenant": who.Name, "addresses": d.addresses, "consents": said})
	if err != nil {
		return nil, err
	}
	signed, err := statement.JSON()
	if err != nil {
		return nil, err
	}
	sheet, err := e.printPerson(d, signed, lang)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = personPage.Execute(&page, map[string]any{"Lang": lang, "Title": e.text(lang, "evidence.person.title"), "Addresses": d.addresses, "Consents": d.consents})
	if err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	files := []packed{{"consents.json", signed}, {"consents.pdf", sheet}, {"consents.html", page.Bytes()}}
	for _, one := range d.consents {
		if one.file != "" {
			files = append(files, packed{one.file, one.mail})
		}
	}
	return e.zip(files)
}

// packed is a file of a pack.
type packed struct {
	name    string
	content []byte
}

func (e Evidence) zip(files []packed) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: e.Service.c.Now()})
		if err == nil {
			_, err = w.Write(f.content)
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

// dossier reads what is kept of the consents of addresses, address by address, new ones first.
func (e Evidence) dossier(ctx context.Context, t tenant.ID, addresses []message.Address, lang i18n.Lang) (d dossier, who tenant.Tenant, err error) {
	if who, _, err = e.Service.Sender(ctx, t); err != nil {
		return d, who, err
	}
	room := maxPack
	for _, a := range addresses {
		list, _, err := e.Service.c.Store.Consents(ctx, t, consent.Filter{Hash: e.Service.c.Audience.Hash(t, a), Limit: 500})
		if err != nil {
			return d, who, fmt.Errorf("consents of a person: %w", err)
		}
		d.addresses = append(d.addresses, a.String())
		for _, c := range list {
			mail, sent, err := e.mail(ctx, c)
			if err != nil {
				return d, who, err
			}
			one := proof{Title: c.ID.String(), Facts: e.facts(c, who, sent, mail, lang)}
			if mail != nil && len(mail) <= room {
				room -= len(mail)
				one.file, one.mail = "mail/"+c.ID.String()+".eml", mail
			}
			d.consents = append(d.consents, one)
		}
	}
	if len(d.consents) == 0 {
		return d, who, fault.New(fault.NotFound, "consent_not_found", "No consent of this person is kept.")
	}
	return d, who, nil
}

func (e Evidence) printPerson(d dossier, signed []byte, lang i18n.Lang) ([]byte, error) {
	p := diagnosis.NewPrint(e.text(lang, "evidence.person.title"), e.text(lang, "evidence.person.under"))
	for _, a := range d.addresses {
		p.Row(e.text(lang, "signup.evidence.address"), a)
	}
	for _, one := range d.consents {
		p.Heading(one.Title)
		for _, f := range one.Facts {
			p.Row(f.Name, f.Value)
		}
	}
	sum := sha256.Sum256(signed)
	p.Heading(e.text(lang, "signup.evidence.signature"))
	p.Paragraph(e.text(lang, "evidence.person.signature"))
	p.Reply("SHA-256", hex.EncodeToString(sum[:]))
	return p.Bytes(func(page, pages int) string {
		return e.Service.c.Catalog.Text(lang, i18n.Sie, "signup.evidence.page", i18n.Args{"page": page, "pages": pages})
	})
}

// personPage is the sheet to read. It loads nothing.
var personPage = template.Must(template.New("evidence").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}h2{border-top:1px solid #ccc;font-size:1rem;margin-top:2rem;padding-top:1rem;overflow-wrap:anywhere}dt{color:#555;font-size:.875rem;margin-top:.75rem}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}</style>
</head><body><h1>{{.Title}}</h1><ul>{{range .Addresses}}<li>{{.}}</li>{{end}}</ul>{{range .Consents}}<h2>{{.Title}}</h2><dl>{{range .Facts}}<dt>{{.Name}}</dt><dd>{{.Value}}</dd>{{end}}</dl>{{end}}</body></html>
`))
