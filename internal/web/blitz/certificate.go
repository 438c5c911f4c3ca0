package blitz

import (
	"context"
	"net/http"

	"stafette/internal/fault"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/offer"
	"stafette/internal/offer/certificate"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// Certificates states what is known of one recipient; *certificate.Service does.
type Certificates interface {
	OfOffer(ctx context.Context, t tenant.ID, o offer.ID, r offer.RecipientID) (certificate.Content, error)
	OfMessage(ctx context.Context, t tenant.ID, m message.ID) (certificate.Content, error)
	JSON(c certificate.Content) ([]byte, error)
	PDF(ctx context.Context, t tenant.ID, c certificate.Content, clock i18n.Clock) ([]byte, error)
}

// stated finds what a certificate is about.
type stated func(r *http.Request, p frame.Page) (certificate.Content, error)

// written makes a file of a certificate.
type written func(r *http.Request, p frame.Page, v certificate.Content) (body []byte, media, end string, err error)

// certify makes a page that hands out a certificate.
func (c Config) certify(of stated, as written) func(http.ResponseWriter, *http.Request, frame.Page) error {
	return func(w http.ResponseWriter, r *http.Request, p frame.Page) error {
		v, err := of(r, p)
		if err != nil {
			return err
		}
		body, media, end, err := as(r, p, v)
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", media)
		h.Set("Content-Disposition", `attachment; filename="certificate`+end+`"`)
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(body) // the reader left: nothing to be done
		return nil
	}
}

func (c Config) ofMessage(r *http.Request, p frame.Page) (certificate.Content, error) {
	m, err := id.Parse[message.Kind](r.PathValue("message"))
	if err != nil {
		return certificate.Content{}, fault.New(fault.NotFound, "message_not_found", "There is no such message.")
	}
	return c.Certificates.OfMessage(r.Context(), p.Tenant(), m)
}

func (c Config) ofOffer(r *http.Request, p frame.Page) (certificate.Content, error) {
	o, err := id.Parse[offer.Kind](r.PathValue("offer"))
	if err != nil {
		return certificate.Content{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such offer.")
	}
	to, err := id.Parse[offer.RecipientKind](r.PathValue("recipient"))
	if err != nil {
		return certificate.Content{}, fault.New(fault.NotFound, offer.CodeUnknown, "There is no such recipient.")
	}
	return c.Certificates.OfOffer(r.Context(), p.Tenant(), o, to)
}

func (c Config) paper(r *http.Request, p frame.Page, v certificate.Content) (body []byte, media, end string, err error) {
	body, err = c.Certificates.PDF(r.Context(), p.Tenant(), v, p.Clock)
	return body, "application/pdf", ".pdf", err
}

func (c Config) file(_ *http.Request, _ frame.Page, v certificate.Content) (body []byte, media, end string, err error) {
	body, err = c.Certificates.JSON(v)
	return body, "application/json", ".json", err
}

// certificateOf is where the certificate of what a line stands under is had; "" where it
// is nobody's.
func certificateOf(a tracking.Activity) string {
	switch {
	case !a.Identified:
		return ""
	case a.Offer != "" && a.OfferRecipient != "":
		return path + "/offers/" + a.Offer + "/" + a.OfferRecipient + "/certificate.pdf"
	case a.Offer == "" && !a.Message.IsZero():
		return path + "/messages/" + a.Message.String() + "/certificate.pdf"
	}
	return ""
}
