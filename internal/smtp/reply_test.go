package smtp

import (
	"bufio"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func parse(text string) (Reply, error) {
	p := replies{r: bufio.NewReader(iotest.OneByteReader(strings.NewReader(text)))}
	if _, err := p.next(); err != nil {
		return Reply{}, err
	}
	return p.reply(), nil
}

func TestReply(t *testing.T) {
	tests := []struct {
		name, in string
		want     Reply
	}{
		{"one line", "250 ok\r\n", Reply{250, "", []string{"ok"}}},
		{"no text", "250\r\n", Reply{250, "", []string{""}}},
		{"no CR", "250 ok\n", Reply{250, "", []string{"ok"}}},
		{"enhanced code", "550 5.1.1 no such user\r\n", Reply{550, "5.1.1", []string{"no such user"}}},
		{"enhanced code alone", "550 5.1.1\r\n", Reply{550, "5.1.1", []string{""}}},
		{"no enhanced code", "550 5.1 five\r\n", Reply{550, "", []string{"5.1 five"}}},
		{"an address is none", "554 5.9.1.2 blocked\r\n", Reply{554, "", []string{"5.9.1.2 blocked"}}},
		{"too long for a code", "554 5.1234.1 x\r\n", Reply{554, "", []string{"5.1234.1 x"}}},
		{"the last enhanced code counts", "550-5.7.0 a\r\n550-b\r\n550 5.7.1 c\r\n", Reply{550, "5.7.1", []string{"a", "b", "c"}}},
		{"the last code counts", "450-a\r\n550 b\r\n", Reply{550, "", []string{"a", "b"}}},
		{
			"GMX", "554-gmx.net (mxgmx017) Nemesis ESMTP Service not available\r\n554-No SMTP service\r\n554-IP address is block listed.\r\n554 For explanation visit https://postmaster.gmx.net/case?c=r0201\r\n",
			Reply{554, "", []string{"gmx.net (mxgmx017) Nemesis ESMTP Service not available", "No SMTP service", "IP address is block listed.", "For explanation visit https://postmaster.gmx.net/case?c=r0201"}},
		},
		{"control characters and bad UTF-8", "250 a\x00b\rc\x1b\xff\xc3\xb6\r\n", Reply{250, "", []string{"a b c �ö"}}},
	}
	for _, tt := range tests {
		got, err := parse(tt.in)
		if err != nil || got.Code != tt.want.Code || got.Enhanced != tt.want.Enhanced || !slices.Equal(got.Lines, tt.want.Lines) {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
		}
	}
}

func TestReplyLimits(t *testing.T) {
	long, err := parse("250 " + strings.Repeat("x", 10_000) + "\r\n")
	if err != nil || len(long.Lines[0]) != maxLine-4 {
		t.Errorf("long line: %d kept, %v", len(long.Lines[0]), err)
	}
	many, err := parse(strings.Repeat("250-x\r\n", 300) + "550 end\r\n")
	if err != nil || many.Code != 550 || len(many.Lines) != maxLines {
		t.Errorf("many lines: %d kept, code %d, %v", len(many.Lines), many.Code, err)
	}
	for name, in := range map[string]string{
		"endless line":   strings.Repeat("2", maxReply+1),
		"endless reply":  strings.Repeat("250-x\r\n", 10_000),
		"no code":        "hello\r\n",
		"empty line":     "\r\n",
		"code of one":    "150 x\r\n",
		"code of six":    "650 x\r\n",
		"four digits":    "2500 x\r\n",
		"letter in code": "25O x\r\n",
	} {
		if _, err := parse(in); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parse("250 half"); err == nil || errors.Is(err, ErrProtocol) {
		t.Errorf("half a line: %v", err)
	}
}

func FuzzReply(f *testing.F) {
	f.Add("250-mx.test\r\n250 5.1.1 x\r\n")
	f.Add("550 5.1.1\n")
	f.Add("250-\x00\xff\r\r\n250\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := parse(in)
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || len(r.Lines) == 0 || len(r.Lines) > maxLines {
			t.Errorf("code %d, %d lines", r.Code, len(r.Lines))
		}
		for _, l := range r.Lines {
			if !utf8.ValidString(l) || strings.ContainsAny(l, "\r\n\x00") || len(l) > 3*maxLine {
				t.Errorf("line %q", l)
			}
		}
	})
}
