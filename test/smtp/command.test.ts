/** One line of octets as one command, whatever the octets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Command, parseCommand } from '../../src/smtp/command/command.js';

const parsed = (line: string, isStrict = false): Command =>
  parseCommand(Buffer.from(line, 'latin1').toString('latin1'), isStrict);

/** What a test has to say of a command: its kind, and what it holds as short text. */
function shown(command: Command): string {
  switch (command.kind) {
    case 'helo':
      return `${command.extended ? 'EHLO' : 'HELO'} ${command.name}`;
    case 'mail':
    case 'rcpt': {
      const { argument } = command;
      if (!argument.ok) return `${command.kind}: ${argument.problem}`;
      const { path, parameters } = argument.value;
      const words = [...parameters].map(([name, value]) => (value === true ? name : `${name}=${value}`));
      return [command.kind, path.kind === 'mailbox' ? path.address.text : path.kind, ...words].join(' ');
    }
    case 'xclient':
      return command.attributes.ok
        ? `xclient ${command.attributes.value.ip?.text ?? '-'} ${command.attributes.value.name ?? '-'} ${command.attributes.value.namesClient}`
        : `xclient: ${command.attributes.problem}`;
    case 'malformed':
      return `malformed: ${command.problem}`;
    case 'unknown':
      return `unknown ${command.line}`;
    default:
      return command.kind;
  }
}

const noName = 'malformed: HELO takes a name that can be printed, of at most 255 octets';
const notOneName = 'malformed: HELO takes one name of printable ASCII';

const table: readonly [what: string, line: string, command: string][] = [
  ['EHLO', 'EHLO client.example', 'EHLO client.example'],
  ['HELO, in any case, with blanks around its name', 'heLO \t client.example \t', 'HELO client.example'],
  ['EHLO without a name', 'EHLO ', noName],
  ['EHLO with a control octet', 'EHLO a\x1bb', noName],
  ['EHLO with an 8-bit octet', 'EHLO b\xfccher', noName],
  ['EHLO with 255 octets', `EHLO ${'a'.repeat(255)}`, `EHLO ${'a'.repeat(255)}`],
  ['EHLO with 256 octets', `EHLO ${'a'.repeat(256)}`, noName],
  ['MAIL', 'MAIL FROM:<a@b.example>', 'mail a@b.example'],
  [
    'MAIL with parameters',
    'mail from:<a@b.example> size=10 BODY=8BITMIME SMTPUTF8',
    'mail a@b.example SIZE=10 BODY=8BITMIME SMTPUTF8',
  ],
  ['MAIL with blanks behind the colon and at the end', 'MAIL FROM: \t<a@b.example> \t', 'mail a@b.example'],
  ['MAIL with the null reverse-path', 'MAIL FROM:<>', 'mail null'],
  ['MAIL with a UTF-8 address', 'MAIL FROM:<b\xc3\xbc@b.example>', 'mail b\u00fc@b.example'],
  ['MAIL with octets that are no UTF-8', 'MAIL FROM:<b\xfc@b.example>', 'mail: not UTF-8'],
  ['MAIL with a bare CR', 'MAIL FROM:<a@b.example>\rRCPT TO:<v@e.example>', 'mail: control character'],
  ['MAIL without FROM:', 'MAIL <a@b.example>', 'malformed: Syntax: MAIL FROM:<address>'],
  ['MAIL with a blank before the colon', 'MAIL FROM :<a@b.example>', 'malformed: Syntax: MAIL FROM:<address>'],
  ['MAIL FROM: with nothing behind it', 'MAIL FROM:', 'mail: no path in angle brackets'],
  ['RCPT', 'RCPT TO:<alice@example.com>', 'rcpt alice@example.com'],
  ['RCPT to postmaster', 'RCPT TO:<PostMaster>', 'rcpt postmaster'],
  ['RCPT with FROM:', 'RCPT FROM:<a@b.example>', 'malformed: Syntax: RCPT TO:<address>'],
  ['DATA', 'data', 'data'],
  ['DATA with blanks', 'DATA  \t', 'data'],
  ['DATA with an argument', 'DATA x', 'malformed: DATA takes no argument'],
  ['DATA with a no-break space', 'DATA\xa0', 'unknown DATA\xa0'],
  ['STARTTLS', 'STARTTLS', 'starttls'],
  ['STARTTLS with an argument', 'STARTTLS x', 'malformed: STARTTLS takes no argument'],
  ['RSET, NOOP, QUIT, VRFY, HELP with or without an argument', 'RSET x', 'rset'],
  ['NOOP', 'NOOP x y', 'noop'],
  ['QUIT', 'quit', 'quit'],
  ['VRFY', 'VRFY alice', 'vrfy'],
  ['HELP', 'HELP', 'help'],
  ['an empty line', '', 'unknown '],
  ['blanks alone', '  ', 'unknown   '],
  ['a blank before the verb', ' NOOP', 'unknown  NOOP'],
  ['a verb with more behind it', 'NOOPx', 'unknown NOOPx'],
  ['a NUL in a verb', 'EH\0LO c', 'unknown EH\0LO c'],
  ['a name of object members', '__proto__ x', 'unknown __proto__ x'],
  [
    'XCLIENT with an address and a name',
    'XCLIENT ADDR=192.0.2.9 NAME=Mail.Example.',
    'xclient 192.0.2.9 mail.example true',
  ],
  ['XCLIENT with IPv6', 'xclient addr=IPv6:2001:DB8:0::9', 'xclient 2001:db8::9 - true'],
  ['XCLIENT with an IPv4 address in IPv6', 'XCLIENT ADDR=IPV6:::ffff:192.0.2.9', 'xclient 192.0.2.9 - true'],
  ['XCLIENT that knows neither', 'XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]', 'xclient -  true'],
  [
    'XCLIENT with a name alone',
    'XCLIENT NAME=a_b.example PROTO=ESMTP HELO=x PORT=1 LOGIN=y',
    'xclient - a_b.example false',
  ],
  [
    'XCLIENT with an attribute twice: the first counts',
    'XCLIENT NAME=a.example NAME=b.example',
    'xclient - a.example false',
  ],
  ['XCLIENT with nothing', 'XCLIENT', 'xclient: Bad XCLIENT attribute'],
  ['XCLIENT with what is not offered', 'XCLIENT EVIL=1', 'xclient: Bad XCLIENT attribute'],
  ['XCLIENT without a value', 'XCLIENT ADDR', 'xclient: Bad XCLIENT attribute'],
  ['XCLIENT with two signs', 'XCLIENT NAME=a=b', 'xclient: Bad XCLIENT attribute'],
  ['XCLIENT with a line end in xtext', 'XCLIENT NAME=a+0D+0Ab', 'xclient: Bad XCLIENT attribute'],
  ['XCLIENT with a path for an address', 'XCLIENT ADDR=../../etc', 'xclient: Bad XCLIENT address'],
  ['XCLIENT with a name that is none', 'XCLIENT NAME=a..b', 'xclient: Bad XCLIENT name'],
];

for (const [what, line, command] of table) test(what, () => assert.equal(shown(parsed(line)), command));

const noPath = 'no path in angle brackets';

const looseTable: readonly [what: string, line: string, loosely: string, strictly: string][] = [
  ['EHLO with several words', 'EHLO my  mail \t server', 'EHLO my mail server', notOneName],
  ['HELO in UTF-8', 'HELO b\xc3\xbccher.example', 'HELO b\u00fccher.example', notOneName],
  ['EHLO with an invisible character', 'EHLO a\xe2\x80\xaeb', noName, notOneName],
  ['EHLO with blanks that makes 256 octets', `EHLO ${'a '.repeat(127)}aa`, noName, notOneName],
  ['no brackets', 'MAIL FROM:a@b.example', 'mail a@b.example', `mail: ${noPath}`],
  ['no brackets, with parameters', 'MAIL FROM: a@b.example SIZE=1 X', 'mail a@b.example SIZE=1 X', `mail: ${noPath}`],
  ['no brackets, quoted', 'RCPT TO:"a > b"@b.example', 'rcpt "a > b"@b.example', `rcpt: ${noPath}`],
  ['no brackets, postmaster', 'RCPT TO:postmaster', 'rcpt postmaster', `rcpt: ${noPath}`],
  ['no brackets, nothing', 'MAIL FROM:', `mail: ${noPath}`, `mail: ${noPath}`],
  ['no brackets, parameters alone', 'MAIL FROM: SIZE=1', `mail: ${noPath}`, `mail: ${noPath}`],
  ['a word before the brackets', 'MAIL FROM:Joe <a@b.example>', `mail: ${noPath}`, `mail: ${noPath}`],
  ['a bracket behind none', 'MAIL FROM:a@b.example>', `mail: ${noPath}`, `mail: ${noPath}`],
  ['brackets in brackets', 'MAIL FROM:<<a@b.example>>', `mail: ${noPath}`, `mail: ${noPath}`],
  ['brackets that do not end', 'MAIL FROM:<a@b.example', `mail: ${noPath}`, `mail: ${noPath}`],
  ['a quoted string that does not end', 'MAIL FROM:"a@b.example', `mail: ${noPath}`, `mail: ${noPath}`],
  ['blanks inside brackets', 'MAIL FROM:< a@b.example  >', 'mail a@b.example', 'mail: not a mailbox'],
  ['blanks beside @ and dots', 'RCPT TO:<a . b @ c .example>', 'rcpt a.b@c.example', 'rcpt: not a mailbox'],
  ['blanks between words', 'RCPT TO:<a b@c.example>', 'rcpt: not a mailbox', 'rcpt: not a mailbox'],
  ['blanks in a quoted string stay', 'RCPT TO:< " a  @ "@c.example>', 'rcpt " a  @ "@c.example', 'rcpt: not a mailbox'],
  ['two addresses', 'RCPT TO:<a@b.example c@d.example>', 'rcpt: not a mailbox', 'rcpt: not a mailbox'],
  ['brackets around blanks', 'MAIL FROM:< >', 'mail null', 'mail: not a mailbox'],
  ['a final dot', 'MAIL FROM:<a@b.example.>', 'mail a@b.example', 'mail: not a mailbox'],
  ['two final dots', 'MAIL FROM:<a@b.example..>', 'mail: not a mailbox', 'mail: not a mailbox'],
  ['a domain that is a dot', 'MAIL FROM:<a@.>', 'mail: not a mailbox', 'mail: not a mailbox'],
  ['tabs inside brackets', 'MAIL FROM:<\ta@b.example\t>', 'mail a@b.example', 'mail: control character'],
  ['a tab before parameters', 'MAIL FROM:<a@b.example>\tSIZE=1', 'mail a@b.example SIZE=1', 'mail: control character'],
  [
    'parameters without a blank',
    'MAIL FROM:<a@b.example>SIZE=1',
    'mail: bad parameter syntax',
    'mail: bad parameter syntax',
  ],
  ['no brackets, in UTF-8', 'MAIL FROM:b\xc3\xbc@b.example.', 'mail b\u00fc@b.example', `mail: ${noPath}`],
  ['no brackets, no UTF-8', 'MAIL FROM:b\xfc@b.example', 'mail: not UTF-8', 'mail: not UTF-8'],
  ['no brackets, a control character', 'MAIL FROM:a\0@b.example', 'mail: control character', 'mail: control character'],
];

for (const [what, line, loosely, strictly] of looseTable) {
  test(what, () => {
    assert.equal(shown(parsed(line)), loosely);
    assert.equal(shown(parsed(line, true)), strictly, 'strictly');
  });
}

const word = fc.constantFrom(
  'EHLO',
  'helo',
  'MAIL FROM:',
  'RCPT TO:',
  'DATA',
  'QUIT',
  'XCLIENT',
  'NAME=',
  'ADDR=',
  '<a@b.example>',
  '<',
  '>',
  '"',
  '\\',
  '@',
  ' ',
  '\t',
  '\0',
  '\r',
  '\xe4',
  '+0D',
  '+41',
  'SIZE=1',
  '=',
  'x',
  '[',
  '::1',
  '192.0.2.1',
);
const line = fc.array(word, { maxLength: 12 }).map((words) => words.join(''));

test('no octets make it throw, and only a known verb makes a known command', () => {
  fc.assert(
    fc.property(fc.oneof(line, fc.string({ unit: 'binary', maxLength: 200 })), (octets) => {
      const { kind } = parsed(octets);
      const known = /^(?:EHLO|HELO|MAIL|RCPT|DATA|STARTTLS|RSET|NOOP|QUIT|VRFY|HELP|XCLIENT)(?:[ \t]|$)/i;
      assert.equal(kind === 'unknown', !known.test(octets));
    }),
    { numRuns: 5000 },
  );
});

test('what is taken strictly is taken as the same loosely', () => {
  fc.assert(
    fc.property(line, (octets) => {
      const strictly = shown(parsed(octets, true));
      if (!/^(?:malformed|mail:|rcpt:)/.test(strictly)) assert.equal(shown(parsed(octets)), strictly);
    }),
    { numRuns: 5000 },
  );
});

test('what is taken loosely goes on as an address that is taken strictly', () => {
  fc.assert(
    fc.property(line, (octets) => {
      const read = parsed(octets);
      if ((read.kind !== 'mail' && read.kind !== 'rcpt') || !read.argument.ok) return;
      const { path } = read.argument.value;
      if (path.kind !== 'mailbox') return;
      const again = parsed(`MAIL FROM:<${Buffer.from(path.address.text).toString('latin1')}>`, true);
      assert.equal(shown(again), `mail ${path.address.text}`);
    }),
    { numRuns: 5000 },
  );
});

test('blanks behind a command change nothing', () => {
  const blanks = fc.array(fc.constantFrom(' ', '\t'), { maxLength: 5 }).map((all) => all.join(''));
  fc.assert(
    fc.property(line, blanks, (octets, behind) => {
      const [bare, blank] = [parsed(octets), parsed(octets + behind)];
      if (bare.kind !== 'unknown') assert.equal(shown(blank), shown(bare));
    }),
    { numRuns: 3000 },
  );
});
