/**
 * Makes all files of a release in var/release: the packages for npm and Debian, what they are made of (SBOM), and the
 * digests of these.
 *
 *     npm run release
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeDeb } from './deb.mjs';
import { makeSbom } from './sbom.mjs';
import { root } from './stage.mjs';
import { makeTgz } from './tgz.mjs';

const folder = join(root, 'var/release');
const made = [makeTgz(folder), makeSbom(folder), ...(hasDpkg() ? [makeDeb(folder)] : [])];
const digests = made.map(
  (file) => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${basename(file)}\n`,
);
writeFileSync(join(folder, 'SHA256SUMS'), digests.join(''));
process.stdout.write(digests.join(''));

function hasDpkg() {
  try {
    execFileSync('dpkg-deb', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
