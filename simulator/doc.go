// Package simulator plays the appliances whose sessions the exporter watches:
// VMware HCX Manager (hcx) and the disaster-recovery gateways (dr), over real
// TLS sockets, healthy or broken in a chosen way.
//
// An [Appliance] is an [http.Handler] with accounts, sessions that expire,
// lockouts and [Fault] values: misbehaviour as data. A [CA] serves it with a
// certificate of its own and can take its power away. A [Fleet] is a cast of
// such servers, each with a short script, for demonstrations.
//
// Where the published API pages say what an appliance answers, it answers so;
// what they leave open is chosen by [Settings] and documented there.
//
// The package never keeps real credentials safe (passwords are compared
// plainly), never prints a password or token, never connects to anything, and
// imports nothing but the standard library. It is no base for a real service.
package simulator
