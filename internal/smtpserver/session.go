package smtpserver

import (
	"net"

	"stafette/internal/tenant"
)

// session is one client of the door for submission.
type session struct {
	*dialogue
	server   *Server
	key      tenant.Key
	failures int // of authentication
	tx       transaction
}

// serveSession conducts the dialogue on a new connection.
func (s *Server) serveSession(c net.Conn) {
	if d := newDialogue(c, &s.terms); d != nil {
		d.conduct(&session{dialogue: d, server: s})
	}
}

// extensions implements service.
func (s *session) extensions() string {
	own := s.server.limits
	if s.encrypted() || s.server.config.AllowPlainAuth {
		own = "250-AUTH PLAIN LOGIN\r\n" + own
	}
	if s.encrypted() {
		own = "250-REQUIRETLS\r\n" + own
	}
	return own
}

// forget implements service.
func (s *session) forget() { s.tx = transaction{} }

// forgetClient implements service.
func (s *session) forgetClient() { s.key = tenant.Key{} }

// refuse logs what the client is not told.
func (s *session) refuse(err error) *answer {
	if unexpected(err) {
		s.server.config.Log.Error("message cannot be accepted", "tenant", s.key.Tenant.String(), "err", err)
	}
	return replyTo(err)
}
