/** Mistakes in what a value means: addresses, domains, networks, destinations, durations, sizes, paths. */
import type { Mistake } from './mistake.ts'

export const mistakesOfMeaning: readonly Mistake[] = [
  {
    name: 'an address for every interface in the form other programs use',
    text: 'listeners: [{ address: "*:25" }]\n',
    report: `P1120  postern.yaml:1:24  Setting "listeners[0].address": found "*:25", expected an IP address and a port such as "127.0.0.1:2525" or "[::1]:2525" (the part before the port is not an IP address).
   1 | listeners: [{ address: "*:25" }]
     |                        ^^^^^^
Fix: write "0.0.0.0:PORT" for every IPv4 address of this machine, "[::]:PORT" for IPv6`,
  },
  {
    name: 'an IPv6 address without brackets',
    text: 'listeners: [{ address: "::1:25" }]\n',
    report: `P1120  postern.yaml:1:24  Setting "listeners[0].address": found "::1:25", expected an IP address and a port such as "127.0.0.1:2525" or "[::1]:2525" (an IPv6 address stands in brackets).
   1 | listeners: [{ address: "::1:25" }]
     |                        ^^^^^^^^
Fix: write for example  address: "127.0.0.1:2525"`,
  },
  {
    name: 'two listeners on one address',
    text: 'listeners:\n  - address: "0.0.0.0:25"\n  - address: "127.0.0.1:25"\n',
    report: `P1121  postern.yaml:3:14  Setting "listeners[1].address": the address is taken by "listeners[0].address".
   3 |   - address: "127.0.0.1:25"
     |              ^^^^^^^^^^^^^^
Fix: give each its own port`,
  },
  {
    name: 'a listener where health and metrics are by default',
    text: 'listeners: [{ address: "127.0.0.1:8025" }]\n',
    report: `P1121  postern.yaml:1:24  Setting "listeners[0].address": the address is taken by "admin.http".
   1 | listeners: [{ address: "127.0.0.1:8025" }]
     |                        ^^^^^^^^^^^^^^^^
Fix: give each its own port`,
  },
  {
    name: 'a submission listener without TLS',
    text: 'listeners: [{ address: "127.0.0.1:2587", role: submission, tls: off }]\n',
    report: `P1109  postern.yaml:1:65  Setting "listeners[0].tls": a submission listener needs TLS, for people sign in there.
   1 | listeners: [{ address: "127.0.0.1:2587", role: submission, tls: off }]
     |                                                                 ^^^
Fix: write  tls: starttls  or  tls: implicit`,
  },
  {
    name: 'a listener that asks for certificates without TLS',
    text: 'listeners: [{ address: "127.0.0.1:2525", tls: off, clientCertificates: request }]\n',
    report: `P1109  postern.yaml:1:72  Setting "listeners[0].clientCertificates": there is no certificate without TLS.
   1 | listeners: [{ address: "127.0.0.1:2525", tls: off, clientCertificates: request }]
     |                                                                        ^^^^^^^
Fix: write  tls: starttls  or  tls: implicit`,
  },
  {
    name: 'an LMTP listener on the port of SMTP',
    text: 'listeners: [{ address: "127.0.0.1:25", role: lmtp }]\n',
    report: `P1109  postern.yaml:1:24  Setting "listeners[0].address": LMTP is not spoken on port 25.
   1 | listeners: [{ address: "127.0.0.1:25", role: lmtp }]
     |                        ^^^^^^^^^^^^^^
Fix: choose another port, such as 24`,
  },
  {
    name: 'a certificate without its key',
    text: 'tls: { certificate: ./cert.pem }\n',
    report: `P1108  postern.yaml:1:1  Setting "key" is missing in "tls".
   1 | tls: { certificate: ./cert.pem }
     | ^^^
Fix: add  key: /etc/postern/privkey.pem`,
  },
  {
    name: 'a domain in letters DNS does not have',
    text: 'domains: { bücher.example: { deliver: "discard:" } }\n',
    report: `P1122  postern.yaml:1:12  "bücher.example" is not a domain name.
   1 | domains: { bücher.example: { deliver: "discard:" } }
     |            ^^^^^^^^^^^^^^
Fix: write xn--bcher-kva.example`,
  },
  {
    name: 'a domain that is an IP address',
    text: 'domains: { 192.0.2.1: { deliver: "discard:" } }\n',
    report: `P1122  postern.yaml:1:12  "192.0.2.1" is not a domain name.
   1 | domains: { 192.0.2.1: { deliver: "discard:" } }
     |            ^^^^^^^^^
Fix: write a domain such as example.test`,
  },
  {
    name: 'a domain given twice in different capitals',
    text: 'domains:\n  Example.test: { deliver: "discard:" }\n  example.test: { deliver: "discard:" }\n',
    report: `P1123  postern.yaml:3:3  Domain "example.test" is given twice, first as "Example.test".
   3 |   example.test: { deliver: "discard:" }
     |   ^^^^^^^^^^^^
Fix: keep one of the two; capitals make no difference`,
  },
  {
    name: 'a network written as an address inside it',
    text: 'relay: { networks: [10.0.0.1/8] }\n',
    report: `P1124  postern.yaml:1:21  Setting "relay.networks[0]": found "10.0.0.1/8", expected a network such as 10.0.0.0/8 or "2001:db8::/32" (the network of that size is 10.0.0.0/8).
   1 | relay: { networks: [10.0.0.1/8] }
     |                     ^^^^^^^^^^
Fix: write 10.0.0.0/8`,
  },
  {
    name: 'a misspelt kind of destination',
    text: 'domains: { example.test: { deliver: "maldir:/var/mail" } }\n',
    report: `P1125  postern.yaml:1:37  Setting "domains['example.test'].deliver": found "maldir:/var/mail", expected smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp+unix:PATH, mx:DOMAIN, maildir:PATH or discard: (there is no kind of destination called "maldir:", only smtp://, smtps://, lmtp://, lmtp+unix:, mx:, maildir: and discard:).
   1 | domains: { example.test: { deliver: "maldir:/var/mail" } }
     |                                     ^^^^^^^^^^^^^^^^^^
Fix: did you mean "maildir:"?`,
  },
  {
    name: 'an outbound route that is none',
    text: 'outbound: { route: "smpt://192.0.2.1" }\n',
    report: `P1125  postern.yaml:1:20  Setting "outbound.route": found "smpt://192.0.2.1", expected mx, smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp+unix:PATH, mx:DOMAIN, maildir:PATH or discard: (there is no kind of destination called "smpt:", only smtp://, smtps://, lmtp://, lmtp+unix:, mx:, maildir: and discard:).
   1 | outbound: { route: "smpt://192.0.2.1" }
     |                    ^^^^^^^^^^^^^^^^^^
Fix: did you mean "smtp:"?`,
  },
  {
    name: 'a resolver by its name',
    text: 'dns: { servers: [dns.example.test] }\n',
    report: `P1120  postern.yaml:1:18  Setting "dns.servers[0]": found "dns.example.test", expected an IP address and perhaps a port such as "127.0.0.1:53" (it is no IP address).
   1 | dns: { servers: [dns.example.test] }
     |                  ^^^^^^^^^^^^^^^^
Fix: write for example  "127.0.0.1:53"`,
  },
  {
    name: 'an allowed network written as an address inside it',
    text: 'outbound: { allowedNetworks: [10.0.0.1/8] }\n',
    report: `P1124  postern.yaml:1:31  Setting "outbound.allowedNetworks[0]": found "10.0.0.1/8", expected a network such as 10.0.0.0/8 or "2001:db8::/32" (the network of that size is 10.0.0.0/8).
   1 | outbound: { allowedNetworks: [10.0.0.1/8] }
     |                               ^^^^^^^^^^
Fix: write 10.0.0.0/8`,
  },
  {
    name: 'a duration that is none',
    text: 'queue: { expire: 1 week }\n',
    report: `P1126  postern.yaml:1:18  Setting "queue.expire": found "1 week", expected a duration such as 250ms, 60s, 5m, 2h or 5d.
   1 | queue: { expire: 1 week }
     |                  ^^^^^^
Fix: write for example  expire: 5d`,
  },
  {
    name: 'a size in the short form of other programs',
    text: 'limits: { messageBytes: 50M }\n',
    report: `P1127  postern.yaml:1:25  Setting "limits.messageBytes": found "50M", expected a size such as 25MiB, 10KB or a number of bytes.
   1 | limits: { messageBytes: 50M }
     |                         ^^^
Fix: write 50MiB`,
  },
  {
    name: 'a path in the home folder',
    text: 'store: { directory: ~/mail }\n',
    report: `P1128  postern.yaml:1:21  Setting "store.directory": found "~/mail", expected a path (~ is not expanded).
   1 | store: { directory: ~/mail }
     |                     ^^^^^^
Fix: write the whole path, as /home/…`,
  },
  {
    name: 'a path too long for a socket',
    text: `admin: { socket: /${'s'.repeat(103)} }\n`,
    report: `P1128  postern.yaml:1:18  The path of the control socket is longer than 103 bytes.
   1 | admin: { socket: /${'s'.repeat(82)}
     |                  ${'^'.repeat(83)}
Fix: set admin.socket to a shorter path`,
  },
  {
    name: 'a host name without a domain',
    text: 'hostname: mail\n',
    report: `P1129  postern.yaml:1:11  Setting "hostname": found "mail", expected a host name with a domain such as mx.example.test.
   1 | hostname: mail
     |           ^^^^
Fix: write for example  hostname: mx.example.test`,
  },
  {
    name: 'an open relay',
    text: 'relay: { networks: [0.0.0.0/0] }\n',
    report: `P1130  postern.yaml:1:21  Setting "relay.networks[0]": with 0.0.0.0/0 everyone on the Internet could send mail through this server.
   1 | relay: { networks: [0.0.0.0/0] }
     |                     ^^^^^^^^^
Fix: list your own networks, e.g. [127.0.0.0/8, 10.0.0.0/8]`,
  },
  {
    name: 'an open relay in two halves',
    text: 'relay:\n  networks:\n    - 0.0.0.0/1\n    - 128.0.0.0/1\n',
    report: `P1130  postern.yaml:3:7  Setting "relay.networks[0]": with 0.0.0.0/1 a large part of the Internet could send mail through this server.
   3 |     - 0.0.0.0/1
     |       ^^^^^^^^^
Fix: list your own networks, e.g. [127.0.0.0/8, 10.0.0.0/8]
P1130  postern.yaml:4:7  Setting "relay.networks[1]": with 128.0.0.0/1 a large part of the Internet could send mail through this server.
   4 |     - 128.0.0.0/1
     |       ^^^^^^^^^^^
Fix: list your own networks, e.g. [127.0.0.0/8, 10.0.0.0/8]`,
  },
  {
    name: 'a postmaster that is no mailbox',
    text: 'postmaster: admin\n',
    report: `P1131  postern.yaml:1:13  Setting "postmaster": found "admin", expected a mail address such as admin@example.test (an address needs the form local-part@domain).
   1 | postmaster: admin
     |             ^^^^^
Fix: write for example  postmaster: admin@example.test`,
  },
  {
    name: 'a lookup with a name plugins cannot ask for',
    text: 'lookups: { My List: ./list.txt }\n',
    report: `P1132  postern.yaml:1:12  "My List" is not a name for a lookup.
   1 | lookups: { My List: ./list.txt }
     |            ^^^^^^^
Fix: use small letters, digits and hyphens, such as allowed-recipients`,
  },
]
