package approval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"stafette/internal/approval"
	"stafette/internal/audience"
)

// person is who acts in a walk.
type person struct {
	approval.Reviewer
	own bool // has to do with the account
}

// model is what a case must be after a walk so far, told apart from how the room finds out.
type model struct {
	state    approval.State
	claimed  string
	first    string // who gave the first of two approvals
	rejected string // who said no last
	size     int    // of the group
}

// decides reports whether somebody may bring the case to approved by one word now.
func (m model) decides(p person) bool {
	switch {
	case p.own || m.state != approval.InReview, m.claimed != "" && m.claimed != p.Actor, m.rejected == p.Actor:
		return false
	case m.size >= 30: // FourEyes of newWorld
		return !p.Program && m.first != "" && m.first != p.Actor
	}
	return true
}

// TestWalks walks at random through everything that can be done in a case, by everybody, and
// holds the outcome against a model: a group is approved only right after the decision of
// somebody who may decide, and loses it when it grows.
func TestWalks(t *testing.T) {
	people := []person{
		{Reviewer: reviewer("r1")}, {Reviewer: reviewer("r2")}, {Reviewer: reviewer("own"), own: true},
		{Reviewer: approval.Reviewer{Actor: "key_1", Program: true}},
	}
	approved := 0
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 8))
		w := newWorld(t)
		w.related = "own@platform.example"
		m := model{state: approval.Required, size: []int{40, 5, 5}[seed%3]}
		g := w.group("walk", m.size)
		var c approval.Case
		for n := range 40 {
			p := people[chance.IntN(len(people))]
			step, err := w.step(chance, g, &c, p, n)
			trail := fmt.Sprintf("seed %d, step %d: %s by %s (%v)", seed, n, step, p.Actor, err)
			may := m.decides(p)
			have, _, lookErr := w.service.Case(w.Context(), w.tenant, g.ID)
			if lookErr != nil {
				t.Fatalf("%s: %v", trail, lookErr)
			}
			if err == nil {
				m.after(step, p, have.State)
			}
			if have.State == approval.Approved && m.state != approval.Approved && (step != "approve" || !may || err != nil) {
				t.Fatalf("%s: approved without a decision by somebody who may decide; model %+v", trail, m)
			}
			if step == "approve" && err == nil && have.State == approval.Approved {
				approved++
			}
			if have.State != approval.Approved && m.state == approval.Approved && step != "grow" {
				t.Fatalf("%s: not approved any more", trail)
			}
			m.state, m.claimed, c = have.State, have.ClaimedBy, have
			if err := w.gateAgrees(g, have.State); err != nil {
				t.Fatalf("%s: %v", trail, err)
			}
		}
	}
	if approved < 20 {
		t.Errorf("only %d walks came to an approval: they say nothing", approved)
	}
}

// grown is how many come at a time: more than an approval covers.
const grown = 8

// step does something in a case, whether it can be done or not.
func (w *world) step(chance *rand.Rand, g audience.Group, c *approval.Case, p person, n int) (string, error) {
	w.pass(time.Minute)
	say := func(d approval.Decision) error {
		_, err := w.service.Decide(w.Context(), approval.Verdict{Case: c.ID, Decision: d, Reason: "Begründung, die das Konto liest."}, p.Reviewer)
		return err
	}
	steps := []string{"submit", "submit", "answer", "claim", "release", "question", "reject", "approve", "approve", "approve", "approve", "grow"}
	step := steps[chance.IntN(len(steps))]
	var err error
	switch step {
	case "submit":
		_, err = w.service.Submit(w.Context(), w.tenant, g.ID, good(), "usr_1")
	case "answer":
		_, err = w.service.Answer(w.Context(), w.tenant, g.ID, "Das war im Mai.", nil, "usr_1")
	case "claim":
		_, err = w.service.Claim(w.Context(), c.ID, p.Reviewer)
	case "release":
		_, err = w.service.Release(w.Context(), c.ID, p.Reviewer)
	case "question":
		err = say(approval.DecideQuestion)
	case "reject":
		err = say(approval.DecideReject)
	case "approve":
		err = say(approval.DecideApprove)
	case "grow":
		w.add(g, fmt.Sprintf("grown%d", n), grown, audience.OriginAPI)
		w.gate.Forget(w.tenant)
	}
	return step, err
}

// after follows what the model must know that a case does not show.
func (m *model) after(step string, p person, now approval.State) {
	switch step {
	case "submit":
		m.first = ""
	case "reject":
		m.rejected, m.first = p.Actor, ""
	case "approve":
		if m.first = p.Actor; now == approval.Approved {
			m.first, m.rejected = "", ""
		}
	case "grow":
		m.first = "" // whoever was first did not see this
		m.size += grown
	}
}

// gateAgrees: mail to the group passes exactly if it is approved.
func (w *world) gateAgrees(g audience.Group, s approval.State) error {
	w.gate.Forget(w.tenant)
	rulings, err := w.gate.Judge(w.Context(), w.tenant, []approval.Mail{{Group: g.ID}})
	if err != nil {
		return err
	}
	if passes := rulings[0].Err == nil; passes != (s == approval.Approved) || !slices.Contains(approval.States(), s) {
		return fmt.Errorf("state %s, mail passes: %v", s, passes)
	}
	return nil
}
