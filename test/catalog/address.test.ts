/** What the setting `catalog` means, and what it says to a text that is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CatalogAddress, readCatalogAddress } from '../../src/catalog/address.js';

const usual: CatalogAddress = {
  servers: [{ host: 'db.example', port: 5432 }],
  user: '',
  password: '',
  passwordFile: '',
  database: 'postern',
  tls: true,
  rootCert: '',
};

const right: readonly [what: string, text: string, more: Partial<CatalogAddress>][] = [
  ['a server and a database', 'postgresql://db.example/postern', {}],
  ['the short scheme', 'postgres://db.example/postern', {}],
  [
    'a user and a password, whatever is in it',
    'postgresql://anna:a%40b%2Fc@db.example/postern',
    { user: 'anna', password: 'a@b/c' },
  ],
  [
    'several servers, ports and families',
    'postgresql://a.example,[2001:db8::1]:5433/postern',
    {
      servers: [
        { host: 'a.example', port: 5432 },
        { host: '2001:db8::1', port: 5433 },
      ],
    },
  ],
  [
    'loopback needs no TLS',
    'postgresql://127.0.0.1:6000/postern',
    { servers: [{ host: '127.0.0.1', port: 6000 }], tls: false },
  ],
  [
    'a socket needs none',
    'postgresql://%2Frun%2Fpostgresql/postern',
    { servers: [{ host: '/run/postgresql', port: 5432 }], tls: false },
  ],
  [
    'one of two is not here',
    'postgresql://localhost,db.example/postern',
    {
      servers: [
        { host: 'localhost', port: 5432 },
        { host: 'db.example', port: 5432 },
      ],
    },
  ],
  [
    'TLS is asked for',
    'postgresql://localhost/postern?sslmode=verify-full&sslrootcert=/ca.pem',
    { servers: [{ host: 'localhost', port: 5432 }], rootCert: '/ca.pem' },
  ],
  ['TLS is not wanted', 'postgresql://db.example/postern?sslmode=disable', { tls: false }],
  [
    'the password is in a file',
    'postgresql://db.example/postern?password_file=/etc/postern/catalog',
    { passwordFile: '/etc/postern/catalog' },
  ],
];

for (const [what, text, more] of right)
  test(what, () => assert.deepEqual(readCatalogAddress(text), { ok: true, value: { ...usual, ...more } }));

const wrongs: readonly [what: string, text: string, problem: RegExp][] = [
  ['another scheme', 'mysql://db/postern', /is no postgresql:/],
  ['no database', 'postgresql://db.example/', /is no postgresql:/],
  ['no server', 'postgresql:///postern', /is no postgresql:/],
  ['a port that is none', 'postgresql://db:0/postern', /a server that can be none/],
  ['a server between commas that is none', 'postgresql://a,,b/postern', /a server that can be none/],
  [
    'an sslmode that believes any certificate',
    'postgresql://db/postern?sslmode=require',
    /neither verify-full nor disable/,
  ],
  ['a parameter of libpq that we do not have', 'postgresql://db/postern?options=-c', /may have sslmode/],
  ['a file that is found from nowhere', 'postgresql://db/postern?password_file=secret', /may have sslmode/],
  ['a broken escape', 'postgresql://a%zz@db/postern', /begins no octet/],
];

for (const [what, text, problem] of wrongs)
  test(`wrong: ${what}`, () => {
    const read = readCatalogAddress(text);
    assert.ok(!read.ok);
    assert.match(read.problem, problem);
  });
