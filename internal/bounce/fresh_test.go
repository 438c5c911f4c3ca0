package bounce_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"stafette/internal/bounce"
)

// freshReply is one line of testdata/fresh/replies.tsv: what a server said and what we
// took it to mean before any rule was asked.
type freshReply struct {
	server  string
	classes []bounce.Class // any of them is right
	hard    bool
	reply   string
}

func freshReplies(t testing.TB, file string) []freshReply {
	t.Helper()
	text, err := os.ReadFile("testdata/fresh/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var list []freshReply
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("line %q", line)
		}
		r := freshReply{server: f[0], hard: f[2] == "h", reply: strings.ReplaceAll(f[3], `\n`, "\n")}
		for name := range strings.SplitSeq(f[1], "|") {
			r.classes = append(r.classes, bounce.Class(name))
		}
		list = append(list, r)
	}
	return list
}

// TestFreshReplies holds how far we agree with labels that were given by hand to
// replies before any rule had seen them. The bounds are what is reached, so that a
// change for the worse shows; testdata/fresh/README.md has the figures of first sight.
func TestFreshReplies(t *testing.T) {
	table := load(t)
	for file, floor := range map[string]struct{ hard, class float64 }{
		"first.tsv":  {98, 93},
		"second.tsv": {98, 93},
		"third.tsv":  {90, 80},
		"fourth.tsv": {98, 95},
		"fifth.tsv":  {98, 95},
	} {
		t.Run(file, func(t *testing.T) {
			list := freshReplies(t, file)
			class, hard := 0, 0
			for _, r := range list {
				found := bounce.ParseReplies([]byte(r.reply))
				if len(found) != 1 {
					t.Errorf("%s: %d replies in %q", r.server, len(found), r.reply)
					continue
				}
				j := table.JudgeRecipient(bounce.KindDSN, found[0])
				right := slices.Contains(r.classes, j.Class)
				if right {
					class++
				}
				if j.Hard == r.hard {
					hard++
				}
				if j.Hard && found[0].Code < 500 {
					t.Errorf("%s: a temporary failure is judged hard: %q", r.server, r.reply)
				}
				if !right || j.Hard != r.hard {
					t.Logf("%s: %v, judged %s (hard %v): %q", r.server, r.classes, j.Class, j.Hard, r.reply)
				}
			}
			n := len(list)
			t.Logf("%d replies: hard flag %.1f %%, class %.1f %%", n, share(hard, n), share(class, n))
			if share(hard, n) < floor.hard || share(class, n) < floor.class {
				t.Error("less agreement than promised")
			}
		})
	}
}
