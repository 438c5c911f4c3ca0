-- Spreads one platform's database over the machines of a Citus cluster, tenant by
-- tenant. Run it once, as the owner, on the coordinator, after `stafette setup` has
-- made the schema and before there is much in it; every node's database.url then
-- leads to the coordinator.
--
-- It was not run where the figures of docs/scaling.md were measured: Debian has no
-- package of Citus. A test holds what can be held without it: every table is named
-- here, every unique key of a distributed table contains its tenant, every hot
-- statement names the tenant it is about, and what asks for all tenants can be answered
-- by each shard for its own.

CREATE EXTENSION IF NOT EXISTS citus;

-- Rows that grow with the mail. All rows of a tenant lie on one shard of each table,
-- and these shards lie together, so that a transaction about one tenant is one
-- machine's business.
SELECT create_distributed_table('messages', 'tenant');
SELECT create_distributed_table('message_tags', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('message_references', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('status_links', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('deliveries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('events', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('idempotency', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('key_usage', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tenant_profiles', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('usage', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('reports_due', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppressions', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('bulk_halts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('audience_settings', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('halt_thresholds', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('list_check_rows', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('list_checks', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_history', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_marks', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('leads', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('redeliveries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('redelivery_items', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaigns', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_letters', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_recipients', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_caps', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_checks', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_reviews', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_comments', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_comment_reads', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_pages', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('campaign_settings', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series_versions', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series_letters', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series_runs', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series_deeds', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('series_signals', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('feeds', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('feed_entries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('feed_looks', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('archive_terms', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('archive_runs', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('advertisers', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_settings', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('changeover_customers', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('changeover_tests', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('consents', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('signup_forms', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offers', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offer_versions', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offer_files', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offer_recipients', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offer_likes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('offer_acts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('templates', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('template_versions', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('brands', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('brand_logos', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('pictures', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('picture_contents', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_forms', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_proofs', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_cases', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_case_notes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('lead_case_numbers', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_rules', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_strikes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tls_reports', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('dmarc_reports', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('dialogues', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tracking_settings', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tracking_streams', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tracking_consents', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tracked_messages', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('activities', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('activity_counts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('dmarc_tallies', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contacts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_addresses', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_words', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_word_runs', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_tags', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_fields', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_notes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_acts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_merges', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_distinct', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_groups', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_members', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_batches', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('contact_imports', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('import_parts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('import_faults', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('import_changes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('approvals', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('approval_log', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('approval_files', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('approval_alarms', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('approval_patterns', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('privacy_settings', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('folded_deliveries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('retention_runs', 'tenant', colocate_with => 'messages');
-- Partitioned by day and sharded by tenant: a new day's partition is sharded with it.
SELECT create_distributed_table('bodies', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tally_notes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tallies', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('todo_dismissals', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('digest_choices', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('digest_runs', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('webhook_notes', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('webhook_calls', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('webhook_deeds', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('webhook_places', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('blitz_reads', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('ledger_accounts', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('ledger_entries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('ledger_charges', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_tallies', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_pauses', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_bounds', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('group_limits', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('tickets', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('ticket_entries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('ticket_files', 'tenant', colocate_with => 'messages');

-- The tenants themselves lie with their rows, so that "which tenants have due work" is
-- asked of each shard and answered there.
SELECT create_distributed_table('tenants', 'id', colocate_with => 'messages');

-- Small, read with every mail, and unique over all tenants (addresses that sign in,
-- keys, proven domains): a copy on every machine.
SELECT create_reference_table('users');
SELECT create_reference_table('api_keys');
SELECT create_reference_table('domains');
SELECT create_reference_table('dkim_keys');
SELECT create_reference_table('domain_facts');
SELECT create_reference_table('epochs');
SELECT create_reference_table('webhooks');
SELECT create_reference_table('blitz_readers');

-- Only the coordinator asks these; they stay where they are.
-- local: sessions
-- local: agreements
-- local: hits_folded
-- local: singletons
-- local: sts_policies
-- local: tls_tallies
-- local: tls_reports_sent
-- local: returns
-- local: return_bodies
-- local: goose_db_version
-- local: egress_sources
-- local: egress_pools
-- local: egress_members
-- local: egress_assignments
-- local: egress_alarms
-- local: egress_tallies
-- local: egress_findings
-- local: egress_node_addresses
-- local: egress_paces
-- local: egress_revisions
-- local: egress_tasks
-- local: queue_orders
-- local: queue_log
-- local: notices
-- local: help_answers
-- local: help_missing
-- local: invitations
-- local: recovery_codes
-- local: passkeys
-- local: ceremonies
-- local: devices
-- local: tries
-- local: audit
-- local: audit_heads
-- local: privacy_requests
-- local: privacy_files
-- local: changeovers
-- local: changeover_events
-- local: changeover_marks
-- local: changeover_announcements
-- local: egress_shifts
-- local: published_editions
-- local: published_subscriptions
-- local: published_tellings
-- local: plans
