// Package cluster breaks platforms of several nodes: the built program, two or
// three of it, on one PostgreSQL, over loopback. Nodes are killed, paused, cut off
// and restarted under load; the primary is killed and its standby promoted. What the
// sink received is held against what was acknowledged.
//
// Package crash does the same to one node and its disk. What needs clocks that are
// wrong is tested in package store, where a clock can be given.
//
// The sampled form runs with the other tests; -cluster.full repeats the faults.
package cluster
