package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stafette/test/load/inject"
	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/roster"
	"stafette/test/load/sink"
	"stafette/test/load/usage"
)

// Mailing measures P3: a mailing to many people, each mail with a name, a picture, three
// links that are followed and one to unsubscribe, each recipient's state and each event
// durable, unsigned; from the request that sends it to the last receipt. Then one more while
// urgent mail is submitted (P8).
type Mailing struct {
	Binary, Domain string
	People         int
	Rounds         int
	Urgent         int           // mails beside the last round
	Every          time.Duration // apart
	Profile        string        // file for a CPU profile of the first seconds; "": none
	Progress       func(line string)
}

// Mailed is what was measured.
type Mailed struct {
	Rate   []float64 // mails a second, by round
	CPU    []float64 // milliseconds of the server's processor time per mail, by round
	Own    []float64 // the same of the receiving end, which shares the machine
	Memory int64     // greatest proportional set size, bytes
	Took   []time.Duration
}

// memoryEvery is how often the memory of the server is added up, which costs processor time
// for each of its pages.
const memoryEvery = time.Second

const (
	mailingRun = "c"
	// mailingHTML has the size of a plain newsletter; the text is made of it.
	mailingHTML = `<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Neues</title></head><body style="font-family:sans-serif"><h1>Guten Tag {{name}}</h1>` +
		`<p>%s</p><p><a href="https://muster.example/eins">Grundrisse</a></p><p>%s</p><p><a href="https://muster.example/zwei">Lage</a></p><p>%s</p>` +
		`<p><a href="https://muster.example/drei">Termin</a></p><p><a href="{{unsubscribe_url}}">Abmelden</a></p></body></html>`
)

// Run sets an instance up, fills it and sends.
func (m Mailing) Run(ctx context.Context) (r Mailed, err error) {
	dir, err := os.MkdirTemp("", "mailing")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	arrived := make(chan arrival, 4*m.Urgent+1)
	far, err := sink.Start(sink.Config{Chunking: true, Received: func(token string, at time.Time) {
		if strings.HasPrefix(token, urgentRun+".") {
			arrived <- arrival{token, at}
		}
	}})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, far.Close()) }()
	data := filepath.Join(dir, "data")
	peer, err := peers.SetUpStafette(ctx, peers.StafetteConfig{Binary: m.Binary, Dir: dir, Data: data, Sink: far.Addr(), Domain: m.Domain, Unsigned: true, Profile: m.Profile})
	if err != nil {
		return r, err
	}
	people := letter.NewSource(letter.Config{Run: mailingRun})
	group, err := roster.Roster{Data: data, Domain: m.Domain, People: m.People, Tracked: true, Address: func(n int) string { return people.At(n).To }}.Fill(ctx)
	if err != nil {
		return r, err
	}
	if err := peer.Start(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, peer.Kill()) }()
	for range m.Rounds {
		if err := m.round(ctx, peer, far, group.String(), &r); err != nil {
			return r, err
		}
	}
	for token, n := range far.Receipts() {
		if n != m.Rounds {
			return r, fmt.Errorf("%s got %d mails of %d mailings", token, n, m.Rounds)
		}
	}
	return r, m.urgent(ctx, peer, far, group.String(), arrived, &r)
}

// send makes a mailing and sends it; its number.
func (m Mailing) send(ctx context.Context, peer *peers.Stafette, group string) (string, error) {
	text := strings.Repeat("Am Hafen wird gebaut, und die Wohnungen der ersten Reihe sind vergeben. ", 12)
	made, err := peer.MakeMailing(ctx, map[string]any{"name": "Mai", "group_ids": []string{group}, "from": "Muster <info@" + m.Domain + ">", "tracking": "individual",
		"subject": "Neues für {{given_name}}", "html": fmt.Sprintf(mailingHTML, text, text, text)})
	if err != nil {
		return "", err
	}
	sent, err := peer.MailingAct(ctx, made.ID, "send")
	if err == nil && sent.State != "sending" {
		err = fmt.Errorf("mailing is %q after it was sent", sent.State)
	}
	return made.ID, err
}

func (m Mailing) round(ctx context.Context, peer *peers.Stafette, far *sink.Sink, group string, r *Mailed) error {
	have, _ := far.Total()
	before, err := usage.CPU(peer.Roots()...)
	if err != nil {
		return err
	}
	own, began := ownCPU(), time.Now()
	if _, err := m.send(ctx, peer, group); err != nil {
		return err
	}
	for want := have + m.People; ; {
		ctx, cancel := context.WithTimeout(ctx, memoryEvery)
		err := far.Await(ctx, want)
		cancel()
		memory, memoryErr := usage.Memory(peer.Roots()...)
		r.Memory = max(r.Memory, memory)
		if err == nil {
			break
		}
		if memoryErr != nil {
			return memoryErr
		}
	}
	_, last := far.Total()
	if err := peer.Settled(ctx, have+m.People); err != nil {
		return err
	}
	after, err := usage.CPU(peer.Roots()...)
	if err != nil {
		return err
	}
	rate, cpu := float64(m.People)/last.Sub(began).Seconds(), (after-before).Seconds()*1000/float64(m.People)
	theirs := (ownCPU() - own).Seconds() * 1000 / float64(m.People)
	r.Rate, r.CPU, r.Own = append(r.Rate, rate), append(r.CPU, cpu), append(r.Own, theirs)
	m.say("mailing: %.0f/s, %.3f ms of CPU each, and %.3f ms of the receiving end", rate, cpu, theirs)
	return ctx.Err()
}

func (m Mailing) say(format string, args ...any) {
	if m.Progress != nil {
		m.Progress(fmt.Sprintf(format, args...))
	}
}

// urgent sends once more and submits urgent mail meanwhile.
func (m Mailing) urgent(ctx context.Context, peer *peers.Stafette, far *sink.Sink, group string, arrived <-chan arrival, r *Mailed) error {
	if m.Urgent == 0 {
		return nil
	}
	have, _ := far.Total()
	id, err := m.send(ctx, peer, group)
	if err != nil {
		return err
	}
	if err := far.Await(ctx, have+1); err != nil {
		return err
	}
	letters := letter.NewSource(letter.Config{Run: urgentRun, From: "info@" + m.Domain})
	tick := time.NewTicker(m.Every)
	defer tick.Stop()
	submitted := map[string]time.Time{}
	for n := range m.Urgent {
		if now, _ := far.Total(); now-have >= m.People {
			break // what comes now meets nobody
		}
		at := time.Now()
		if _, err := peer.SMTP().Run(ctx, inject.Load{Letters: letters, Start: n, Count: 1, Sessions: 1}); err != nil {
			return err
		}
		submitted[letters.At(n).Token] = at
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range submitted {
		select {
		case a := <-arrived:
			r.Took = append(r.Took, a.at.Sub(submitted[a.token]))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	slices.Sort(r.Took)
	_, err = peer.MailingAct(ctx, id, "cancel")
	return err
}

// published is what listmonk is known to do on such a machine with such a mailing.
const published = "listmonk, which keeps no queue and no event per mail: 2,934 to 3,369 mails/s with 0.34 to 0.41 ms"

// Markdown is the section of the report.
func (m Mailing) Markdown(r Mailed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## P3: a mailing to %s people\n\n"+
		"Each mail with a name, a picture, three links that are counted and one to unsubscribe; unsigned, 20 sessions, SQLite, %d rounds; median (least to most). "+
		"From the request that sends it to the last receipt; recipients, deliveries and their events are durable, and nobody got it twice.\n\n", thousands(m.People), m.Rounds)
	fmt.Fprintf(&b, "| mails/s | CPU ms/mail | of the receiving end | memory (PSS), greatest |\n|---|---|---|---|\n| %s | %s | %s | %d MB |\n\nPublished of %s.\n",
		spreadOf(r.Rate).text("%.0f"), spreadOf(r.CPU).text("%.3f"), spreadOf(r.Own).text("%.3f"), r.Memory>>20, published)
	if len(r.Took) > 0 {
		fmt.Fprintf(&b, "\nP8: of %d urgent mails submitted meanwhile, one every %s, from submission to the sink's final reply: p50 %.1f ms, p99 %.1f ms, worst %.1f ms.\n", len(r.Took), m.Every,
			milliseconds(Percentile(r.Took, 0.5)), milliseconds(Percentile(r.Took, 0.99)), milliseconds(r.Took[len(r.Took)-1]))
	}
	return b.String()
}
