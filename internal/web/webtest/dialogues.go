package webtest

import (
	"context"
	"time"

	"stafette/internal/event"
	"stafette/internal/message"
	"stafette/internal/smtp"
	"stafette/internal/spool"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// Dialogues implements messages.Dialogues: of each attempt that did not succeed, with a
// server that says hostile words.
func (w *World) Dialogues(ctx context.Context, t tenant.ID, m message.ID, _ []spool.Day) ([]trace.Dialogue, error) {
	facts, err := w.Events(ctx, t, m)
	var list []trace.Dialogue
	for _, e := range facts {
		if e.Attempt == nil || e.Attempt.Outcome == event.OutcomeDelivered {
			continue
		}
		line := func(after time.Duration, from smtp.Speaker, text string) trace.Line {
			return trace.Line{After: after, From: from, Stage: smtp.StageRcpt, Text: text}
		}
		list = append(list, trace.Dialogue{
			About: trace.About{Tenant: t, Delivery: e.Delivery, Number: e.Attempt.Number, Site: e.Attempt.MX, Source: "192.0.2.17"},
			Began: e.At, Host: e.Attempt.MX, Address: e.Attempt.Address, Outcome: e.Attempt.Outcome,
			Lines: []trace.Line{line(0, smtp.SpeakerClient, "RCPT TO:<eva@kunde.example>"), line(12*time.Millisecond, smtp.SpeakerServer, "550 <script>no</script>")},
		})
	}
	return list, err
}
