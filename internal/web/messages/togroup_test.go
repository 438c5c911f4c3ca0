package messages_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"stafette/internal/audience"
	"stafette/internal/tenant"
	"stafette/internal/web"
	"stafette/internal/web/webtest"
)

// nobody has approved any group.
type nobody struct{}

func (nobody) OfGroups(context.Context, tenant.ID, []audience.GroupID) (map[audience.GroupID]audience.Approval, error) {
	return nil, nil
}

// Writing to a group makes the draft of a mailing, and sends nothing.
func TestWritingToAGroup(t *testing.T) {
	d := webtest.Open(t).SignIn(webtest.Clerk)
	groups, err := d.World.Groups().List(t.Context(), d.World.Tenant.ID)
	if err != nil || len(groups) == 0 {
		t.Fatalf("%v, %v", groups, err)
	}
	g := groups[0].ID.String()
	webtest.Expect(t, d.Get("/messages/new?group="+g), http.StatusOK, "Daraus wird ein Mailing", groups[0].Name)
	for name, c := range map[string]struct {
		change map[string]string
		files  map[string]string
		want   string
	}{
		"recipients too": {map[string]string{"group": g}, nil, "Entweder Empfänger oder eine Gruppe"},
		"with files":     {map[string]string{"group": g, "to": "", "bcc": ""}, map[string]string{"a.txt": "x"}, "keine Anhänge"},
		"unknown":        {map[string]string{"group": "grp_x", "to": "", "bcc": ""}, nil, "Diese Gruppe gibt es nicht"},
		"no text":        {map[string]string{"group": g, "to": "", "bcc": "", "body": " "}, nil, "Text"},
	} {
		if a := write(d, letter(c.change), c.files); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.Text, c.want) {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Text)
		}
	}
	for _, format := range []string{"text", "html"} {
		a := write(d, letter(map[string]string{"group": g, "to": "", "bcc": "", "format": format}), nil)
		to := a.Header.Get("Location")
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/campaigns/cmp_") {
			t.Fatalf("%d to %q: %s", a.StatusCode, to, a.Text)
		}
		webtest.Expect(t, d.Get(to), http.StatusOK, "Grüße", groups[0].Name)
	}
	if n := len(d.World.Accepted()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// A group that is not approved is refused, with the way to its approval.
func TestWritingToAnUnapprovedGroup(t *testing.T) {
	d := webtest.Open(t, func(c *web.Config) {
		made := *c.Messages.GroupMail
		made.Approvals = nobody{}
		c.Messages.GroupMail = &made
	}).SignIn(webtest.Clerk)
	groups, err := d.World.Groups().List(t.Context(), d.World.Tenant.ID)
	if err != nil || len(groups) == 0 {
		t.Fatalf("%v, %v", groups, err)
	}
	g := groups[0].ID.String()
	a := write(d, letter(map[string]string{"group": g, "to": "", "bcc": ""}), nil)
	webtest.Expect(t, a, http.StatusUnprocessableEntity, "noch nicht freigegeben", "Zum Freigabeprozess")
	if !strings.Contains(a.Text, "/groups/"+g+"/approval") {
		t.Error("no way to the approval")
	}
}
