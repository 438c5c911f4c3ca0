package reports

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"stafette/internal/web/frame"
)

// tlsRoll is the table of TLS reports. The domain is a filter, so that every address of
// the table names it.
func tlsRoll(p frame.Page) frame.Roll[TLSReport] {
	cell := func(key string, text func(TLSReport) string) frame.Cell[TLSReport] {
		return frame.Cell[TLSReport]{Column: frame.Column{Key: key, Title: p.T("dmarc.tls.col." + key)}, Text: text}
	}
	number := func(key string, of func(TLSReport) int64) frame.Cell[TLSReport] {
		c := cell(key, func(t TLSReport) string { return strconv.FormatInt(of(t), 10) })
		c.Number, c.Order = true, func(a, b TLSReport) int { return cmp.Compare(of(a), of(b)) }
		return c
	}
	end := cell("end", func(t TLSReport) string { return frame.Stamp(t.End) })
	end.File = true
	return frame.Roll[TLSReport]{
		Listing: frame.Listing{Path: home, Filters: []string{"domain"}, Sort: "begin", Descending: true}, Search: "reporter",
		Cells: []frame.Cell[TLSReport]{
			cell("begin", func(t TLSReport) string { return frame.Stamp(t.Begin) }), end,
			cell("reporter", func(t TLSReport) string { return t.Reporter }),
			number("successful", func(t TLSReport) int64 { return t.Successful }),
			number("failed", func(t TLSReport) int64 { return t.Failed }),
			cell("failures", func(t TLSReport) string { return strings.Join(t.Failures, ", ") }),
		},
	}
}

func (c Config) exportTLS(w http.ResponseWriter, r *http.Request, p frame.Page) error {
	v, err := c.figures(r, p)
	if err != nil {
		return err
	}
	return tlsRoll(p).CSV(w, p, p.T("dmarc.tls.file")+"-"+v.domain.Name, v.tls)
}
