package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"stafette/internal/egress"
	"stafette/internal/fault"
	"stafette/internal/i18n"
)

type sourceCmd struct {
	List    sourceListCmd    `cmd:"" help:"List sources with their states, pools and where they come from."`
	Set     sourceSetCmd     `cmd:"" help:"Add a source or change one; what is not named stays."`
	History sourceHistoryCmd `cmd:"" help:"List who changed what."`
	Undo    sourceUndoCmd    `cmd:"" help:"Take the last change of a source back."`
	Restore sourceRestoreCmd `cmd:"" help:"Make a source again what it was in a version."`
	Follow  sourceFollowCmd  `cmd:"" help:"Let a source follow the configuration of its node again."`
	WarmUp  sourceWarmUpCmd  `cmd:"" name:"warm-up" help:"Show how far new sources are warmed up, or change it."`
	Todo    sourceTodoCmd    `cmd:"" help:"List what is to be done about sources, with the way out."`
	Check   sourceCheckCmd   `cmd:"" help:"Ask the name servers about all sources now."`
}

// byCommandLine is who changes things here.
const byCommandLine = "cli"

type sourceListCmd struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints the sources.
func (c sourceListCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		ways, err := b.store.Ways(ctx)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(ways.Sources)
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tADDRESS\tEHLO\tSTATE\tWEIGHT\tNODE\tVERSION\tFROM")
		for _, s := range ways.Sources {
			v := ways.Standing(egress.ThingSource, s.Name)
			ip, from := "any", "office"
			if s.Fixed() {
				ip = s.IP.String()
			}
			if v.Seeder != "" {
				from = "configuration of " + v.Seeder
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", s.Name, ip, s.EHLO, s.State, s.Weight, s.Node, v.Version, from)
		}
		return t.Flush()
	})
}

type sourceSetCmd struct {
	Name   string   `arg:"" help:"Name of the source."`
	IP     *string  `help:"Local address; an empty one leaves the choice to the system."`
	EHLO   *string  `help:"Name given in EHLO."`
	Node   *string  `help:"Node whose machine has the address; empty: every node."`
	State  *string  `help:"new, active, retiring or retired."`
	Weight *int     `help:"Share beside the others in a pool, 0 to 1000."`
	From   *string  `help:"First moment of use, as 2026-12-01T00:00:00+01:00; empty: none."`
	Until  *string  `help:"Last one; empty: none."`
	Pool   []string `help:"Pools a new source joins; default: default."`
}

// Run saves the source.
func (c sourceSetCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		ways, err := b.store.Ways(ctx)
		if err != nil {
			return err
		}
		s, there := ways.Source(c.Name)
		version, pools := ways.Standing(egress.ThingSource, c.Name).Version, c.Pool
		if !there {
			s = egress.Source{Name: c.Name, Node: b.config.Node, EHLO: b.config.Hostname, State: egress.StateNew, Weight: egress.DefaultWeight}
			if version = egress.Absent; len(pools) == 0 {
				pools = []string{egress.DefaultPool}
			}
		}
		if err := c.change(&s); err != nil {
			return usageError{err}
		}
		if err := said(b.newPlanner(nil).SaveSource(ctx, s, pools, byCommandLine, version)); err != nil {
			return err
		}
		fmt.Fprintf(con.stdout, "%s is %s; running nodes know within ten seconds\n", s.Name, s.State)
		return nil
	})
}

// change lays what the command line names over a source.
func (c sourceSetCmd) change(s *egress.Source) error {
	take := func(text *string, into *string) {
		if text != nil {
			*into = *text
		}
	}
	take(c.EHLO, &s.EHLO)
	take(c.Node, &s.Node)
	if c.State != nil {
		s.State = egress.SourceState(*c.State)
	}
	if c.Weight != nil {
		s.Weight = *c.Weight
	}
	if c.IP != nil {
		if s.IP = (netip.Addr{}); *c.IP != "" {
			var err error
			if s.IP, err = netip.ParseAddr(*c.IP); err != nil {
				return fmt.Errorf("--ip: %w", err)
			}
		}
	}
	for text, into := range map[*string]*time.Time{c.From: &s.ValidFrom, c.Until: &s.ValidUntil} {
		if text == nil {
			continue
		}
		if *into = (time.Time{}); *text != "" {
			at, err := time.Parse(time.RFC3339, *text)
			if err != nil {
				return fmt.Errorf("--from, --until: %w", err)
			}
			*into = at.UTC()
		}
	}
	return nil
}

// said puts all parts of a refusal into one message.
func said(err error) error {
	f := fault.As(err)
	if f == nil || len(f.Also) == 0 {
		return err
	}
	list := []error{err}
	for _, one := range f.Also {
		list = append(list, one)
	}
	return errors.Join(list...)
}

type sourceHistoryCmd struct {
	Name   string `arg:"" optional:"" help:"Only of this source; without it of everything."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// Run prints the revisions, newest first.
func (c sourceHistoryCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		thing := egress.ThingSource
		if c.Name == "" {
			thing = ""
		}
		list, err := b.store.Revisions(ctx, thing, c.Name)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return json.NewEncoder(con.stdout).Encode(list)
		}
		for _, r := range list {
			fmt.Fprintf(con.stdout, "%s %s %s version %d by %s\n  before %s\n  after  %s\n", r.At.Format(time.RFC3339), r.Thing, r.Name, r.Version, r.By, r.Before, r.After)
		}
		return nil
	})
}

type sourceUndoCmd struct {
	Name string `arg:"" help:"Name of the source."`
}

// Run takes the last change back.
func (c sourceUndoCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		return said(b.newPlanner(nil).Undo(ctx, egress.ThingSource, c.Name, byCommandLine, egress.AnyVersion))
	})
}

type sourceRestoreCmd struct {
	Name    string `arg:"" help:"Name of the source."`
	Version int    `arg:"" help:"Version, as history shows."`
}

// Run restores a version.
func (c sourceRestoreCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		return said(b.newPlanner(nil).Restore(ctx, egress.ThingSource, c.Name, c.Version, byCommandLine, egress.AnyVersion))
	})
}

type sourceFollowCmd struct {
	Name string `arg:"" help:"Name of the source."`
}

// Run hands the source back to its node's configuration.
func (c sourceFollowCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		return b.newPlanner(nil).FollowConfiguration(ctx, c.Name, byCommandLine, egress.AnyVersion)
	})
}

type sourceWarmUpCmd struct {
	Name     string `arg:"" optional:"" help:"Only this source."`
	Provider string `arg:"" optional:"" help:"With --step: the provider, as the list names it."`
	Step     string `help:"pause, resume, skip, finish or reopen."`
}

// Run shows the warm-ups, or takes a step in one.
func (c sourceWarmUpCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		if c.Step != "" {
			return b.newPlanner(nil).Pace(ctx, egress.Pair{Source: c.Name, Provider: c.Provider}, egress.PaceStep(c.Step), byCommandLine)
		}
		shaping, err := b.config.shaping()
		if err != nil {
			return err
		}
		plan, err := b.store.Plan(ctx)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(con.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "SOURCE\tPROVIDER\tDAY\tTODAY\tOVERFLOW\tDAYS LEFT")
		for _, s := range plan.Sources {
			if c.Name != "" && s.Name != c.Name {
				continue
			}
			tallies, err := b.store.SentFrom(ctx, s.Name, egress.DayOf(s.WarmUpFrom))
			if err != nil {
				return err
			}
			for _, v := range egress.ProgressOf(plan, shaping, s, tallies, b.store.Now()) {
				fmt.Fprintf(t, "%s\t%s\t%s\t%d of %d\t%d\t%d\n", v.Source, v.Provider, dayText(v), v.Sent, v.Limit, v.Overflow, v.Left)
			}
		}
		return t.Flush()
	})
}

func dayText(v egress.Progress) string {
	switch {
	case v.Done:
		return "done"
	case v.Pace.PausedOn > 0:
		return fmt.Sprintf("%d of %d, paused", v.Number, v.WarmUp.Days)
	}
	return fmt.Sprintf("%d of %d", v.Number, v.WarmUp.Days)
}

type sourceTodoCmd struct{}

// Run prints what is to be done, in English.
func (sourceTodoCmd) Run(ctx context.Context, con *console) error {
	return withBase(ctx, con, func(b *base) error {
		list, err := b.sourceTodos(ctx)
		if err != nil {
			return err
		}
		for _, text := range list {
			fmt.Fprintln(con.stdout, text)
		}
		return nil
	})
}

type sourceCheckCmd struct{}

// Run checks all sources and prints what is to be done.
func (sourceCheckCmd) Run(ctx context.Context, con *console) error {
	err := withBase(ctx, con, func(b *base) error {
		_, err := b.checkSources(ctx, b.store.Now())
		return err
	})
	if err != nil {
		return err
	}
	return sourceTodoCmd{}.Run(ctx, con)
}

// sourceTodos words what is to be done about sources, in English: title, way out and link.
func (b *base) sourceTodos(ctx context.Context) ([]string, error) {
	ways, err := b.store.Ways(ctx)
	findings, findErr := b.store.Findings(ctx)
	alarms, alarmErr := b.store.Alarms(ctx, false)
	tasks, taskErr := b.store.Tasks(ctx)
	catalog, textErr := i18n.Load()
	if err := errors.Join(err, findErr, alarmErr, taskErr, textErr); err != nil {
		return nil, err
	}
	var list []string
	for _, t := range append(egress.Todos(ways.Sources, findings, alarms), egress.OpenTasks(ways.Sources, tasks)...) {
		args := i18n.Args{"ip": t.IP, "ehlo": t.EHLO, "provider": t.Provider, "have": t.Have}
		key := t.Key
		if !catalog.Has(key + ".title") {
			key = "egress.alarm.other"
		}
		say := func(part string) string { return catalog.Text(i18n.English, i18n.Sie, key+"."+part, args) }
		list = append(list, strings.TrimSpace(say("title")+". "+say("way")+" "+t.Link))
	}
	return list, nil
}
