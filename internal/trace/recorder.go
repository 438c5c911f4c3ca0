package trace

import (
	"slices"
	"time"
	"unicode/utf8"

	"stafette/internal/event"
	"stafette/internal/smtp"
)

const (
	maxDialogue = 64 << 10 // bytes of one dialogue, each line with lineCost
	lineCost    = 32
	maxLine     = 1 << 10 // bytes of one line
)

// page is the dialogue of one attempt as it grows. Its memory is used again for the
// attempt after the next, so that recording costs no allocation where nothing is kept.
type page struct {
	began time.Time
	text  []byte
	lines []span
	head  int // lines of the beginning, which stay; behind them the oldest give way
	size  int
	left  int
}

// span is a line of a page.
type span struct {
	at         time.Time
	from       smtp.Speaker
	stage      smtp.Stage
	start, end int
	cut        int
}

func (s span) size() int { return s.end - s.start + lineCost }

func (p *page) reset() {
	*p = page{text: p.text[:0], lines: p.lines[:0]}
}

// add takes a line in and returns it. What a server says first and last tells most: of
// a dialogue that is too long the middle is left out.
func (p *page) add(l *smtp.Line, at time.Time) span {
	text := l.Text
	if len(text) > maxLine {
		text = text[:maxLine]
		for len(text) > 0 && !utf8.RuneStart(l.Text[len(text)]) {
			text = text[:len(text)-1]
		}
	}
	if p.began.IsZero() {
		p.began = at
	}
	s := span{at: at, from: l.From, stage: l.Stage, start: len(p.text), end: len(p.text) + len(text), cut: len(l.Text) - len(text)}
	p.text = append(p.text, text...)
	if p.head == len(p.lines) && p.size+s.size() <= maxDialogue/2 {
		p.head++
	}
	p.lines = append(p.lines, s)
	p.size += s.size()
	for p.size > maxDialogue {
		p.size -= p.lines[p.head].size()
		p.lines = slices.Delete(p.lines, p.head, p.head+1)
		p.left++
	}
	if len(p.text) > 3*maxDialogue {
		p.compact()
	}
	return s
}

// compact gives the memory of lines that were left out back.
func (p *page) compact() {
	text := make([]byte, 0, cap(p.text))
	for i := range p.lines {
		s := &p.lines[i]
		start := len(text)
		text = append(text, p.text[s.start:s.end]...)
		s.start, s.end = start, len(text)
	}
	p.text = text
}

func (p *page) line(s span) Line {
	return Line{After: s.at.Sub(p.began), From: s.from, Stage: s.stage, Text: string(p.text[s.start:s.end]), Cut: s.cut}
}

// Recorder hears the sessions of one connection, one after the other, and sorts what is
// said by attempts. A nil Recorder hears nothing. It is used by one goroutine, the one
// that uses the connection.
type Recorder struct {
	tracer  *Tracer
	about   About
	now     *page
	next    *page // of the mail announced
	watches []*Watch
	busy    bool // within an attempt
}

// Earlier is what was said in an attempt before it moved to another connection. The
// zero Earlier is nothing.
type Earlier struct{ page *page }

// Listens implements smtp.Listener.
func (r *Recorder) Listens() bool { return r.tracer.wanted() }

// Hear implements smtp.Listener.
func (r *Recorder) Hear(l smtp.Line) {
	now := r.tracer.cfg.Now()
	if l.Next {
		r.next.add(&l, now)
		return
	}
	s := r.now.add(&l, now)
	if len(r.watches) > 0 {
		r.forward(s)
	}
}

// forward tells those who watch one more line of the attempt.
func (r *Recorder) forward(s span) {
	l := r.now.line(s)
	for _, w := range r.watches {
		if w.lines {
			w.put(Entry{Kind: Said, At: s.at, About: r.about, Line: &l})
		}
	}
}

// Begin begins the record of an attempt. What was announced of it already is the
// beginning, or what was said on another connection before.
func (r *Recorder) Begin(a About, e Earlier) {
	if r == nil {
		return
	}
	r.now, r.next = r.next, r.now
	r.next.reset()
	if e.page != nil {
		ahead := r.now
		r.now = e.page
		for _, s := range ahead.lines {
			r.now.add(&smtp.Line{From: s.from, Stage: s.stage, Text: ahead.text[s.start:s.end]}, s.at)
		}
	}
	r.about, r.busy = a, true
	if r.watches = r.tracer.watching(&a); len(r.watches) == 0 {
		return
	}
	for _, w := range r.watches {
		w.put(Entry{Kind: Began, At: r.tracer.cfg.Now(), About: a})
	}
	for _, s := range r.now.lines {
		r.forward(s)
	}
}

// Note adds a finding that the client of the session did not make.
func (r *Recorder) Note(stage smtp.Stage, text string) {
	if r != nil && r.Listens() {
		r.Hear(smtp.Line{From: smtp.SpeakerFinding, Stage: stage, Text: []byte(text)})
	}
}

// HangUp forgets what was announced: the session has ended, and what was said in it of
// the mail to come counts for nothing.
func (r *Recorder) HangUp() {
	if r != nil {
		r.next.reset()
	}
}

// Move takes the record along to another connection.
func (r *Recorder) Move() Earlier {
	if r == nil {
		return Earlier{}
	}
	e := Earlier{r.now}
	r.now, r.busy, r.watches = &page{}, false, nil
	return e
}

// Verdict is how an attempt ended.
type Verdict struct {
	Outcome event.Outcome `json:"outcome"`
	Class   string        `json:"class,omitempty"`
	Host    string        `json:"host,omitempty"`
	Address string        `json:"address,omitempty"`
	Words   string        `json:"words,omitempty"` // the server's, or what we found, on one line
	// Straight: the first server asked gave the verdict, at the first try.
	Straight bool `json:"-"`
}

// End ends the attempt: those who watch are told, and its dialogue is returned if it is
// to be kept, else nil.
func (r *Recorder) End(v Verdict) *Dialogue {
	if r == nil || !r.busy {
		return nil
	}
	r.busy = false
	for _, w := range r.watches {
		w.put(Entry{Kind: Ended, At: r.tracer.cfg.Now(), About: r.about, Verdict: &v})
	}
	r.watches = nil
	if len(r.now.lines) == 0 || !r.tracer.keeps(v) {
		return nil
	}
	d := &Dialogue{About: r.about, Began: r.now.began.UTC(), Host: v.Host, Address: v.Address, Outcome: v.Outcome,
		Lines: make([]Line, len(r.now.lines)), Left: r.now.left, Gap: r.now.head}
	for i, s := range r.now.lines {
		d.Lines[i] = r.now.line(s)
	}
	return d
}
