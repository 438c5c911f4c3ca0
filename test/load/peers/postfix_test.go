package peers

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"stafette/test/load/inject"
	"stafette/test/load/letter"
	"stafette/test/load/sink"
	"stafette/test/load/usage"
)

func TestPostfixRelaysToTheSink(t *testing.T) {
	for name, signed := range map[string]bool{"plain": false, "signed": true} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("postfix"); err != nil || os.Getuid() != 0 {
				t.Skip("needs root and Debian's postfix")
			}
			if _, err := exec.LookPath("opendkim"); err != nil && signed {
				t.Skip("needs Debian's opendkim")
			}
			s, err := sink.Start(sink.Config{Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			p, err := StartPostfix(ctx, PostfixConfig{Dir: shortDir(t), Sink: s.Addr(), Signed: signed, Domain: "muster.example"})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Stop()
			letters := letter.NewSource(letter.Config{Run: "p", From: "info@muster.example"})
			result, err := p.SMTP().Run(ctx, inject.Load{Letters: letters, Count: 30, Sessions: 3})
			if err != nil || result.Acknowledged != 30 {
				t.Fatalf("%+v, %v", result, err)
			}
			if err := s.Await(ctx, 30); err != nil {
				t.Fatal(err)
			}
			if len(s.Damaged()) != 0 {
				t.Errorf("damaged: %v", s.Damaged())
			}
			if cpu, err := usage.CPU(p.Roots()...); err != nil || cpu == 0 {
				t.Errorf("CPU %v, %v", cpu, err)
			}
		})
	}
}

// shortDir is a temporary directory whose path leaves room for socket names.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "pf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
