package delivery

import "stafette/internal/queue"

// Rows of verdicts wait for the group commit. Where so much was taken that sessions would
// soon wait with it, verdicts are noted, which takes one flush of a short file, and the
// sessions go on. Where little is sent, the commit comes first and nothing is noted.

// crowded reports whether notes are worth a flush: more than half of what may be taken
// is; mu is held. A single session writes none until it has to wait.
func (s *settler) crowded() bool { return s.taken > max(s.sessions, 1) }

// want asks the noter to write; mu is held.
func (s *settler) want() {
	if len(s.fresh) == 0 {
		return
	}
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// noter writes notes when they are wanted, until the end.
func (s *settler) noter(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-s.wanted:
			s.note()
		}
	}
}

// note makes durable what is taken and lets the sessions go on that wait for it.
func (s *settler) note() {
	list := s.unnoted()
	if len(list) == 0 {
		return
	}
	settlements := make([]*queue.Settlement, len(list))
	for i, v := range list {
		settlements[i] = &v.Settlement
	}
	numbers, err := s.queue.Note(settlements)
	if err != nil {
		// They wait for their rows, as they would without notes.
		if !s.failing {
			s.log.Error("verdicts not noted", "deliveries", len(list), "err", err)
		}
		s.failing = true
		return
	}
	s.failing = false
	s.noted(list, numbers)
}

// unnoted takes the verdicts that are to be noted.
func (s *settler) unnoted() []*verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.fresh
	s.fresh = nil
	return list
}

// noted lets those go on whose verdicts have these notes; none: nothing is noted here.
func (s *settler) noted(list []*verdict, numbers []uint64) {
	var late []uint64 // whose rows were quicker
	s.mu.Lock()
	s.never = len(numbers) == 0
	for i, number := range numbers {
		v := list[i]
		if v.note = number; v.settled {
			late = append(late, number)
		}
		s.release(v)
	}
	s.room.Broadcast()
	s.mu.Unlock()
	s.drop(late)
}

// drop gives up notes that are rows.
func (s *settler) drop(notes []uint64) {
	if len(notes) == 0 {
		return
	}
	if err := s.queue.Drop(notes); err != nil {
		s.log.Error("notes of verdicts not dropped", "err", err)
	}
}
