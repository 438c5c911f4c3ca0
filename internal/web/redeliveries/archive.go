package redeliveries

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/redelivery"
	"stafette/internal/web/frame"
)

// shelf is the page of the archive.
type shelf struct {
	frame.Form
	view  frame.View
	terms []redelivery.Term
	days  int64 // of the platform
	runs  []redelivery.Run
	older string
}

func (c Config) showArchive(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	s := shelf{Form: frame.Form{Values: map[string]string{}}}
	terms, err := c.Archive.Terms(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read retention times: %w", err)
	}
	for _, t := range terms {
		if t.Days > 0 {
			s.Values[string(t.Stream)] = strconv.Itoa(t.Days)
		}
	}
	return c.renderArchive(w, r, p, http.StatusOK, s)
}

func (c Config) renderArchive(w http.ResponseWriter, r *http.Request, p frame.Page, status int, s shelf) error {
	column := func(key string, number bool) frame.Column {
		return frame.Column{Key: key, Title: p.T("archive.col." + key), Number: number}
	}
	s.view = frame.ReadView(r, frame.Listing{Path: archive, Columns: []frame.Column{column("at", false), column("stream", false), column("before", false),
		column("messages", true), column("bytes", true), column("span", false), column("digest", false)}})
	var err error
	if s.terms, err = c.Archive.Terms(r.Context(), p.Tenant()); err != nil {
		return fmt.Errorf("read retention times: %w", err)
	}
	after, _ := id.Parse[redelivery.RunKind](s.view.After)
	runs, more, err := c.Archive.Runs(r.Context(), p.Tenant(), after, pageSize)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	if s.runs = runs; more {
		s.older = s.view.With("after", runs[len(runs)-1].ID.String())
	}
	s.days = int64(c.Archive.Kept() / (24 * time.Hour))
	p.Room, p.Title = room, p.T("archive.title")
	return p.Render(w, r, status, archivePage(p, s))
}

func (c Config) saveTerms(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	s := shelf{Form: frame.Form{Values: map[string]string{}}}
	terms, err := c.Archive.Terms(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("read retention times: %w", err)
	}
	for i, t := range terms {
		name := string(t.Stream)
		s.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
		terms[i].Days = 0
		if s.Values[name] == "" {
			continue
		}
		if terms[i].Days, err = strconv.Atoi(s.Values[name]); err != nil || terms[i].Days < redelivery.MinDays {
			s.Add(name, p.T("archive.wrong"))
		}
	}
	if s.Valid() {
		err := c.Archive.SaveTerms(r.Context(), p.Tenant(), terms)
		f := fault.As(err)
		switch {
		case err == nil:
			frame.Redirect(w, r, archive, "saved")
			return nil
		case f == nil || f.Kind != fault.Invalid:
			return fmt.Errorf("save retention times: %w", err)
		}
		for _, one := range append([]*fault.Error{f}, f.Also...) {
			s.Add(one.Field, p.T("archive.wrong"))
		}
	}
	return c.renderArchive(w, r, p, http.StatusUnprocessableEntity, s)
}

func (c Config) exportRuns(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	rows := [][]string{{p.T("archive.col.at"), p.T("archive.number"), p.T("archive.col.stream"), p.T("archive.col.before"), p.T("archive.col.messages"), p.T("archive.col.bytes"),
		p.T("archive.leads"), p.T("archive.oldest"), p.T("archive.newest"), p.T("archive.col.digest")}}
	var after redelivery.RunID
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for len(rows) <= maxExport {
		runs, more, err := c.Archive.Runs(r.Context(), p.Tenant(), after, 200)
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		for _, v := range runs {
			after = v.ID
			rows = append(rows, []string{stamp(v.EndedAt), v.ID.String(), string(v.Stream), stamp(v.Before), strconv.FormatInt(v.Messages, 10), strconv.FormatInt(v.Bytes, 10),
				strconv.FormatInt(v.Leads, 10), stamp(v.Oldest), stamp(v.Newest), hex.EncodeToString(v.Digest[:])})
		}
		if !more {
			break
		}
	}
	return p.CSV(w, p.T("archive.filename"), rows)
}

// digest is the chain of a run as people compare it.
func digest(r redelivery.Run) string { return hex.EncodeToString(r.Digest[:]) }
