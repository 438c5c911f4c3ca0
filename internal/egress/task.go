package egress

import (
	"slices"
	"time"
)

// Task is something a provider asks of every operator once, which no look-up can
// find out: a person does it and says so. The catalogue keys of its texts are
// "egress.task.<task>.title", ".way" and ".link".
type Task string

// The tasks. The first three are done for each source with an address of its own, the
// others once for the platform.
const (
	TaskImprint    Task = "imprint"    // T-Online: a page with imprint under the EHLO name, and the release
	TaskGMX        Task = "gmx"        // GMX and WEB.DE: the rules of their postmasters are kept
	TaskSNDS       Task = "snds"       // Microsoft: the address is registered with SNDS
	TaskJMRP       Task = "jmrp"       // Microsoft: complaints come back
	TaskPostmaster Task = "postmaster" // Google Postmaster Tools
	TaskYahoo      Task = "yahoo"      // Yahoo Sender Hub and its complaint feedback loop
)

// TasksOfSource lists those of each source, TasksOfPlatform the others.
func TasksOfSource() []Task { return []Task{TaskImprint, TaskGMX, TaskSNDS} }

// TasksOfPlatform lists what is done once.
func TasksOfPlatform() []Task { return []Task{TaskJMRP, TaskPostmaster, TaskYahoo} }

// TaskDone is a person's word that a task is done.
type TaskDone struct {
	Source string // "" for the platform
	Task   Task
	By     string
	At     time.Time
}

// Fits reports whether the task is one of that source, or of the platform for "".
func (t Task) Fits(source string) bool {
	if source == "" {
		return slices.Contains(TasksOfPlatform(), t)
	}
	return slices.Contains(TasksOfSource(), t)
}

// OpenTasks lists what nobody said to be done: of the platform, and of every source
// with an address on the net that is not retired. It lists nothing where no source has
// one, as behind a smarthost.
func OpenTasks(sources []Source, done []TaskDone) []Todo {
	var list []Todo
	special := newSpecials()
	open := func(t Task, s Source) {
		if slices.ContainsFunc(done, func(d TaskDone) bool { return d.Task == t && d.Source == s.Name }) {
			return
		}
		todo := Todo{Key: "egress.task." + string(t), Task: t, Source: s.Name, EHLO: s.EHLO, Link: taskLink(t)}
		if s.Fixed() {
			todo.IP = s.IP.String()
		}
		list = append(list, todo)
	}
	for _, s := range sources {
		if !s.Fixed() || s.State == StateRetired || special.why(s.IP) != "" {
			continue
		}
		for _, t := range TasksOfSource() {
			open(t, s)
		}
	}
	if len(list) == 0 && !slices.ContainsFunc(sources, func(s Source) bool { return s.Fixed() && special.why(s.IP) == "" }) {
		return nil
	}
	for _, t := range TasksOfPlatform() {
		open(t, Source{})
	}
	return list
}

// taskLink is where a task is done.
func taskLink(t Task) string {
	switch t {
	case TaskImprint:
		return "https://postmaster.t-online.de/"
	case TaskGMX:
		return "https://postmaster.gmx.net/"
	case TaskSNDS:
		return "https://sendersupport.olc.protection.outlook.com/snds/"
	case TaskJMRP:
		return "https://sendersupport.olc.protection.outlook.com/pm/"
	case TaskPostmaster:
		return "https://postmaster.google.com/"
	case TaskYahoo:
		return "https://senders.yahooinc.com/"
	}
	return ""
}
