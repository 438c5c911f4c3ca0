// Package bounce judges what receiving servers say: from a reply to a class, from
// the class to whom it blames, whether to try again and which sentence explains it.
//
// The table is data (classes.toml), commented where it stands. It is floor 0: it
// suppresses nobody and schedules nothing.
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

// Class names a reason, snake_case; the catalogue key of its sentence is
// "bounce.<class>".
type Class string

// Input is what a server said.
type Input struct {
	Code     int    // 0 if no reply came
	Enhanced string // "5.1.1" or ""
	Text     string // all lines joined by \n
	Stage    string // the command answered: connect, greeting, ehlo, starttls, mail, rcpt, data, dot
	Host     string // MX name, to know the provider by
}

// Judgement is what it means.
type Judgement struct {
	Class     Class
	Scope     Scope
	Permanent bool // no retry: bounced
	Hard      bool // the address will never work: suppress by rule
}
