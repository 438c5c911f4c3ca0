package store

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// reachWithin bounds opening a connection to one of the hosts of the URL, unless
	// that says otherwise, so that a host that is gone does not hold up the next.
	reachWithin = 5 * time.Second
	// silentAfter is how long the network may leave unanswered what was sent, or an
	// idle connection's probes. A machine that lost its power says no goodbye, and the
	// kernel's own patience is a quarter of an hour.
	silentAfter = 15 * time.Second
)

// dialWell makes connections notice within seconds that the other machine is gone.
func dialWell(conf *pgx.ConnConfig) {
	if conf.ConnectTimeout == 0 {
		conf.ConnectTimeout = reachWithin
	}
	d := &net.Dialer{
		Timeout:         conf.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentAfter / 3, Interval: silentAfter / 3, Count: 2},
		Control:         giveUpAfter(silentAfter),
	}
	conf.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return d.DialContext(ctx, network, address)
	}
}
