// Package bounce judges what receiving servers say and reads what comes back by mail:
// from a reply to a class, from the class to whom it blames, whether to try again and
// which sentence explains it; from a returned message to its recipients and what
// became of each.
//
// Delivery asks it about every attempt (Judge, Local); the intake of return mail has
// it read reports (ParseReport), tie them to a delivery (ReturnPaths) and judge them
// (JudgeRecipient). The table is data (classes.toml), commented where it stands. It is
// floor 0: it suppresses nobody, schedules nothing, and believes no report: whether a
// report may speak for a delivery is decided where it is taken in.
package bounce

// Scope is whom a reply blames.
type Scope string

// The scopes of blame, as Postfix's smtp_trouble.c teaches them.
const (
	ScopeSession      Scope = "session"       // connection lost: try the next host
	ScopeSource       Scope = "source"        // our IP address or its DNS: operator's alarm, another source
	ScopeSite         Scope = "site"          // the receiving system as a whole: slow down or wait
	ScopeTenantDomain Scope = "tenant_domain" // SPF, DKIM, DMARC of the sender: tenant's to-do
	ScopeMessage      Scope = "message"       // this content
	ScopeRecipient    Scope = "recipient"     // this mailbox
)

// valid reports whether s is one of the scopes.
func (s Scope) valid() bool {
	switch s {
	case ScopeSession, ScopeSource, ScopeSite, ScopeTenantDomain, ScopeMessage, ScopeRecipient:
		return true
	}
	return false
}

// Class names a reason, snake_case; the catalogue key of its sentence is
// "bounce.<class>".
type Class string

// The classes the code itself reaches for. All others live in classes.toml alone.
const (
	Rejected       Class = "rejected"         // 5xx without a reason we know
	Temporary      Class = "temporary"        // 4xx without a reason we know
	LocalError     Class = "local_error"      // a fault on our side
	DomainNoMail   Class = "domain_no_mail"   // null MX
	TooLarge       Class = "too_large"        // over the server's SIZE
	Malformed      Class = "malformed"        // may not be sent as it is
	UTF8           Class = "utf8_unsupported" // server lacks SMTPUTF8
	ConnectFailed  Class = "connect_failed"   // no connection
	ConnectionLost Class = "connection_lost"  // it broke
	Timeout        Class = "timeout"          // no answer in time
	TLSFailed      Class = "tls_failed"       // handshake or certificate
	TLSPolicy      Class = "tls_policy"       // the protection a policy demands did not come about
	RequireTLS     Class = "requiretls"       // the message demands REQUIRETLS, the server lacks it
	ProtocolError  Class = "protocol_error"   // not SMTP
	DNSNoDomain    Class = "dns_no_domain"    // NXDOMAIN
	DNSNoHost      Class = "dns_no_host"      // neither MX nor address
	DNSFailed      Class = "dns_failed"       // no answer from the name server

	// What comes back later by mail and is no refusal.
	Delivered Class = "delivered"  // a receipt
	Complaint Class = "complaint"  // reported as spam, or unsubscribed by mail
	AutoReply Class = "auto_reply" // an absence or other automatic answer
)

// named lists the classes above, which a table must have.
func named() []Class {
	return []Class{
		Rejected, Temporary, DomainNoMail, TooLarge, Malformed, UTF8, ConnectFailed, ConnectionLost,
		Timeout, TLSFailed, TLSPolicy, RequireTLS, ProtocolError, DNSNoDomain, DNSNoHost, DNSFailed,
		Delivered, Complaint, AutoReply,
	}
}

// Input is what a server said.
type Input struct {
	Code     int    // 0 if no reply came, as in a DSN that quotes none
	Enhanced string // "5.1.1" or ""
	Text     string // all lines joined by \n
	Stage    string // the command answered: connect, greeting, ehlo, starttls, mail, rcpt, data, dot
	Host     string // MX name, to know the provider by
}

// temporary reports whether the server said "not now".
func (in Input) temporary() bool {
	if in.Code != 0 {
		return in.Code < 500
	}
	return len(in.Enhanced) > 0 && in.Enhanced[0] == '4'
}

// Judgement is what it means.
type Judgement struct {
	Class     Class
	Scope     Scope
	Permanent bool // no retry: bounced (a refused source first leaves other routes)
	Hard      bool // the address will never work: suppress by rule
}
