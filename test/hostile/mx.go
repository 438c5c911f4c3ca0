// Package hostile is a receiving server that does everything wrong, one thing at a
// time: a table of states of an SMTP session times a table of faults.
//
// It stands where a recipient's server stands. It says how a session must end that
// meets each fault; the tests hold the delivery client to it in no time at all
// (testing/synctest), and the built binary over loopback where it is given.
package hostile

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// State is where in a session the fault strikes: in place of the answer to that
// command.
type State string

// The states of a session.
const (
	Greeting State = "greeting"
	EHLO     State = "ehlo"
	StartTLS State = "starttls"
	Mail     State = "mail"
	Rcpt     State = "rcpt"
	Data     State = "data"
	Body     State = "body" // after the first bytes of a long body
	Dot      State = "dot"
	Quit     State = "quit"
)

// States lists those that any answer can go wrong in; StartTLS and Body have
// faults of their own.
func States() []State { return []State{Greeting, EHLO, Mail, Rcpt, Data, Dot, Quit} }

// Fault names what goes wrong.
type Fault string

// The faults.
const (
	Reset       Fault = "reset"        // RST
	Close       Fault = "close"        // FIN
	Silence     Fault = "silence"      // no answer for ever
	Drip        Fault = "drip"         // the right answer, one byte a second
	Trickle     Fault = "trickle"      // the right answer, one byte a minute
	Late        Fault = "late"         // the right answer after eleven minutes
	Closing     Fault = "421"          // 421 and FIN
	Temporary   Fault = "451"          // 451
	Permanent   Fault = "550"          // 550
	BadEnhanced Fault = "bad-enhanced" // 550 with half an enhanced code
	TenThousand Fault = "10000-lines"  // the right code in 10,000 lines
	LongLine    Fault = "100-kB-line"  // the right code in one line of 100 kB
	NoEnd       Fault = "no-crlf"      // the right answer without its end, then FIN
	BareLF      Fault = "bare-lf"      // the right answer, ended by LF alone
	NUL         Fault = "nul"          // the right code, text full of control characters
	Mixed       Fault = "mixed-codes"  // the right code on the first line, 550 on the last
	Garbage     Fault = "garbage"      // a line that is not SMTP
	BadCode     Fault = "999"          // a code that does not exist
	WrongClass  Fault = "wrong-class"  // 354 where success is due, 250 where 354 is
	Twice       Fault = "twice"        // the right answer two times
)

// Faults lists those that can strike in every state.
func Faults() []Fault {
	return []Fault{Reset, Close, Silence, Drip, Trickle, Late, Closing, Temporary, Permanent, BadEnhanced, TenThousand,
		LongLine, NoEnd, BareLF, NUL, Mixed, Garbage, BadCode, WrongClass, Twice}
}

// Cell is one fault in one state.
type Cell struct {
	State State
	Fault Fault
}

// String is the cell's name in tests and its label in domain names.
func (c Cell) String() string { return string(c.State) + "-" + string(c.Fault) }

// MX plays one cell in every session it serves. It is not changed by Serve.
type MX struct {
	Cell       Cell
	Pipelining bool
	Chunking   bool
	// TLS offers STARTTLS.
	TLS *tls.Config
	// Accepted, if set, is called for each mail the server took responsibility for.
	Accepted func()
}

// play is one session.
type play struct {
	*MX
	conn   net.Conn
	in     *bufio.Reader
	struck bool
	mail   bool
	rcpt   bool
	tls    bool
	size   int // of the body so far
}

var errOver = errors.New("session is over")

// Serve plays a session to its end. The connection is closed when it returns.
func (m *MX) Serve(conn net.Conn) {
	defer conn.Close()
	p := &play{MX: m, conn: conn, in: bufio.NewReader(conn)}
	err := p.answer(Greeting, "220 mx.hostile.example ESMTP\r\n")
	for err == nil {
		var line string
		if line, err = p.in.ReadString('\n'); err == nil {
			err = p.command(strings.TrimRight(line, "\r\n"))
		}
	}
}

func (p *play) command(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		return p.answer(EHLO, p.extensions())
	case "HELO", "NOOP":
		return p.say("250 ok\r\n")
	case "RSET":
		p.mail, p.rcpt, p.size = false, false, 0
		return p.say("250 2.0.0 ok\r\n")
	case "STARTTLS":
		return p.startTLS()
	case "MAIL":
		p.mail, p.rcpt, p.size = true, false, 0
		return p.answer(Mail, "250 2.1.0 ok\r\n")
	case "RCPT":
		if !p.mail {
			return p.say("503 5.5.1 no\r\n")
		}
		p.rcpt = true
		return p.answer(Rcpt, "250 2.1.5 ok\r\n")
	case "DATA":
		return p.data()
	case "BDAT":
		return p.chunk(arg)
	case "QUIT":
		if err := p.answer(Quit, "221 2.0.0 bye\r\n"); err != nil {
			return err
		}
		return errOver
	}
	return p.say("502 5.5.1 what\r\n")
}

func (p *play) extensions() string {
	lines := []string{"mx.hostile.example", "8BITMIME", "ENHANCEDSTATUSCODES"}
	if p.Pipelining {
		lines = append(lines, "PIPELINING")
	}
	if p.Chunking {
		lines = append(lines, "CHUNKING")
	}
	if p.TLS != nil && !p.tls {
		lines = append(lines, "STARTTLS")
	}
	var b strings.Builder
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + l + "\r\n")
	}
	return b.String()
}

func (p *play) say(text string) error {
	_, err := io.WriteString(p.conn, text)
	return err
}

func (p *play) data() error {
	if !p.rcpt {
		return p.say("503 5.5.1 nobody to send to\r\n")
	}
	if err := p.answer(Data, "354 go\r\n"); err != nil {
		return err
	}
	if !p.rcpt {
		return nil // the fault was a refusal
	}
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if string(line) == ".\r\n" {
			return p.end()
		}
		p.size += len(line)
		if p.Cell.State == Body && p.size > 1024 {
			return p.duringBody()
		}
	}
}

func (p *play) chunk(arg string) error {
	count, last, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return p.say("501 5.5.4 no\r\n")
	}
	if _, err := io.CopyN(io.Discard, p.in, int64(n)); err != nil {
		return err
	}
	switch {
	case !p.rcpt:
		return p.say("503 5.5.1 nobody to send to\r\n")
	case last == "LAST":
		return p.end()
	}
	return p.say("250 2.0.0 more\r\n")
}

// end answers the end of data; whether the mail counts as taken is what the answer
// says, if it says anything.
func (p *play) end() error {
	before := p.struck
	err := p.answer(Dot, "250 2.0.0 taken\r\n")
	struckHere := p.struck && !before
	if p.Accepted != nil && (!struckHere || p.Cell.Fault.takes()) {
		p.Accepted()
	}
	p.mail, p.rcpt = false, false
	return err
}

// takes reports whether an answer with this fault still tells of success.
func (f Fault) takes() bool {
	switch f {
	case Drip, BareLF, NUL, Twice:
		return true
	}
	return false
}

// answer gives the right answer, or commits the fault if this is the state.
func (p *play) answer(s State, right string) error {
	if s != p.Cell.State || p.struck {
		return p.say(right)
	}
	p.struck = true
	return p.strike(s, right)
}

func (p *play) strike(s State, right string) error {
	code := right[:3]
	switch p.Cell.Fault {
	case Reset, Close, Silence:
		return p.vanish()
	case Drip:
		return p.slowly(right, time.Second)
	case Trickle:
		return p.slowly(right, time.Minute)
	case Late:
		pause(11 * time.Minute)
		return p.say(right)
	case Closing:
		return errors.Join(p.say("421 4.3.2 going down\r\n"), errOver)
	case Temporary:
		return p.refuse(s, "451 4.3.0 not now\r\n")
	case Permanent:
		return p.refuse(s, "550 5.1.1 nobody here\r\n")
	case BadEnhanced:
		return p.refuse(s, "550 5.1 half a code\r\n")
	case Mixed:
		return p.refuse(s, code+"-fine so far\r\n550 5.1.1 but nobody here\r\n")
	case Twice:
		return p.say(right + right)
	case BareLF:
		return p.say(strings.ReplaceAll(right, "\r\n", "\n"))
	case NUL:
		return p.say(strings.TrimSuffix(right, "\r\n") + "\x00\x01\x1b[2J\x7f\r\n")
	}
	return p.babble(code, right)
}

// babble answers what cannot be understood; from then on it only listens.
func (p *play) babble(code, right string) error {
	switch p.Cell.Fault {
	case TenThousand:
		line := code + "-" + strings.Repeat("blah ", 4) + "\r\n"
		if err := p.say(strings.Repeat(line, 10_000) + code + " done\r\n"); err != nil {
			return err
		}
	case LongLine:
		if err := p.say(code + " " + strings.Repeat("x", 100_000) + "\r\n"); err != nil {
			return err
		}
	case NoEnd:
		return errors.Join(p.say(strings.TrimSuffix(right, "\r\n")), errOver)
	case Garbage:
		if err := p.say("HTTP/1.1 400 Bad Request\r\n"); err != nil {
			return err
		}
	case BadCode:
		if err := p.say("999 9.9.9 whatever\r\n"); err != nil {
			return err
		}
	case WrongClass:
		wrong := "354 go\r\n"
		if code == "354" {
			wrong = "250 ok\r\n"
		}
		if err := p.say(wrong); err != nil {
			return err
		}
	}
	return p.listen()
}

// refuse says no and remembers that it did.
func (p *play) refuse(s State, reply string) error {
	switch s {
	case Mail:
		p.mail = false
	case Rcpt, Data:
		p.rcpt = false
	case Greeting:
		return errors.Join(p.say(reply), p.listen())
	}
	return p.say(reply)
}

func (p *play) vanish() error {
	switch p.Cell.Fault {
	case Reset:
		reset(p.conn)
	case Silence:
		return p.listen()
	}
	return errOver
}

// reset closes with RST where the connection knows how.
func reset(c net.Conn) {
	switch c := c.(type) {
	case *end:
		c.Reset()
	case *net.TCPConn:
		if c.SetLinger(0) == nil {
			c.Close()
		}
	}
}

// listen takes in whatever comes until the client leaves.
func (p *play) listen() error {
	_, err := io.Copy(io.Discard, p.in)
	return errors.Join(err, errOver)
}

// duringBody strikes while the body is coming.
func (p *play) duringBody() error {
	p.struck = true
	switch p.Cell.Fault {
	case Silence:
		// Reads no more, so that the client's writes get stuck.
		pause(time.Hour)
		return errOver
	case Temporary:
		return errors.Join(p.say("452 4.3.1 disk full\r\n"), errOver)
	case Permanent:
		return errors.Join(p.say("552 5.3.4 too big\r\n"), errOver)
	case WrongClass:
		return errors.Join(p.say("250 2.0.0 taken already\r\n"), p.listen())
	}
	return p.vanish()
}

func (p *play) slowly(text string, each time.Duration) error {
	for i := range len(text) {
		pause(each)
		if err := p.say(text[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

func pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func (p *play) startTLS() error {
	if p.TLS == nil {
		return p.say("502 5.5.1 what\r\n")
	}
	if p.Cell.State == StartTLS {
		if over, err := p.spoilTLS(); over || err != nil {
			return err
		}
	} else if err := p.say("220 2.0.0 go\r\n"); err != nil {
		return err
	}
	secure := tls.Server(p.conn, p.TLS)
	if err := secure.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	p.conn, p.in, p.tls = secure, bufio.NewReader(secure), true
	return nil
}

// Faults of StartTLS alone.
const (
	Injection  Fault = "injection"    // a plaintext answer behind the 220
	NotTLS     Fault = "not-tls"      // 220, then SMTP instead of a handshake
	Alert      Fault = "alert"        // 220, then a fatal alert
	HangInTLS  Fault = "hang-in-tls"  // 220, then nothing
	CloseInTLS Fault = "close-in-tls" // 220, then FIN
	ResetInTLS Fault = "reset-in-tls" // 220, then RST
	Handshake  Fault = "handshake"    // an honest handshake with the given certificate
)

// spoilTLS commits a fault of StartTLS; over is false if a handshake follows.
func (p *play) spoilTLS() (over bool, err error) {
	p.struck = true
	after := func(text string, err error) (bool, error) {
		return true, errors.Join(p.say("220 2.0.0 go\r\n"+text), err)
	}
	switch p.Cell.Fault {
	case Handshake:
		return false, p.say("220 2.0.0 go\r\n")
	case Temporary:
		return true, p.say("454 4.7.0 no TLS now\r\n")
	case Permanent:
		return true, p.say("554 5.7.0 no TLS ever\r\n")
	case Injection:
		return after("250 2.0.0 I was here first\r\n", nil)
	case NotTLS:
		if _, err := after("", nil); err != nil {
			return true, err
		}
		p.in.Peek(1) // the client has begun its handshake
		return true, errors.Join(p.say("250 hello there\r\n"), p.listen())
	case Alert:
		if _, err := after("", nil); err != nil {
			return true, err
		}
		p.in.Peek(1)
		return true, errors.Join(p.say("\x15\x03\x03\x00\x02\x02\x28"), p.listen())
	case HangInTLS:
		_, err := after("", nil)
		return true, errors.Join(err, p.listen())
	case CloseInTLS:
		return after("", errOver)
	case ResetInTLS:
		_, err := after("", nil)
		p.in.Peek(1)
		reset(p.conn)
		return true, errors.Join(err, errOver)
	}
	return true, p.strike(StartTLS, "220 2.0.0 go\r\n")
}
