package frame

import (
	"encoding/csv"
	"net/http"
	"strings"
)

// CSV answers with a table as a file. It has semicolons and a byte order mark, so that
// Excel in German opens it by double click, and no cell that a program would take for a
// formula. name is the file's, without its ending.
func (p Page) CSV(w http.ResponseWriter, name string, rows [][]string) error {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+"-"+p.Now.UTC().Format("2006-01-02")+`.csv"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("\ufeff"))
	out := csv.NewWriter(w)
	out.Comma = ';'
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = Inert(cell)
		}
		_ = out.Write(line) // the reader left: nothing to be done
	}
	out.Flush()
	return nil
}

// Inert keeps a spreadsheet from reading a cell as a formula: one that begins like
// a formula gets an apostrophe before it (OWASP, CSV injection).
func Inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
