package frame

import (
	"io"
	"net/http"
	"time"

	"stafette/internal/spreadsheet"
)

// CSV answers with a table as a file; see File. A reader who left is no error.
func (p Page) CSV(w http.ResponseWriter, name string, rows [][]string) error {
	out := p.File(w, name)
	for _, row := range rows {
		_ = out.Write(row...)
	}
	_ = out.Flush()
	return nil
}

// File begins to answer with a table as a file that Excel in German opens by double
// click: semicolons, a byte order mark, and no cell that is a formula. name is the
// file's, without its ending. The caller flushes; a reader who left is no error, and one
// that comes to an end in the middle of the table says so with Broken.
func (p Page) File(w http.ResponseWriter, name string) *spreadsheet.Writer {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+"-"+p.Now.UTC().Format(time.DateOnly)+`.csv"`)
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, spreadsheet.BOM)
	return spreadsheet.NewWriter(w, spreadsheet.Semicolon)
}

// Broken ends a file whose header is out already with a line that says that it is not
// whole: better than a file that looks it.
func (p Page) Broken(out *spreadsheet.Writer) {
	_ = out.Write(p.T("export.broken"))
	_ = out.Flush()
}
