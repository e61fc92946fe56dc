import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointText, parseEndpoint, smtpdMilters } from '../../src/milter/endpoint.js';

const good: readonly [text: string, first: string, postfix?: string, sendmail?: string][] = [
  ['inet:127.0.0.1:8893', 'inet:127.0.0.1:8893', 'inet:127.0.0.1:8893', 'inet:8893@127.0.0.1'],
  ['inet:localhost:8893', 'inet:localhost:8893', 'inet:localhost:8893', 'inet:8893@localhost'],
  ['inet:8893@localhost', 'inet:localhost:8893', 'inet:localhost:8893', 'inet:8893@localhost'],
  ['inet:[::1]:8893', 'inet:[::1]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['inet:::1:8893', 'inet:[::1]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['inet6:8893@::1', 'inet:[::1]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['inet6:8893@[::1]', 'inet:[::1]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['inet6:8893@mx.example', 'inet:mx.example:8893', 'inet:mx.example:8893', 'inet6:8893@mx.example'],
  ['inet:0.0.0.0:8893', 'inet:0.0.0.0:8893', 'inet:127.0.0.1:8893', 'inet:8893@127.0.0.1'],
  ['inet6:8893@::', 'inet:[::]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['inet:8893', 'inet:127.0.0.1:8893', 'inet:127.0.0.1:8893', 'inet:8893@127.0.0.1'],
  ['inet6:8893', 'inet:[::1]:8893', 'inet:[::1]:8893', 'inet6:8893@::1'],
  ['unix:/run/a b.sock', 'unix:/run/a b.sock', 'unix:/run/a b.sock', 'unix:/run/a b.sock'],
  ['unix:relative.sock', 'unix:relative.sock', 'unix:relative.sock', 'unix:relative.sock'],
  ['local:/run/x.sock', 'unix:/run/x.sock', 'unix:/run/x.sock', 'unix:/run/x.sock'],
  ['/run/x.sock', 'unix:/run/x.sock', 'unix:/run/x.sock', 'unix:/run/x.sock'],
  ['/run/a:b.sock', 'unix:/run/a:b.sock', 'unix:/run/a:b.sock', 'unix:/run/a:b.sock'],
  [
    'unix:/var/spool/postfix/postern/x',
    'unix:/var/spool/postfix/postern/x',
    'unix:postern/x',
    'unix:/var/spool/postfix/postern/x',
  ],
  ['fd:3', 'fd:3'],
];

for (const [text, first, postfix, sendmail] of good) {
  test(`${text} is a place to listen`, () => {
    const parsed = parseEndpoint(text);
    assert.ok(parsed.ok);
    assert.equal(endpointText(parsed.value), first);
    const lines = smtpdMilters(parsed.value);
    assert.equal(lines?.postfix, postfix && `smtpd_milters = ${postfix}`);
    assert.equal(
      lines?.sendmail,
      sendmail && `INPUT_MAIL_FILTER(\`postern', \`S=${sendmail}, F=T, T=S:10s;R:30s;E:5m')`,
    );
  });
}

const bad: readonly [text: string, problem: RegExp][] = [
  ['', /is none of inet:HOST:PORT/],
  ['run/x.sock', /is none of/],
  ['tcp:127.0.0.1:25', /is none of/],
  ['INET:127.0.0.1:25', /is none of/],
  ['inet:', /needs a host and a port/],
  ['inet:localhost', /needs a host and a port/],
  ['inet:localhost:smtp', /needs a host and a port/],
  ['inet:localhost:65536', /port 65536/],
  ['inet:65536@localhost', /port 65536/],
  ['inet:local host:25', /odd host name/],
  ['unix:', /no path/],
  ['unix:/a\0b', /NUL/],
  [`unix:/${'x'.repeat(107)}`, /108 octets/],
  [`unix:/${'ä'.repeat(54)}`, /109 octets/],
  ['fd:2', /3 or more/],
  ['fd:x', /3 or more/],
];

for (const [text, problem] of bad) {
  test(`${JSON.stringify(text).slice(0, 40)} is not: ${problem.source}`, () => {
    const parsed = parseEndpoint(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.problem, problem);
  });
}
