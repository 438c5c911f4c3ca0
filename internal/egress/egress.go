// Package egress decides the way out: from which source a mail leaves, over which
// lane and how fast, to which next hop a static route sends it, and which addresses
// may be connected to at all.
//
// It is the fourth station of the journey. Which sources there are and whose mail
// leaves from them is a Plan; a Fleet chooses among them for each attempt and knows
// which provider refuses which (alarms) and how far each is warmed up. How much may
// go where is a Shaping, merged from files of limits; Budget counts against it.
// What replies teach is data too (Rule). Checker looks after the sources' own DNS.
//
// It opens no SMTP session and judges no reply (delivery and bounce do), and keeps
// no mail: it says when, delivery waits.
package egress
