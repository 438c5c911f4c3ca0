package tenant

import "slices"

// Permission names one thing a person may do. Pages and routes ask Can; they never
// compare roles.
type Permission string

// The permissions. Those that start with "platform." belong to staff.
const (
	MessagesRead      Permission = "messages.read"      // list, search and open messages of the own tenant
	MessagesSend      Permission = "messages.send"      // compose and send
	MessagesCommand   Permission = "queue.command"      // hold, resume, retry, cancel own deliveries
	MessagesTrace     Permission = "messages.trace"     // read what was said with receiving servers
	SuppressionsWrite Permission = "suppressions.write" // suppress addresses, lift suppressions
	ContactsWrite     Permission = "contacts.write"     // store, change, merge and delete contacts, write notes
	PrivacyManage     Permission = "privacy.manage"     // hand out and erase what is kept about a person
	SettingsRead      Permission = "settings.read"      // domains, streams, quota
	SettingsWrite     Permission = "settings.write"     // change them
	UsersManage       Permission = "users.manage"       // invite, change roles, disable
	KeysManage        Permission = "keys.manage"        // create and revoke API keys
	AuditRead         Permission = "audit.read"         // see and export who did what
	ProfileManage     Permission = "profile.manage"     // the own password, second factor and sessions
	PlatformMessages  Permission = "platform.messages"  // find any message of any tenant
	PlatformQueue     Permission = "platform.queue"     // command any delivery, lanes and pools
	PlatformTenants   Permission = "platform.tenants"   // create, lock and unlock tenants
	PlatformReview    Permission = "platform.review"    // decide approvals
	PlatformReviews   Permission = "platform.reviews"   // see them
	PlatformSystem    Permission = "platform.system"    // nodes, limits, configuration
	PlatformStaff     Permission = "platform.staff"     // invite and disable staff of the platform, see what they did
	PlatformVisit     Permission = "platform.visit"     // look into a tenant's office, read only
)

// Permissions lists all of them.
func Permissions() []Permission {
	return []Permission{
		MessagesRead, MessagesSend, MessagesCommand, MessagesTrace, SuppressionsWrite, ContactsWrite, PrivacyManage, SettingsRead, SettingsWrite, UsersManage, KeysManage, AuditRead, ProfileManage,
		PlatformMessages, PlatformQueue, PlatformTenants, PlatformReview, PlatformReviews, PlatformSystem, PlatformStaff, PlatformVisit,
	}
}

// Roles lists all roles, those of tenants first.
func Roles() []Role { return []Role{Owner, Office, Developer, ReadOnly, Support, Reviewer, Operator} }

// OfPlatform reports whether the role belongs to staff of the platform.
func (r Role) OfPlatform() bool { return r == Support || r == Reviewer || r == Operator }

// Can reports whether a role has a permission. An unknown role can do nothing.
// Support finds and redelivers, sees approvals but never decides one; the reviewer decides
// and does nothing else.
func Can(r Role, p Permission) bool {
	switch r {
	case Owner:
		return slices.Contains([]Permission{MessagesRead, MessagesSend, MessagesCommand, MessagesTrace, SuppressionsWrite, ContactsWrite, PrivacyManage, SettingsRead, SettingsWrite, UsersManage, KeysManage, AuditRead, ProfileManage}, p)
	case Office:
		return slices.Contains([]Permission{MessagesRead, MessagesSend, MessagesCommand, MessagesTrace, SuppressionsWrite, ContactsWrite, PrivacyManage, SettingsRead, ProfileManage}, p)
	case Developer:
		return slices.Contains([]Permission{MessagesRead, MessagesSend, MessagesCommand, MessagesTrace, SuppressionsWrite, ContactsWrite, SettingsRead, KeysManage, ProfileManage}, p)
	case ReadOnly:
		return slices.Contains([]Permission{MessagesRead, SettingsRead, ProfileManage}, p)
	case Support:
		return slices.Contains([]Permission{PlatformMessages, PlatformQueue, PlatformVisit, PlatformReviews, ProfileManage}, p)
	case Reviewer:
		return slices.Contains([]Permission{PlatformReview, PlatformReviews, ProfileManage}, p)
	case Operator:
		return slices.Contains([]Permission{PlatformQueue, PlatformTenants, PlatformSystem, PlatformMessages, PlatformStaff, PlatformVisit, PlatformReviews, ProfileManage}, p)
	}
	return false
}

// Can reports whether the person may do it. Disabled users can do nothing, and a
// role only counts on its own side: a tenant's user never has a platform's rights.
// Who visits a tenant may read there what its people may, and do nothing.
func (i Identity) Can(p Permission) bool {
	if i.User.ID.IsZero() || !i.User.DisabledAt.IsZero() || i.User.Role.OfPlatform() != i.User.Tenant.IsZero() {
		return false
	}
	if i.Visiting() {
		return Can(i.User.Role, PlatformVisit) && (p == MessagesRead || p == SettingsRead)
	}
	return Can(i.User.Role, p)
}
