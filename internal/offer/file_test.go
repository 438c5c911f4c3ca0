package offer

import (
	"bytes"
	"testing"
)

func FuzzUpload(f *testing.F) {
	f.Add("a.pdf", []byte("%PDF-1.4\n%%EOF"))
	f.Add("../../x\r\n\"; filename=evil.html", []byte("%PDF-2.0 <script>"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		clean := fileName(name)
		if clean == "" || bytes.ContainsAny([]byte(clean), "/\\\r\n\"\x00;") || clean == ".." {
			t.Errorf("name %q", clean)
		}
		if checkPDF(data) == nil && !bytes.HasPrefix(data, []byte("%PDF-")) {
			t.Error("taken for a PDF")
		}
	})
}
