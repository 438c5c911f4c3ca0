package smtpserver

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// anyKey is the user name for clients that want the same one for every key; the key's
// text alone says who they are.
const anyKey = "apikey"

// maxAuthFailures ends a session; guessing must pay for a new connection.
const maxAuthFailures = 3

// auth implements service: it conducts an exchange (RFC 4954).
func (s *session) auth(arg string) *answer {
	switch {
	case s.helo == "":
		return outOfOrder("EHLO comes first")
	case s.open:
		return outOfOrder("AUTH is not possible within a transaction")
	case !s.key.ID.IsZero():
		return outOfOrder("Already authenticated")
	case !s.encrypted() && !s.server.config.AllowPlainAuth:
		return reply(523, 5, 7, 10, "TLS is required")
	}
	mechanism, initial, _ := strings.Cut(arg, " ")
	exchange, refused := s.mechanism(mechanism)
	if refused != nil {
		return refused
	}
	var response []byte
	if initial = strings.TrimSpace(initial); initial != "" {
		var ok bool
		if response, ok = decodeResponse(initial); !ok {
			return reply(501, 5, 5, 2, "The initial response is not base64")
		}
	}
	for {
		challenge, done, err := exchange.Next(response)
		if err != nil {
			return refusalOf(err)
		}
		if done {
			return reply(235, 2, 7, 0, "Authenticated")
		}
		s.write("334 " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
		line, err := s.readLine()
		switch {
		case !s.whole(err):
			return nil
		case line == "*":
			return reply(501, 5, 7, 0, "Authentication is cancelled")
		}
		var ok bool
		if response, ok = decodeResponse(line); !ok {
			return reply(501, 5, 5, 2, "The response is not base64")
		}
	}
}

// decodeResponse reads what a client sends in an exchange; "=" is the empty response.
func decodeResponse(text string) ([]byte, bool) {
	if text == "=" {
		return []byte{}, true
	}
	response, err := base64.StdEncoding.DecodeString(text)
	return response, err == nil
}

func (s *session) mechanism(name string) (sasl.Server, *answer) {
	if s.failures >= maxAuthFailures {
		s.done = true
		return nil, reply(421, 4, 7, 0, "Too many failed attempts")
	}
	switch strings.ToUpper(name) {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && identity != user {
				return s.failed()
			}
			return s.authenticate(user, password)
		}), nil
	case sasl.Login:
		return &login{check: s.authenticate}, nil
	}
	return nil, reply(504, 5, 7, 4, "The mechanisms are PLAIN and LOGIN")
}

// refusalOf turns the errors of a SASL exchange into replies.
func refusalOf(err error) *answer {
	var known *answer
	if errors.As(err, &known) {
		return known
	}
	return reply(501, 5, 5, 2, "The authentication exchange is malformed")
}

// login is the server side of AUTH LOGIN (draft-murchison-sasl-login-00), which is not a
// standard but all that many PHP and .NET programs speak.
type login struct {
	check func(user, password string) error
	user  string
	step  int
}

// Next implements sasl.Server.
func (l *login) Next(response []byte) ([]byte, bool, error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1:
		l.user, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		return nil, true, l.check(l.user, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}

// authenticate finds the key. The user name must be the key's ID or anyKey; it is no
// secret and adds nothing, but a wrong one is a client set up for another account.
func (s *session) authenticate(user, password string) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.server.config.AcceptTimeout, errTimeout)
	defer cancel()
	key, err := s.server.config.Auth.Key(ctx, password, s.conn.ip.String())
	if err != nil {
		return s.authError(err)
	}
	if user != anyKey && user != key.ID.String() || key.Tenant.IsZero() || !key.Allows(tenant.ScopeSend) {
		return s.failed()
	}
	s.key = key
	return nil
}

func (s *session) authError(err error) error {
	f := fault.As(err)
	switch {
	case f == nil, f.Kind == fault.Unavailable:
		s.server.config.Log.Error("authentication is not possible", "err", err)
		return reply(454, 4, 7, 0, "Authentication is not possible at the moment")
	case f.Kind == fault.Limited:
		return reply(454, 4, 7, 0, "Too many attempts, try again later")
	}
	return s.failed()
}

// failed counts a failure. Whatever was wrong, the client hears the same. The user name
// is not logged: people type their password there.
func (s *session) failed() error {
	s.failures++
	s.server.config.Log.Info("authentication failed", "remote", s.conn.ip.String())
	return reply(535, 5, 7, 8, "Authentication failed; the user name is the ID of an API key or \"apikey\", the password its text")
}
