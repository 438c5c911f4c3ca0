package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"stafette/internal/control"
	"stafette/internal/trace"
)

type traceCmd struct {
	Delivery     string `help:"Only this delivery (dlv_…)."`
	Lane         string `help:"Only this site or source, as 'stafette lanes' names it."`
	Domain       string `help:"Only recipients of this domain."`
	Tenant       string `help:"Only this tenant (ten_…)."`
	Conversation bool   `help:"Show every line that is said, not only how attempts begin and end."`
	JSON         bool   `name:"json" help:"One JSON object a line."`
}

// Run shows attempts as they happen until it is interrupted.
func (t traceCmd) Run(ctx context.Context, con *console) error {
	c, err := con.load()
	if err != nil {
		return err
	}
	params := url.Values{"delivery": {t.Delivery}, "lane": {t.Lane}, "domain": {t.Domain}, "tenant": {t.Tenant}}
	if t.Conversation {
		params.Set("conversation", "1")
	}
	machine := json.NewEncoder(con.stdout)
	return control.NewClient(c.controlSocket()).Trace(ctx, params, func(e trace.Entry) error {
		if t.JSON {
			return machine.Encode(e)
		}
		_, err := fmt.Fprintln(con.stdout, e)
		return err
	})
}
