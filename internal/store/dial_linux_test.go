package store

import (
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestConnectionsNoticeSilence: the sockets to the database carry the bounds, and
// those of a local server's socket file need none.
func TestConnectionsNoticeSilence(t *testing.T) {
	conf, err := pgx.ParseConfig("postgres://a@127.0.0.1:1,127.0.0.1:2/x?target_session_attrs=read-write")
	if err != nil {
		t.Fatal(err)
	}
	dialWell(conf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := conf.DialFunc(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for name, option := range map[string][3]int{
			"user timeout":        {syscall.IPPROTO_TCP, tcpUserTimeout, int(silentAfter.Milliseconds())},
			"keep-alive":          {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			"keep-alive idle":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(silentAfter.Seconds() / 3)},
			"keep-alive interval": {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(silentAfter.Seconds() / 3)},
		} {
			if have, err := syscall.GetsockoptInt(int(fd), option[0], option[1]); err != nil || have != option[2] {
				t.Errorf("%s is %d, want %d (%v)", name, have, option[2], err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/s"
	u, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	local, err := conf.DialFunc(t.Context(), "unix", file)
	if err != nil {
		t.Fatal(err)
	}
	local.Close()
}
