/** What may stand in /srv/DOMAIN/relay and in the setting, and what is said of what may not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { everyDestination, readDestinations, takesOneRecipient } from '../../../src/relay/destination/destination.js';

/** [what, text, the ranks] */
const good: readonly (readonly [string, string, readonly (readonly string[])[]])[] = [
  ['a name has port 25, and TLS where it is offered', 'mta.example', [['mta.example:25']]],
  ['a name with a port', 'mta.example:10025', [['mta.example:10025']]],
  ['a single label', 'dovecot:24', [['dovecot:24']]],
  ['names are A-labels in lower case', 'MTA.Bücher.example', [['mta.xn--bcher-kva.example:25']]],
  ['an address', '192.0.2.7', [['192.0.2.7:25']]],
  ['an IPv6 address, canonical', '[2001:DB8:0::1]:2525', [['[2001:db8::1]:2525']]],
  ['an IPv6 address alone', '[::1]', [['[::1]:25']]],
  ['a socket', 'unix:/run/mta', [['unix:/run/mta']]],
  ['LMTP', 'lmtp:192.0.2.7:2424', [['lmtp:192.0.2.7:2424']]],
  ['LMTP without a port', 'lmtp:mail.example', [['lmtp:mail.example:24']]],
  ['LMTP to an IPv6 address', 'lmtp:[::1]:24', [['lmtp:[::1]:24']]],
  ['an LMTP socket', 'lmtp:unix:/run/dovecot/lmtp', [['lmtp:unix:/run/dovecot/lmtp']]],
  ['a line each is preference', 'a.example\nb.example\n', [['a.example:25'], ['b.example:25']]],
  ['so is a semicolon', 'a.example; b.example', [['a.example:25'], ['b.example:25']]],
  ['a comma shares the load', 'a.example, b.example\nc.example', [['a.example:25', 'b.example:25'], ['c.example:25']]],
  ['comments and empty lines', '# first\n\na.example # the old one\r\n#b.example', [['a.example:25']]],
  ['TLS as it is anyway', 'a.example tls=may,127.0.0.1:26 tls=no', [['a.example:25', '127.0.0.1:26']]],
  ['TLS otherwise', 'a.example tls=must; localhost tls=may', [['a.example:25 tls=must'], ['localhost:25 tls=may']]],
];

describe('a list of destinations', () => {
  for (const [what, text, expected] of good) {
    test(what, () => {
      const read = readDestinations(text);
      assert.ok(read.ok, JSON.stringify(read));
      assert.deepEqual(
        read.value.ranks.map((rank) => rank.map((one) => one.text)),
        expected,
      );
      assert.deepEqual(readDestinations(read.value.text), read, 'what is written is read again');
    });
  }
});

const forms = /must be host, host:port, \[v6\]:port, unix:\/path, lmtp:host:port or lmtp:unix:\/path/;

/** [what, text, what is said] */
const bad: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /must name a destination: host, /],
  ['comments alone', '# 192.0.2.7\n\n', /must name a destination/],
  ['a port alone', '*:25', forms],
  ['no port there', 'mta.example:', forms],
  ['port 0', '127.0.0.1:0', forms],
  ['a port too large', '127.0.0.1:65536', forms],
  ['digits', '10025', forms],
  ['a socket without a path', 'unix:run', forms],
  ['a descriptor', 'fd:3', forms],
  ['a host that is called as what one begins with', 'lmtp', forms],
  ['a socket whose name a terminal obeys', 'unix:/run/\u001b[2J', forms],
  ['IPv6 without brackets', '2001:db8::1', /: write \[2001:db8::1\]:25$/],
  [
    "a name in brackets, as in Postfix' transport map",
    '[mta.example]:25',
    /: leave out the brackets, no MX is looked up/,
  ],
  ['another word for SMTP', 'smtp:mta.example:25', /: leave out smtp:$/],
  ['another word for LMTP', 'lmtp:inet:mta.example:24', /: leave out inet:$/],
  [
    'two without a comma',
    'a.example b.example',
    /^"b\.example" must be tls=no, tls=may or tls=must; a comma or a line/,
  ],
  ['a word that is none', 'a.example tls=yes', /^"tls=yes" must be tls=no/],
  ['words that contradict', 'a.example tls=no tls=must', /^"tls=must" must not stand behind "tls=no"/],
  ['TLS on a socket', 'unix:/run/mta tls=must', /^unix:\/run\/mta must be without TLS/],
  ['the same twice', 'a.example, A.example:25', /^must name each destination once, and a\.example:25 is there twice/],
  ['the same with TLS and without', 'a.example\na.example tls=must', /a\.example:25 is there twice/],
  ['the same by SMTP and LMTP', 'a.example:24\nlmtp:a.example', /a\.example:24 is there twice/],
  ['an empty item', 'a.example,,b.example', forms],
  ['a control character', 'a.exam\u001bple', /^"a\.exam\?ple" must be|^"a\.exam\\/],
  ['too many', Array.from({ length: 33 }, (_, i) => `a${i}.example`).join('\n'), /^must be at most 32 destinations/],
];

describe('what is no list of destinations is told, with what would be right', () => {
  for (const [what, text, expected] of bad) {
    test(what, () => {
      const read = readDestinations(text);
      assert.ok(!read.ok, JSON.stringify(read));
      assert.match(read.problem, expected);
    });
  }

  test('octets of any kind: no exception, and a problem that may be printed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (text) => {
        const read = readDestinations(text);
        if (read.ok) assert.ok(everyDestination(read.value).length > 0);
        else assert.doesNotMatch(read.problem, /\p{Cc}/u);
      }),
    );
  });
});

test('a list with LMTP in it takes one recipient a mail', () => {
  const takesOne = (text: string): boolean => {
    const read = readDestinations(text);
    assert.ok(read.ok);
    return takesOneRecipient(read.value);
  };
  assert.equal(takesOne('a.example, b.example'), false);
  assert.equal(takesOne('lmtp:a.example'), true);
  assert.equal(takesOne('a.example\nlmtp:unix:/run/lmtp'), true);
});
