/**
 * Makes postern-VERSION.spdx.json: which packages an installation has, in which versions, under which licences (SPDX 2.3),
 * as npm tells them of package-lock.json.
 *
 *     node packaging/release/sbom.mjs [FOLDER]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packagesNeeded, released, root, version } from './stage.mjs';

/** Returns the file's path. */
export function makeSbom(folder) {
  const words = ['sbom', '--sbom-format=spdx', '--package-lock-only'];
  const told = JSON.parse(execFileSync('npm', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `postern-${version}.spdx.json`);
  writeFileSync(file, `${JSON.stringify(ofInstallation(told), null, 2)}\n`);
  return file;
}

/** npm tells of all packages, and with --omit of too few: those that others have as peers would be missing. */
function ofInstallation(told) {
  const needed = new Set(packagesNeeded().map(({ name, version: of }) => `${name}@${of}`));
  const packages = told.packages.filter(
    ({ name, versionInfo }) => name === 'postern' || needed.has(`${name}@${versionInfo}`),
  );
  const ids = new Set(['SPDXRef-DOCUMENT', ...packages.map(({ SPDXID }) => SPDXID)]);
  return {
    ...told,
    documentNamespace: `http://spdx.org/spdxdocs/postern-${version}`,
    creationInfo: { ...told.creationInfo, created: released().toISOString().replace('.000', '') },
    packages,
    relationships: told.relationships.filter(
      ({ spdxElementId, relatedSpdxElement }) => ids.has(spdxElementId) && ids.has(relatedSpdxElement),
    ),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(makeSbom(resolve(process.argv[2] ?? 'var/release')));
