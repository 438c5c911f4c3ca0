package signup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stafette/internal/audience"
	"stafette/internal/fault"
	"stafette/internal/tenant"
)

// TimeZone is the field that asks for a time zone of the tz database. What is entered goes into
// the contact's own field of the type audience.ZoneField, so forms may ask only where the
// account has one.
const TimeZone Field = "time_zone"

// Zones are those a form offers, in their order: where readers of German live first, then
// enough of the world that everybody finds a clock like theirs.
func Zones() []string {
	return []string{
		"Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "Europe/Luxembourg", "Europe/Vaduz",
		"Europe/Amsterdam", "Europe/Athens", "Europe/Brussels", "Europe/Bucharest", "Europe/Budapest", "Europe/Copenhagen", "Europe/Dublin", "Europe/Helsinki", "Europe/Istanbul",
		"Europe/Kyiv", "Europe/Lisbon", "Europe/London", "Europe/Madrid", "Europe/Oslo", "Europe/Paris", "Europe/Prague", "Europe/Rome", "Europe/Sofia", "Europe/Stockholm",
		"Europe/Warsaw", "Europe/Zagreb", "Atlantic/Azores", "Atlantic/Canary", "Atlantic/Reykjavik",
		"America/Anchorage", "America/Bogota", "America/Buenos_Aires", "America/Chicago", "America/Denver", "America/Halifax", "America/Los_Angeles", "America/Mexico_City",
		"America/New_York", "America/Santiago", "America/Sao_Paulo", "America/St_Johns", "America/Toronto",
		"Africa/Cairo", "Africa/Casablanca", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi",
		"Asia/Bangkok", "Asia/Dhaka", "Asia/Dubai", "Asia/Hong_Kong", "Asia/Jakarta", "Asia/Jerusalem", "Asia/Karachi", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Seoul",
		"Asia/Shanghai", "Asia/Singapore", "Asia/Tashkent", "Asia/Tehran", "Asia/Tokyo", "Australia/Adelaide", "Australia/Brisbane", "Australia/Perth", "Australia/Sydney",
		"Pacific/Auckland", "Pacific/Honolulu", "UTC",
	}
}

// ZoneKey is the last part of the key under which the catalogue has what a zone is called:
// "signup.zone.europe-berlin".
func ZoneKey(zone string) string {
	return "signup.zone." + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(zone))
}

// checkZone refuses forms that ask for a zone of accounts that have no place for it.
func (s *Service) checkZone(ctx context.Context, f Form) (*fault.Error, error) {
	if f.Need(TimeZone) == Hidden {
		return nil, nil
	}
	declared, err := s.c.Contacts.Fields(ctx, f.Tenant)
	if err != nil {
		return nil, fmt.Errorf("find fields of form: %w", err)
	}
	if audience.ZoneKey(declared) == "" {
		return fault.Field("fields/"+string(TimeZone), "signup_zone_field", "The account has no field of its own of the type zone."), nil
	}
	return nil, nil
}

// settle puts the zone that somebody confirmed into the contact's field; whoever has one there
// keeps it, and where the field is gone nothing is kept but the evidence.
func (s *Service) settle(ctx context.Context, t tenant.ID, a audience.Contact, zone, actor string) error {
	if zone == "" {
		return nil
	}
	for again := true; ; again = false {
		declared, err := s.c.Contacts.Fields(ctx, t)
		if err != nil {
			return fmt.Errorf("find the field of the time zone: %w", err)
		}
		key := audience.ZoneKey(declared)
		if key == "" || a.Fields[key] != "" {
			return nil
		}
		a.Fields = withField(a.Fields, key, zone)
		_, err = s.c.Contacts.Change(ctx, t, a, actor)
		if !again || !fault.IsKind(err, fault.Conflict) {
			return err
		}
		// Somebody was faster: what they wrote stays.
		fresh, found, err := s.c.Contacts.Of(ctx, t, a.Main())
		if err != nil || !found {
			return err
		}
		a = fresh
	}
}

func withField(fields map[string]string, key, value string) map[string]string {
	all := map[string]string{key: value}
	for k, v := range fields {
		all[k] = v
	}
	return all
}

// validZone reports whether a form takes the name of a zone: any of the tz database, as the
// page offers the account's own besides.
func validZone(name string) bool {
	if slices.Contains(Zones(), name) {
		return true
	}
	_, ok := audience.LoadZone(name)
	return ok
}
