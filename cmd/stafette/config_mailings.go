package main

// Mailings is what looks mailings over before they are sent.
type Mailings struct {
	// Spamd is where a spam filter speaks the protocol of SpamAssassin's spamd: host and
	// port, or the path of a socket. Empty (the default): none is asked.
	Spamd string `toml:"spamd"`
}
