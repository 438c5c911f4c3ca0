package tenant

import "strings"

// Device tells the kind of program and system of a User-Agent, "Firefox · Windows":
// enough to recognise an own session by, too little to recognise a person by.
func Device(userAgent string) string {
	const most = 2000
	agent := userAgent[:min(len(userAgent), most)]
	program := firstOf(agent, [][2]string{
		// Those that call themselves by another's name too come before it.
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi", "Vivaldi"}, {"SamsungBrowser", "Samsung Internet"},
		{"Firefox", "Firefox"}, {"FxiOS", "Firefox"}, {"Chrome", "Chrome"}, {"CriOS", "Chrome"}, {"Safari", "Safari"}, {"curl", "curl"},
	})
	system := firstOf(agent, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	if program != "" && system != "" {
		return program + " · " + system
	}
	return program + system
}

func firstOf(text string, names [][2]string) string {
	for _, n := range names {
		if strings.Contains(text, n[0]) {
			return n[1]
		}
	}
	return ""
}
