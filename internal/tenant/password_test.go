package tenant_test

import (
	"regexp"
	"strings"
	"testing"

	"stafette/internal/fault"
	"stafette/internal/id"
	"stafette/internal/tenant"
)

func TestPasswordAllowed(t *testing.T) {
	for password, code := range map[string]string{
		"Kühlschrank im Hof":       "",
		tenant.NewPassword():       "",
		"kurz":                     "password_too_short",
		"elf Zeichen":              "password_too_short",
		strings.Repeat("ab", 65):   "password_too_long",
		"Eva.Muster@Kunde.example": "password_is_email",
		"qwertzuiopü":              "password_too_short",
		"passwortpasswort":         "password_too_common",
		"Sonnenschein2024!":        "password_too_common",
		"administrator1":           "password_too_common",
		"aaaaaaaaaaaaaaa":          "password_too_common",
	} {
		err := tenant.PasswordAllowed(password, "eva.muster@kunde.example")
		if code == "" && err != nil || code != "" && (fault.As(err) == nil || fault.As(err).Code != code) {
			t.Errorf("%q: %v, want %q", password, err, code)
		}
	}
}

func TestNewSecrets(t *testing.T) {
	if p := tenant.NewPassword(); !regexp.MustCompile(`^([a-hjkmnp-z2-9]{5}-){3}[a-hjkmnp-z2-9]{5}$`).MatchString(p) || p == tenant.NewPassword() {
		t.Errorf("password %q", p)
	}
	text := tenant.NewKeyText()
	if !regexp.MustCompile(`^stf_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$`).MatchString(text) || text == tenant.NewKeyText() {
		t.Errorf("key %q", text)
	}
	if h := tenant.KeyHint(text); h != text[:8] {
		t.Errorf("hint %q", h)
	}
	if h := tenant.HashPassword("x"); !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || h == tenant.HashPassword("x") {
		t.Errorf("hash %q", h)
	}
}

// TestCan holds the whole table, so that no right is given by accident.
func TestCan(t *testing.T) {
	want := map[tenant.Role]string{
		tenant.Owner:     "messages.read messages.send queue.command messages.trace suppressions.write contacts.write privacy.manage settings.read settings.write users.manage keys.manage audit.read profile.manage",
		tenant.Office:    "messages.read messages.send queue.command messages.trace suppressions.write contacts.write privacy.manage settings.read profile.manage",
		tenant.Developer: "messages.read messages.send queue.command messages.trace suppressions.write contacts.write settings.read keys.manage profile.manage",
		tenant.ReadOnly:  "messages.read settings.read profile.manage",
		tenant.Support:   "profile.manage platform.messages platform.queue platform.reviews platform.visit",
		tenant.Reviewer:  "profile.manage platform.review platform.reviews",
		tenant.Operator:  "profile.manage platform.messages platform.queue platform.tenants platform.reviews platform.system platform.staff platform.visit",
		"":               "",
		"root":           "",
	}
	for role, list := range want {
		var have []string
		for _, p := range tenant.Permissions() {
			if tenant.Can(role, p) {
				have = append(have, string(p))
			}
		}
		if strings.Join(have, " ") != list {
			t.Errorf("%s can %q", role, have)
		}
	}
	if len(tenant.Roles()) != len(want)-2 {
		t.Error("a role is missing in this table")
	}
}

func TestIdentityCan(t *testing.T) {
	who := func(role tenant.Role, t tenant.ID) tenant.Identity {
		return tenant.Identity{User: tenant.User{ID: id.New[tenant.UserKind](start), Role: role, Tenant: t}}
	}
	some := id.New[tenant.Kind](start)
	disabled := who(tenant.Owner, some)
	disabled.User.DisabledAt = start
	for name, c := range map[string]struct {
		who  tenant.Identity
		p    tenant.Permission
		want bool
	}{
		"owner":              {who(tenant.Owner, some), tenant.MessagesSend, true},
		"operator":           {who(tenant.Operator, tenant.ID{}), tenant.PlatformQueue, true},
		"operator in tenant": {who(tenant.Operator, some), tenant.PlatformQueue, false},
		"owner of nothing":   {who(tenant.Owner, tenant.ID{}), tenant.MessagesSend, false},
		"disabled":           {disabled, tenant.MessagesRead, false},
		"nobody":             {tenant.Identity{}, tenant.MessagesRead, false},
	} {
		if have := c.who.Can(c.p); have != c.want {
			t.Errorf("%s: %v", name, have)
		}
	}
}
