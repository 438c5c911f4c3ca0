package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"stafette/internal/dns"
)

type checkCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// finding is the outcome of one check.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
}

// errChecksFailed makes the command end with 1 after the findings are printed.
var errChecksFailed = errors.New("some checks failed")

// Run checks what serve would need, without changing anything but the schema.
func (c checkCmd) Run(ctx context.Context, con *console) error {
	config, err := con.load()
	if err != nil {
		return err
	}
	findings := runChecks(ctx, con, config)
	failed := false
	for _, f := range findings {
		failed = failed || !f.OK
	}
	if c.Output == "json" {
		if err := json.NewEncoder(con.stdout).Encode(findings); err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
	} else {
		for _, f := range findings {
			mark := "ok    "
			switch {
			case !f.OK:
				mark = "FAILED"
			case f.Check == "to do":
				mark = "note  "
			}
			fmt.Fprintf(con.stdout, "%s %-12s %s\n", mark, f.Check, f.Text)
		}
	}
	if failed {
		return errChecksFailed
	}
	return nil
}

func runChecks(ctx context.Context, con *console, c Config) []finding {
	var list []finding
	add := func(check string, err error, good string) {
		f := finding{Check: check, OK: err == nil, Text: good}
		if err != nil {
			f.Text = err.Error()
		}
		list = append(list, f)
	}
	add("data_dir", writable(c.DataDir), c.DataDir+" is writable")
	b, err := openBase(ctx, c, con.logger(Log{Level: "error", Format: "text"}))
	if err == nil {
		err = errors.Join(b.store.Ready(ctx), b.close())
	}
	add("storage", err, "root key and database can be used")
	_, err = loadCertificate(c, time.Now(), con.logger(Log{Level: "error", Format: "text"}))
	add("certificate", err, "can be loaded")
	add("dns", answers(ctx, c.DNS.Server), "the name server answers")
	_, err = c.routes()
	add("routes", err, "can be followed")
	_, err = c.shaping()
	add("shaping", err, "limits and rules can be read")
	for _, s := range c.Egress.Sources {
		add("source", bindable(s), s.IP.String()+" can be sent from")
	}
	if todos, err := openTodos(ctx, con, c); err == nil {
		for _, text := range todos {
			list = append(list, finding{Check: "to do", OK: true, Text: text})
		}
	}
	if len(c.Egress.Sources) == 0 {
		add("source", nil, "none configured: the system chooses the address")
	}
	return list
}

// openTodos is what the last check of the sources found to be done. It does not fail
// the check: mail can be sent, though not to everybody.
func openTodos(ctx context.Context, con *console, c Config) ([]string, error) {
	b, err := openBase(ctx, c, con.logger(Log{Level: "error", Format: "text"}))
	if err != nil {
		return nil, err
	}
	list, err := b.sourceTodos(ctx)
	return list, errors.Join(err, b.close())
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	probe := filepath.Join(dir, ".check")
	if err := os.WriteFile(probe, []byte("x"), 0o600); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return os.Remove(probe)
}

// answers asks for a name that exists nowhere (RFC 2606): "no" is an answer.
func answers(ctx context.Context, server string) error {
	_, err := dns.New(dns.Config{Server: server, Timeout: 3 * time.Second, Now: time.Now}).MX(ctx, "stafette-check.invalid")
	if errors.Is(err, dns.ErrTemporary) {
		return err
	}
	return nil
}

func bindable(s Source) error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: s.IP.AsSlice()})
	if err != nil {
		return fmt.Errorf("source %s: %w", s.IP, err)
	}
	return l.Close()
}
