package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stafette/test/load/letter"
	"stafette/test/load/peers"
	"stafette/test/load/roster"
	"stafette/test/load/sink"
)

// Mailings torments an instance while it sends mailings to a group: it is killed at random
// moments and at named places while recipients are found, mail is handed over, the mailing is
// paused, goes on and is cancelled. Each person must get each mailing once, apart from what
// was on the wire at a kill.
type Mailings struct {
	Binary string
	Dir    string // takes configuration and data
	People int
	Kills  int // of the mailing that is paused and goes on
	Rand   *rand.Rand
}

// MailingFailpoints are the places of mailings that the store names.
func MailingFailpoints() []string {
	return []string{"after-recipients-before-mail", "after-mail-before-answers"}
}

// mailingDomain is the tenant's.
const mailingDomain = "muster.example"

// inFlightMailing is how many mails a kill may send twice: see Stafette.InFlight.
const inFlightMailing = 2 * sessions

// Play sends two mailings under kills, the second of which is cancelled. An error is a broken
// promise, or a trial that could not be held.
func (m Mailings) Play(ctx context.Context) error {
	far, err := sink.Start(sink.Config{})
	if err != nil {
		return err
	}
	defer far.Close()
	peer, err := peers.SetUpStafette(ctx, peers.StafetteConfig{Binary: m.Binary, Dir: m.Dir, Sink: far.Addr(), Domain: mailingDomain, Unsigned: true, Concurrency: sessions})
	if err != nil {
		return err
	}
	people := letter.NewSource(letter.Config{Run: "c"})
	group, err := roster.Roster{Data: m.Dir + "/data", Domain: mailingDomain, People: m.People, Address: func(n int) string { return people.At(n).To }}.Fill(ctx)
	if err != nil {
		return err
	}
	t := &mailingTrial{Mailings: m, peer: peer, far: far, group: group.String()}
	err = t.play(ctx)
	return errors.Join(err, peer.Kill())
}

// mailingTrial is a trial under way.
type mailingTrial struct {
	Mailings
	peer  *peers.Stafette
	far   *sink.Sink
	group string
	kills int // of the mailing at hand
}

func (t *mailingTrial) play(ctx context.Context) error {
	if err := t.peer.Start(ctx); err != nil {
		return err
	}
	if err := t.through(ctx); err != nil {
		return fmt.Errorf("mailing that is paused and goes on: %w", err)
	}
	if err := t.cancelled(ctx); err != nil {
		return fmt.Errorf("mailing that is cancelled: %w", err)
	}
	return nil
}

func (t *mailingTrial) begin(ctx context.Context) (id string, err error) {
	m, err := t.peer.MakeMailing(ctx, map[string]any{"name": "Mai", "group_ids": []string{t.group}, "from": "info@" + mailingDomain,
		"subject": "Neues für {{given_name}}", "text": "Guten Tag {{name}}\n\n{{unsubscribe_url}}\n"})
	if err != nil {
		return "", err
	}
	t.kills = 0
	_, err = t.peer.MailingAct(ctx, m.ID, "send")
	return m.ID, err
}

// firstKill is short: most of a mailing of some thousands is to be left.
const firstKill = 100 * time.Millisecond

func failpointAt(place string) string { return "STAFETTE_TEST_FAILPOINT=" + place + ":1" }

// die kills the instance after a moment and starts it again.
func (t *mailingTrial) die(ctx context.Context) error { return t.dieWithin(ctx, 400*time.Millisecond) }

func (t *mailingTrial) dieWithin(ctx context.Context, most time.Duration, env ...string) error {
	if err := wait(ctx, time.Duration(t.Rand.IntN(int(most)))); err != nil {
		return err
	}
	if err := t.peer.Kill(); err != nil {
		return err
	}
	t.kills++
	return t.peer.Start(ctx, env...)
}

// through sends a mailing that everybody gets.
func (t *mailingTrial) through(ctx context.Context) error {
	id, err := t.begin(ctx)
	if err != nil {
		return err
	}
	if err := t.dieWithin(ctx, firstKill, failpointAt(MailingFailpoints()[0])); err != nil {
		return err
	}
	// From one place to the next at once: a mailing that ran on between them might be through.
	for n, place := range MailingFailpoints() {
		select {
		case <-t.peer.Died():
			t.kills++
			var next []string
			if more := MailingFailpoints()[n+1:]; len(more) > 0 {
				next = []string{failpointAt(more[0])}
			}
			err = t.peer.Start(ctx, next...)
		case <-time.After(20 * time.Second):
			err = fmt.Errorf("never passed %s", place)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	for n := range t.Kills {
		act := []string{"pause", "resume"}[n%2]
		if _, err := t.peer.MailingAct(ctx, id, act); err != nil {
			return err
		}
		if err := t.die(ctx); err != nil {
			return err
		}
	}
	if _, err := t.peer.MailingAct(ctx, id, "resume"); err != nil {
		return err
	}
	if err := t.far.Await(ctx, t.People/3); err != nil {
		return err
	}
	if err := t.die(ctx); err != nil {
		return err
	}
	if err := t.settle(ctx, id, "sent"); err != nil {
		return err
	}
	return t.judge(ctx, id, map[string]int{}, true)
}

// cancelled sends a mailing and cancels it on the way.
func (t *mailingTrial) cancelled(ctx context.Context) error {
	before := t.far.Receipts()
	have, _ := t.far.Total()
	id, err := t.begin(ctx)
	if err != nil {
		return err
	}
	if err := t.far.Await(ctx, have+1+t.Rand.IntN(t.People/4)); err != nil {
		return err
	}
	if _, err := t.peer.MailingAct(ctx, id, "cancel"); err != nil {
		return err
	}
	for range 2 {
		if err := t.die(ctx); err != nil {
			return err
		}
	}
	if err := t.settle(ctx, id, "cancelled"); err != nil {
		return err
	}
	return t.judge(ctx, id, before, false)
}

// settle waits until a mailing is in a state and none of its mail is under way.
func (t *mailingTrial) settle(ctx context.Context, id, state string) error {
	for {
		m, err := t.peer.Mailing(ctx, id)
		if err != nil {
			return err
		}
		if m.State == state {
			list, err := t.peer.Addressees(ctx, id)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(list, func(a peers.Addressee) bool { return State(a.State).waiting() }) {
				return t.peer.Settled(ctx, 0)
			}
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("mailing is %s (%s), not %s: %w: %s", m.State, m.Reason, state, err, t.peer.Said())
		}
	}
}

// judge holds what the instance says against what arrived since before.
func (t *mailingTrial) judge(ctx context.Context, id string, before map[string]int, all bool) error {
	list, err := t.peer.Addressees(ctx, id)
	if err != nil {
		return err
	}
	got := map[string]int{}
	for token, n := range t.far.Receipts() {
		got[token] = n - before[token]
	}
	var charges []string
	told, twice, unsettled := map[string]bool{}, 0, 0
	for _, a := range list {
		token := letter.TokenOf(a.Email)
		arrived := got[token]
		switch {
		case told[token]:
			charges = append(charges, token+" is there twice")
		case !all && a.State == "cancelled" && arrived > 0:
			unsettled++ // on the wire at a kill, and cancelled before anybody knew that it had arrived
		case a.State == "delivered" && arrived == 0:
			charges = append(charges, token+" is said to be delivered")
		case a.State != "delivered" && arrived > 0:
			charges = append(charges, fmt.Sprintf("%s arrived and is %s", token, a.State))
		case all && a.State != "delivered":
			charges = append(charges, fmt.Sprintf("%s is %s (%s)", token, a.State, a.Reason))
		}
		told[token] = true
		twice += max(0, arrived-1)
	}
	for token := range maps.Keys(got) {
		if got[token] > 0 && !told[token] {
			charges = append(charges, token+" arrived and is no recipient")
		}
	}
	if all && len(list) != t.People {
		charges = append(charges, fmt.Sprintf("%d recipients, not %d", len(list), t.People))
	}
	if twice+unsettled > t.kills*inFlightMailing {
		charges = append(charges, fmt.Sprintf("%d came twice and %d although they were cancelled, more than %d kills excuse", twice, unsettled, t.kills))
	}
	if len(charges) == 0 {
		return nil
	}
	slices.Sort(charges)
	return fmt.Errorf("%d charges: %s", len(charges), strings.Join(charges[:min(5, len(charges))], "; "))
}
