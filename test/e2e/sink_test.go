package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// sink is a mail server that takes everything and remembers it by Message-ID.
type sink struct {
	server *smtp.Server

	mu   sync.Mutex
	mail map[string]int // copies by Message-ID
}

// openSink starts a sink at an address of ownAddress.
func openSink(t *testing.T, address string) *sink {
	t.Helper()
	return openTLSSink(t, address, nil)
}

// openTLSSink is openSink with STARTTLS, unless the certificate is nil.
func openTLSSink(t *testing.T, address string, certificate *tls.Certificate) *sink {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{mail: map[string]int{}}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return (*sinkSession)(s), nil }))
	s.server.Domain = "sink.example"
	if certificate != nil {
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		_ = s.server.Close()
		<-ended
	})
	return s
}

// copies returns how often each Message-ID came.
func (s *sink) copies() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for id, n := range s.mail {
		all[id] = n
	}
	return all
}

// sinkSession is a sink as one session sees it; sessions keep nothing.
type sinkSession sink

func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt refuses who is nobody.
func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "niemand@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "User unknown"}
	}
	return nil
}

func (s *sinkSession) Reset()        {}
func (s *sinkSession) Logout() error { return nil }

func (s *sinkSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail[m.Header.Get("Message-ID")]++
	return nil
}
