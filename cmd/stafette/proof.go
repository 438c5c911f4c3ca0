package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"stafette/internal/bounce"
	"stafette/internal/diagnosis"
	"stafette/internal/i18n"
	"stafette/internal/ingest"
	"stafette/internal/seal"
)

type proofCmd struct {
	Verify proofVerifyCmd `cmd:"" help:"Check the signature of a delivery proof and print what it states."`
}

type proofVerifyCmd struct {
	File string `arg:"" placeholder:"FILE" help:"Signed delivery proof (JSON); - for standard input."`
	Keys string `placeholder:"FILE" help:"Key set of the installation that signed (its /.well-known/stafette-proof-keys.json); without it the key of this one."`
}

// maxProofFile bounds what is read; a proof has at most 1 MB.
const maxProofFile = 2 << 20

// Run verifies without asking the network. It ends with 1 if the signature does not fit.
func (c proofVerifyCmd) Run(con *console) error {
	keys, err := c.keys(con)
	if err != nil {
		return err
	}
	var file []byte
	if c.File == "-" {
		file, err = io.ReadAll(io.LimitReader(con.stdin, maxProofFile))
	} else {
		file, err = readBounded(c.File, maxProofFile)
	}
	if err != nil {
		return fmt.Errorf("read proof: %w", err)
	}
	f, err := diagnosis.Verify(file, keys)
	if err != nil {
		return fmt.Errorf("verify proof: %w", err)
	}
	fmt.Fprintf(con.stdout, "The signature fits. Signed by %q, it states:\n", f.Issuer)
	for _, line := range [][2]string{
		{"delivery", f.Delivery}, {"from", f.From}, {"recipient", f.Recipient}, {"subject", f.Subject}, {"message_id", f.MessageID},
		{"accepted_at", f.Accepted}, {"state", string(f.State)}, {"state_at", f.StateAt}, {"content", f.Content},
	} {
		fmt.Fprintf(con.stdout, "%-12s %q\n", line[0], line[1])
	}
	for _, a := range f.Attempts {
		fmt.Fprintf(con.stdout, "%-12s %d %s %q %q %d %q\n", "attempt", a.Number, a.At, string(a.Outcome), a.Host, a.Code, a.Reply)
	}
	for _, m := range f.Marks {
		fmt.Fprintf(con.stdout, "%-12s %q %s\n", "mark", string(m.Mark), m.At)
	}
	return nil
}

// keys reads a key set, or makes this installation's from its root key.
func (c proofVerifyCmd) keys(con *console) ([]diagnosis.PublicKey, error) {
	if c.Keys != "" {
		data, err := readBounded(c.Keys, maxProofFile)
		if err != nil {
			return nil, fmt.Errorf("read key set: %w", err)
		}
		return diagnosis.ParseKeys(data)
	}
	config, err := con.load()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(config.rootKey()); err != nil {
		return nil, fmt.Errorf("no root key here, name a key set with --keys: %w", err)
	}
	keeper, err := seal.Load(config.rootKey())
	if err != nil {
		return nil, err
	}
	return []diagnosis.PublicKey{diagnosis.KeyOf(keeper)}, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// newDiagnosis makes the room that tells what became of mail.
func (b *base) newDiagnosis(acceptor ingest.Acceptor, catalog *i18n.Catalog, reasons *bounce.Table, zone *time.Location) (*diagnosis.Service, error) {
	return diagnosis.New(diagnosis.Config{
		Store: b.store, Mail: b.store, Bodies: b.spool, Tenants: b.store, Acceptor: acceptor, Catalog: catalog, Reasons: reasons, Keeper: b.keeper,
		PublicURL: b.config.HTTP.PublicURL, Zone: zone, Now: b.store.Now,
	})
}
