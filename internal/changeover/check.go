package changeover

// CheckKind is what a pre-flight looks at.
type CheckKind string

// The checks.
const (
	CheckPTR     CheckKind = "ptr"     // reverse name that leads back to the address (FCrDNS)
	CheckEHLO    CheckKind = "ehlo"    // the name greeted with belongs to the address
	CheckDNSBL   CheckKind = "dnsbl"   // no block list names the address
	CheckHere    CheckKind = "here"    // the machine has the address
	CheckSPF     CheckKind = "spf"     // the record of a domain carries an address
	CheckTLS     CheckKind = "tls"     // TLS from the new sources works
	CheckImprint CheckKind = "imprint" // the imprint's host is found in DNS
	CheckSource  CheckKind = "source"  // the source exists, may send and is taken by nothing else
)

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	Passed  Verdict = "passed"
	Blocked Verdict = "blocked" // must be put right before the start
	Unknown Verdict = "unknown" // could not be asked just now; blocks too
	Skipped Verdict = "skipped" // does not apply, as public DNS to addresses that are not public
)

// Check is one result of a pre-flight.
type Check struct {
	Kind    CheckKind `json:"kind"`
	Verdict Verdict   `json:"verdict"`
	// Subject is what was looked at: a source, a domain, a block list's zone.
	Subject string `json:"subject"`
	// Problem is the catalogue's word for what is wrong: "changeover.problem.<word>".
	Problem string `json:"problem,omitempty"`
	// Have is what was found, Want what should be there; both may be empty.
	Have string `json:"have,omitempty"`
	Want string `json:"want,omitempty"`
}
