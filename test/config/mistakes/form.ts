/** Mistakes that can be seen without knowing what a value means: names, YAML, types, ranges, references. */
import type { Mistake } from './mistake.ts'

export const mistakesOfForm: readonly Mistake[] = [
  {
    name: 'an unknown setting in a listener is named with the setting that was meant',
    text: 'listeners:\n  - address: "127.0.0.1:2525"\n    listen_role: mx\n',
    report: `P1101  postern.yaml:3:5  Unknown setting "listen_role" in "listeners[0]".
   3 |     listen_role: mx
     |     ^^^^^^^^^^^
Fix: did you mean "role"?`,
  },
  {
    name: 'a misspelt setting is not reported as missing as well',
    text: 'listeners: [{ adress: "127.0.0.1:2525" }]\n',
    report: `P1101  postern.yaml:1:15  Unknown setting "adress" in "listeners[0]".
   1 | listeners: [{ adress: "127.0.0.1:2525" }]
     |               ^^^^^^
Fix: did you mean "address"?`,
  },
  {
    name: 'a setting spelt with underscores is recognized',
    text: 'limits: { messages_per_session: 5 }\n',
    report: `P1101  postern.yaml:1:11  Unknown setting "messages_per_session" in "limits".
   1 | limits: { messages_per_session: 5 }
     |           ^^^^^^^^^^^^^^^^^^^^
Fix: did you mean "messagesPerSession"?`,
  },
  {
    name: 'a setting in the wrong group is told its group',
    text: 'lease: 5s\n',
    report: `P1101  postern.yaml:1:1  Unknown setting "lease".
   1 | lease: 5s
     | ^^^^^
Fix: did you mean "queue.lease"?`,
  },
  {
    name: 'an unknown setting like no other is answered with those there are',
    text: 'queue: { mailer: 5s }\n',
    report: `P1101  postern.yaml:1:10  Unknown setting "mailer" in "queue".
   1 | queue: { mailer: 5s }
     |          ^^^^^^
Fix: remove it, or use one of: retry, expire, delayNotice, lease`,
  },
  {
    name: 'a tab as indentation',
    text: 'log:\n\tlevel: info\n',
    report: `P1102  postern.yaml:2:1  This is not valid YAML: Tabs are not allowed as indentation.
   2 |  level: info
     | ^
Fix: indent with spaces instead of tabs`,
  },
  {
    name: 'a bracket that is not closed is marked where the text ends, not on the empty line below',
    text: 'relay:\n  networks: [10.0.0.0/8\n\n',
    report: `P1102  postern.yaml:2:24  This is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ].
   2 |   networks: [10.0.0.0/8
     |                        ^
Fix: indent the settings of one group by the same number of spaces`,
  },
  {
    name: 'a reference without quotes between braces is one mistake, not three',
    text: 'admin: { socket: ${env:SOCKET} }\n',
    report: `P1102  postern.yaml:1:19  This is not valid YAML: Unexpected flow-map-start at node end.
   1 | admin: { socket: \${env:SOCKET} }
     |                   ^
Fix: put a value that contains any of { } [ ] , & * # in quotes`,
  },
  {
    name: 'a tag has no meaning',
    text: 'hostname: !env HOST\n',
    report: `P1102  postern.yaml:1:11  This is not valid YAML: Unresolved tag: !env.
   1 | hostname: !env HOST
     |           ^^^^
Fix: tags such as !name mean nothing here; for a secret write \${env:NAME} or \${file:PATH}`,
  },
  {
    name: 'a second document in the file',
    text: 'hostname: mx.example.test\n---\nhostname: mx.example.com\n',
    report: `P1102  postern.yaml:2:1  This is not valid YAML: the file holds more than one document.
   2 | ---
     | ^^^
Fix: keep one configuration in the file, and no line "---" after the first setting`,
  },
  {
    name: 'YAML 1.1, where "off" and "no" are not texts',
    text: '%YAML 1.1\n---\nlimits: off\n',
    report: `P1102  postern.yaml:1:1  Only YAML 1.2 is read here.
   1 | %YAML 1.1
     | ^
Fix: remove the line that begins with %YAML`,
  },
  {
    name: 'an alias without an anchor',
    text: 'hostname: *name\n',
    report: `P1102  postern.yaml:1:11  This is not valid YAML: the alias "name" has no anchor above it.
   1 | hostname: *name
     |           ^^^^^
Fix: put a name or value that begins with * or & in quotes`,
  },
  {
    name: 'a setting given twice is told its first place, and the rest is still checked',
    text: 'hostname: a.example.test\nlimits: on\nhostname: b.example.test\n',
    report: `P1106  postern.yaml:2:9  Setting "limits": found "on", expected off or a group of settings.
   2 | limits: on
     |         ^^
Fix: write for example  limits: {}
P1103  postern.yaml:3:1  Setting "hostname" is given twice, first in line 1.
   3 | hostname: b.example.test
     | ^^^^^^^^
Fix: keep one of the two`,
  },
  {
    name: 'brackets nested too deep',
    text: `plugins: ${'['.repeat(33)}${']'.repeat(33)}\n`,
    report: `P1104  postern.yaml:1:42  The file is nested more than 32 deep.
   1 | plugins: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
     |                                          ^^
Fix: look for brackets that are not closed, or an alias inside its own anchor`,
  },
  {
    name: 'a port where an address belongs',
    text: 'listeners: [{ address: 2525 }]\n',
    report: `P1105  postern.yaml:1:24  Setting "listeners[0].address": found 2525, expected an IP address and a port such as "127.0.0.1:2525" or "[::1]:2525".
   1 | listeners: [{ address: 2525 }]
     |                        ^^^^
Fix: write for example  address: "127.0.0.1:2525"`,
  },
  {
    name: 'a duration without a unit',
    text: 'queue: { lease: 60 }\n',
    report: `P1105  postern.yaml:1:17  Setting "queue.lease": found 60, expected a duration such as 250ms, 60s, 5m, 2h or 5d.
   1 | queue: { lease: 60 }
     |                 ^^
Fix: write the unit, as in 60s`,
  },
  {
    name: 'a list with nothing in it yet',
    text: 'plugins:\n# - name: greylist\n',
    report: `P1105  postern.yaml:1:9  Setting "plugins": found nothing, expected a list.
   1 | plugins:
     |         ^
Fix: write [] for none, or remove the line`,
  },
  {
    name: 'a list instead of settings',
    text: '- hostname: mx.example.test\n',
    report: `P1105  postern.yaml:1:1  The file: found a list, expected a group of settings.
   1 | - hostname: mx.example.test
     | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
Fix: write one setting a line, as  hostname: mx.example.test`,
  },
  {
    name: 'a plugin given by its bare name',
    text: 'plugins: [relay-control]\n',
    report: `P1105  postern.yaml:1:11  Setting "plugins[0]": found "relay-control", expected a group of settings.
   1 | plugins: [relay-control]
     |           ^^^^^^^^^^^^^
Fix: write for example  {"name":"relay-control"}`,
  },
  {
    name: 'a misspelt choice',
    text: 'plugins: [{ name: greylist, onError: Deferr }]\n',
    report: `P1106  postern.yaml:1:38  Setting "plugins[0].onError": found "Deferr", expected one of: defer, skip, hold.
   1 | plugins: [{ name: greylist, onError: Deferr }]
     |                                      ^^^^^^
Fix: did you mean "defer"?`,
  },
  {
    name: 'a choice that is not offered yet is not among those offered',
    text: 'store: { kind: files }\n',
    report: `P1106  postern.yaml:1:16  Setting "store.kind": found "files", expected "local".
   1 | store: { kind: files }
     |                ^^^^^
Fix: write for example  kind: local`,
  },
  {
    name: 'a number below its range',
    text: 'limits: { connections: 0 }\n',
    report: `P1107  postern.yaml:1:24  Setting "limits.connections": found 0, expected at least 1.
   1 | limits: { connections: 0 }
     |                        ^
Fix: use 1 or more`,
  },
  {
    name: 'a duration above its range',
    text: 'stopTimeout: 2h\n',
    report: `P1107  postern.yaml:1:14  Setting "stopTimeout": found "2h", expected at most 1h.
   1 | stopTimeout: 2h
     |              ^^
Fix: use 1h or less`,
  },
  {
    name: 'an empty list where one entry is needed',
    text: 'queue: { retry: [] }\n',
    report: `P1107  postern.yaml:1:17  Setting "queue.retry": found an empty list, expected at least 1 entry.
   1 | queue: { retry: [] }
     |                 ^^
Fix: use 1 entry or more`,
  },
  {
    name: 'a domain without a destination',
    text: 'domains:\n  example.test: {}\n',
    report: `P1108  postern.yaml:2:3  Setting "deliver" is missing in "domains['example.test']".
   2 |   example.test: {}
     |   ^^^^^^^^^^^^
Fix: add  deliver: "maildir:./var/mail"`,
  },
  {
    name: 'a plugin with both a name and a path',
    text: 'plugins: [{ name: greylist, path: ./greylist.ts }]\n',
    report: `P1109  postern.yaml:1:29  Plugin 1 has both a "name" and a "path".
   1 | plugins: [{ name: greylist, path: ./greylist.ts }]
     |                             ^^^^
Fix: keep "name" for a plugin that comes with the gateway, or "path" for a file of your own`,
  },
  {
    name: 'a plugin with neither a name nor a path',
    text: 'plugins: [{ onError: skip }]\n',
    report: `P1109  postern.yaml:1:11  Plugin 1 has neither a "name" nor a "path".
   1 | plugins: [{ onError: skip }]
     |           ^^^^^^^^^^^^^^^^^
Fix: add  name: relay-control  or  path: ./plugins/my-filter.ts`,
  },
  {
    name: 'a reference of unknown form',
    text: 'hostname: ${HOST}\n',
    report: `P1110  postern.yaml:1:11  "\${HOST}" is not a reference to a secret.
   1 | hostname: \${HOST}
     |           ^^^^^^^
Fix: write \${env:NAME} or \${file:PATH}; a plain "\${" is written "$\${"`,
  },
  {
    name: 'a variable that is not set is one mistake, whatever the setting wants',
    text: 'hostname: ${env:HOST}\n',
    report: `P1111  postern.yaml:1:11  The environment variable HOST is not set.
   1 | hostname: \${env:HOST}
     |           ^^^^^^^^^^^
Fix: set it where the gateway is started, or read a file with \${file:PATH}`,
  },
  {
    name: 'a secret in a file that does not exist',
    text: 'hostname: ${file:/nowhere/host}\n',
    report: `P1112  postern.yaml:1:11  The secret's file /nowhere/host does not exist.
   1 | hostname: \${file:/nowhere/host}
     |           ^^^^^^^^^^^^^^^^^^^^^
Fix: create the file, readable for the user the gateway runs as`,
  },
]
