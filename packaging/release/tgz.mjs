/**
 * Makes postern-VERSION.tgz, which `npm install -g ./postern-VERSION.tgz` installs without asking a registry: the tree of
 * stage.mjs. Whoever makes it of the same clone and packages gets the same octets.
 *
 *     node packaging/release/tgz.mjs [FOLDER]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { stage, version } from './stage.mjs';

/** All files have the time that npm gives those that it packs. */
const time = 499_162_500;

/** Returns the file's path. */
export function makeTgz(folder) {
  const made = mkdtempSync(join(tmpdir(), 'postern-tgz-'));
  try {
    mkdirSync(join(made, 'package'));
    stage(join(made, 'package'));
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `postern-${version}.tgz`);
    writeFileSync(file, gzipSync(tarOf(made), { level: 9 }));
    return file;
  } finally {
    rmSync(made, { recursive: true });
  }
}

const sameEverywhere = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];

const tarOf = (folder) =>
  execFileSync('tar', ['-c', '--format=ustar', `--mtime=@${time}`, ...sameEverywhere, '-C', folder, 'package'], {
    maxBuffer: 1 << 28,
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(makeTgz(resolve(process.argv[2] ?? 'var/release')));
