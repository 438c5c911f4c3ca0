package ingest

// The codes of this room's refusals: what fault.Error.Code can be when Accept
// refuses. Those about the content itself (addresses, headers, attachments) come
// from package message, "storage_full" from package store.
const (
	// CodeTenantMissing (Forbidden): staff of the platform have no tenant to send for.
	CodeTenantMissing = "tenant_missing"
	// CodeTenantLocked (Forbidden): the platform has locked the tenant.
	CodeTenantLocked = "tenant_locked"
	// CodeStreamUnknown (Invalid, "stream"): there is no such stream.
	CodeStreamUnknown = "stream_unknown"
	// CodeOptionUnknown (Invalid): an X-Stafette-* field is not one we know.
	CodeOptionUnknown = "option_unknown"
	// CodeOptionRepeated (Invalid): an X-Stafette-* field that may come once came twice.
	CodeOptionRepeated = "option_repeated"
	// CodeOptionMalformed (Invalid): the value of an X-Stafette-* field cannot be read.
	CodeOptionMalformed = "option_malformed"
	// CodeTagMalformed (Invalid, "tags/n"): a tag is empty, over 100 bytes, not plain
	// text, or begins like those that only the platform sets.
	CodeTagMalformed = "tag_malformed"
	// CodeTagsTooMany (Invalid, "tags"): there are more than 20 tags.
	CodeTagsTooMany = "tags_too_many"
	// CodeMetadataMalformed (Invalid, "metadata/key"): a key or value has a wrong form or length.
	CodeMetadataMalformed = "metadata_malformed"
	// CodeMetadataTooMany (Invalid, "metadata"): there are more than 50 keys.
	CodeMetadataTooMany = "metadata_too_many"
	// CodeSendAtTooFar (Invalid, "send_at"): the time is more than 30 days ahead.
	CodeSendAtTooFar = "send_at_too_far"
	// CodeIdempotencyMalformed (Invalid, "idempotency_key"): the key is over 256 characters or not plain text.
	CodeIdempotencyMalformed = "idempotency_key_malformed"
	// CodeIdempotencyConflict (Conflict): the key was used for another request in the last 24 hours.
	CodeIdempotencyConflict = "idempotency_conflict"
	// CodeFromMissing (Invalid, "from"): the message has no sender.
	CodeFromMissing = "from_missing"
	// CodeFromDomainNotYours (Forbidden; "from", "sender" or "envelope_sender"): the address is of a domain this tenant does not have.
	CodeFromDomainNotYours = "from_domain_not_yours"
	// CodeFromDomainUnverified (Forbidden, as above): the domain is the tenant's, but its DNS records have not been found yet.
	CodeFromDomainUnverified = "from_domain_unverified"
	// CodeReturnMalformed (Invalid): RET has another value than RFC 3461 knows.
	CodeReturnMalformed = "return_malformed"
	// CodeSenderNotNull (Invalid, "envelope_sender"): mail that is passed on must have the null sender.
	CodeSenderNotNull = "sender_not_null"
	// CodeFromDomainLapsed (Forbidden, as above): the domain's DNS records have vanished and its grace period is over.
	CodeFromDomainLapsed = "from_domain_lapsed"
	// CodeRecipientsMissing (Invalid, "to"): nobody is to get the message.
	CodeRecipientsMissing = "recipients_missing"
	// CodeRecipientsTooMany (TooLarge, "to"): there are more recipients than one message may have.
	CodeRecipientsTooMany = "recipients_too_many"
	// CodeMessageTooLarge (TooLarge): the message with its attachments is over the size limit.
	CodeMessageTooLarge = "message_too_large"
	// CodeBatchTooLarge (TooLarge): there are more submissions than one request may have.
	CodeBatchTooLarge = "batch_too_large"
	// CodeQuotaSpent (Limited): the tenant's deliveries of this UTC day are used up.
	CodeQuotaSpent = "quota_spent"
	// CodeKeyCapSpent (Limited): the key's own cap for this UTC day is used up.
	CodeKeyCapSpent = "key_cap_spent"
	// CodeAllSuppressed (Invalid, "to"): every recipient is on the suppression list.
	CodeAllSuppressed = "all_recipients_suppressed"
)
