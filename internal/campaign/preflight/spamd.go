package preflight

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict is what a spam filter says of a mail.
type Verdict struct {
	Spam  bool     `json:"spam"`
	Score float64  `json:"score"`
	Limit float64  `json:"limit"` // from which on it is spam
	Rules []string `json:"rules,omitempty"`
}

// Spamd asks a filter by the protocol of SpamAssassin's spamd (SPAMC/1.2). It is safe for concurrent use.
type Spamd struct {
	Address string // host and port, or the path of a socket
	Timeout time.Duration
	// Dial connects to it: an address of the operator's, inside as a rule.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Limits of an answer.
const (
	maxAnswer = 64 << 10 // bytes
	maxRules  = 30
)

// Judge implements Spam.
func (s *Spamd) Judge(ctx context.Context, mail []byte) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	network := "tcp"
	if strings.HasPrefix(s.Address, "/") {
		network = "unix"
	}
	conn, err := s.Dial(ctx, network, s.Address)
	if err != nil {
		return Verdict{}, fmt.Errorf("ask spam filter: %w", err)
	}
	defer func() { _ = conn.Close() }() // what it said was read
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = fmt.Fprintf(conn, "SYMBOLS SPAMC/1.2\r\nContent-length: %d\r\n\r\n%s", len(mail), mail)
	if err != nil {
		return Verdict{}, fmt.Errorf("ask spam filter: %w", err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return Verdict{}, fmt.Errorf("ask spam filter: %w", err)
		}
	}
	v, err := readVerdict(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return v, fmt.Errorf("read answer of spam filter: %w", err)
	}
	return v, nil
}

var errAnswer = errors.New("no answer of spamd")

// readVerdict reads "SPAMD/1.1 0 EX_OK", fields of which "Spam: True ; 6.2 / 5.0" is one, an
// empty line, and the names of rules.
func readVerdict(r io.Reader) (v Verdict, err error) {
	in := bufio.NewReader(r)
	line, err := in.ReadString('\n')
	status := strings.Fields(line)
	if len(status) < 2 || !strings.Contains(status[0], "SPAMD/") || status[1] != "0" {
		return v, errors.Join(errAnswer, err)
	}
	told := false
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Spam") {
			if v, err = readScore(value); err != nil {
				return v, err
			}
			told = true
		}
		if line == "" || err != nil {
			break
		}
	}
	if !told {
		return v, errAnswer
	}
	rest, err := io.ReadAll(in)
	if err != nil {
		return v, err
	}
	for _, rule := range strings.FieldsFunc(string(rest), func(r rune) bool { return r == ',' || r <= ' ' || r > '~' }) {
		if len(v.Rules) < maxRules && len(rule) <= 60 && !slices.Contains(v.Rules, rule) {
			v.Rules = append(v.Rules, rule)
		}
	}
	return v, nil
}

// readScore reads "True ; 6.2 / 5.0".
func readScore(text string) (v Verdict, err error) {
	word, figures, ok := strings.Cut(text, ";")
	score, limit, two := strings.Cut(figures, "/")
	if !ok || !two {
		return v, errAnswer
	}
	v.Spam = strings.EqualFold(strings.TrimSpace(word), "true") || strings.EqualFold(strings.TrimSpace(word), "yes")
	var wrong [2]error
	v.Score, wrong[0] = strconv.ParseFloat(strings.TrimSpace(score), 64)
	v.Limit, wrong[1] = strconv.ParseFloat(strings.TrimSpace(limit), 64)
	if err := errors.Join(wrong[:]...); err != nil || v.Score != v.Score || v.Limit != v.Limit || v.Score > 1e6 || v.Score < -1e6 || v.Limit > 1e6 || v.Limit < -1e6 {
		return Verdict{}, errAnswer
	}
	// rspamd says False of what it refuses for another reason than its score.
	v.Spam = v.Spam || v.Limit > 0 && v.Score >= v.Limit
	return v, nil
}
