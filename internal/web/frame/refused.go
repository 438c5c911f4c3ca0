package frame

import "stafette/internal/fault"

// Refused puts a refusal of what was typed into the form, each problem at its field,
// and reports whether there was one: Invalid, Conflict, Limited, or a wrong secret. A
// problem that names no field stands at otherwise.
func Refused(p Page, form *Form, err error, otherwise string) bool {
	e := fault.As(err)
	if e == nil {
		return false
	}
	switch e.Kind {
	case fault.Invalid, fault.Conflict, fault.Limited, fault.Unauthenticated:
	default:
		return false
	}
	for _, one := range append([]*fault.Error{e}, e.Also...) {
		field := one.Field
		if field == "" {
			field = otherwise
		}
		form.Add(field, p.FaultText(one, form.Value(field)))
	}
	return true
}
