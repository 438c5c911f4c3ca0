// Command stafette is the whole platform in one binary: it takes mail over HTTP
// and SMTP, keeps it safely, sends it, and says what became of it.
//
// This package holds the commands, the configuration and the wiring of all rooms;
// whatever decides something about mail lives in internal/.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // German times on machines without a zone database

	"github.com/alecthomas/kong"

	"stafette/internal/audit"
)

// cli is the command line; kong reads the tags.
type cli struct {
	Config string `short:"c" env:"STAFETTE_CONFIG" placeholder:"FILE" help:"Configuration file (TOML)."`

	Serve      serveCmd      `cmd:"" help:"Run the platform."`
	Setup      setupCmd      `cmd:"" help:"Create a tenant with user, key, domain and DKIM keys, and print them once."`
	Send       sendCmd       `cmd:"" help:"Send one message as a tenant."`
	Queue      queueCmd      `cmd:"" help:"Look at the queue and act on it."`
	Redeliver  redeliverCmd  `cmd:"" help:"Tell what sending kept mail once more would do, or do it with --start."`
	Tenant     tenantCmd     `cmd:"" help:"Change settings of a tenant."`
	Audit      auditCmd      `cmd:"" help:"Check or print the record of who did what."`
	Resolve    resolveCmd    `cmd:"" help:"Say where mail for a domain goes, how much of it, and what it waits for."`
	Source     sourceCmd     `cmd:"" help:"Set up the addresses mail leaves from, and see what is to be done about them."`
	Pool       poolCmd       `cmd:"" help:"Set up pools of sources and whose mail leaves from which."`
	Domain     domainCmd     `cmd:"" help:"Check a sending domain's DNS records, or a recipient domain's TLS policy."`
	Proof      proofCmd      `cmd:"" help:"Verify delivery proofs."`
	Public     publicCmd     `cmd:"" name:"published" help:"Show the published list of sending addresses, and compare its records with DNS."`
	Bounce     bounceCmd     `cmd:"" help:"Explain returned mail."`
	Trace      traceCmd      `cmd:"" help:"Watch what the running process says with receiving servers."`
	Changeover changeoverCmd `cmd:"" help:"Look at moves to other sources; start, pause or roll one back."`
	Contact    contactCmd    `cmd:"" help:"Hand out or erase what is kept about a person."`
	Lanes      lanesCmd      `cmd:"" help:"Show the running process's lanes: depth, connections, why they rest."`
	Control    controlCmd    `cmd:"" help:"Talk to the running process: nodes, orders, log level, reload."`
	Check      checkCmd      `cmd:"" help:"Check configuration, storage, certificate, name server and sources."`
	Migrate    migrateCmd    `cmd:"" help:"Bring the database to this version's schema."`
	Demo       demoCmd       `cmd:"" help:"Run a demonstration on loopback, without a network."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// console is where a command reads and writes.
type console struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	config string        // path of the configuration file
	level  slog.LevelVar // of the log
}

// gcPercent trades memory for time: the live heap is small, so that collecting half
// as often costs some ten megabytes and saves a tenth of the CPU under load. GOGC
// overrules it.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	con := &console{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	if err := run(ctx, con, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stafette:", err)
		stop()
		os.Exit(exitCode(err))
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// exitCode: 2 for a wrong command line, 1 for everything else.
func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// run carries out one command line; the end of ctx stops the command.
func run(ctx context.Context, con *console, args []string) error {
	var c cli
	parser, err := kong.New(&c, kong.Name("stafette"), kong.UsageOnError(),
		kong.Description("A self-hosted e-mail sending platform."), kong.Writers(con.stdout, con.stderr))
	if err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		return usageError{err}
	}
	con.config = c.Config
	if name := cliAct(chosen.Command()); name != "" {
		ctx = audit.With(ctx, audit.Act{Actor: "operator", Door: "cli", Action: name})
	}
	chosen.BindTo(ctx, (*context.Context)(nil))
	return chosen.Run(con)
}

// load reads the configuration the command line names.
func (con *console) load() (Config, error) { return LoadConfig(con.config, os.Environ()) }

// logger writes to standard error as [log] says.
func (con *console) logger(c Log) *slog.Logger {
	// validate has checked the name.
	_ = con.level.UnmarshalText([]byte(c.Level))
	options := &slog.HandlerOptions{Level: &con.level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(con.stderr, options))
	}
	return slog.New(slog.NewTextHandler(con.stderr, options))
}
