package messages

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/insight"
	"stafette/internal/message"
	"stafette/internal/tenant"
	"stafette/internal/tracking"
	"stafette/internal/web/frame"
)

// letterForm is the form of a new message as it was typed. It is shown again with
// everything in it when something is wrong; files alone must be chosen anew, since
// browsers do not let a page fill them in.
type letterForm struct {
	local, domain, name string
	to, cc, bcc         string
	// group is the identifier of the group that it goes to instead, groups are those to choose
	// from, and process is the way to the approval of one that is not approved.
	group, process string
	groups         []choice
	subject, body  string
	html           bool
	stream         tenant.Stream
	key            string // makes sending twice the same as sending once
	files          []string
	// seen are the recipients as they stood when the reader was last warned of them.
	seen string
	// track is the box „E-Mail tracken“, which stands there if offered; allowed is how much
	// tenant and stream leave.
	track, offered bool
	allowed        tracking.Decision

	domains []string
	frame.Form
}

func (o *office) showCompose(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	said, err := o.Tenants.Profile(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("begin a letter: %w", err)
	}
	f := letterForm{
		stream: cmp.Or(said.Stream, tenant.Transactional), key: rand.Text(),
		name: cmp.Or(said.From.Name, p.Who.Tenant.Name), local: said.From.Local, domain: said.From.Domain,
	}
	if err := o.prefill(r, p, &f); err != nil {
		return err
	}
	f.track = true
	return o.compose(w, r, p, http.StatusOK, f)
}

// prefill takes over what can be taken from the message that is to be sent again.
func (o *office) prefill(r *http.Request, p frame.Page, f *letterForm) error {
	q := r.URL.Query()
	again, err := id.Parse[message.Kind](q.Get("again"))
	if err != nil {
		f.to, f.group = frame.Shorten(q.Get("to"), 320), frame.Shorten(q.Get("group"), 64)
		return nil //nolint:nilerr // without a readable identifier it is a new letter
	}
	m, err := o.Insight.Message(r.Context(), p.Tenant(), again)
	if err != nil {
		return fmt.Errorf("send again: %w", err)
	}
	f.local, f.domain, f.name = m.From.Local, m.From.Domain, m.From.Name
	f.subject, f.stream = m.Subject, m.Stream
	f.to = undelivered(m, q.Get("delivery"))
	body, gone, err := o.bodyOf(r, m)
	if err != nil || gone {
		return err
	}
	env, err := parseMIME(body)
	if errors.Is(err, errNested) {
		return nil // the envelope is there; the text must be written again
	}
	if err != nil {
		return err
	}
	f.html = env.HTML != ""
	f.body = cmp.Or(env.HTML, env.Text)
	for _, d := range m.Digests {
		f.files = append(f.files, d.Filename)
	}
	return nil
}

// undelivered lists whom a message did not reach, or the one that was asked for.
func undelivered(m insight.Message, only string) string {
	var list []string
	for _, d := range m.Deliveries {
		if only == d.ID.String() || only == "" && d.State.Final() && d.State != "delivered" {
			list = append(list, addressText(d.Recipient))
		}
	}
	return strings.Join(list, ", ")
}

// compose shows the form.
func (o *office) compose(w http.ResponseWriter, r *http.Request, p frame.Page, status int, f letterForm) error {
	domains, err := o.Tenants.Domains(r.Context(), p.Tenant())
	if err != nil {
		return fmt.Errorf("list domains: %w", err)
	}
	for _, d := range domains {
		if d.Usable() {
			f.domains = append(f.domains, d.Name)
		}
	}
	if f.groups, err = o.GroupMail.choices(r.Context(), p.Tenant()); err != nil {
		return err
	}
	if f.offered = o.Tracking != nil; f.offered {
		if f.allowed, err = o.Tracking.Allowed(r.Context(), p.Tenant(), f.stream); err != nil {
			return fmt.Errorf("ask how mail is tracked: %w", err)
		}
	}
	f.Values = map[string]string{"subject": f.subject, "stream": string(f.stream), "group": f.group}
	p.Room, p.Title = "compose", p.T("compose.title")
	return p.Render(w, r, status, composePage(p, f))
}

// send reads the form and hands the message to ingest. Every refusal comes back at
// the field it is about.
func (o *office) send(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	r.Body = http.MaxBytesReader(w, r.Body, o.MaxUpload)
	// All of it in memory: what spills into a temporary file lies there unsealed.
	if err := r.ParseMultipartForm(o.MaxUpload); err != nil { //nolint:gosec // G120: the body is bounded above
		return o.unreadable(w, r, p, err)
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	f := readLetter(r)
	if f.group != "" && o.GroupMail != nil {
		for _, header := range r.MultipartForm.File["files"] {
			f.files = append(f.files, header.Filename)
		}
		return o.sendToGroup(w, r, p, f)
	}
	s, hash, err := o.submission(r, p, &f)
	if err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	if !f.Valid() {
		return o.compose(w, r, p, http.StatusUnprocessableEntity, f)
	}
	if o.warn(r.Context(), p, &f, s.Draft, s.Bcc); !f.Valid() {
		return o.compose(w, r, p, http.StatusUnprocessableEntity, f)
	}
	s.RequestHash = hash
	if r.PostForm.Get("do") == doSeparate {
		return o.sendSeparately(w, r, p, f, s, hash)
	}
	who := ingest.Principal{Tenant: p.Tenant(), Actor: p.Who.User.ID.String(), Door: "office"}
	receipt, err := o.Acceptor.Accept(r.Context(), who, s)
	if err == nil {
		frame.Redirect(w, r, "/messages/"+receipt.ID.String(), "sent")
		return nil
	}
	e := fault.As(err)
	if e == nil {
		return fmt.Errorf("send message: %w", err)
	}
	f.note(p, s.Draft, s.Bcc, e)
	return o.compose(w, r, p, frame.StatusOf(e.Kind), f)
}

// unreadable answers a form that did not arrive whole. What was typed is lost with
// it, so the page says why.
func (o *office) unreadable(w http.ResponseWriter, r *http.Request, p frame.Page, err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		f := letterForm{stream: tenant.Transactional, key: rand.Text(), track: true}
		f.Add("files", p.T("compose.too_large", "limit", p.Bytes(o.MaxUpload)))
		return o.compose(w, r, p, http.StatusRequestEntityTooLarge, f)
	}
	return &fault.Error{Kind: fault.Invalid, Code: "form_malformed", Err: err}
}

func readLetter(r *http.Request) letterForm {
	get := func(name string) string { return r.PostForm.Get(name) }
	f := letterForm{
		local: strings.TrimSpace(get("from_local")), domain: get("from_domain"), name: strings.TrimSpace(get("from_name")),
		to: get("to"), cc: get("cc"), bcc: get("bcc"), group: get("group"), subject: get("subject"),
		body: get("body"), html: get("format") == "html", stream: tenant.Stream(get("stream")), key: get("key"), seen: get("seen"),
		track: get("track") == "on",
	}
	if f.key == "" || len(f.key) > 64 {
		f.key = rand.Text()
	}
	return f
}

// submission makes of the form what ingest takes, noting problems in the form.
func (o *office) submission(r *http.Request, p frame.Page, f *letterForm) (ingest.Submission, [32]byte, error) {
	d := &message.Draft{Subject: f.subject}
	if f.local == "" || f.domain == "" {
		f.Add("from", p.T("compose.from.missing"))
	} else {
		d.From = o.mailbox(p, f, "from", f.local+"@"+f.domain)
		d.From.Name = f.name
	}
	d.To = o.mailboxes(p, f, "to", f.to)
	d.Cc = o.mailboxes(p, f, "cc", f.cc)
	bcc := o.mailboxes(p, f, "bcc", f.bcc)
	if len(d.To)+len(d.Cc)+len(bcc) == 0 && !f.Wrong("to") && !f.Wrong("cc") && !f.Wrong("bcc") {
		f.Add("to", p.T("compose.to.missing"))
	}
	if strings.TrimSpace(f.subject) == "" {
		f.Add("subject", p.T("compose.subject.missing"))
	}
	if strings.TrimSpace(f.body) == "" {
		f.Add("body", p.T("compose.body.missing"))
	}
	if f.html {
		d.HTML = f.body
	} else {
		d.Text = f.body
	}
	hash := sha256.New()
	for _, part := range []string{f.local, f.domain, f.name, f.to, f.cc, f.bcc, f.subject, f.body, strconv.FormatBool(f.html), string(f.stream), strconv.FormatBool(f.track)} {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	for _, header := range r.MultipartForm.File["files"] {
		a, err := readAttachment(header)
		if err != nil {
			return ingest.Submission{}, [32]byte{}, err
		}
		d.Attachments = append(d.Attachments, a)
		f.files = append(f.files, a.Filename)
		_, _ = fmt.Fprintf(hash, "%q%x", a.Filename, sha256.Sum256(a.Content))
	}
	sum := [32]byte(hash.Sum(nil))
	// The key of the form and what was in it: sending a corrected form is a new
	// request, sending the same one twice is not.
	key := "office/" + f.key + "/" + hex.EncodeToString(sum[:8])
	return ingest.Submission{Draft: d, Bcc: bcc, Stream: f.stream, Tracking: o.wish(*f), Idempotency: key}, sum, nil
}

// wish is how much the writer wants to know: nothing, or whatever may be told.
func (o *office) wish(f letterForm) tracking.Level {
	switch {
	case o.Tracking == nil:
		return tracking.Unset
	case f.track:
		return tracking.Individual
	}
	return tracking.None
}

func readAttachment(header *multipart.FileHeader) (message.Attachment, error) {
	file, err := header.Open()
	if err != nil {
		return message.Attachment{}, fmt.Errorf("open upload: %w", err)
	}
	data, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return message.Attachment{}, fmt.Errorf("read upload: %w", err)
	}
	return message.Attachment{Filename: header.Filename, ContentType: header.Header.Get("Content-Type"), Content: data}, nil
}

// mailboxes reads a field of addresses parted by commas, semicolons or lines.
func (o *office) mailboxes(p frame.Page, f *letterForm, field, text string) []message.Mailbox {
	var list []message.Mailbox
	for _, one := range splitAddresses(text) {
		list = append(list, o.mailbox(p, f, field, one))
	}
	return list
}

func (o *office) mailbox(p frame.Page, f *letterForm, field, text string) message.Mailbox {
	box, err := o.ParseMailbox(text)
	if err != nil {
		e := fault.As(err)
		if e == nil {
			e = &fault.Error{Kind: fault.Invalid, Code: "address_malformed", Err: err}
		}
		f.Add(field, p.FaultText(e, text))
	}
	return box
}

// splitAddresses cuts a list at commas, semicolons and line ends that are not
// within quotes or angle brackets.
func splitAddresses(text string) []string {
	var list []string
	var one strings.Builder
	quoted, angled, escaped := false, false, false
	end := func() {
		if s := strings.TrimSpace(one.String()); s != "" {
			list = append(list, s)
		}
		one.Reset()
		quoted, angled = false, false
	}
	for _, c := range text {
		part := (c == ',' || c == ';') && !quoted && !angled
		if part || c == '\n' || c == '\r' {
			end()
			continue
		}
		switch {
		case escaped:
			escaped = false
		case c == '\\' && quoted:
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			angled = true
		case c == '>' && !quoted:
			angled = false
		}
		one.WriteRune(c)
	}
	end()
	return list
}

// note puts a refusal and those that came with it at their fields.
func (f *letterForm) note(p frame.Page, d *message.Draft, bcc []message.Mailbox, e *fault.Error) {
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field, value := place(one.Field, d, bcc)
		f.Add(field, p.FaultText(one, value))
	}
}

// place finds the form's field for a pointer of a refusal, and the input it means.
func place(pointer string, d *message.Draft, bcc []message.Mailbox) (field, value string) {
	root, rest, _ := strings.Cut(pointer, "/")
	index, _, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(index)
	if err != nil {
		n = -1
	}
	boxes := func(list []message.Mailbox) string {
		if n >= 0 && n < len(list) {
			return addressText(list[n].Address)
		}
		return ""
	}
	switch root {
	case "from", "sender":
		return "from", addressText(d.From.Address)
	case "to":
		return "to", boxes(d.To)
	case "cc":
		return "cc", boxes(d.Cc)
	case "bcc":
		return "bcc", boxes(bcc)
	case "subject":
		return "subject", d.Subject
	case "text", "html":
		return "body", ""
	case "stream":
		return "stream", ""
	case "attachments":
		if n >= 0 && n < len(d.Attachments) {
			value = d.Attachments[n].Filename
		}
		return "files", value
	}
	return "", pointer
}
