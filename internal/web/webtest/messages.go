package webtest

import (
	"strings"

	"stafette/internal/event"
)

// messagesSubject is the world's own: World stands in for all that messages asks.
func messagesSubject() Subject {
	return Subject{
		Own: func(w *World) map[string]string {
			return map[string]string{"/messages/{id}": w.newest(false, event.Bounced, "Besichtigung")}
		},
		Foreign: func(w *World) map[string]string {
			return map[string]string{"/messages/{id}": w.newest(true, event.Delivered, "")}
		},
		Pages: messagePages,
	}
}

func messagePages(w *World) []string {
	several := w.newest(false, event.Bounced, "Besichtigung")
	list := []string{
		"/messages?q=nichts-davon", "/messages?state=held&tag=x&from=2026-11-01&to=2026-11-30", "/messages?q=%22%3E%3Cscript%3E",
		"/messages?sort=time&col=subject&col=from&col=tags&col=attempts&col=host&col=size", "/search?q=besichtigung", "/search?q=nichts-davon", "/search?q=%22%3E%3Cscript%3E",
		"/messages/bulk?do=hold", "/messages/bulk?do=hold&all=1", "/messages/bulk?do=again&all=1&state=bounced", "/messages/bulk?do=resume&all=1&state=bounced",
		w.newest(false, event.Delivered, "Zusage") + "/again",
		"/messages/new?again=" + strings.TrimPrefix(several, "/messages/"), "/messages/msg_unknown",
		w.newest(false, event.Delivered, "Reservierung"), w.newest(false, event.Delivered, "Brief Oktober"), "/messages?mark=late_bounce", "/messages?mark=x",
		w.newest(false, event.Delivered, "Zusage") + "/content", w.newest(false, event.Delivered, "<script>"),
	}
	for _, s := range event.States() {
		if s != event.Sending {
			list = append(list, w.newest(false, s, ""))
		}
	}
	for _, view := range []string{"", "?view=text", "?view=headers", "?view=source", "?view=nonsense"} {
		list = append(list, several+"/content"+view)
	}
	for _, done := range []string{"sent", "retry", "hold", "resume", "cancel", "none", "nonsense"} {
		list = append(list, several+"?done="+done)
	}
	return list
}
