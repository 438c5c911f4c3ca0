package account

import "context"

// Flush returns when Run has done what was left to it.
func (s *Service) Flush() {
	done := make(chan struct{})
	s.later <- func(context.Context) { close(done) }
	<-done
}
