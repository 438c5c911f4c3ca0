package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"stafette/internal/bounce"
)

type bounceCmd struct {
	Explain bounceExplainCmd `cmd:"" help:"Say what a returned message, or a server's replies, mean."`
}

type bounceExplainCmd struct {
	File string `arg:"" placeholder:"FILE" help:"Message as it came back, mailbox file, or text of SMTP replies; - for standard input."`
}

// explanation is what is printed of one recipient: one JSON object a line.
type explanation struct {
	Recipient  string        `json:"recipient"`
	Action     bounce.Action `json:"action"`
	Status     string        `json:"status"`
	Reply      string        `json:"reply"`
	Class      bounce.Class  `json:"class"`
	Hard       bool          `json:"hard"`
	Provider   string        `json:"provider"`
	SentenceDE string        `json:"sentence_de"`
	SentenceEN string        `json:"sentence_en"`
}

// maxExplained bounds what is read: a mailbox file may hold many reports.
const maxExplained = 64 << 20

// errNoReport makes the command end with 1.
var errNoReport = errors.New("neither a report nor a server's reply")

// Run prints one line for each recipient. It needs no configuration and touches
// nothing.
func (b bounceExplainCmd) Run(con *console) error {
	raw, err := b.read(con.stdin)
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	table, err := bounce.Load()
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(con.stdout)
	encoder.SetEscapeHTML(false)
	printed := 0
	print := func(kind bounce.Kind, list []bounce.Recipient) error {
		for _, r := range list {
			printed++
			if err := encoder.Encode(explain(table, kind, r)); err != nil {
				return fmt.Errorf("write explanation: %w", err)
			}
		}
		return nil
	}
	if list := bounce.ParseReplies(raw); len(list) > 0 {
		return print(bounce.KindDSN, list)
	}
	for _, one := range bounce.Messages(raw) {
		report, err := bounce.ParseReport(one, bounce.Limits{})
		if err != nil {
			return fmt.Errorf("read report: %w", err)
		}
		if err := print(report.Kind, report.Recipients); err != nil {
			return err
		}
	}
	if printed == 0 {
		return errNoReport
	}
	return nil
}

func (b bounceExplainCmd) read(stdin io.Reader) ([]byte, error) {
	if b.File == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxExplained))
	}
	f, err := os.Open(b.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxExplained))
}

func explain(table *bounce.Table, kind bounce.Kind, r bounce.Recipient) explanation {
	j := table.JudgeRecipient(kind, r)
	return explanation{
		Recipient: r.Address(), Action: r.Action, Status: r.Status, Reply: r.Reply,
		Class: j.Class, Hard: j.Hard, Provider: r.Provider(),
		SentenceDE: table.Sentence(j.Class, "de"), SentenceEN: table.Sentence(j.Class, "en"),
	}
}
