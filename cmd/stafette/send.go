package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"time"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/ingest"
	"stafette/internal/message"
	"stafette/internal/tenant"
)

type sendCmd struct {
	Tenant  string   `required:"" help:"Identifier of the tenant (ten_…)."`
	From    string   `required:"" help:"Sender, as \"Name <address>\"."`
	To      []string `required:"" help:"Recipient; may be repeated."`
	Subject string   `required:"" help:"Subject."`
	Text    string   `help:"Text; default: standard input."`
	Attach  []string `type:"existingfile" help:"File to attach; may be repeated."`
	Stream  string   `default:"transactional" help:"Stream."`
}

// Run accepts one message. It is delivered by the process that serves the same data.
func (s sendCmd) Run(ctx context.Context, con *console) error {
	t, err := id.Parse[tenant.Kind](s.Tenant)
	if err != nil {
		return usageError{fmt.Errorf("tenant: %w", err)}
	}
	draft, err := s.draft(con.stdin)
	if err != nil {
		return err
	}
	return withBase(ctx, con, func(b *base) error {
		receipt, err := b.acceptor(nil).Accept(ctx,
			ingest.Principal{Tenant: t, Actor: "operator", Door: "command"},
			ingest.Submission{Draft: &draft, Stream: tenant.Stream(s.Stream)})
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for _, line := range receipt.Deliveries {
			fmt.Fprintf(con.stdout, "%s %s %s %s\n", receipt.ID, line.ID, line.State, line.Recipient)
		}
		return nil
	})
}

func (s sendCmd) draft(stdin io.Reader) (message.Draft, error) {
	d := message.Draft{Subject: s.Subject, Text: s.Text, Date: time.Now()}
	var err error
	if d.From, err = message.ParseMailbox(s.From); err != nil {
		return d, at("from", err)
	}
	for _, to := range s.To {
		box, err := message.ParseMailbox(to)
		if err != nil {
			return d, at("to", err)
		}
		d.To = append(d.To, box)
	}
	if s.Text == "" {
		text, err := io.ReadAll(io.LimitReader(stdin, 1<<20))
		if err != nil {
			return d, fmt.Errorf("read text: %w", err)
		}
		d.Text = string(text)
	}
	for _, path := range s.Attach {
		content, err := os.ReadFile(path)
		if err != nil {
			return d, fmt.Errorf("attach: %w", err)
		}
		d.Attachments = append(d.Attachments, message.Attachment{
			Filename: filepath.Base(path), ContentType: mime.TypeByExtension(filepath.Ext(path)), Content: content,
		})
	}
	return d, nil
}

// at names the option that a refusal is about.
func at(option string, err error) error {
	if f := fault.As(err); f != nil {
		return usageError{fmt.Errorf("--%s: %w", option, f)}
	}
	return errors.Join(errors.New(option), err)
}
