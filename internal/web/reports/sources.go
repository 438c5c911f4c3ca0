package reports

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"stafette/internal/dmarc"
	"stafette/internal/fault"
	"stafette/internal/tenant"
	"stafette/internal/web/frame"
)

// listing is the table of sources. The domain is a filter, so that every address of the
// table names it.
func listing(p frame.Page) frame.Listing {
	l := frame.Listing{Path: home, Filters: []string{"domain", "q", "result", "disposition"}, Sort: "messages", Descending: true}
	for _, key := range []string{"source", "messages", "result", "proof", "who", "disposition"} {
		l.Columns = append(l.Columns, frame.Column{Key: key, Title: p.T("dmarc.column." + key), Number: key == "messages",
			Sortable: key != "proof" && key != "disposition"})
	}
	return l
}

// narrowed reports whether a filter besides the domain is set.
func narrowed(v frame.View) bool {
	return v.Filter("q") != "" || v.Filter("result") != "" || v.Filter("disposition") != ""
}

// chosen are the sources as the view asks for them. Filters that name nothing match
// everything, so that an old bookmark still opens a list.
func chosen(v frame.View, list []tenant.DMARCSource) []tenant.DMARCSource {
	text := strings.ToLower(v.Filter("q"))
	list = slices.DeleteFunc(slices.Clone(list), func(s tenant.DMARCSource) bool {
		switch {
		case text != "" && !strings.Contains(strings.ToLower(s.Source+" "+s.Signer+" "+s.Sender), text):
			return true
		case v.Filter("result") == "aligned" && !s.Aligned(), v.Filter("result") == "failed" && s.Aligned():
			return true
		}
		d := dmarc.Policy(v.Filter("disposition"))
		return slices.Contains(dispositions(), d) && s.Disposition != d
	})
	slices.SortStableFunc(list, func(a, b tenant.DMARCSource) int {
		n := cmp.Compare(a.Messages, b.Messages)
		switch v.Sort {
		case "source":
			n = compareAddresses(a.Source, b.Source)
		case "result":
			n = cmp.Compare(strconv.FormatBool(a.Aligned()), strconv.FormatBool(b.Aligned()))
		case "who":
			n = cmp.Compare(who(a), who(b))
		}
		if v.Descending {
			return -n
		}
		return n
	})
	return list
}

// compareAddresses orders 10.0.0.9 before 10.0.0.10; what is no address comes first.
func compareAddresses(a, b string) int {
	first, _ := netip.ParseAddr(a)
	second, _ := netip.ParseAddr(b)
	return cmp.Or(first.Compare(second), cmp.Compare(a, b))
}

func dispositions() []dmarc.Policy { return []dmarc.Policy{dmarc.None, dmarc.Quarantine, dmarc.Reject} }

// exported is a source as programs read it.
type exported struct {
	Source      string `json:"source"`
	Messages    int64  `json:"messages"`
	Aligned     bool   `json:"aligned"`
	DKIM        bool   `json:"dkim"`
	SPF         bool   `json:"spf"`
	Signer      string `json:"signer"`
	Sender      string `json:"sender"`
	Disposition string `json:"disposition"`
	Own         bool   `json:"own"` // an address we send from
}

// figures finds the domain the address names, the first one if it names none.
func (c Config) figures(r *http.Request, p frame.Page) (page, error) {
	v, err := c.load(r, p, r.URL.Query().Get("domain"))
	if err == nil && v.domain.ID.IsZero() {
		err = fault.New(fault.NotFound, "domain_not_found", "no usable domain of this tenant")
	}
	return v, err
}

// exportCSV writes the table. What reporters wrote is foreign text: no cell is a formula
// (T28).
func (c Config) exportCSV(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.figures(r, p)
	if err != nil {
		return err
	}
	var head []string
	for _, column := range v.view.Columns {
		head = append(head, column.Title)
	}
	rows := [][]string{head}
	for _, s := range v.sources {
		rows = append(rows, []string{s.Source, strconv.FormatInt(s.Messages, 10), resultText(p, s), proofText(p, s), who(s), p.T("dmarc.disposition." + string(s.Disposition))})
	}
	return p.CSV(w, "dmarc-"+v.domain.Name, rows)
}

func (c Config) exportJSON(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.figures(r, p)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="dmarc-`+v.domain.Name+"-"+p.Now.UTC().Format(time.DateOnly)+`.json"`)
	h.Set("Cache-Control", "no-store")
	list := []exported{}
	for _, s := range v.sources {
		list = append(list, exported{Source: s.Source, Messages: s.Messages, Aligned: s.Aligned(), DKIM: s.DKIM, SPF: s.SPF, Signer: s.Signer,
			Sender: s.Sender, Disposition: string(s.Disposition), Own: v.ours(s.Source)})
	}
	_ = json.NewEncoder(w).Encode(list) // the reader left: nothing to be done
	return nil
}

func resultText(p frame.Page, s tenant.DMARCSource) string {
	if s.Aligned() {
		return p.T("dmarc.aligned")
	}
	return p.T("dmarc.failed")
}

func proofText(p frame.Page, s tenant.DMARCSource) string {
	return p.T("dmarc.proof." + strconv.FormatBool(s.DKIM) + "." + strconv.FormatBool(s.SPF))
}
