/**
 * npm smtp-server has one door, src/smtp/library, and what is used of it beside its documented interface is named here.
 * Most of that is private: whoever updates the library reads what has become of each member, and then writes down its
 * new digest.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { packageRoot } from '../../src/cli/package-root.js';

const version = '3.21.6';

/** Methods that are called or overridden, each with the digest of its text in that version. */
const serverMethods: Readonly<Record<string, string>> = {
  connect: '9818ea13a1c3',
  updateSecureContext: '643afa2b7bfe',
  _acceptSocket: 'f4c69396f94c',
  _expectsProxyHeader: 'b900129fbb5a',
  _handleProxy: 'b52456c48b04',
  _upgrade: '2d34eaba8e47',
};

/** Those of its connections: the trial's local MTA alone uses these. */
const connectionMethods: Readonly<Record<string, string>> = {
  init: '1265a7d7ca8f',
  connectionReady: '361a2b1de88f',
  send: 'c33568c0111a',
  _parseAddressCommand: '9f368803e4fd',
  _setListeners: 'cf07ab6f47db',
};

/** Properties that are read, and what they are. */
const properties: Readonly<Record<string, (value: unknown) => boolean>> = {
  server: (value) => value instanceof net.Server,
  _pendingSockets: (value) => value instanceof Map,
};

/** What a connection has while it reads a message, and else has not. */
const dataStream = '_dataStream';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

const member = (owner: object, name: string): unknown => Reflect.get(owner, name);

test('the library is the version that was read', () => {
  const { version: installed } = createRequire(import.meta.url)('smtp-server/package.json') as { version: string };
  assert.equal(installed, version);
});

for (const [owner, methods] of [
  [SMTPServer, serverMethods],
  [SMTPConnection, connectionMethods],
] as const)
  for (const [name, expected] of Object.entries(methods))
    test(`${name} is a method of ${owner.name}, and its text is the one that was read`, () => {
      const method = member(owner.prototype, name);
      assert.equal(typeof method, 'function');
      assert.equal(digest(String(method)), expected);
    });

for (const [name, fits] of Object.entries(properties)) {
  test(`${name} is what it was`, () => {
    const server = new SMTPServer({ logger: false, hideSTARTTLS: true });
    assert.ok(fits(member(server, name)));
  });
}

test(`a connection without a message has no ${dataStream}`, () => {
  const connection = new SMTPConnection(new SMTPServer({ logger: false, hideSTARTTLS: true }), new net.Socket());
  assert.equal(member(connection, dataStream), false);
});

/** Other rooms may not import the library (import-rule.test.ts). */
const folder = join(packageRoot, 'src');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /^(?:smtp|trial)\/.*\.ts$/.test(name),
);

/** Names with an underscore before them, as the library marks what is its own. */
const underscored = (source: string): readonly string[] =>
  [...source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').matchAll(/(?:\.|override |\[')(_\w+)/g)].map(
    ([, name = '']) => name,
  );

test('private members are used in src/smtp/library alone, and all of them are named above', () => {
  const used = sources.flatMap((file) =>
    underscored(readFileSync(join(folder, file), 'utf8')).map((name) => ({ file, name })),
  );
  assert.deepEqual(
    used.filter(({ file }) => !file.startsWith('smtp/library/')),
    [],
  );
  const named = [...Object.keys({ ...serverMethods, ...connectionMethods, ...properties }), dataStream];
  const inLibrary = used.filter(({ file }) => file.startsWith('smtp/library/')).map(({ name }) => name);
  assert.deepEqual(
    [...new Set(inLibrary)].filter((name) => !named.includes(name)),
    [],
  );
});
