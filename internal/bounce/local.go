package bounce

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"stafette/internal/dns"
	"stafette/internal/smtp"
)

// Local judges an attempt that ended without a server's reply: an error of package
// dns, or an *smtp.Error. One that carries a reply after all is judged by it, with
// the host unknown. Anything else is ConnectionLost.
func (t *Table) Local(err error) Judgement {
	var e *smtp.Error
	if errors.As(err, &e) && e.Reply != nil {
		return t.Judge(Input{Code: e.Reply.Code, Enhanced: e.Reply.Enhanced, Text: e.Reply.Text(), Stage: string(e.Stage)})
	}
	return t.judgement(localClass(err, e), false)
}

func localClass(err error, e *smtp.Error) Class {
	for _, known := range []struct {
		cause error
		class Class
	}{
		{dns.ErrNoDomain, DNSNoDomain},
		{dns.ErrNoMail, DomainNoMail},
		{dns.ErrNoHost, DNSNoHost},
		{dns.ErrTemporary, DNSFailed},
		{smtp.ErrTooLarge, TooLarge},
		{smtp.ErrBareNewline, Malformed},
		{smtp.ErrAddress, Malformed},
		{smtp.ErrNoUTF8, UTF8},
		{smtp.ErrNoRequireTLS, RequireTLS},
	} {
		if errors.Is(err, known.cause) {
			return known.class
		}
	}
	var unproven *tls.CertificateVerificationError
	switch {
	case e != nil && e.Stage == smtp.StageConnect:
		return ConnectFailed
	case e != nil && e.Stage == smtp.StageSTARTTLS, errors.As(err, &unproven):
		return TLSFailed
	case timedOut(err):
		return Timeout
	case errors.Is(err, smtp.ErrProtocol):
		return ProtocolError
	}
	return ConnectionLost
}

func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
