/** What the setting `store` means, and what it says to a text that is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RedisAddress, readRedisAddress } from '../../src/store/redis-address.js';

const usual: RedisAddress = {
  kind: 'server',
  nodes: [{ host: 'r.example', port: 6379 }],
  tls: false,
  user: '',
  password: '',
  database: 0,
  name: '',
  sentinelPasswordFile: '',
};
const three = (port: number): RedisAddress['nodes'] => ['a', 'b', 'c'].map((host) => ({ host, port }));

const right: readonly [what: string, text: string, more: Partial<RedisAddress>][] = [
  ['a server', 'redis://r.example', {}],
  ['a slash behind it', 'redis://r.example/', {}],
  ['Valkey', 'valkey://r.example', {}],
  ['a port and a database', 'redis://r.example:7000/3', { nodes: [{ host: 'r.example', port: 7000 }], database: 3 }],
  ['IPv6', 'redis://[2001:db8::1]', { nodes: [{ host: '2001:db8::1', port: 6379 }] }],
  ['TLS', 'rediss://r.example', { tls: true }],
  ['user and password', 'redis://anna:a%40b%2Fc@r.example', { user: 'anna', password: 'a@b/c' }],
  ['a password with an @', 'redis://anna:a@b@r.example', { user: 'anna', password: 'a@b' }],
  ['a password alone', 'redis://:a:b@r.example', { password: 'a:b' }],
  ['sentinels', 'redis+sentinel://a,b,c/name', { kind: 'sentinel', nodes: three(26_379), name: 'name' }],
  [
    'sentinels with all there is',
    'rediss+sentinel://u:p@a:1,b:2/my-master.1/7?sentinel_password_file=/etc/p',
    {
      kind: 'sentinel',
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      tls: true,
      user: 'u',
      password: 'p',
      name: 'my-master.1',
      database: 7,
      sentinelPasswordFile: '/etc/p',
    },
  ],
  ['a cluster', 'redis+cluster://a,b,c', { kind: 'cluster', nodes: three(6379) }],
  ['a cluster of Valkey, by TLS', 'valkeys+cluster://a,b,c/0', { kind: 'cluster', nodes: three(6379), tls: true }],
];
for (const [what, text, more] of right)
  test(what, () => assert.deepEqual(readRedisAddress(text), { ok: true, value: { ...usual, ...more } }));

const wrongs: readonly [what: string, text: string, problem: RegExp][] = [
  ['another scheme', 'http://r.example', /is no URL of that kind/],
  ['another kind of several', 'redis+proxy://a', /is no URL of that kind/],
  ['no server', 'redis://', /is no URL of that kind/],
  ['a password, and no server behind it', 'redis://u:p@', /is no URL of that kind/],
  ['a port that is none', 'redis://a:0', /a server that can be none/],
  ['a server between commas that is none', 'redis+cluster://a,,b', /a server that can be none/],
  ['an address that is none', 'redis://[::x]', /a server that can be none/],
  ['several servers without who chooses', 'redis://a,b', /several servers/],
  ['sentinels without a name', 'redis+sentinel://a,b,c', /no name of a master/],
  ['a name that is none', 'redis+sentinel://a/x%20y', /no name of a master/],
  ['a name of a database', 'redis://a/x', /no number of a database/],
  ['a database of a cluster', 'redis+cluster://a/3', /a cluster has only 0/],
  ['a parameter', 'redis://a?x=y', /nothing else/],
  ['a file that is found from nowhere', 'redis+sentinel://a/n?sentinel_password_file=x', /nothing else/],
  ['the sentinels’ password, and no sentinel', 'redis://a?sentinel_password_file=/x', /nothing else/],
  ['two of it', 'redis+sentinel://a/n?sentinel_password_file=/x&sentinel_password_file=/y', /nothing else/],
  ['a broken escape', 'redis://a%zz@b', /begins no octet/],
];
for (const [what, text, problem] of wrongs)
  test(`wrong: ${what}`, () => {
    const read = readRedisAddress(text);
    assert.ok(!read.ok);
    assert.match(read.problem, problem);
  });
