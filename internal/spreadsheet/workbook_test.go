package spreadsheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"stafette/internal/spreadsheet"
)

const (
	bookText = `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="A" r:id="rId1"/></sheets></workbook>`
	relsText = `<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>`
)

// packed is a workbook of the parts.
func packed(t testing.TB, parts map[string]string) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for name, text := range parts {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func rowsOf(file []byte) (string, error) {
	w, err := spreadsheet.OpenWorkbook(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return "", err
	}
	defer w.Close()
	var rows []string
	for {
		n, cells, err := w.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(rows, "\n"), nil
		}
		if err != nil {
			return "", err
		}
		rows = append(rows, fmt.Sprintf("%d %q", n, cells))
	}
}

func TestWorkbook(t *testing.T) {
	file := packed(t, map[string]string{
		"xl/workbook.xml": bookText, "xl/_rels/workbook.xml.rels": relsText,
		"xl/sharedStrings.xml": `<sst><si><t>E-Mail</t></si><si><r><t>Jür</t></r><r><t>gen</t></r><rPh><t>Lesung</t></rPh></si></sst>`,
		"xl/styles.xml":        `<styleSheet><numFmts><numFmt numFmtId="170" formatCode="&quot;y&quot;0"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>`,
		"xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>Tag</t></is></c></row>
			<row r="3"><c r="A3" t="s"><v>1</v></c><c t="str"><f>1+1</f><v>2</v></c><c r="C3" s="1"><v>46348</v></c><c r="D3" s="2"><v>7</v></c><c r="ZZZ3"><v>far</v></c></row>
			<row><c t="s"><v>99</v></c></row></sheetData></worksheet>`,
	})
	have, err := rowsOf(file)
	want := `1 ["E-Mail" "" "Tag"]` + "\n" + `3 ["Jürgen" "2" "2026-11-22" "7"]` + "\n" + `4 []`
	if err != nil || have != want {
		t.Errorf("read\n%s\nwant\n%s\n%v", have, want, err)
	}
}

// T9: what is packed small and is large when unpacked fails cleanly.
func TestBombs(t *testing.T) {
	sheet := map[string]string{"xl/workbook.xml": bookText, "xl/_rels/workbook.xml.rels": relsText}
	with := func(name, text string) []byte {
		parts := map[string]string{name: text}
		for n, one := range sheet {
			parts[n] = one
		}
		return packed(t, parts)
	}
	many := map[string]string{}
	for n := range 3000 {
		many[fmt.Sprintf("x%d", n)] = ""
	}
	for name, file := range map[string][]byte{
		"no workbook":     []byte("PK\x03\x04 nothing"),
		"no sheet":        packed(t, map[string]string{"xl/workbook.xml": bookText}),
		"outside":         packed(t, map[string]string{"xl/workbook.xml": bookText, "xl/_rels/workbook.xml.rels": `<R><Relationship Id="rId1" Target="../../etc/passwd"/></R>`}),
		"many entries":    packed(t, many),
		"large strings":   with("xl/sharedStrings.xml", "<sst><si><t>"+strings.Repeat("a", 80<<20)+"</t></si></sst>"),
		"deep":            with("xl/worksheets/sheet1.xml", "<worksheet>"+strings.Repeat("<a>", 100)),
		"billion laughs":  with("xl/worksheets/sheet1.xml", `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet><sheetData><row><c t="str"><v>&b;</v></c></row></sheetData></worksheet>`),
		"ends in the row": with("xl/worksheets/sheet1.xml", `<worksheet><sheetData><row><c><v>1`),
	} {
		if have, err := rowsOf(file); !errors.Is(err, spreadsheet.ErrWorkbook) {
			t.Errorf("%s: read %.50q, %v", name, have, err)
		}
	}
}

func FuzzWorkbook(f *testing.F) {
	f.Add(`<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>`, `<sst><si><t>x</t></si></sst>`)
	f.Fuzz(func(t *testing.T, sheet, shared string) {
		file := packed(t, map[string]string{"xl/workbook.xml": bookText, "xl/_rels/workbook.xml.rels": relsText, "xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": shared})
		if _, err := rowsOf(file); err != nil && !errors.Is(err, spreadsheet.ErrWorkbook) {
			t.Error(err)
		}
	})
}
