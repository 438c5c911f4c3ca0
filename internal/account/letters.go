package account

import (
	"stafette/internal/i18n"
	"stafette/internal/message"
	"stafette/internal/notice"
	"stafette/internal/tenant"
)

// letter makes a letter to a person, or none: where no mail is sent, or none can be
// meant for the address. What is wrong with one is logged; the change it tells of is
// not undone for it.
func (s *Service) letter(to tenant.User, of tenant.Tenant, kind, key, link string, args map[string]string) []notice.Due {
	if !s.c.Notices.On() || !writable(to.Email) {
		return nil
	}
	address, err := message.ParseAddress(to.Email)
	if err != nil {
		s.c.Log.Warn("notice not written", "tenant", to.Tenant.String(), "kind", kind, "err", err)
		return nil
	}
	d, err := s.c.Notices.Seal(notice.Letter{
		Tenant: to.Tenant, To: address, Lang: s.lang(to, of), Formal: of.OfficeTone != tenant.Du,
		Kind: kind, Key: key, Link: link, Args: args,
	})
	if err != nil {
		s.c.Log.Warn("notice not written", "tenant", to.Tenant.String(), "kind", kind, "err", err)
		return nil
	}
	return []notice.Due{d}
}

func (s *Service) lang(to tenant.User, of tenant.Tenant) i18n.Lang {
	for _, l := range []string{to.Locale, of.Locale} {
		if lang := i18n.Lang(l); lang.Valid() {
			return lang
		}
	}
	return i18n.German
}

// clock writes times as the reader of a letter does.
func (s *Service) clock(to tenant.User, of tenant.Tenant) i18n.Clock {
	return i18n.Clock{Lang: s.lang(to, of), Zone: of.Zone(s.c.Zone), Now: s.now()}
}

// word is a text of the catalogue in the language of a letter.
func (s *Service) word(to tenant.User, of tenant.Tenant, key string) string {
	return s.c.Catalog.Text(s.lang(to, of), i18n.Tone(of.OfficeTone), key, nil)
}

// sent lets the letters of a transaction leave.
func (s *Service) sent(letters []notice.Due) {
	if len(letters) > 0 {
		s.c.Notices.Wake()
	}
}
