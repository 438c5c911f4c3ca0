package egress

import "time"

// CheckKind is what was looked at; the catalogue keys of a problem's texts are
// "egress.check.<kind>.<problem>.title" and ".way".
type CheckKind string

// The checks of a source.
const (
	CheckPTR   CheckKind = "ptr"   // the IP has a reverse record, and that name leads back to it (FCrDNS)
	CheckEHLO  CheckKind = "ehlo"  // the EHLO name resolves to the IP
	CheckDNSBL CheckKind = "dnsbl" // the IP stands on a block list
	CheckHere  CheckKind = "here"  // the machine of the source's node has the IP
)

// Problem is what a check found; "" is nothing.
type Problem string

// The problems.
const (
	ProblemNone     Problem = ""
	ProblemMissing  Problem = "missing"  // no record
	ProblemMismatch Problem = "mismatch" // the record leads elsewhere
	ProblemGeneric  Problem = "generic"  // the reverse name looks like a dial-up customer's
	ProblemListed   Problem = "listed"   // on a block list
	ProblemUnknown  Problem = "unknown"  // no answer now
)

// Finding is the outcome of one check of one source.
type Finding struct {
	Source string
	Check  CheckKind
	// Subject is what was asked: the block list's zone, else "".
	Subject string
	Problem Problem
	// Have is what was found: names, addresses, the list's reason. Foreign text, cleaned.
	Have      string
	Since     time.Time // when this problem was first found
	CheckedAt time.Time
}

// Todo is something an operator should do about a source, with the catalogue keys
// of its texts: Key + ".title" and Key + ".way".
type Todo struct {
	Key    string // "egress.check.ptr.missing", "egress.alarm.tonline", "egress.alarm.other"
	Source string
	IP     string
	EHLO   string
	// Provider that refuses the source, for alarms.
	Provider string
	Have     string // what was found or said
	Since    time.Time
	// Checked is when it was last looked at; zero for alarms and tasks.
	Checked time.Time
	// Link leads to where it is settled; "" where no one place is known. Its words are
	// the text Key + ".link".
	Link string
	// Task is set for what a person ticks off.
	Task Task
}
