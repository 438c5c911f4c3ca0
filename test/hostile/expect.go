package hostile

// Ending is how the delivery of one mail ends for the client.
type Ending string

// The endings. A mail has exactly one.
const (
	// Taken: the server took responsibility.
	Taken Ending = "taken"
	// Refused: the server said no, for now or for good; it has not got the mail.
	Refused Ending = "refused"
	// Broken: no answer to rely on, and the mail was not sent whole.
	Broken Ending = "broken"
	// Uncertain: the mail was sent whole and no answer told what became of it.
	Uncertain Ending = "uncertain"
)

// Ending is the only right one for a mail that meets the cell. The server offers
// neither STARTTLS nor BDAT.
func (c Cell) Ending() Ending {
	if c.State == Body {
		switch c.Fault {
		case Temporary, Permanent:
			return Refused
		}
		return Broken
	}
	if c.State == Quit {
		return Taken // the mail was taken before; the goodbye changes nothing
	}
	switch c.Fault {
	case Drip, BareLF, NUL:
		return Taken
	case Closing, Temporary:
		return Refused
	case Permanent, BadEnhanced, Mixed:
		if c.State == EHLO {
			return Taken // by way of HELO (RFC 5321, 3.2)
		}
		return Refused
	case Twice:
		return c.shifted()
	}
	if c.State == Dot {
		return Uncertain
	}
	return Broken
}

// shifted is what follows from one answer too many: each later one is taken for its
// predecessor's, until one does not fit.
func (c Cell) shifted() Ending {
	switch c.State {
	case Dot:
		return Taken
	case Data:
		return Uncertain // the second 354 stands where the final answer is due
	}
	return Broken // a 250 stands where 354 is due
}

// Code is the reply code a refusal bears.
func (c Cell) Code() int {
	switch {
	case c.Fault == Closing:
		return 421
	case c.Fault == Temporary && c.State == Body:
		return 452
	case c.Fault == Temporary:
		return 451
	case c.State == Body:
		return 552
	}
	return 550
}

// Cells lists all cells without TLS: every state with every fault, and what can go
// wrong while a body is under way.
func Cells() []Cell {
	var cells []Cell
	for _, s := range States() {
		for _, f := range Faults() {
			cells = append(cells, Cell{s, f})
		}
	}
	for _, f := range []Fault{Reset, Close, Silence, Temporary, Permanent} {
		cells = append(cells, Cell{Body, f})
	}
	return cells
}
