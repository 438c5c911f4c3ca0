package addresses

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// Lists checks whole lists; *listcheck.Service does.
type Lists interface {
	Take(ctx context.Context, t tenant.ID, l listcheck.List) (listcheck.Check, error)
	Check(ctx context.Context, t tenant.ID, c listcheck.ID) (listcheck.Check, error)
	Checks(ctx context.Context, t tenant.ID) ([]listcheck.Check, error)
	Rows(ctx context.Context, t tenant.ID, c listcheck.ID, f listcheck.Filter) ([]listcheck.Row, bool, error)
	Export(ctx context.Context, t tenant.ID, c listcheck.ID, f listcheck.Filter, each func([]listcheck.Row) error) error
	Cancel(ctx context.Context, t tenant.ID, c listcheck.ID) (listcheck.Check, error)
	Forget(ctx context.Context, t tenant.ID, c listcheck.ID) error
}

const (
	listsPath = "/addresses/lists"
	pageSize  = 50
	// maxPasted bounds a list that is pasted into the page, maxField the form's other fields.
	maxPasted = 1 << 20
	maxField  = 1 << 10
)

func listRoutes(c Config) []frame.Route {
	read, write := tenant.MessagesRead, tenant.MessagesSend
	return []frame.Route{
		{Pattern: "GET " + listsPath, Permission: read, Do: c.showLists},
		{Pattern: "POST " + listsPath, Permission: write, Do: c.take},
		{Pattern: "GET " + listsPath + "/{id}", Permission: read, Do: c.showList},
		{Pattern: "GET " + listsPath + "/{id}/rows.csv", Permission: read, Do: c.export},
		{Pattern: "POST " + listsPath + "/{id}/cancel", Permission: write, Do: c.cancel},
		{Pattern: "POST " + listsPath + "/{id}/delete", Permission: write, Do: c.forget},
	}
}

func (c Config) showLists(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	return c.renderLists(w, r, p, http.StatusOK, frame.Form{})
}

func (c Config) renderLists(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f frame.Form) error {
	list, err := c.Lists.Checks(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list checks: %w", err)
	}
	p.Room, p.Title = "addresses", p.T("addr.lists.title")
	return p.Render(w, r, status, listsPage(p, list, f))
}

// take reads the form as it comes: the file is stored part by part and is never whole in
// memory or in a temporary file. The fields stand before it.
func (c Config) take(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	r.Body = http.MaxBytesReader(w, r.Body, listcheck.MaxBytes+maxPasted)
	f := frame.Form{Values: map[string]string{}}
	check, err := c.received(r, p, &f)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = fault.New(fault.TooLarge, "list_too_large", "The file is too large.")
	}
	if e := fault.As(err); e != nil && e.Kind != fault.Unavailable {
		f.Add(cmp.Or(e.Field, "file"), p.FaultText(e, f.Value(e.Field)))
		return c.renderLists(w, r, p, frame.StatusOf(e.Kind), f)
	}
	if err != nil {
		return fmt.Errorf("take list: %w", err)
	}
	frame.Redirect(w, r, listsPath+"/"+check.ID.String(), "")
	return nil
}

func (c Config) received(r *http.Request, p frame.Page, f *frame.Form) (listcheck.Check, error) {
	list := listcheck.List{Actor: p.Who.User.ID.String(), Name: p.T("addr.lists.pasted")}
	parts, err := r.MultipartReader()
	if err != nil {
		return listcheck.Check{}, &fault.Error{Kind: fault.Invalid, Code: "list_empty", Err: err}
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return listcheck.Check{}, malformed(err)
		}
		if part.FormName() == "file" && part.FileName() != "" {
			list.Name, list.Stream = part.FileName(), tenant.Stream(f.Value("stream"))
			list.Source = listcheck.Table(part, f.Value("column"))
			return c.Lists.Take(r.Context(), p.Tenant(), list)
		}
		if err := field(f, part); err != nil {
			return listcheck.Check{}, err
		}
	}
	list.Stream, list.Source = tenant.Stream(f.Value("stream")), listcheck.Table(strings.NewReader(f.Value("list")), f.Value("column"))
	return c.Lists.Take(r.Context(), p.Tenant(), list)
}

// field reads one that is no file.
func field(f *frame.Form, part *multipart.Part) error {
	most := int64(maxField)
	if part.FormName() == "list" {
		most = maxPasted
	}
	text, err := io.ReadAll(io.LimitReader(part, most+1))
	if err != nil {
		return malformed(err)
	}
	if int64(len(text)) > most {
		return fault.New(fault.TooLarge, "list_too_large", "The field is too long.")
	}
	f.Values[part.FormName()] = strings.TrimSpace(string(text))
	return nil
}

// malformed is a form that cannot be read; one that is too large stays that.
func malformed(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
}

// checkOf reads the list that the path names. What is no identifier is answered like
// what does not exist.
func (c Config) checkOf(r *http.Request, p frame.Page) (listcheck.Check, error) {
	check, err := id.Parse[listcheck.Kind](r.PathValue("id"))
	if err != nil {
		return listcheck.Check{}, fault.New(fault.NotFound, "check_not_found", "no such list")
	}
	return c.Lists.Check(r.Context(), p.Tenant(), check)
}

// sheet is the page of one list.
type sheet struct {
	listcheck.Check
	frame.View
	rows  []listcheck.Row
	older string
}

func listing(p frame.Page, c listcheck.Check) frame.Listing {
	column := func(key string) frame.Column {
		return frame.Column{Key: key, Title: p.T("addr.col." + key), Number: key == "line"}
	}
	return frame.Listing{Path: listPath(c), Filters: []string{"result"},
		Columns: []frame.Column{column("line"), column("address"), column("result"), column("finding"), column("meant")}}
}

func listPath(c listcheck.Check) string { return listsPath + "/" + c.ID.String() }

// question is the view as the list is asked for it. What names no result is dropped.
func question(v frame.View) listcheck.Filter {
	f := listcheck.Filter{Limit: pageSize, Results: chosen(v.Filter("result"))}
	f.After, _ = strconv.Atoi(v.After) // what is no number begins at the start
	f.After = max(f.After, 0)
	return f
}

// rest is every result but the good one.
const rest = "rest"

// chosen are the results that a filter stands for.
func chosen(filter string) (list []listcheck.Result) {
	for _, r := range listcheck.Results() {
		if filter == string(r) || filter == string(r.Rating()) || filter == rest && r.Rating() != audience.Fine {
			list = append(list, r)
		}
	}
	return list
}

func (c Config) showList(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	check, err := c.checkOf(r, p)
	if err != nil {
		return err
	}
	s := sheet{Check: check, View: frame.ReadView(r, listing(p, check))}
	rows, more, err := c.Lists.Rows(r.Context(), p.Tenant(), check.ID, question(s.View))
	if err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	if s.rows = rows; more {
		s.older = s.With("after", strconv.Itoa(rows[len(rows)-1].Number))
	}
	p.Room, p.Title = "addresses", nameOf(p, check)
	return p.Render(w, r, http.StatusOK, listPage(p, s))
}

// export writes the chosen rows as spreadsheets in German open them by double click: of
// the good ones the addresses alone, to go on with, of others also what is wrong.
func (c Config) export(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	check, err := c.checkOf(r, p)
	if err != nil {
		return err
	}
	v := frame.ReadView(r, listing(p, check))
	good := v.Filter("result") == string(audience.Fine)
	out := p.File(w, p.T("addr.filename"))
	head := []string{p.T("addr.col.address")}
	if !good {
		head = []string{p.T("addr.col.line"), p.T("addr.col.address"), p.T("addr.col.result"), p.T("addr.col.finding"), p.T("addr.col.meant")}
	}
	_ = out.Write(head...) // its error comes again with Flush
	err = c.Lists.Export(r.Context(), p.Tenant(), check.ID, question(v), func(rows []listcheck.Row) error {
		for _, row := range rows {
			cells := []string{row.Text}
			if !good {
				cells = []string{strconv.Itoa(row.Line), row.Text, p.T("addr.result." + string(row.Result)), findings(p, row), row.Suggestion}
			}
			if err := out.Write(cells...); err != nil {
				return err
			}
		}
		return out.Flush()
	})
	if _ = out.Flush(); err != nil {
		p.Broken(out)
	}
	return nil
}

func (c Config) cancel(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	check, err := c.checkOf(r, p)
	if err == nil {
		_, err = c.Lists.Cancel(r.Context(), p.Tenant(), check.ID)
	}
	if err != nil {
		return fmt.Errorf("cancel check: %w", err)
	}
	frame.Redirect(w, r, listPath(check), "")
	return nil
}

func (c Config) forget(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	check, err := c.checkOf(r, p)
	if err == nil {
		err = c.Lists.Forget(r.Context(), p.Tenant(), check.ID)
	}
	if err != nil {
		return fmt.Errorf("delete list: %w", err)
	}
	frame.Redirect(w, r, listsPath, "deleted")
	return nil
}

// nameOf is what a list is called.
func nameOf(p frame.Page, c listcheck.Check) string {
	if c.Name == "" {
		return p.T("addr.lists.unnamed")
	}
	return c.Name
}

// markOf is the mark and colour of a result.
func markOf(r listcheck.Result) string {
	switch r {
	case listcheck.Suppressed:
		return "suppressed"
	case listcheck.Duplicate:
		return "cancelled"
	}
	return mark(r.Rating())
}

// stateMark is the mark and colour of a list.
func stateMark(s listcheck.State) string {
	return map[listcheck.State]string{listcheck.Receiving: "queued", listcheck.Running: "sending", listcheck.Done: "delivered", listcheck.Cancelled: "cancelled"}[s]
}

// findings are those of a row in sentences.
func findings(p frame.Page, r listcheck.Row) string {
	if r.Result == listcheck.Duplicate {
		return p.T("addr.finding.duplicate")
	}
	var all []string
	for _, code := range r.Codes {
		f := audience.Finding{Code: code}
		if code == audience.FindSuppressed {
			f.Detail = r.Reason
		}
		all = append(all, findingText(p, f))
	}
	return strings.Join(all, " ")
}
