package main

import (
	"context"
	"fmt"

	"stafette/internal/approval"
	"stafette/internal/audience"
	"stafette/internal/demo"
	"stafette/internal/i18n"
	"stafette/internal/id"
	"stafette/internal/signup"
	"stafette/internal/tenant"
)

// demoReviewer is who looks at groups in the demo.
const demoReviewer = "pruefung@platform.invalid"

// approvals hands groups of the estate agency in: one waits for a reviewer, one for an
// answer of the agency, and one for the agency's first step.
func (s *demoSeeder) approvals(ctx context.Context) error {
	now := s.p.store.Now()
	s.reviewer = id.New[tenant.UserKind](now)
	err := s.p.store.Found(ctx, tenant.Founding{Users: []tenant.User{{
		ID: s.reviewer, Email: demoReviewer, Name: "Prüfung", PasswordHash: tenant.HashPassword(demoPassword), Role: tenant.Reviewer, CreatedAt: now,
	}}})
	if err != nil {
		return fmt.Errorf("seed reviewer: %w", err)
	}
	owner := s.tenants[demo.Businesses()[0].Domain]
	groups, err := s.p.groups().List(ctx, owner)
	if err != nil {
		return fmt.Errorf("seed approvals: %w", err)
	}
	for _, g := range groups {
		sub, ask, ok := demo.Origin(g.Name)
		if !ok {
			continue
		}
		c, err := s.p.approvals.Submit(ctx, owner, g.ID, sub, s.by(ctx, owner))
		if err != nil {
			return fmt.Errorf("seed approval of %s: %w", g.Name, err)
		}
		if ask == "" {
			continue
		}
		if err := s.decide(ctx, approval.Verdict{Case: c.ID, Decision: approval.DecideQuestion, Reason: ask}); err != nil {
			return fmt.Errorf("seed approval of %s: %w", g.Name, err)
		}
	}
	return s.signups(ctx, owner, groups)
}

// decide claims a case and decides it. Questions are the demo's reviewer's own, so that the
// visitor goes on with them; rejections are somebody else's, because whoever rejected a
// group does not decide about it again.
func (s *demoSeeder) decide(ctx context.Context, v approval.Verdict) error {
	who := approval.Reviewer{Actor: s.reviewer.String(), Email: demoReviewer}
	if v.Decision == approval.DecideReject {
		who.Actor = "demo"
	}
	if _, err := s.p.approvals.Claim(ctx, v.Case, who); err != nil {
		return err
	}
	_, err := s.p.approvals.Decide(ctx, v, who)
	return err
}

// signups gives the agency a form through which people join its newsletter.
func (s *demoSeeder) signups(ctx context.Context, owner tenant.ID, groups []audience.Group) error {
	if err := s.p.contacts().SetField(ctx, owner, demo.ZoneField()); err != nil {
		return fmt.Errorf("seed field: %w", err)
	}
	for _, g := range groups {
		if g.Kind != audience.Static || g.Name != demo.SignupGroup {
			continue
		}
		_, err := s.p.signups.Save(ctx, signup.Form{
			Tenant: owner, Name: "Fußzeile der Website", Active: true, Title: "Neubau-Brief", Lead: "Einmal im Monat: was in der Speicherstadt gebaut wird.",
			Lang: i18n.German, Group: g.ID, Purpose: tenant.Newsletter, From: "Hafenkontor Immobilien <brief@hafenkontor.example>",
			Fields:  map[signup.Field]signup.Need{"given_name": signup.Optional, "family_name": signup.Optional, signup.TimeZone: signup.Optional},
			Wording: "Ich möchte den Neubau-Brief von Hafenkontor per E-Mail erhalten. Das kann ich jederzeit widerrufen, über den Link in jeder E-Mail.",
			Notice:  "Verantwortlich: Hafenkontor Immobilien GmbH. Wir nutzen die Adresse für den Neubau-Brief und speichern Zeitpunkt und Wortlaut der Zustimmung als Nachweis.",
			Origins: []string{"https://www.hafenkontor.example"},
		})
		if err != nil {
			return fmt.Errorf("seed sign-up form: %w", err)
		}
	}
	return nil
}

// by is who did what the demo begins with: the owner of the account.
func (s *demoSeeder) by(ctx context.Context, t tenant.ID) string {
	users, err := s.p.store.Users(ctx, t)
	if err == nil {
		for _, u := range users {
			if u.Role == tenant.Owner {
				return u.ID.String()
			}
		}
	}
	return "demo"
}
