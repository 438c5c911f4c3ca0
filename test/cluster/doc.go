// Package cluster breaks platforms of several nodes: the built program, two or
// three of it, on one PostgreSQL, over loopback. Nodes are killed, paused, cut off
// and restarted under load; the primary is killed and its standby promoted. What the
// sink received is held against what was acknowledged.
//
// Where clocks must be wrong, the nodes are queues in this process, which can be
// given a clock. Package crash breaks one node and its disk.
//
// The sampled form runs with the other tests; -cluster.full sends three times the
// mail.
package cluster
