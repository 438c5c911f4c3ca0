package demo

import (
	"bytes"
	"fmt"
	"html"
)

// sheet is a PDF of one page with a title and two lines in ASCII. It is enough for
// an attachment that opens.
func sheet(title, line, foot string) []byte {
	text := fmt.Sprintf("BT /F 26 Tf 72 730 Td (%s) Tj /F 14 Tf 0 -40 Td (%s) Tj /F 10 Tf 0 -600 Td (%s) Tj ET", title, line, foot)
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, start)
	return b.Bytes()
}

// letterHTML sets a short letter in the plain table mark-up that mail programs like.
func letterHTML(title, greeting, body, foot, colour string) string {
	return fmt.Sprintf(`<!doctype html><html lang="de"><body style="margin:0;background:#eef2f4;font-family:Arial,sans-serif;color:#13202b">
<table role="presentation" width="100%%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px">
<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="background:#ffffff;border-top:4px solid %s"><tr><td style="padding:28px 32px">
<h1 style="margin:0 0 16px;font-size:22px">%s</h1><p style="line-height:1.5">%s</p><p style="line-height:1.5">%s</p>
<p style="margin-top:28px;font-size:13px;color:#566370">%s</p></td></tr></table></td></tr></table></body></html>`,
		colour, html.EscapeString(title), html.EscapeString(greeting), html.EscapeString(body), html.EscapeString(foot))
}
