package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stafette/internal/fault"
)

func TestFoundInAChain(t *testing.T) {
	cause := errors.New("disk says no")
	e := &fault.Error{Kind: fault.Unavailable, Code: "storage_full", Err: cause}
	err := fmt.Errorf("accept: %w", e)
	if fault.As(err) != e || !fault.IsKind(err, fault.Unavailable) || fault.IsKind(err, fault.Invalid) {
		t.Errorf("not found in %v", err)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost to the log")
	}
	if fault.As(cause) != nil || fault.As(nil) != nil || fault.IsKind(nil, fault.Invalid) {
		t.Error("found where there is none")
	}
}

func TestJoinKeepsAllInOrder(t *testing.T) {
	if fault.Join(nil) != nil {
		t.Error("no refusals make an error")
	}
	a, b, c := fault.Field("to/0", "a", "x"), fault.Field("to/1", "b", "x"), fault.Field("subject", "c", "x")
	joined := fault.As(fault.Join([]*fault.Error{a, b, c}))
	if joined.Code != "a" || len(joined.Also) != 2 || joined.Also[0] != b || joined.Also[1] != c {
		t.Errorf("joined %+v", joined)
	}
	if len(a.Also) != 0 {
		t.Error("joining changed the first refusal")
	}
}

func TestTextNamesCodeFieldAndDetail(t *testing.T) {
	e := fault.Field("attachments/0/filename", "header_has_line_break", "A file name must be one line.")
	if got := e.Error(); got != "header_has_line_break (attachments/0/filename): A file name must be one line." {
		t.Errorf("text %q", got)
	}
}

func TestQuoteIsShortAndHarmless(t *testing.T) {
	got := fault.Quote("\x1b[31m\r\n" + strings.Repeat("ä", 200))
	if strings.ContainsAny(got, "\x1b\r\n") || len([]rune(got)) > 80 {
		t.Errorf("quoted %s", got)
	}
}
