package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stafette/internal/message"
	"stafette/internal/privacy"
	"stafette/internal/tenant"
	"stafette/internal/trace"
)

// Config is the whole configuration file. Every option has a default that works;
// an unknown key is an error. A value is taken from the first of: the environment
// (STAFETTE_SECTION_KEY, or STAFETTE_SECTION_KEY_FILE naming a file that holds it),
// the file, the default.
type Config struct {
	// DataDir holds the database, message bodies, the root key and generated
	// certificates; each node has its own.
	DataDir string `toml:"data_dir"`
	// Hostname is this machine's name in mail: greeting, EHLO of sources without
	// one, Received fields. Default: the system's host name.
	Hostname string `toml:"hostname"`
	// Node names this process among several on one database. Default: Hostname.
	Node string `toml:"node"`

	Database   Database   `toml:"database"`
	Seal       Seal       `toml:"seal"`
	HTTP       HTTP       `toml:"http"`
	Submission Submission `toml:"submission"`
	ReturnMail ReturnMail `toml:"return_mail"`
	Notice     Notice     `toml:"notice"`
	OpenID     OpenID     `toml:"openid"`
	TLS        TLS        `toml:"tls"`
	ACME       ACME       `toml:"acme"`
	Outbound   Outbound   `toml:"outbound_tls"`
	DNS        DNS        `toml:"dns"`
	Egress     Egress     `toml:"egress"`
	Routes     []Route    `toml:"route"`
	Queue      Queue      `toml:"queue"`
	Trace      Trace      `toml:"trace"`
	Limits     Limits     `toml:"limits"`
	Domains    Domains    `toml:"domains"`
	Approval   Approval   `toml:"approval"`
	Mailings   Mailings   `toml:"mailings"`
	// GroupLimits pause mail to groups that fares badly.
	GroupLimits GroupLimits `toml:"group_limits"`
	Ops         Ops         `toml:"ops"`
	Log         Log         `toml:"log"`
}

// Database says where rows are kept.
type Database struct {
	// URL is "" for SQLite in DataDir, or postgres://user:password@host/name. Several
	// nodes share one PostgreSQL. A primary with a standby is
	// postgres://user:password@host1,host2/name?target_session_attrs=read-write.
	URL string `toml:"url"`
}

// Seal says where the key is that keeps secrets and bodies unreadable at rest.
type Seal struct {
	// KeyFile holds the root key, 32 bytes in base64; it is made when missing. All
	// nodes on one database need the same key: one that has another will not start.
	// Default: root.key in DataDir.
	KeyFile string `toml:"key_file"`
}

// Submission is the SMTP door (RFC 6409, RFC 8314).
type Submission struct {
	// Listen is host:port for STARTTLS, usually port 587; "" switches it off.
	Listen string `toml:"listen"`
	// ListenTLS is host:port for implicit TLS, usually port 465; "" switches it off.
	ListenTLS string `toml:"listen_tls"`
	// AllowPlainAuth lets clients sign in without TLS. For tests on loopback only.
	AllowPlainAuth bool `toml:"allow_plain_auth"`
}

// ReturnMail is the door for bounces and complaints.
type ReturnMail struct {
	// Listen is host:port, usually port 25; "" switches it off. It needs Domain.
	Listen string `toml:"listen"`
	// Domain takes the return mail: its MX record leads to Listen. Every delivery then
	// leaves with a return path of its own under this domain, or under
	// bounces.<sending domain> where that leads here too. "" leaves the return path
	// to the senders, and what comes back to them.
	Domain string `toml:"domain"`
	// MessageSize is the largest return mail taken, in bytes. Default 10485760 (10 MiB).
	MessageSize int64 `toml:"message_size"`
	// ListUnsubscribe are the streams whose mail bears an address to unsubscribe at
	// (List-Unsubscribe, RFC 2369) unless it names one itself. It needs Domain. Default
	// newsletter and reminder; [] for none.
	ListUnsubscribe []string `toml:"list_unsubscribe"`
}

// listStreams are the streams of ListUnsubscribe.
func (r ReturnMail) listStreams() (list []tenant.Stream) {
	for _, s := range r.ListUnsubscribe {
		list = append(list, tenant.Stream(s))
	}
	return list
}

// Notice is the platform's own mail to the people who work with it: invitations, lost
// passwords, a sign-in from a new device.
type Notice struct {
	// From is the address it comes from, "Stafette <konto@post.example>". Its domain must
	// be a usable sending domain of an account, best one of its own that nobody signs in
	// to: the mails are that account's. "" sends none.
	From string `toml:"from"`
}

// OpenID is a provider at which people may sign in to the office (OpenID Connect). It
// gives nobody access: whom it names must have been invited with the same address, for
// which the provider must vouch.
type OpenID struct {
	// Issuer is the provider's URL, "https://login.example"; "" switches it off. Its
	// discovery document must be there, and it may lie in the own network.
	Issuer string `toml:"issuer"`
	// ClientID and ClientSecret are what the provider gave this platform. The redirect
	// address to tell it is <http.public_url>/signin/openid/callback.
	ClientID     string `toml:"client_id"`
	ClientSecret string `toml:"client_secret"`
	// Name stands on the button. Default: the issuer's host name.
	Name string `toml:"name"`
}

// TLS names the certificate of all doors. Replaced files are used within a minute,
// without a restart. Without a certificate, a self-signed one is made in DataDir, and
// anew 30 days before it ends.
type TLS struct {
	Cert string `toml:"cert"` // PEM file with the chain
	Key  string `toml:"key"`  // PEM file
}

// Queue is about patience.
type Queue struct {
	// Expiry ends retries. Default "120h" (five days).
	Expiry Duration `toml:"expiry"`
	// Lease is how long a silent node keeps its deliveries. Default "30s".
	Lease Duration `toml:"lease"`
	// MemoryEntries bounds deliveries held in memory. Default 50000.
	MemoryEntries int `toml:"memory_entries"`
	// Retry lists the pauses between attempts; the last one repeats.
	// Default: 1m, 2m, 5m, 10m, 20m, 40m, 1h, 2h, 4h.
	Retry []Duration `toml:"retry"`
	// DelayReport is after which time a sender who asked for it over SMTP (NOTIFY=DELAY)
	// is told that a mail is delayed. Default "4h".
	DelayReport Duration `toml:"delay_report"`
}

// Trace is what is kept of what is said with receiving servers: every line of both
// sides but the content of mails, sealed.
type Trace struct {
	// Mode says of which attempts: "failures" are those that the first server asked did
	// not accept at the first try, "all", or "off" for none. Watching live (stafette
	// trace) works with each. Default "failures".
	Mode string `toml:"mode"`
	// Keep is for how long, counted in whole days of UTC: dialogues lie for that time and
	// up to a day longer. Default "72h".
	Keep Duration `toml:"keep"`
}

// Limits bound what one submission may be.
type Limits struct {
	// MessageSize in bytes. Default 31457280 (30 MiB).
	MessageSize int64 `toml:"message_size"`
	// Recipients per message. Default and maximum 1000.
	Recipients int `toml:"recipients"`
	// Retention of message bodies. Default "1008h" (42 days).
	Retention Duration `toml:"retention"`
	// RedeliveryAlone is how many mails one person may redeliver alone; more need a second
	// person. Default 500.
	RedeliveryAlone int `toml:"redelivery_alone"`
	// HistoryMonths is how long the rows of mail are kept: who was sent what, and what became
	// of it. Counts stay. Tenants may set their own. Default 24, at most 120.
	HistoryMonths int `toml:"history_months"`
	// TrackingDays is how long single opens, clicks and visits are kept; counts stay. What
	// recipients declared by a form is kept as long as its mail. Default 90, at most 730.
	TrackingDays int `toml:"tracking_days"`
}

// Domains is how sending domains are set up and watched.
type Domains struct {
	// Grace is how long mail may still be sent from a domain whose DNS records have
	// vanished. Default "72h".
	Grace Duration `toml:"grace"`
	// RotateEvery begins to replace DKIM keys that have signed for so long, "4380h" for
	// half a year; the new ones sign once their records are published. Default: only
	// when people ask for it.
	RotateEvery Duration `toml:"rotate_every"`
	// SPF are the mechanisms that cover our addresses, for the records of sending
	// domains: "include:spf.example.net". Default: none are asked for.
	SPF []string `toml:"spf"`
	// TrackingHost serves links and pictures. Sending domains are told to point
	// link.<domain> to it. "": they are not.
	TrackingHost string `toml:"tracking_host"`
	// ReportAddress takes the DMARC reports about sending domains, each at a plus address
	// of its own: dmarc@example.net takes them at dmarc+<domain's identifier>@example.net,
	// and hands them to "stafette domain report". Default: with the door for return mail,
	// that door takes them as reports+<domain's identifier>@<its domain>; else none are
	// asked for.
	ReportAddress string `toml:"report_address"`
}

// Ops is the door for machines that watch: /healthz, /readyz, /metrics, /debug/pprof/.
// It knows no keys: let it listen where only operators reach it.
type Ops struct {
	// Listen is host:port; "" switches it off. Default "127.0.0.1:8081".
	Listen string `toml:"listen"`
}

// Log is what the process says of itself, on standard error.
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `toml:"level"`
	// Format is text or json. Default text.
	Format string `toml:"format"`
}

// Duration is a time.Duration written as "90s", "5m" or "120h".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v <= 0 {
		err = errors.New("must be positive")
	}
	*d = Duration(v)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func defaults() Config {
	const minute = Duration(time.Minute)
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return Config{
		DataDir:    "./data",
		Hostname:   host,
		HTTP:       HTTP{Listen: "127.0.0.1:8080"},
		ReturnMail: ReturnMail{MessageSize: 10 << 20, ListUnsubscribe: []string{string(tenant.Newsletter), string(tenant.Reminder)}},
		DNS:        DNS{TrustAD: "loopback"},
		Outbound:   Outbound{MinVersion: "1.2", DANE: true, MTASTS: true, HTTPSPort: 443},
		Egress: Egress{Port: 25, Connections: 5, MessagesPerConnection: 100,
			Alarm: Alarm{Threshold: 3, Window: 10 * minute, Pause: 60 * minute, MaxPause: 24 * 60 * minute}},
		Queue: Queue{
			Expiry: 120 * 60 * minute, Lease: Duration(30 * time.Second), MemoryEntries: 50_000,
			Retry:       []Duration{minute, 2 * minute, 5 * minute, 10 * minute, 20 * minute, 40 * minute, 60 * minute, 120 * minute, 240 * minute},
			DelayReport: 240 * minute,
		},
		Trace:       Trace{Mode: string(trace.Failures), Keep: 72 * 60 * minute},
		Limits:      Limits{MessageSize: 30 << 20, Recipients: 1000, Retention: 42 * 24 * 60 * minute, RedeliveryAlone: 500, HistoryMonths: privacy.DefaultMonths, TrackingDays: 90},
		Domains:     Domains{Grace: 72 * 60 * minute},
		Approval:    approvalDefaults(),
		GroupLimits: groupLimitDefaults(),
		Ops:         Ops{Listen: "127.0.0.1:8081"},
		Log:         Log{Level: "info", Format: "text"},
	}
}

// rootKey is the path of the root key.
func (c Config) rootKey() string {
	if c.Seal.KeyFile != "" {
		return c.Seal.KeyFile
	}
	return filepath.Join(c.DataDir, "root.key")
}

// LoadConfig reads the file (none if path is "") and the environment, as given by
// os.Environ, and checks the whole.
func LoadConfig(path string, environ []string) (Config, error) {
	c := defaults()
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("read configuration: %w", err)
		}
		dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			return c, fmt.Errorf("configuration %s: %w", path, describe(err))
		}
	}
	if err := applyEnv(&c, environ); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	if c.Node == "" {
		c.Node = c.Hostname
	}
	if c.HTTP.PublicURL == "" {
		c.HTTP.PublicURL = "http://" + c.HTTP.Listen
		if c.HTTP.TLS {
			c.HTTP.PublicURL = "https://" + c.HTTP.Listen
		}
	}
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

// describe names the keys that strict decoding only hints at.
func describe(err error) error {
	var strict *toml.StrictMissingError
	if !errors.As(err, &strict) {
		var dec *toml.DecodeError
		if errors.As(err, &dec) {
			row, col := dec.Position()
			return fmt.Errorf("line %d, column %d: %s", row, col, dec.Error())
		}
		return err
	}
	var keys []string
	for _, e := range strict.Errors {
		row, _ := e.Position()
		keys = append(keys, fmt.Sprintf("%s (line %d)", strings.Join(e.Key(), "."), row))
	}
	return fmt.Errorf("unknown key: %s", strings.Join(keys, ", "))
}

// applyEnv lays STAFETTE_* variables over the configuration. A variable that begins
// with a section's name but names no key of it is an error, as an unknown key is;
// others (STAFETTE_HOME of somebody's script) are not ours. Lists can only be set in
// the file.
func applyEnv(c *Config, environ []string) error {
	fields := map[string]reflect.Value{}
	envFields("STAFETTE", reflect.ValueOf(c).Elem(), fields)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "STAFETTE_") {
			continue
		}
		field, ok := fields[name]
		if file, isFile := strings.CutSuffix(name, "_FILE"); !ok && isFile {
			if field, ok = fields[file]; ok {
				text, err := os.ReadFile(value)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				value = strings.TrimRight(string(text), "\r\n")
			}
		}
		if !ok && !ofSection(name) {
			continue
		}
		if !ok {
			return fmt.Errorf("unknown environment variable %s", name)
		}
		if err := setField(field, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// ofSection reports whether a variable's name begins with that of a section.
func ofSection(name string) bool {
	of := reflect.TypeFor[Config]()
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Type.Kind() == reflect.Struct && strings.HasPrefix(name, "STAFETTE_"+strings.ToUpper(f.Tag.Get("toml"))+"_") {
			return true
		}
	}
	return false
}

func envFields(prefix string, v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		name := prefix + "_" + strings.ToUpper(v.Type().Field(i).Tag.Get("toml"))
		switch v.Field(i).Kind() {
		case reflect.Struct:
			envFields(name, v.Field(i), into)
		case reflect.Slice:
		default:
			into[name] = v.Field(i)
		}
	}
}

func setField(f reflect.Value, text string) error {
	if d, ok := f.Addr().Interface().(*Duration); ok {
		return d.UnmarshalText([]byte(text))
	}
	switch f.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		f.SetBool(b)
		return err
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		f.SetInt(n)
		return err
	}
	f.SetString(text)
	return nil
}

// validateDomains checks what records of sending domains are made of.
func (c Config) validateDomains(bad complaint) {
	for key, name := range map[string]string{"domains.tracking_host": c.Domains.TrackingHost} {
		if _, err := tenant.NormalDomain(name); name != "" && err != nil {
			bad(key, "want a domain name, have %q", name)
		}
	}
	if _, err := message.ParseAddress(c.Domains.ReportAddress); c.Domains.ReportAddress != "" && err != nil {
		bad("domains.report_address", "want an address, have %q", c.Domains.ReportAddress)
	}
	for _, m := range c.Domains.SPF {
		if m == "" || strings.ContainsFunc(m, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == ';' }) {
			bad("domains.spf", "want mechanisms such as include:spf.example.net, have %q", m)
		}
	}
}

func (c Config) validate() error {
	var errs []error
	var bad complaint = func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for key, addr := range map[string]string{
		"http.listen": c.HTTP.Listen, "submission.listen": c.Submission.Listen, "submission.listen_tls": c.Submission.ListenTLS,
		"return_mail.listen": c.ReturnMail.Listen, "ops.listen": c.Ops.Listen, "dns.server": c.DNS.Server,
	} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad(key, "want host:port, have %q", addr)
		}
	}
	if c.DataDir == "" {
		bad("data_dir", "must not be empty")
	}
	if u, err := url.Parse(c.HTTP.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		bad("http.public_url", "want http://host or https://host, have %q", c.HTTP.PublicURL)
	}
	c.HTTP.validate(bad)
	c.ACME.validate(c, bad)
	if c.Database.URL != "" && !strings.HasPrefix(c.Database.URL, "postgres://") && !strings.HasPrefix(c.Database.URL, "postgresql://") {
		bad("database.url", "want postgres://… or nothing for SQLite")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad("tls", "cert and key go together")
	}
	c.validateEgress(bad)
	c.validateReturnMail(bad)
	c.validateDomains(bad)
	c.validateAccounts(bad)
	c.validateApproval(bad)
	c.validateGroupLimits(bad)
	if c.Limits.RedeliveryAlone < 1 {
		bad("limits.redelivery_alone", "want 1 or more, have %d", c.Limits.RedeliveryAlone)
	}
	if c.Limits.HistoryMonths < 1 || c.Limits.HistoryMonths > privacy.MaxMonths {
		bad("limits.history_months", "want 1 to %d, have %d", privacy.MaxMonths, c.Limits.HistoryMonths)
	}
	if c.Limits.TrackingDays < 1 || c.Limits.TrackingDays > 730 {
		bad("limits.tracking_days", "want 1 to 730, have %d", c.Limits.TrackingDays)
	}
	if c.Limits.Recipients < 1 || c.Limits.Recipients > 1000 {
		bad("limits.recipients", "want 1 to 1000, have %d", c.Limits.Recipients)
	}
	if c.Limits.MessageSize < 1024 {
		bad("limits.message_size", "want at least 1024, have %d", c.Limits.MessageSize)
	}
	for key, n := range map[string]int{"egress.connections": c.Egress.Connections, "egress.messages_per_connection": c.Egress.MessagesPerConnection, "egress.alarm.threshold": c.Egress.Alarm.Threshold, "queue.memory_entries": c.Queue.MemoryEntries, "queue.retry": len(c.Queue.Retry)} {
		if n < 1 {
			bad(key, "must be at least 1")
		}
	}
	c.validateTLS(bad)
	if !trace.Mode(c.Trace.Mode).Valid() {
		bad("trace.mode", "want failures, all or off, have %q", c.Trace.Mode)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level", "want debug, info, warn or error, have %q", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format", "want text or json, have %q", c.Log.Format)
	}
	return errors.Join(errs...)
}
