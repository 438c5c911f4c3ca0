package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
)

// The estate agents of this world with mail servers of their own, which let known
// addresses in and have no good word for others.
const (
	brandtDomain = "makler-brandt.example"
	alsterDomain = "alsterblick.example"
)

// maxAdmitted bounds the addresses that a person enters at one server.
const maxAdmitted = 32

// firewall is the list of addresses that one mail server trusts, as its keeper sees it.
type firewall struct {
	mu    sync.Mutex
	known []netip.Addr
}

func newFirewall(known []netip.Addr) *firewall {
	f := &firewall{}
	for _, a := range known {
		f.admit(a)
	}
	return f
}

// admits reports whether the server trusts an address.
func (f *firewall) admits(a netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.known, a.Unmap())
}

// admit adds an address, unless the list is full.
func (f *firewall) admit(a netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a = a.Unmap(); len(f.known) < maxAdmitted && !slices.Contains(f.known, a) {
		f.known = append(f.known, a)
	}
}

// forget takes an address out.
func (f *firewall) forget(a netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = slices.DeleteFunc(f.known, func(b netip.Addr) bool { return b == a.Unmap() })
}

// list returns the addresses in the order they were entered.
func (f *firewall) list() []netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.known)
}

// brandt is an Exchange that refuses whoever is not on its list, in the words of its
// connection filter.
func brandt(o Options) provider {
	fire := newFirewall(o.Admitted)
	p := exchange("Makler Brandt", brandtDomain, netip.MustParseAddr("127.0.10.4"))
	p.fire = fire
	p.rcpt = func(remote netip.Addr, _, to string) *smtp.SMTPError {
		if !fire.admits(remote) {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Recipient not authorized, your IP has been found on a block list"}
		}
		return nobody(to)
	}
	return p
}

// alster is an Exchange that takes mail from everybody, and from strangers without its
// XML files.
func alster(o Options) provider {
	fire := newFirewall(o.Admitted)
	p := exchange("Alsterblick Immobilien", alsterDomain, netip.MustParseAddr("127.0.10.5"))
	p.fire = fire
	p.rcpt = func(_ netip.Addr, _, to string) *smtp.SMTPError { return nobody(to) }
	p.keeps = func(remote netip.Addr, raw []byte) []byte {
		if fire.admits(remote) {
			return raw
		}
		return withoutXML(raw)
	}
	return p
}

func exchange(name, domain string, addr netip.Addr) provider {
	return provider{
		name: name, domain: domain, host: "exchange." + domain, addr: addr, greet: welcome,
		taken: func(id int) *smtp.SMTPError {
			return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 6, 0}, Message: fmt.Sprintf("<%06d@exchange> [InternalId=%d] Queued mail for delivery", id, id)}
		},
	}
}

func nobody(to string) *smtp.SMTPError {
	if local(to) == "unbekannt" {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 10}, Message: "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"}
	}
	return nil
}

// withoutXML takes the XML files out of a mail, as an attachment filter does: a note
// stands in their place. What is no multipart, or cannot be read, stays as it is.
func withoutXML(raw []byte) []byte {
	header, _, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if !ok || err != nil {
		return raw
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return raw
	}
	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	if out.SetBoundary(params["boundary"]) != nil {
		return raw
	}
	for in := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = keep(out, part)
		}
		if err != nil {
			return raw
		}
	}
	if out.Close() != nil {
		return raw
	}
	return slices.Concat(header, []byte("\r\n\r\n"), body.Bytes())
}

// keep writes a part, or what the filter leaves of it.
func keep(out *multipart.Writer, part *multipart.Part) error {
	kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err == nil && strings.HasSuffix(kind, "/xml") || strings.HasSuffix(part.FileName(), ".xml") {
		w, err := out.CreatePart(map[string][]string{
			"Content-Type": {"text/plain; charset=us-ascii"}, "Content-Disposition": {`attachment; filename="removed.txt"`},
		})
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, "This attachment was removed.\r\n")
		return err
	}
	w, err := out.CreatePart(part.Header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, part)
	return err
}
