package store

// The places that Config.Failpoint is told of, in the order of a mail's journey.
const (
	afterBodyBeforeRows    = "after-body-before-rows"
	afterRowsBeforeCommit  = "after-rows-before-commit"
	afterStoreBeforeAck    = "after-store-before-ack"
	after250BeforeSettle   = "after-250-before-settle"
	afterSettleBeforeEvent = "after-settle-before-event"

	// Of mailings.
	afterRecipientsBeforeMail = "after-recipients-before-mail"
	afterMailBeforeAnswers    = "after-mail-before-answers"
)

func (s *Store) pass(place string) {
	if s.cfg.Failpoint != nil {
		s.cfg.Failpoint(place)
	}
}

// passFor passes one place if the group holds an acceptance, the other if it holds
// a settlement; "" is no place.
func (s *Store) passFor(group []*work, accept, settle string) {
	if s.cfg.Failpoint == nil {
		return
	}
	var accepts, settles bool
	for _, w := range group {
		accepts = accepts || w.accept != nil
		settles = settles || w.accept == nil
	}
	if accepts && accept != "" {
		s.pass(accept)
	}
	if settles && settle != "" {
		s.pass(settle)
	}
}
