/** Links of digest mails, signed with a secret that all hosts have, each used once, on whichever host. */
import { randomBytes } from 'node:crypto';
import { type DigestLinks, type Link, type LinkReading, readLink, spentName, writeLink } from '../../digest/links.js';
import type { Catalog } from '../catalog.js';

const secretName = 'digest links';

export class LinksInCatalog implements DigestLinks {
  readonly #catalog: Catalog;
  #secret: Promise<Buffer> | undefined;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async make(link: Link): Promise<string> {
    return writeLink(link, await this.#ourSecret());
  }

  async read(text: string, now = Date.now()): Promise<LinkReading> {
    return readLink(text, await this.#ourSecret(), now);
  }

  async isSpent(link: Link): Promise<boolean> {
    const database = await this.#catalog.use();
    return (await database.query('select 1 from spent where name = $1', [spentName(link)])).length > 0;
  }

  async spend(link: Link): Promise<boolean> {
    const database = await this.#catalog.use();
    const until = new Date(link.expires).toISOString();
    const rows = await database.query(
      'insert into spent (name, until) values ($1, $2) on conflict do nothing returning 1',
      [spentName(link), until],
    );
    return rows.length > 0;
  }

  async giveBack(link: Link): Promise<void> {
    await (await this.#catalog.use()).query('delete from spent where name = $1', [spentName(link)]);
  }

  async tidy(now = Date.now()): Promise<void> {
    await (await this.#catalog.use()).query('delete from spent where until < $1', [new Date(now).toISOString()]);
  }

  #ourSecret(): Promise<Buffer> {
    this.#secret ??= this.#readSecret().catch((error: unknown) => {
      this.#secret = undefined;
      throw error;
    });
    return this.#secret;
  }

  /** Whoever makes one finds out whether another was first: all take the same. */
  async #readSecret(): Promise<Buffer> {
    const database = await this.#catalog.use();
    await database.query('insert into secret (name, value) values ($1, $2) on conflict do nothing', [
      secretName,
      randomBytes(32),
    ]);
    const [row] = await database.query<{ value: Buffer }>('select value from secret where name = $1', [secretName]);
    if (!row) throw new Error('the catalog has no secret for the links of digests');
    return row.value;
  }
}
