package preflight

import (
	"strings"
	"testing"
)

func FuzzReadVerdict(f *testing.F) {
	f.Add("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 7.5 / 5.0\r\n\r\nA,B\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		v, err := readVerdict(strings.NewReader(answer))
		if len(v.Rules) > maxRules || err == nil && (v.Score != v.Score || v.Limit != v.Limit) {
			t.Errorf("%q: %+v", answer, v)
		}
	})
}

// What a tenant's HTML says costs little, however it is written.
func FuzzLooks(f *testing.F) {
	f.Add(`<td style="background:#fff"><p style="color:#bbb">x</p></td>`)
	f.Fuzz(func(t *testing.T, page string) {
		if len(page) > 64<<10 {
			t.Skip()
		}
		if list := contrasts(page); len(list) > maxContrasts {
			t.Errorf("%d findings", len(list))
		}
		_ = clients(page)
	})
}
