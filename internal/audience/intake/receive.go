package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"stafette/internal/audience"
	"stafette/internal/audience/listcheck"
	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/message"
	"stafette/internal/spreadsheet"
	"stafette/internal/tenant"
)

// Validator tells of addresses; *audience.Validator does.
type Validator interface {
	ValidateAll(ctx context.Context, t tenant.ID, s tenant.Stream, texts []string) ([]audience.Verdict, error)
}

// Config of a Service. Store, People and Now are demanded.
type Config struct {
	Store     Store
	People    audience.ContactStore // for the fields of one's own
	Validator Validator             // for previews; nil: none
	Now       func() time.Time
	// Mine reports whether this node may import now; nil: always. Two that do lose nothing
	// but time.
	Mine func(ctx context.Context) (bool, error)
	// Grown, if set, is called after a stretch of an import, with the group that has other
	// members now. Its error is logged.
	Grown func(ctx context.Context, t tenant.ID, g audience.GroupID) error
	// Every is how often imports are looked for that another node took in; 0: 3 s.
	Every time.Duration
	Log   *slog.Logger // nil discards
}

// Service takes lists in and imports them. It is safe for concurrent use.
type Service struct {
	c    Config
	wake chan struct{}
}

// New makes a Service. Nothing is imported before Run.
func New(c Config) *Service {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}
}

func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Millisecond) }

// row is a line of a list as parts keep it.
type row struct {
	Line  int      `json:"l"`
	Cells []string `json:"c"`
}

// source gives the lines of a file.
type source interface {
	Next() (line int, cells []string, err error)
}

// open tells a workbook from a text file. A workbook is kept in memory, which is why it
// is bounded.
func open(r io.Reader) (source, func(), error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	if string(head[:n]) != "PK\x03\x04" {
		return listcheck.NewRecords(&capped{whole, MaxBytes}), func() {}, nil
	}
	packed, err := io.ReadAll(io.LimitReader(whole, spreadsheet.MaxPacked+1))
	if err != nil {
		return nil, nil, err
	}
	if len(packed) > spreadsheet.MaxPacked {
		return nil, nil, tooLarge()
	}
	book, err := spreadsheet.OpenWorkbook(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, nil, workbook(err)
	}
	return book, func() { _ = book.Close() }, nil
}

func tooLarge() error {
	return fault.Field("file", "list_too_large", "The file is too large.")
}

// workbook is the refusal of a file that is none.
func workbook(err error) error {
	if errors.Is(err, spreadsheet.ErrWorkbook) {
		return &fault.Error{Kind: fault.Invalid, Code: "workbook_malformed", Field: "file", Detail: "This workbook cannot be read. Save the sheet as CSV.", Err: err}
	}
	return err
}

// capped fails after so many bytes rather than ending.
type capped struct {
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, tooLarge()
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

const (
	maxCells = 100
	maxText  = 1000 // characters of a cell
)

// Receive reads a file to its end and keeps it as a draft with a guess at its columns.
// Until it returns, and if it fails, there is no such import. Errors are those of the file
// and of Store.BeginImport: "list_empty", "list_too_many_rows", "list_too_large",
// "workbook_malformed", "csv_malformed", "line_too_long", at "file".
func (s *Service) Receive(ctx context.Context, t tenant.ID, g audience.GroupID, name, actor string, r io.Reader) (Import, error) {
	now := s.now()
	i := Import{ID: id.New[audience.BatchKind](now), Tenant: t, Group: g, Name: title(name), Actor: actor, State: Receiving,
		CreatedAt: now, ExpiresAt: now.Add(DraftLasts)}
	if err := s.c.Store.BeginImport(ctx, i); err != nil {
		return Import{}, fmt.Errorf("receive import: %w", err)
	}
	err := s.receive(ctx, &i, r)
	if err == nil {
		i.State = Draft
		err = s.c.Store.ReadyImport(ctx, i)
	}
	if err != nil {
		// Whoever handed it in may be gone already. What stays behind expires.
		return Import{}, errors.Join(fmt.Errorf("receive import: %w", err), s.c.Store.CancelImport(context.WithoutCancel(ctx), t, i.ID, now))
	}
	return i, nil
}

func (s *Service) receive(ctx context.Context, i *Import, r io.Reader) error {
	from, end, err := open(r)
	if err != nil {
		return err
	}
	defer end()
	declared, err := s.c.People.Fields(ctx, i.Tenant)
	if err != nil {
		return err
	}
	list := &received{key: -1, keep: func(part []row) error { return s.keep(ctx, i, part) }}
	for {
		line, cells, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return atFile(err)
		}
		if i.Total++; i.Total > MaxRows+1 {
			return fault.Field("file", "list_too_many_rows", "A list has at most 1,000,000 rows.")
		}
		if err := list.add(row{line, trimmed(cells)}); err != nil {
			return err
		}
		if list.first != nil && i.Plan.Columns == nil {
			i.Plan = guess(list.first, declared)
			list.key = slices.Index(i.Plan.Columns, "email")
		}
	}
	if err := list.end(); err != nil {
		return err
	}
	if i.Plan.Columns == nil && list.first != nil {
		i.Plan = guess(list.first, declared)
	}
	if i.Plan.Headed {
		i.Total--
	}
	if i.Total <= 0 {
		return fault.Field("file", "list_empty", "The list has no addresses.")
	}
	return nil
}

// keep stores a part.
func (s *Service) keep(ctx context.Context, i *Import, part []row) error {
	data, err := json.Marshal(part)
	if err != nil {
		return err
	}
	i.Parts++
	return s.c.Store.AddImportPart(ctx, i.Tenant, i.ID, i.Parts-1, data)
}

// atFile gives refusals of a file its field.
func atFile(err error) error {
	err = workbook(err)
	if f := fault.As(err); f != nil && f.Field == "" {
		named := *f
		named.Field = "file"
		return &named
	}
	return err
}

// trimmed bounds cells and takes back what exports put before them.
func trimmed(cells []string) []string {
	list := make([]string, 0, min(len(cells), maxCells))
	for _, c := range cells[:min(len(cells), maxCells)] {
		c = strings.TrimSpace(spreadsheet.Tame(c))
		if r := []rune(c); len(c) > maxText && len(r) > maxText {
			c = string(r[:maxText])
		}
		list = append(list, c)
	}
	return list
}

const maxName = 200

func title(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName-1]) + "…"
	}
	return name
}

// guess reads the first rows of a list: whether the first one names the columns, and
// what they hold.
func guess(rows []row, declared []audience.Field) Plan {
	width := 0
	for _, r := range rows[:min(len(rows), 20)] {
		width = max(width, len(r.Cells))
	}
	p := Plan{Columns: make([]string, width), Existing: audience.FillExisting}
	isAddress := func(cell string) bool { _, err := message.ParseAddress(cell); return err == nil }
	p.Headed = !slices.ContainsFunc(rows[0].Cells, isAddress) && slices.ContainsFunc(rows[0].Cells, func(c string) bool { return c != "" })
	taken := map[string]bool{}
	if p.Headed {
		p.Headings = rows[0].Cells
		for i, heading := range p.Headings {
			if target := targetOf(heading, declared); target != "" && !taken[target] {
				p.Columns[i], taken[target] = target, true
			}
		}
	}
	if taken["email"] {
		return p
	}
	for i := range p.Columns {
		if slices.ContainsFunc(rows[:min(len(rows), 20)], func(r row) bool { return i < len(r.Cells) && isAddress(r.Cells[i]) }) {
			p.Columns[i] = "email"
			break
		}
	}
	return p
}

// targetOf is what a heading says of its column, "" if nothing comes to mind.
func targetOf(heading string, declared []audience.Field) string {
	word := audience.Fold(strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(heading))
	for _, f := range declared {
		if strings.EqualFold(f.Key, heading) || audience.Fold(f.Title()) == audience.Fold(heading) {
			return "fields/" + f.Key
		}
	}
	for target, words := range map[string][]string{
		"email":       {"email", "emailadresse", "mail", "mailadresse", "address", "emailaddress", "adresse", "e mail"},
		"salutation":  {"salutation", "anrede", "title"},
		"given_name":  {"givenname", "firstname", "vorname"},
		"family_name": {"familyname", "lastname", "nachname", "name", "surname", "familienname"},
		"company":     {"company", "firma", "unternehmen", "organisation", "organization"},
		"phone":       {"phone", "telefon", "tel", "telefonnummer", "telephone"},
		"locale":      {"locale", "language", "sprache"},
		"reference":   {"reference", "kundennummer", "kundennr", "nummer", "customernumber", "id"},
		"tags":        {"tags", "schlagwoerter", "schlagworte", "tag"},
	} {
		if slices.Contains(words, word) {
			return target
		}
	}
	return ""
}
