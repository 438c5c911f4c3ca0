package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"stafette/internal/egress"
	"stafette/internal/tenant"
)

func load(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stafette.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig(path, environ)
}

func TestConfigTakesEveryDocumentedKey(t *testing.T) {
	c, err := load(t, `
data_dir = "/tmp/x"
[database]
url = "postgres://u:p@127.0.0.1/stafette"
[http]
listen = "127.0.0.1:1"
public_url = "https://mail.example"
[submission]
listen = ":587"
[return_mail]
listen = ":25"
domain = "bounces.mail.example"
message_size = 1000000
[dns]
server = "127.0.0.1:53"
[egress]
allow_private = true
[[egress.source]]
ip = "192.0.2.1"
ehlo = "a.mail.example"
[[egress.source]]
ip = "2001:db8::1"
[[route]]
domain = "*"
next_hop = "127.0.0.1:2525"
[queue]
expiry = "1h"
retry = ["1s", "2s"]
[ops]
listen = "127.0.0.1:2"
`)
	if err != nil {
		t.Fatal(err)
	}
	if c.Egress.Sources[1].IP.String() != "2001:db8::1" || time.Duration(c.Queue.Retry[1]) != 2*time.Second || c.Routes[0].NextHop != "127.0.0.1:2525" {
		t.Errorf("read %+v", c)
	}
}

func TestConfigEnvironmentWins(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(secret, []byte("postgres://u:secret@db/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, "[http]\nlisten = \"127.0.0.1:1\"\n",
		"STAFETTE_HTTP_LISTEN=127.0.0.1:9", "STAFETTE_DATABASE_URL_FILE="+secret,
		"STAFETTE_QUEUE_EXPIRY=2h", "STAFETTE_EGRESS_ALLOW_PRIVATE=true", "STAFETTE_EGRESS_CONNECTIONS=7", "PATH=/bin", "STAFETTE_HOME=/opt")
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Listen != "127.0.0.1:9" || c.Database.URL != "postgres://u:secret@db/x" || c.Queue.Expiry != Duration(2*time.Hour) || !c.Egress.AllowPrivate || c.Egress.Connections != 7 {
		t.Errorf("read %+v", c)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, env, want string }{
		"unknown key":      {text: "[http]\nlisen = \"x\"", want: "http.lisen (line 2)"},
		"unknown section":  {text: "[htp]\nlisten = \":1\"", want: "htp"},
		"unknown variable": {env: "STAFETTE_HTTP_LISEN=x", want: "STAFETTE_HTTP_LISEN"},
		"no port":          {text: "[http]\nlisten = \"localhost\"", want: "http.listen"},
		"bad duration":     {text: "[queue]\nexpiry = \"5 days\"", want: "line 2"},
		"negative":         {env: "STAFETTE_QUEUE_LEASE=-3s", want: "must be positive"},
		"bad address":      {text: "[[egress.source]]\nip = \"300.1.1.1\"", want: "line 2"},
		"source without":   {text: "[[egress.source]]\nehlo = \"x\"", want: "egress.source[0].ip"},
		"source's state":   {text: "[[egress.source]]\nip = \"192.0.2.1\"\nstate = \"alt\"", want: "unknown state"},
		"pool's source":    {text: "[[egress.pool]]\nname = \"p\"\nweights = { fremd = 1 }", want: "fremd"},
		"assigned pool":    {text: "[[egress.assign]]\nstream = \"newsletter\"\npool = \"p\"", want: "unknown egress pool"},
		"assigned tenant":  {text: "[[egress.assign]]\ntenant = \"x\"\npool = \"default\"", want: "assign[0].tenant"},
		"alarm":            {text: "[egress.alarm]\nthreshold = 0", want: "egress.alarm.threshold"},
		"half a route":     {text: "[[route]]\ndomain = \"*\"", want: "route[0]"},
		"other database":   {text: "[database]\nurl = \"mysql://x\"", want: "database.url"},
		"key alone":        {text: "[tls]\nkey = \"x\"", want: "tls: cert and key"},
		"missing file":     {env: "STAFETTE_DATABASE_URL_FILE=/nonexistent/x", want: "STAFETTE_DATABASE_URL_FILE"},
		"log level":        {text: "[log]\nlevel = \"loud\"", want: "log.level"},
	} {
		t.Run(name, func(t *testing.T) {
			var env []string
			if c.env != "" {
				env = append(env, c.env)
			}
			_, err := load(t, c.text, env...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want it to name %q", err, c.want)
			}
		})
	}
}

// TestRootKeyFile: the variable of seal.key_file looks like one that names a file
// with a value, and is itself the path.
func TestRootKeyFile(t *testing.T) {
	for name, c := range map[string]struct {
		text, environ, want string
	}{
		"default":     {"data_dir = \"/d\"", "", "/d/root.key"},
		"file":        {"[seal]\nkey_file = \"/run/secrets/root\"", "", "/run/secrets/root"},
		"environment": {"", "STAFETTE_SEAL_KEY_FILE=/run/secrets/root", "/run/secrets/root"},
	} {
		config, err := load(t, c.text, c.environ)
		if err != nil {
			t.Fatal(err)
		}
		if have := config.rootKey(); have != c.want {
			t.Errorf("%s: %s", name, have)
		}
	}
}

// TestForeignRootKeyIsRefused: a node that would seal what others cannot open does
// not start, and neither does a command.
func TestForeignRootKeyIsRefused(t *testing.T) {
	c := defaults()
	c.DataDir = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	for _, step := range []struct {
		key  string
		good bool
	}{{"a.key", true}, {"a.key", true}, {"b.key", false}} {
		c.Seal.KeyFile = filepath.Join(c.DataDir, step.key)
		b, err := openBase(t.Context(), c, log)
		if (err == nil) != step.good {
			t.Errorf("%s: %v", step.key, err)
		}
		if err == nil {
			if err := b.close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEgressPlanOfConfiguration(t *testing.T) {
	c, err := load(t, `
node = "eins"
hostname = "post.example"
[[egress.source]]
ip = "192.0.2.1"
[[egress.source]]
name = "neu"
ip = "192.0.2.2"
ehlo = "neu.example"
state = "new"
weight = 0
pools = ["massen"]
[[egress.pool]]
name = "massen"
weights = { "192.0.2.1" = 30 }
[[egress.assign]]
stream = "newsletter"
pool = "massen"
`)
	if err != nil {
		t.Fatal(err)
	}
	have, err := c.egressPlan()
	if err != nil {
		t.Fatal(err)
	}
	want := egress.Plan{
		Sources: []egress.Source{
			{Name: "192.0.2.1", Node: "eins", IP: netip.MustParseAddr("192.0.2.1"), EHLO: "post.example", State: egress.StateActive, Weight: 100},
			{Name: "neu", Node: "eins", IP: netip.MustParseAddr("192.0.2.2"), EHLO: "neu.example", State: egress.StateNew},
		},
		Pools: []egress.Pool{
			{Name: "default", Members: []egress.Member{{Source: "192.0.2.1", Weight: -1}}},
			{Name: "massen", Members: []egress.Member{{Source: "192.0.2.1", Weight: 30}, {Source: "neu", Weight: -1}}},
		},
		Assignments: []egress.Assignment{{Stream: tenant.Newsletter, Pool: "massen"}},
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	// Nothing said: one source whose address the system chooses.
	c, err = load(t, "node = \"eins\"\nhostname = \"post.example\"")
	if err != nil {
		t.Fatal(err)
	}
	if have, _ = c.egressPlan(); len(have.Sources) != 1 || have.Sources[0].Fixed() || have.Sources[0].EHLO != "post.example" || have.Sources[0].Name != "eins" {
		t.Errorf("without sources: %+v", have)
	}
}

func TestShapingFileIsStrict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shaping.toml")
	c, err := load(t, "[egress]\nshaping = \""+path+"\"")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"[provider.gmx]\nper_minute = 7": "", "[provider.gmx]\nper_minit = 7": "per_minit (line 2)"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := c.shaping()
		switch {
		case want == "" && (err != nil || s.Limits(egress.Path{Provider: "gmx"}).PerMinute != 7):
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error %v, want one about %s", text, err, want)
		}
	}
}
