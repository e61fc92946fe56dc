import assert from 'node:assert/strict';
import test from 'node:test';
import { readHosts } from '../../src/dns/hosts-file.js';

const table: readonly (readonly [
  what: string,
  text: string,
  name: string,
  addresses: readonly string[] | undefined,
])[] = [
  ['a line', '192.0.2.1 mail.example', 'mail.example', ['192.0.2.1']],
  ['tabs, and a comment behind it', '192.0.2.1\tmail.example # the MTA', 'mail.example', ['192.0.2.1']],
  ['an alias', '192.0.2.1 mail.example mail', 'mail', ['192.0.2.1']],
  ['both families', '192.0.2.1 mail\n2001:db8::1 mail', 'mail', ['192.0.2.1', '2001:db8::1']],
  ['capitals in the file', '192.0.2.1 Mail', 'mail', ['192.0.2.1']],
  ['CRLF', '192.0.2.1 mail\r\n192.0.2.2 other\r\n', 'mail', ['192.0.2.1']],
  ['what is commented out', '#192.0.2.1 mail', 'mail', undefined],
  ['what is no address', 'mail 192.0.2.1\nfe80::1%eth0 mail', 'mail', undefined],
  ['a name that every object has', '192.0.2.1 mail', 'constructor', undefined],
];
for (const [what, text, name, addresses] of table)
  test(`hosts(5): ${what}`, () => {
    assert.deepEqual(
      readHosts(text)
        .get(name)
        ?.map((ip) => ip.text),
      addresses,
    );
  });
