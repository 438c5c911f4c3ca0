// Package e2e tests the built program from outside: configuration file, commands,
// HTTP, SMTP and signals, against real mail servers and foreign clients.
//
// The tests run in a network namespace of their own, where the documentation
// addresses of RFC 5737 belong to them and every port is free; that takes root on
// Linux. Elsewhere the scenarios with Postfix and Dovecot are skipped and say so.
// Nothing is imported from the rooms: what is not reachable from outside is not
// tested here.
package e2e
