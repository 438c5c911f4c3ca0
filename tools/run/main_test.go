package main

import (
	"slices"
	"testing"
)

func TestBuildTags(t *testing.T) {
	cases := []struct {
		tags, list string
		env        []string
	}{
		{"", "", []string{"CGO_ENABLED=0"}},
		{"failpoint", "failpoint", []string{"CGO_ENABLED=0"}},
		{"openssl", "openssl,netgo,osusergo", []string{"CGO_ENABLED=1"}},
		{"failpoint,openssl", "failpoint,openssl,netgo,osusergo", []string{"CGO_ENABLED=1"}},
	}
	for _, c := range cases {
		if list, env := buildTags(c.tags); list != c.list || !slices.Equal(env, c.env) {
			t.Errorf("%q: tags %q, environment %q", c.tags, list, env)
		}
	}
}
