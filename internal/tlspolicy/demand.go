package tlspolicy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"stafette/internal/smtp"
)

// Demand is how sessions to one host must be protected. It does not change and is
// safe for concurrent use; the zero value demands nothing.
type Demand struct {
	Kind      Kind
	Host      string // the server's name in the MX record or route
	Mandatory bool   // encrypted or not at all

	proven bool          // by a certificate of the WebPKI for one of names
	dane   *associations // or by one of these
	names  []string      // the first is what the server is called in the handshake
	roots  *x509.CertPool
	min    uint16
	now    func() time.Time
	policy *Policy
}

// Result is how a session came out, in the words of RFC 8460, 4.3.
type Result string

// The results.
const (
	ResultOK         Result = "" // as the policy demands
	ResultNoTLS      Result = "starttls-not-supported"
	ResultHostname   Result = "certificate-host-mismatch"
	ResultExpired    Result = "certificate-expired"
	ResultUntrusted  Result = "certificate-not-trusted"
	ResultValidation Result = "validation-failure"
	ResultTLSA       Result = "tlsa-invalid"
	ResultDNSSEC     Result = "dnssec-invalid"
	ResultFetch      Result = "sts-policy-fetch-error"
	ResultInvalid    Result = "sts-policy-invalid"
	ResultWebPKI     Result = "sts-webpki-invalid"
)

// PolicyError is a session that a policy forbids.
type PolicyError struct {
	Kind   Kind
	Result Result
	Host   string
	Err    error
}

// Error implements error.
func (f *PolicyError) Error() string {
	return fmt.Sprintf("policy %s forbids a session with %s: %s: %v", f.Kind, f.Host, f.Result, f.Err)
}

// Unwrap returns the cause.
func (f *PolicyError) Unwrap() error { return f.Err }

func (d *Demand) fail(r Result, err error) *PolicyError {
	return &PolicyError{Kind: d.Kind, Result: r, Host: d.Host, Err: err}
}

// Mode returns how to open a session: whether STARTTLS is a must, and the settings
// that prove the server, made from base (nil: defaults).
func (d *Demand) Mode(base *tls.Config) (smtp.TLSMode, *tls.Config) {
	if !d.Mandatory {
		return smtp.TLSOpportunistic, base
	}
	cfg := new(tls.Config)
	if base != nil {
		cfg = base.Clone()
	}
	cfg.MinVersion = max(cfg.MinVersion, d.min)
	cfg.ServerName = d.names[0]
	// The library's own check knows neither DANE nor several names; ours is complete.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = d.verify
	return smtp.TLSRequired, cfg
}

// Admits reports whether a session that is open already may carry what the demand
// is for: nil, or a *PolicyError. state is nil for a plain session.
func (d *Demand) Admits(state *tls.ConnectionState) error {
	switch {
	case !d.Mandatory:
		return nil
	case state == nil:
		return d.fail(ResultNoTLS, smtp.ErrNoTLS)
	case state.Version < d.min:
		return d.fail(ResultValidation, errors.New("the session's version of TLS is older than allowed"))
	}
	return d.verify(*state)
}

// Verdict is what goes on record about an open session: "verified" if the server is
// proven, "encrypted" if that was not asked, what is wrong with it where a policy is
// only watched, "" where nothing is demanded. watched is what Watch returned.
func (d *Demand) Verdict(watched Result) string {
	switch {
	case watched != ResultOK:
		return string(watched)
	case !d.Mandatory && d.Kind != STSTesting:
		return ""
	case d.proven || d.Kind == STSTesting || d.dane != nil && len(d.dane.usable) > 0:
		return "verified"
	}
	return "encrypted"
}

// Watch returns what would have been wrong with a session had the policy been in
// force: for MTA-STS in mode testing. ResultOK if nothing is, or nothing is watched.
func (d *Demand) Watch(state *tls.ConnectionState) Result {
	if failure, ok := errors.AsType[*PolicyError](d.watch(state)); ok {
		return failure.Result
	}
	return ResultOK
}

func (d *Demand) watch(state *tls.ConnectionState) error {
	if d.Kind != STSTesting {
		return nil
	}
	strict := *d
	strict.Mandatory, strict.proven = true, true
	if !d.policy.STS.Matches(d.Host) {
		return d.fail(ResultValidation, errNotListed)
	}
	return strict.Admits(state)
}

// Blame turns the error of opening a session into the *PolicyError it is for this
// demand, or nil if it has nothing to do with the policy.
func (d *Demand) Blame(err error) *PolicyError {
	if failure, ok := errors.AsType[*PolicyError](err); ok {
		return failure
	}
	var se *smtp.Error
	if d == nil || !d.Mandatory || !errors.As(err, &se) || se.Stage != smtp.StageSTARTTLS {
		return nil
	}
	if errors.Is(err, smtp.ErrNoTLS) || se.Reply != nil {
		return d.fail(ResultNoTLS, err)
	}
	return d.fail(ResultValidation, err)
}

// verify is called at the end of a handshake.
func (d *Demand) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return d.fail(ResultValidation, errors.New("the server shows no certificate"))
	}
	if d.dane != nil {
		if err := d.dane.verify(state.PeerCertificates, d.now()); err != nil {
			return d.fail(ResultValidation, err)
		}
	}
	if d.proven {
		if err := d.prove(state.PeerCertificates); err != nil {
			return d.fail(resultOf(err), err)
		}
	}
	return nil
}

// prove holds the certificate to the WebPKI and the server's name.
func (d *Demand) prove(chain []*x509.Certificate) error {
	options := x509.VerifyOptions{Roots: d.roots, Intermediates: x509.NewCertPool(), CurrentTime: d.now(), DNSName: d.Host}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(options)
	return err
}

// resultOf names what is wrong with a certificate.
func resultOf(err error) Result {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		return ResultHostname
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ResultExpired
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return ResultUntrusted
	}
	return ResultValidation
}
