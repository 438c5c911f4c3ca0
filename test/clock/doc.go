// Package clock tests what time does to the platform: five days of retries at the real
// pauses, the two days of the year that have 23 and 25 hours, and clocks that somebody
// sets by an hour or a year while the program runs.
//
// Time is that of testing/synctest, or a clock in the test's hand: nothing waits. Nodes
// whose clocks differ are package cluster's business.
package clock
