/**
 * srv-example as it is in the repository: npm packs no file named `*`, so an installed one lacks its wildcard marker.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Puts the marker where the example domain is, if it may; without it the demo's mail for any user is refused, as it
 * should be.
 */
export function completeExample(srv: string): void {
  const domain = join(srv, 'example.org');
  if (!existsSync(join(domain, 'users', 'invalid', 'noreply'))) return;
  try {
    mkdirSync(join(domain, 'users', 'valid'), { recursive: true });
    writeFileSync(join(domain, 'users', 'valid', '*'), '', { flag: 'a' });
  } catch {
    // Installed by somebody else.
  }
}
