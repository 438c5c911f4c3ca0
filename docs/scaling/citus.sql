-- Spreads one platform's database over the machines of a Citus cluster, tenant by
-- tenant. Run it once, as the owner, on the coordinator, after `stafette setup` has
-- made the schema and before there is much in it; every node's database.url then
-- leads to the coordinator.
--
-- It was not run where the figures of docs/scaling.md were measured: Debian has no
-- package of Citus. A test holds what can be held without it: every table is named
-- here, every unique key of a distributed table contains its tenant, and every hot
-- statement names the tenant it is about. Read "Distributed" there first: three
-- statements of the queue must change before this can serve.

CREATE EXTENSION IF NOT EXISTS citus;

-- Rows that grow with the mail. All rows of a tenant lie on one shard of each table,
-- and these shards lie together, so that a transaction about one tenant is one
-- machine's business.
SELECT create_distributed_table('messages', 'tenant');
SELECT create_distributed_table('message_tags', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('deliveries', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('events', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('idempotency', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('usage', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppressions', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_history', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_marks', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_rules', 'tenant', colocate_with => 'messages');
SELECT create_distributed_table('suppression_strikes', 'tenant', colocate_with => 'messages');
-- Partitioned by day and sharded by tenant: a new day's partition is sharded with it.
SELECT create_distributed_table('bodies', 'tenant', colocate_with => 'messages');

-- Small, read with every mail, and unique over all tenants (addresses that sign in,
-- keys, proven domains): a copy on every machine.
SELECT create_reference_table('tenants');
SELECT create_reference_table('users');
SELECT create_reference_table('api_keys');
SELECT create_reference_table('domains');
SELECT create_reference_table('dkim_keys');
SELECT create_reference_table('epochs');

-- Only the coordinator asks these; they stay where they are.
-- local: sessions
-- local: agreements
-- local: singletons
-- local: goose_db_version
