package smtpserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"
)

// Sizes of a session's buffers: a message of usual length is read at once, and the
// replies to pipelined commands leave at once.
const (
	readSize  = 16 << 10
	writeSize = 2 << 10
)

// maxCommand is how long a command may be: RFC 4954, 4 wants 12,288 for AUTH.
const maxCommand = 12 << 10

// maxMistakes is how many commands that are none are answered before the session ends.
const maxMistakes = 3

// goodbye is how long the last words of a session may take to be written.
const goodbye = 10 * time.Second

var errLineTooLong = errors.New("command line is too long")

// service is what the doors make of a dialogue differently: whom they take mail from, for
// whom, and what becomes of it. A method that returns no answer has written its own.
type service interface {
	// extensions are the lines that end the answer to EHLO.
	extensions() string
	auth(arg string) *answer
	mail(arg string) *answer
	rcpt(arg string) *answer
	// newBody makes room for the message of the open transaction, or refuses it.
	newBody() (*body, *answer)
	// accept takes the whole message.
	accept(b *body) *answer
	// forget drops the transaction.
	forget()
	// forgetClient drops what was said in clear of who is there.
	forgetClient()
}

// terms is what a door promises in all of its dialogues.
type terms struct {
	hostname string
	tls      *tls.Config
	patience time.Duration // for one command or the whole of one message's data
	verbs    string        // told to who asks for HELP
	log      *slog.Logger
}

// dialogue is one client between greeting and QUIT, run by one goroutine: commands, data
// and TLS as far as they are the same at each door. Replies are gathered until the client
// is waited for, as RFC 2920, 3.2 asks of a server that offers PIPELINING.
type dialogue struct {
	terms   *terms
	service service
	conn    *conn    // below TLS
	stream  net.Conn // conn, or TLS over it
	in      *bufio.Reader
	out     *bufio.Writer
	alarm   *time.Timer // strikes when the client has taken too long

	helo     string // what the client calls itself; "" before EHLO
	mistakes int    // commands that are none
	open     bool   // MAIL was accepted
	chunks   *body  // what BDAT has brought so far; nil before the first
	done     bool
	broken   error // of reading: what would come next is no command
}

// newDialogue is ready to be conducted, or nil if c did not come through a gate.
func newDialogue(c net.Conn, t *terms) *dialogue {
	own := below(c)
	if own == nil {
		return nil
	}
	d := &dialogue{terms: t, conn: own}
	d.use(c)
	return d
}

// conduct leads the dialogue to its end; closing the connection is the caller's.
func (d *dialogue) conduct(as service) {
	d.service = as
	d.alarm = time.AfterFunc(d.terms.patience, d.conn.strike)
	defer d.alarm.Stop()
	defer d.reset()
	defer d.recover()
	if t, ok := d.stream.(*tls.Conn); ok && !d.shakeHands(t) {
		return
	}
	d.write("220 " + d.terms.hostname + " ESMTP Service Ready\r\n")
	for !d.done {
		line, err := d.readLine()
		if err != nil {
			d.part(err)
			return
		}
		d.obey(line)
	}
	d.leave()
}

// recover keeps a mistake of ours from ending more than one session.
func (d *dialogue) recover() {
	if fault := recover(); fault != nil {
		d.terms.log.Error("panic in a session", "remote", d.conn.ip.String(), "panic", fault, "stack", string(debug.Stack()))
		d.say(reply(421, 4, 3, 0, "Internal error"))
		d.leave()
	}
}

// use makes c what is read and written. What was read ahead is dropped: nothing said in
// clear may be obeyed under TLS.
func (d *dialogue) use(c net.Conn) {
	d.stream, d.in, d.out = c, bufio.NewReaderSize(c, readSize), bufio.NewWriterSize(c, writeSize)
}

func (d *dialogue) encrypted() bool { return d.stream != net.Conn(d.conn) }

// part ends the session, with a word where somebody listens.
func (d *dialogue) part(err error) {
	var network net.Error
	switch {
	case errors.Is(err, errLineTooLong):
		d.say(reply(500, 5, 5, 2, "The line is too long"))
	case errors.As(err, &network) && network.Timeout():
		if d.conn.ended.Load() {
			d.say(reply(421, 4, 3, 2, "The server is going down"))
		} else {
			d.say(reply(421, 4, 4, 2, "Waited too long, good-bye"))
		}
	}
	_ = d.conn.SetWriteDeadline(time.Time{})
	d.leave()
}

// write queues text for the client.
func (d *dialogue) write(text string) {
	_, _ = d.out.WriteString(text) // its error comes again with flush
}

func (d *dialogue) say(a *answer) { d.write(a.String() + "\r\n") }

// flush sends what is queued, before the client is waited for.
func (d *dialogue) flush() error { return d.out.Flush() }

// wait begins the time the client may take for what comes next.
func (d *dialogue) wait() { d.alarm.Reset(d.terms.patience) }

// leave sends the last words.
func (d *dialogue) leave() {
	d.alarm.Reset(goodbye)
	_ = d.flush()
}

// readLine returns the next command without its line end.
func (d *dialogue) readLine() (string, error) {
	if d.broken != nil {
		return "", d.broken
	}
	if d.conn.ended.Load() {
		return "", net.ErrClosed
	}
	if d.chunks == nil { // between chunks the time of the whole message goes on
		d.wait()
	}
	line, err := d.bufferedLine()
	if err != nil {
		return "", err
	}
	if len(line) > maxCommand {
		return "", errLineTooLong
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// bufferedLine flushes only if the line is not there yet.
func (d *dialogue) bufferedLine() ([]byte, error) {
	if n := d.in.Buffered(); n > 0 {
		ahead, _ := d.in.Peek(n) // all of it is there
		for _, c := range ahead {
			if c == '\n' {
				return d.in.ReadSlice('\n')
			}
		}
	}
	if err := d.flush(); err != nil {
		return nil, err
	}
	line, err := d.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = errLineTooLong
	}
	return line, err
}

// whole notes an error of reading, behind which no command is looked for, and reports
// whether there is none.
func (d *dialogue) whole(err error) bool {
	d.broken = err
	return err == nil
}

// begin opens a transaction, unless the server is going down.
func (d *dialogue) begin() *answer {
	if !d.conn.begin() {
		d.done = true
		return reply(421, 4, 3, 2, "The server is going down, try again")
	}
	d.open = true
	return nil
}

// reset ends the transaction.
func (d *dialogue) reset() {
	if !d.open {
		return
	}
	d.open, d.chunks = false, nil
	d.service.forget()
	d.conn.finish()
}
