//go:build !unix

package smtp

import "net"

// peeker cannot look at a connection here without waiting; a session closed while
// it was idle is noticed when it is used.
type peeker struct{}

func newPeeker(net.Conn) *peeker { return &peeker{} }

func (*peeker) look() (waiting, closed bool) { return false, false }
