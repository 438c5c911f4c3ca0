package groups

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/audience/intake"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

func importRoutes(c Config) []frame.Route {
	write := tenant.ContactsWrite
	const all, one = path + "/{id}/imports", path + "/{id}/imports/{import}"
	return []frame.Route{
		{Pattern: "GET " + path + "/{id}/import", Permission: write, Do: c.showUpload},
		{Pattern: "POST " + all, Permission: write, Do: c.upload},
		{Pattern: "GET " + one, Permission: write, Do: c.showImport},
		{Pattern: "POST " + one, Permission: write, Do: c.plan},
		{Pattern: "GET " + one + "/faults.csv", Permission: write, Do: c.exportFaults},
		{Pattern: "POST " + one + "/cancel", Permission: write, Do: c.cancel},
		{Pattern: "POST " + one + "/undo", Permission: write, Do: c.undo},
	}
}

// upload is the page that a file is handed in on.
type upload struct {
	frame.Form
	audience.Group
}

func (c Config) showUpload(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	return c.uploadForm(w, r, p, http.StatusOK, upload{Group: g})
}

func (c Config) uploadForm(w http.ResponseWriter, r *http.Request, p frame.Page, status int, u upload) error {
	p.Room, p.Title = room, p.T("groups.import.title")
	return p.Render(w, r, status, uploadPage(p, u))
}

// maxPasted bounds a list that is pasted into the page.
const maxPasted = 1 << 20

// upload reads the form as it comes: the file is kept part by part and is never in a
// temporary file. The pasted list stands before it.
func (c Config) upload(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, err := c.groupOf(r, p)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, intake.MaxBytes+2*maxPasted)
	u := upload{Group: g, Form: frame.Form{Values: map[string]string{}}}
	i, err := c.received(r, p, &u)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = fault.Field("file", "list_too_large", "The file is too large.")
	}
	if frame.Refused(p, &u.Form, err, "file") || fault.IsKind(err, fault.TooLarge) {
		return c.uploadForm(w, r, p, http.StatusUnprocessableEntity, u)
	}
	if err != nil {
		return fmt.Errorf("receive list: %w", err)
	}
	frame.Redirect(w, r, importPath(i), "")
	return nil
}

func importPath(i intake.Import) string {
	return path + "/" + i.Group.String() + "/imports/" + i.ID.String()
}

func (c Config) received(r *http.Request, p frame.Page, u *upload) (intake.Import, error) {
	actor := p.Who.User.ID.String()
	parts, err := r.MultipartReader()
	if err != nil {
		return intake.Import{}, &fault.Error{Kind: fault.Invalid, Code: "list_empty", Field: "file", Err: err}
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return intake.Import{}, err
		}
		if part.FormName() == "file" && part.FileName() != "" {
			return c.Intake.Receive(r.Context(), p.Tenant(), u.ID, part.FileName(), actor, part)
		}
		text, err := io.ReadAll(io.LimitReader(part, maxPasted+1))
		if err != nil {
			return intake.Import{}, err
		}
		if len(text) > maxPasted {
			return intake.Import{}, fault.Field("file", "list_too_large", "The file is too large.")
		}
		u.Values[part.FormName()] = string(text)
	}
	return c.Intake.Receive(r.Context(), p.Tenant(), u.ID, p.T("groups.import.pasted"), actor, strings.NewReader(u.Values["list"]))
}

// importOf reads the import that the path names, of the group that it names.
func (c Config) importOf(r *http.Request, p frame.Page) (audience.Group, intake.Import, error) {
	g, err := c.groupOf(r, p)
	if err != nil {
		return g, intake.Import{}, err
	}
	n, err := id.Parse[audience.BatchKind](r.PathValue("import"))
	if err != nil {
		return g, intake.Import{}, fault.New(fault.NotFound, "import_not_found", "no such import")
	}
	i, err := c.Intake.Import(r.Context(), p.Tenant(), n)
	if err == nil && i.Group != g.ID {
		err = fault.New(fault.NotFound, "import_not_found", "no such import")
	}
	return g, i, err
}

// progress is the page of one import, in whatever state.
type progress struct {
	frame.Form
	audience.Group
	intake.Import
	look    intake.Outlook
	faults  []intake.Fault
	more    bool
	targets []frame.Option
}

func (c Config) showImport(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, i, err := c.importOf(r, p)
	if err != nil {
		return err
	}
	v := progress{Group: g, Import: i, Form: frame.Form{Values: map[string]string{"existing": string(i.Plan.Existing)}}}
	for n, target := range i.Plan.Columns {
		v.Values[columnName(n)] = target
	}
	return c.renderImport(w, r, p, http.StatusOK, v)
}

func columnName(n int) string { return "column" + strconv.Itoa(n) }

// faultsShown is how many refused rows stand on the page; all are in the file.
const faultsShown = 50

func (c Config) renderImport(w http.ResponseWriter, r *http.Request, p frame.Page, status int, v progress) error {
	ctx := r.Context()
	declared, err := c.Book.Fields(ctx, p.Tenant())
	if err != nil {
		return fmt.Errorf("read fields: %w", err)
	}
	v.targets = []frame.Option{{Value: "", Text: p.T("groups.target.none")}}
	for _, target := range audience.Targets() {
		v.targets = append(v.targets, frame.Option{Value: target, Text: p.T("groups.target." + target)})
	}
	for _, f := range declared {
		v.targets = append(v.targets, frame.Option{Value: "fields/" + f.Key, Text: f.Title()})
	}
	if v.State == intake.Draft {
		_, look, err := c.Intake.Preview(ctx, p.Tenant(), v.Import.ID, v.Plan)
		if err != nil && fault.As(err) == nil {
			return fmt.Errorf("preview import: %w", err)
		}
		v.look = look
	} else if v.faults, v.more, err = c.Intake.Faults(ctx, p.Tenant(), v.Import.ID, 0, faultsShown); err != nil {
		return fmt.Errorf("read refused rows: %w", err)
	}
	p.Room, p.Title = room, p.T("groups.import.title")
	return p.Render(w, r, status, importPage(p, v))
}

// plan reads how the columns are mapped, and shows what that makes of the rows, or
// begins.
func (c Config) plan(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, i, err := c.importOf(r, p)
	if err != nil {
		return err
	}
	if err := frame.ParseForm(w, r); err != nil {
		return err
	}
	v := progress{Group: g, Import: i, Form: frame.Form{Values: map[string]string{}}}
	for n := range v.Plan.Columns {
		v.Values[columnName(n)] = r.PostForm.Get(columnName(n))
	}
	for _, name := range []string{"existing", "source", "tags"} {
		v.Values[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	columns := make([]string, len(v.Plan.Columns))
	for n := range columns {
		columns[n] = v.Value(columnName(n))
	}
	v.Plan.Columns, v.Plan.Source, v.Plan.Existing = columns, v.Value("source"), audience.Existing(v.Value("existing"))
	v.Plan.Tags = nil
	for tag := range strings.SplitSeq(v.Value("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			v.Plan.Tags = append(v.Plan.Tags, tag)
		}
	}
	if r.PostForm.Get("preview") != "" {
		return c.renderImport(w, r, p, http.StatusOK, v)
	}
	_, err = c.Intake.Start(r.Context(), p.Tenant(), i.ID, v.Plan)
	if v.refused(p, err) {
		return c.renderImport(w, r, p, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return fmt.Errorf("start import: %w", err)
	}
	frame.Redirect(w, r, importPath(i), "")
	return nil
}

func (v *progress) refused(p frame.Page, err error) bool {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Invalid {
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field := one.Field
		if rest, ok := strings.CutPrefix(field, "columns/"); ok {
			field = "column" + rest
		}
		if field == "columns" {
			field = ""
		}
		v.Add(field, p.FaultText(one, v.Value(field)))
	}
	return true
}

func (c Config) exportFaults(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, i, err := c.importOf(r, p)
	if err != nil {
		return err
	}
	out := p.File(w, p.T("groups.filename.faults"))
	_ = out.Write(p.T("groups.col.line"), p.T("groups.col.field"), p.T("groups.col.value"), p.T("groups.col.why"))
	after := 0
	for {
		list, more, err := c.Intake.Faults(r.Context(), p.Tenant(), i.ID, after, 500)
		if err != nil {
			p.Broken(out)
			return nil //nolint:nilerr // the header is out; the file says that it is not whole
		}
		writeFaults(p, out, list)
		if !more {
			_ = out.Flush()
			return nil
		}
		after = list[len(list)-1].Line
	}
}

func writeFaults(p frame.Page, out *spreadsheet.Writer, list []intake.Fault) {
	for _, f := range list {
		_ = out.Write(strconv.Itoa(f.Line), targetWord(p, f.Field), f.Value, why(p, f))
	}
}

// why says in a sentence what is wrong with a row.
func why(p frame.Page, f intake.Fault) string {
	return p.FaultText(fault.New(fault.Invalid, f.Code, ""), f.Value)
}

// targetWord is what a field of a list is called.
// cellOf is the value of a row that a field refused, or a word for it where there is none.
func cellOf(p frame.Page, v progress, s intake.Sample) string {
	for n, target := range v.Plan.Columns {
		if target == s.Err.Field && n < len(s.Cells) && s.Cells[n] != "" {
			return frame.Shorten(s.Cells[n], 40)
		}
	}
	return p.T("groups.value")
}

func targetWord(p frame.Page, field string) string {
	name, _, _ := strings.Cut(field, "/")
	if p.Has("groups.target." + name) {
		return p.T("groups.target." + name)
	}
	return strings.TrimPrefix(field, "fields/")
}

func (c Config) cancel(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	g, i, err := c.importOf(r, p)
	if err != nil {
		return err
	}
	if err := c.Intake.Cancel(r.Context(), p.Tenant(), i.ID); err != nil {
		return fmt.Errorf("cancel import: %w", err)
	}
	if i.State == intake.Draft {
		frame.Redirect(w, r, groupPath(g), "")
		return nil
	}
	frame.Redirect(w, r, importPath(i), "")
	return nil
}

func (c Config) undo(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	_, i, err := c.importOf(r, p)
	if err != nil {
		return err
	}
	if err := c.Intake.Undo(r.Context(), p.Tenant(), i.ID); err != nil && !fault.IsKind(err, fault.Conflict) {
		return fmt.Errorf("undo import: %w", err)
	}
	// What cannot be taken back any more says so on its page.
	frame.Redirect(w, r, importPath(i), "")
	return nil
}
