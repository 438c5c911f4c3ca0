package smtptest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience bounds every read and write of a scripted session, so that a client
// that waits for something else fails the script instead of hanging the test.
const patience = 20 * time.Second

// MX is a server that plays one script, for one connection.
type MX struct {
	ln   net.Listener
	wg   sync.WaitGroup
	cert tls.Certificate
	pool *x509.CertPool
	err  error // of the script; read it after wg

	silent chan struct{} // closed at !silence
}

// Play starts an MX on a free port of 127.0.0.1 that plays the script to the first
// connection and refuses all others.
//
// A script is one step a line; empty lines and lines that begin with # are skipped:
//
//	S: 220 mx.test        send the line, with CRLF
//	S~ "250 ok\n"         send exactly these bytes, a Go string
//	S* 100000 "x"         send the Go string so many times
//	C: MAIL FROM:<a@b>    read one line, which must be this; "C: *" takes any
//	B: "hi\r\n.\r\n"      read exactly these bytes, a Go string
//	B* 1000 "x"           read the Go string so many times
//	!starttls             TLS handshake as server, with Certificate
//	!fin                  close the sending side and read on to the end
//	!reset                close with RST
//	!silence              say nothing until the client hangs up
//	!slow 250 ok          send the line in single bytes, each in a packet
//	!end                  the client must hang up now, maybe after QUIT
//
// A script that is through closes the connection.
func Play(script string) (*MX, error) {
	cert, pool, err := Certificate("mx.test")
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for script: %w", err)
	}
	m := &MX{ln: ln, cert: cert, pool: pool, silent: make(chan struct{})}
	m.wg.Go(func() {
		conn, err := ln.Accept()
		_ = ln.Close()
		if err != nil {
			m.err = fmt.Errorf("no connection: %w", err)
			return
		}
		m.err = m.play(conn, script)
	})
	return m, nil
}

// Addr is where the MX listens, host and port.
func (m *MX) Addr() string { return m.ln.Addr().String() }

// Pool trusts the certificate of !starttls, which is for the name mx.test.
func (m *MX) Pool() *x509.CertPool { return m.pool }

// Silent returns a channel that is closed when the script comes to !silence.
func (m *MX) Silent() <-chan struct{} { return m.silent }

// Wait returns once the script is over: nil if the client kept to it. If no client
// came it ends the wait for one.
func (m *MX) Wait() error {
	_ = m.ln.Close()
	m.wg.Wait()
	return m.err
}

// actor plays one script.
type actor struct {
	conn net.Conn
	tcp  *net.TCPConn
	r    *bufio.Reader
	cert tls.Certificate
	over bool

	silent chan struct{}
}

func (m *MX) play(conn net.Conn, script string) error {
	defer func() { _ = conn.Close() }()
	tcp, _ := conn.(*net.TCPConn)
	a := &actor{conn: conn, tcp: tcp, r: bufio.NewReader(conn), cert: m.cert, silent: m.silent}
	for i, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := a.step(line); err != nil {
			return fmt.Errorf("line %d (%s): %w", i+1, line, err)
		}
		if a.over {
			return nil
		}
	}
	return nil
}

func (a *actor) step(line string) error {
	op, arg, _ := strings.Cut(line, " ")
	switch op {
	case "S:":
		return a.send(arg + "\r\n")
	case "S~":
		text, err := strconv.Unquote(arg)
		if err != nil {
			return err
		}
		return a.send(text)
	case "S*":
		return a.repeat(arg)
	case "C:":
		return a.expectLine(arg)
	case "B:":
		want, err := strconv.Unquote(arg)
		if err != nil {
			return err
		}
		return a.expectBytes(want)
	case "B*":
		want, err := repeated(arg)
		if err != nil {
			return err
		}
		return a.expectBytes(want)
	case "!starttls":
		return a.startTLS()
	case "!slow":
		for _, b := range []byte(arg + "\r\n") {
			if err := a.send(string(b)); err != nil {
				return err
			}
		}
		return nil
	}
	return a.leave(op)
}

// leave does the steps that end a session.
func (a *actor) leave(op string) error {
	a.over = true
	switch op {
	case "!fin":
		if err := a.tcp.CloseWrite(); err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, a.r)
		return nil
	case "!reset":
		return a.tcp.SetLinger(0)
	case "!silence":
		close(a.silent)
		_, err := io.Copy(io.Discard, a.r)
		if errors.Is(err, io.EOF) || !isTimeout(err) {
			return nil
		}
		return err
	case "!end":
		rest, _ := io.ReadAll(a.r)
		if text := string(rest); text != "" && text != "QUIT\r\n" {
			return fmt.Errorf("client went on with %q", text)
		}
		return nil
	}
	return errors.New("unknown step")
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func (a *actor) send(text string) error {
	_, err := io.WriteString(a.conn, text)
	return err
}

func (a *actor) repeat(arg string) error {
	text, err := repeated(arg)
	if err != nil {
		return err
	}
	// A client that has heard enough hangs up, which is its right.
	_ = a.send(text)
	return nil
}

// repeated reads the argument of a step that says how often.
func repeated(arg string) (string, error) {
	number, quoted, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", err
	}
	text, err := strconv.Unquote(quoted)
	return strings.Repeat(text, n), err
}

func (a *actor) expectLine(want string) error {
	got, err := a.r.ReadString('\n')
	if err != nil {
		return err
	}
	if want != "*" && got != want+"\r\n" {
		return fmt.Errorf("client sent %q", got)
	}
	return nil
}

func (a *actor) expectBytes(want string) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(a.r, got)
	if err != nil {
		return fmt.Errorf("client sent %.200q: %w", got[:n], err)
	}
	if string(got) != want {
		return fmt.Errorf("client sent %.200q", got)
	}
	return nil
}

func (a *actor) startTLS() error {
	sec := tls.Server(a.conn, &tls.Config{Certificates: []tls.Certificate{a.cert}, MinVersion: tls.VersionTLS12})
	if err := sec.Handshake(); err != nil {
		return err
	}
	a.conn = sec
	a.r.Reset(sec)
	return nil
}
