package inject

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"stafette/test/load/ledger"
	"stafette/test/load/letter"
)

// SMTP is a submission server to load. Sessions stay open; MAIL, RCPT and DATA go
// out in one write (RFC 2920).
type SMTP struct {
	Addr string
	// Username and Password are for AUTH PLAIN; none if Username is "".
	Username, Password string
}

// Run submits the load over SMTP.
func (s SMTP) Run(ctx context.Context, load Load) (Result, error) {
	return run(ctx, load, s.session)
}

// refusal is an answer that is not success; the session may go on after it.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }

func (s SMTP) session(ctx context.Context, c *counter) error {
	for ctx.Err() == nil {
		more, err := s.connection(ctx, c)
		if err == nil && !more {
			return nil
		}
		if !c.load.Stubborn {
			return err
		}
		if !breathe(ctx) {
			return nil
		}
	}
	return nil
}

// connection submits letters until there are none left or something breaks.
func (s SMTP) connection(ctx context.Context, c *counter) (more bool, err error) {
	p, err := s.dial(ctx)
	if err != nil {
		return true, err
	}
	defer p.conn.Close()
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	for ctx.Err() == nil {
		batch := c.take(1)
		if len(batch) == 0 {
			p.conn.Write([]byte("QUIT\r\n"))
			return false, nil
		}
		began := time.Now()
		id, err := p.submit(batch[0])
		var no refusal
		switch {
		case errors.As(err, &no):
			c.refused(1, string(no))
			if !c.load.Stubborn {
				return true, err
			}
			if !breathe(ctx) {
				return true, nil
			}
		case err != nil:
			c.unanswered(1)
			return true, err
		default:
			if err := c.acknowledged([]ledger.Entry{{Token: batch[0].Token, ID: id}}, began); err != nil {
				return false, err
			}
		}
	}
	return true, ctx.Err()
}

// peer is one open session.
type peer struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte
}

func (s SMTP) dial(ctx context.Context) (*peer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial submission: %w", err)
	}
	p := &peer{conn: conn, in: bufio.NewReader(conn)}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = p.expect('2')
	if err == nil {
		err = p.command("EHLO load.example", '2')
	}
	if err == nil && s.Username != "" {
		token := base64.StdEncoding.EncodeToString([]byte("\x00" + s.Username + "\x00" + s.Password))
		err = p.command("AUTH PLAIN "+token, '2')
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open session: %w", err)
	}
	return p, nil
}

// submit sends one letter and returns the name the server gave it.
func (p *peer) submit(l letter.Letter) (id string, err error) {
	envelope := "MAIL FROM:<" + l.From + ">\r\nRCPT TO:<" + l.To + ">\r\nDATA\r\n"
	if _, err := p.conn.Write([]byte(envelope)); err != nil {
		return "", err
	}
	var first error
	for i, want := range []byte{'2', '2', '3'} {
		err := p.expect(want)
		var no refusal
		if err != nil && !errors.As(err, &no) {
			return "", err
		}
		if first == nil {
			first = err
		}
		if i == 2 && err != nil {
			return "", errors.Join(first, p.command("RSET", '2'))
		}
	}
	p.buf = append(l.Append(p.buf[:0]), ".\r\n"...)
	if _, err := p.conn.Write(p.buf); err != nil {
		return "", err
	}
	text, err := p.reply('2')
	return text[strings.LastIndexByte(text, ' ')+1:], err
}

func (p *peer) command(line string, want byte) error {
	if _, err := p.conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return p.expect(want)
}

func (p *peer) expect(want byte) error {
	_, err := p.reply(want)
	return err
}

// reply reads a reply and returns its last line; any other first digit is a refusal.
func (p *peer) reply(want byte) (string, error) {
	for {
		raw, err := p.in.ReadSlice('\n')
		if err != nil {
			return "", fmt.Errorf("read reply: %w", err)
		}
		if len(raw) > 3 && raw[3] == '-' {
			continue
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if line == "" || line[0] != want {
			return line, refusal(line)
		}
		return line, nil
	}
}
