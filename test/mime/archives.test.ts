/** What is found in archives of all kinds, made by those who make them; and those that are made to hurt. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { isLockedRar } from '../../src/mime/rar-locks.js';
import { archiveBudget, closerLook, firstLook } from '../../src/mime/archives.js';
import { needPeer } from '../support/peers.js';
import { zip } from './mails.js';

const folder = mkdtempSync(join(tmpdir(), 'postern-archives-'));
after(() => rmSync(folder, { recursive: true }));

let made = 0;

/** Files in a folder of their own, then the program, which makes the archive that is named last. */
function madeBy(program: string, args: readonly string[], files: Readonly<Record<string, string | Buffer>>): Buffer {
  const cwd = join(folder, String(++made));
  for (const [name, octets] of Object.entries(files)) {
    mkdirSync(join(cwd, name, '..'), { recursive: true });
    writeFileSync(join(cwd, name), octets);
  }
  const { status, stderr } = spawnSync(program, [...args, '../made.bin', ...Object.keys(files)], {
    cwd,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const archive = readFileSync(join(folder, 'made.bin'));
  rmSync(join(folder, 'made.bin'));
  return archive;
}

const bsdtar = (format: string, files: Readonly<Record<string, string | Buffer>>): Buffer =>
  madeBy('bsdtar', [...format.split(' '), '-cf'], files);

const sevenZip = (args: string, files: Readonly<Record<string, string | Buffer>>): Buffer =>
  madeBy('7zz', ['a', '-bd', ...args.split(' ').filter((word) => word !== '')], files);

/** One deflated entry (APPNOTE 6.3.10 §4.3.7). */
function deflated(name: string, octets: Buffer): Buffer {
  const packed = deflateRawSync(octets);
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(crc32(octets), 14);
  header.writeUInt32LE(packed.length, 18);
  header.writeUInt32LE(octets.length, 22);
  header.writeUInt16LE(Buffer.byteLength(name), 26);
  return Buffer.concat([header, Buffer.from(name), packed, Buffer.from('PK\x05\x06'), Buffer.alloc(18)]);
}

/** A RAR 4 archive of one stored file: nobody but its maker may write these, so that no program here does. */
function rar(name: string, octets: Buffer, { isLocked = false } = {}): Buffer {
  const block = (type: number, flags: number, rest: Buffer): Buffer => {
    const head = Buffer.alloc(7);
    head.writeUInt8(type, 2);
    head.writeUInt16LE(flags, 3);
    head.writeUInt16LE(7 + rest.length, 5);
    const whole = Buffer.concat([head, rest]);
    whole.writeUInt16LE(crc32(whole.subarray(2)) & 0xffff, 0);
    return whole;
  };
  const file = Buffer.alloc(25);
  file.writeUInt32LE(octets.length, 0);
  file.writeUInt32LE(octets.length, 4);
  file.writeUInt8(3, 8);
  file.writeUInt32LE(crc32(octets), 9);
  file.writeUInt8(20, 17);
  file.writeUInt8(0x30, 18);
  file.writeUInt16LE(name.length, 19);
  return Buffer.concat([
    Buffer.from('Rar!\x1a\x07\0', 'latin1'),
    block(0x73, 0, Buffer.alloc(6)),
    block(0x74, 0x8000 | (isLocked ? 4 : 0), Buffer.concat([file, Buffer.from(name)])),
    octets,
    block(0x7b, 0x4000, Buffer.alloc(0)),
  ]);
}

/** A RAR 5 archive of one stored file; `lock` is where its password is told. */
function rar5(name: string, lock?: 'file' | 'names'): Buffer {
  const block = (...fields: readonly number[]): Buffer => {
    const head = Buffer.from([fields.length, ...fields]);
    const crc = Buffer.alloc(4);
    crc.writeUInt32LE(crc32(head));
    return Buffer.concat([crc, head]);
  };
  const letters = [...Buffer.from(name)];
  const extra = lock === 'file' ? [0x30, 1, ...Array<number>(0x2f).fill(0)] : [];
  const file = [2, extra.length === 0 ? 2 : 3, ...(extra.length === 0 ? [] : [extra.length]), 2, 0, 2, 0, 0, 1];
  return Buffer.concat([
    Buffer.from('Rar!\x1a\x07\x01\0', 'latin1'),
    ...(lock === 'names' ? [block(4, 0, 0, 0, 15, ...Array<number>(16).fill(7))] : []),
    block(1, 0, 0),
    block(...file, letters.length, ...letters, ...extra),
    Buffer.from('MZ'),
    block(5, 0, 0),
  ]);
}

const files = { 'a.exe': 'MZ', 'docs/b.txt': 'x' };
const inner = (): Buffer => deflated('deep/c.scr', Buffer.from('x'));

/** [what, the archive, names that must be found, is it locked] */
const archives: readonly (readonly [what: string, make: () => Buffer, names: readonly string[], isLocked?: boolean])[] =
  [
    ['tar', () => bsdtar('--format=ustar', files), ['a.exe', 'docs/b.txt']],
    [
      'tar with extended headers',
      () => bsdtar('--format=pax', { [`${'x'.repeat(120)}.exe`]: '' }),
      [`${'x'.repeat(120)}.exe`],
    ],
    ['tar.gz', () => bsdtar('-z', files), ['a.exe', 'docs/b.txt']],
    ['tar.bz2', () => bsdtar('-j', files), ['a.exe']],
    ['tar.xz', () => bsdtar('-J', files), ['a.exe']],
    ['tar.zst', () => bsdtar('--zstd', files), ['a.exe']],
    ['7z', () => sevenZip('', files), ['a.exe', 'docs/b.txt']],
    ['7z with a password', () => sevenZip('-psecret', files), ['a.exe'], true],
    ['7z with a password on its names, too', () => sevenZip('-psecret -mhe=on', files), [], true],
    ['zip with a password', () => sevenZip('-tzip -psecret', files), ['a.exe'], true],
    ['zip of 7zip', () => sevenZip('-tzip', files), ['a.exe', 'docs/b.txt']],
    ['iso', () => bsdtar('--format=iso9660', files), ['a.exe', 'docs/b.txt']],
    ['rar', () => rar('a.exe', Buffer.from('MZ')), ['a.exe']],
    ['rar with a password', () => rar('a.exe', Buffer.from('MZ'), { isLocked: true }), ['a.exe'], true],
    ['rar 5', () => rar5('a.exe'), ['a.exe']],
    ['rar 5 with a password', () => rar5('a.exe', 'file'), ['a.exe'], true],
    ['rar 5 with a password on its names, too', () => rar5('a.exe', 'names'), [], true],
    ['zip in zip in zip', () => deflated('a.zip', deflated('B.ZIP', inner())), ['a.zip', 'B.ZIP', 'deep/c.scr']],
    ['zip in tar.gz', () => bsdtar('-z', { 'x[1]*.zip': inner() }), ['x[1]*.zip', 'deep/c.scr']],
    ['rar in 7z', () => sevenZip('', { 'in.rar': rar('c.scr', Buffer.from('x')) }), ['in.rar', 'c.scr']],
    ['tar.gz in zip', () => deflated('t.tgz', bsdtar('-z', files)), ['t.tgz', 'a.exe']],
    ['umlauts', () => bsdtar('--format=pax', { 'Übersicht.exe': '' }), ['Übersicht.exe']],
  ];
for (const [what, make, names, isLocked = false] of archives) {
  test(`${what}: ${names.at(-1) ?? 'a password'} is found`, async (t) => {
    if (!needPeer(t, 'bsdtar', '7zz')) return;
    const octets = make();
    const closer = await closerLook(octets, archiveBudget());
    assert.equal(closer.unlisted, undefined);
    for (const name of names) assert.ok(closer.names.includes(name), closer.names.join(' '));
    assert.equal(closer.isEncrypted, isLocked);
    const isZip = octets.subarray(0, 2).equals(Buffer.from('PK'));
    assert.equal(firstLook(octets)?.isPacked, !isZip || names.some((name) => /\.(?:zip|tgz)$/i.test(name)));
  });
}

const zeros = (octets: number): Buffer => Buffer.alloc(octets);
const nested = (depth: number): Buffer => (depth === 0 ? zip(['a.exe']) : deflated('a.zip', nested(depth - 1)));

/** [what, the archive, why it is not listed to its end] */
const bombs: readonly (readonly [what: string, make: () => Buffer, why: RegExp])[] = [
  ['zips in zips, ten deep', () => nested(10), /deeper than 3/],
  ['a zip in a zip that bursts', () => deflated('a.zip', zeros(100 << 20)), /too much is packed/],
  [
    'two that burst together',
    () => Buffer.concat([deflated('a.zip', zeros(40 << 20)), deflated('b.zip', zeros(40 << 20))]),
    /too much is packed/,
  ],
  [
    'too many zips in a zip',
    () => Buffer.concat(Array.from({ length: 30 }, (_, i) => deflated(`${i}.zip`, inner()))),
    /more than 20 archives/,
  ],
  ['a 7z in a 7z that bursts', () => sevenZip('-mx1', { 'a.7z': zeros(80 << 20) }), /octets/],
  [
    'archives that take many runs',
    () => bsdtar('-z', Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}.tgz`, gzipSync('x')]))),
    /runs of bsdtar/,
  ],
  [
    'zips in a zip that cannot be unpacked',
    () => Buffer.concat(Array.from({ length: 30 }, (_, i) => deflated(`${i}.zip`, inner()).fill(0xff, 40, 60))),
    /too much is packed/,
  ],
  ['a name that nobody can write', () => bsdtar('-z', { 'a\x01.zip': inner() }), /name that nobody can write/],
];
for (const [what, make, why] of bombs) {
  test(`${what}: beyond limits, which says so`, async (t) => {
    if (!needPeer(t, 'bsdtar', '7zz')) return;
    const { unlisted } = await closerLook(make(), archiveBudget());
    assert.equal(unlisted?.kind, 'beyond limits');
    assert.match(unlisted?.why ?? '', why);
  });
}

test('whatever the octets behind a RAR signature are, they are looked at in one pass', () =>
  fc.assert(
    fc.property(
      fc.constantFrom('Rar!\x1a\x07\0', 'Rar!\x1a\x07\x01\0'),
      fc.uint8Array({ maxLength: 300 }),
      (mark, rest) => {
        assert.equal(typeof isLockedRar(Buffer.concat([Buffer.from(mark, 'latin1'), rest])), 'boolean');
      },
    ),
  ));

/** What begins like an archive, and is none. */
for (const beginning of [
  '7z\xbc\xaf\x27\x1c',
  'Rar!\x1a\x07\x01\0',
  'Rar!\x1a\x07\0',
  '\x1f\x8b\x08',
  'BZh9',
  '\xfd7zXZ\0',
  'MSCF',
])
  test(`nonsense behind ${JSON.stringify(beginning)} holds nothing, and hurts nobody`, async (t) => {
    if (!needPeer(t, 'bsdtar')) return;
    const octets = Buffer.concat([Buffer.from(beginning, 'latin1'), Buffer.from('nonsense'.repeat(100))]);
    const { names, unlisted } = await closerLook(octets, archiveBudget());
    assert.deepEqual([names, unlisted?.kind === 'late' || unlisted?.kind === 'no program'], [[], false]);
  });

test('without bsdtar, zip archives are opened, and others said to be closed', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = folder;
  try {
    assert.deepEqual((await closerLook(deflated('a.zip', inner()), archiveBudget())).names, ['a.zip', 'deep/c.scr']);
    const { unlisted } = await closerLook(rar('a.exe', Buffer.from('MZ')), archiveBudget());
    assert.deepEqual(unlisted, { kind: 'no program', why: 'bsdtar is not installed' });
  } finally {
    process.env['PATH'] = path;
  }
});
