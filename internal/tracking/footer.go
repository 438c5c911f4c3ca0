package tracking

import "fmt"

// consentMark is the value of the attribute optOut by which a sender says of a link of
// their own that it leads to where the recipient withdraws.
const consentMark = "consent"

// consentURL is where the only recipient of the mail withdraws; "" where single
// activities are not told, or nobody can say whose they are.
func (v *weaving) consentURL() string {
	if v.level < Pseudonymous || len(v.m.Recipients) != 1 {
		return ""
	}
	return v.address(ForConsent, 0)
}

// footer is a line that leads there, in both languages, as nobody here knows that of the
// mail; "" where the sender has put a link of their own, or there is nothing to withdraw
// from. Withdrawing must be as easy as consenting (Art. 7(3) GDPR).
func (v *weaving) footer() string {
	address := v.consentURL()
	if address == "" || v.offered {
		return ""
	}
	return fmt.Sprintf("<p style=\"margin:16px 0 0;font:12px sans-serif;color:#666\"><a href=\"%s\" style=\"color:#666\">Auswertung beenden &middot; Stop tracking me</a></p>\r\n", address)
}
