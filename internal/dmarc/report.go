package dmarc

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// Limits of a report that somebody else has written.
const (
	maxRecords  = 50_000
	maxAuth     = 100 // results of one record
	maxDepth    = 16  // of elements; the schema needs 6
	maxText     = 255 // characters of one value that are kept
	maxMessages = 1 << 40
)

// Report is an aggregate report (RFC 9990; RFC 7489, appendix C). Every text in it is
// the reporter's word: valid UTF-8, on one line, at most 255 characters.
type Report struct {
	Reporter   string // organisation
	ID         string
	Begin, End time.Time
	Domain     string // that published the policy, A-labels, lower case
	Policy     Policy
	Records    []Row
}

// Row is the mail of one source that came out alike.
type Row struct {
	Source      netip.Addr
	Messages    int64
	Disposition Policy // what the reporter did
	DKIM, SPF   bool   // passed and aligned
	From        string // domain of From; "": that of the report
	Signer      string // d= of a signature that passed, or else of the first one; "" if none
	Sender      string // domain SPF was asked about; "" if none
}

// Messages sums the rows up.
func (r Report) Messages() int64 {
	var n int64
	for _, row := range r.Records {
		n += row.Messages
	}
	return n
}

// errReport: the bytes are not a report we take.
var errReport = errors.New("no DMARC report")

// feedback is the XML, of either RFC: namespaces differ, names do not. What a schema
// adds is passed over.
type feedback struct {
	XMLName xml.Name `xml:"feedback"`
	Meta    struct {
		Org   string `xml:"org_name"`
		ID    string `xml:"report_id"`
		Range struct {
			Begin int64 `xml:"begin"`
			End   int64 `xml:"end"`
		} `xml:"date_range"`
	} `xml:"report_metadata"`
	Policy struct {
		Domain string `xml:"domain"`
		P      string `xml:"p"`
	} `xml:"policy_published"`
}

// record is one element of the same name.
type record struct {
	Row struct {
		Source    string `xml:"source_ip"`
		Count     int64  `xml:"count"`
		Evaluated struct {
			Disposition string `xml:"disposition"`
			DKIM        string `xml:"dkim"`
			SPF         string `xml:"spf"`
		} `xml:"policy_evaluated"`
	} `xml:"row"`
	Identifiers struct {
		From string `xml:"header_from"`
	} `xml:"identifiers"`
	Auth struct {
		DKIM []result `xml:"dkim"`
		SPF  []result `xml:"spf"`
	} `xml:"auth_results"`
}

type result struct {
	Domain string `xml:"domain"`
	Result string `xml:"result"`
}

// ParseReport reads the XML of a report, packed or not; see Unpack.
func ParseReport(raw []byte) (Report, error) {
	text, err := Unpack(raw)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	r, err := parse(text)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", errReport, err)
	}
	return r, nil
}

// parse goes through the document element by element, so that no part of it is held
// beyond the record at hand, and depth is known before anything is decoded.
func parse(text []byte) (Report, error) {
	if err := shallow(text); err != nil {
		return Report{}, err
	}
	d := newDecoder(text)
	var head feedback
	var r Report
	root := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "feedback":
			root = true
		case "report_metadata":
			err = d.DecodeElement(&head.Meta, &start)
		case "policy_published":
			err = d.DecodeElement(&head.Policy, &start)
		case "record":
			var one record
			if err = d.DecodeElement(&one, &start); err == nil {
				err = r.add(one)
			}
		default:
			err = d.Skip()
		}
		if err != nil {
			return Report{}, err
		}
	}
	if !root {
		return Report{}, errors.New("no element feedback")
	}
	return r, r.complete(head)
}

func (r *Report) complete(head feedback) error {
	r.Reporter, r.ID = line(head.Meta.Org), line(head.Meta.ID)
	r.Domain = domain(head.Policy.Domain)
	if !r.Policy.parse(strings.ToLower(strings.TrimSpace(head.Policy.P))) {
		r.Policy = None
	}
	begin, end := head.Meta.Range.Begin, head.Meta.Range.End
	switch {
	case r.Reporter == "" || r.ID == "" || r.Domain == "":
		return errors.New("no org_name, report_id or domain")
	case begin < 946684800 || end < begin || end > 253402300799: // years 2000 to 9999
		return errors.New("no valid date_range")
	case len(r.Records) == 0:
		return errors.New("no record")
	}
	r.Begin, r.End = time.Unix(begin, 0).UTC(), time.Unix(end, 0).UTC()
	return nil
}

func (r *Report) add(one record) error {
	ip, err := netip.ParseAddr(strings.TrimSpace(one.Row.Source))
	switch {
	case err != nil || ip.Zone() != "":
		return errors.New("a record without source_ip")
	case one.Row.Count < 0 || one.Row.Count > maxMessages:
		return errors.New("a record with a count that cannot be")
	case len(r.Records) >= maxRecords:
		return fmt.Errorf("more than %d records", maxRecords)
	case len(one.Auth.DKIM) > maxAuth || len(one.Auth.SPF) > maxAuth:
		return fmt.Errorf("more than %d results in a record", maxAuth)
	}
	row := Row{
		Source: ip.Unmap(), Messages: one.Row.Count, From: domain(one.Identifiers.From),
		DKIM: passed(one.Row.Evaluated.DKIM), SPF: passed(one.Row.Evaluated.SPF),
		Signer: of(one.Auth.DKIM), Sender: of(one.Auth.SPF),
	}
	if !row.Disposition.parse(strings.ToLower(strings.TrimSpace(one.Row.Evaluated.Disposition))) {
		row.Disposition = None
	}
	r.Records = append(r.Records, row)
	return nil
}

func passed(text string) bool { return strings.EqualFold(strings.TrimSpace(text), "pass") }

// of is the domain of the first result that passed, or else of the first.
func of(list []result) string {
	for _, one := range list {
		if passed(one.Result) {
			return domain(one.Domain)
		}
	}
	if len(list) > 0 {
		return domain(list[0].Domain)
	}
	return ""
}

func domain(text string) string {
	return strings.TrimSuffix(strings.ToLower(line(text)), ".")
}

// line makes foreign text fit for pages and databases.
func line(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	if r := []rune(text); len(r) > maxText {
		return string(r[:maxText])
	}
	return text
}

// shallow refuses XML that nests deeper than any report, or brings a document type:
// that is where entities are declared that grow without end.
func shallow(text []byte) error {
	d := newDecoder(text)
	for depth := 0; ; {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return errors.New("nested too deep")
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("has a document type")
		}
	}
}
