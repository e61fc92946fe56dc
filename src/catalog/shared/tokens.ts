/** Tokens of the page that all hosts know: lines as a file of tokens has them. Leaves what a line says to the page. */
import type { Catalog } from '../catalog.js';

export interface TokenLine {
  readonly hash: string;
  readonly name: string;
  readonly line: string;
}

export class TokenLines {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  async all(): Promise<readonly string[]> {
    const database = await this.#catalog.use();
    return (await database.query<TokenLine>('select line from token order by name, line')).map(({ line }) => line);
  }

  async withHash(hash: string): Promise<string | undefined> {
    const database = await this.#catalog.use();
    const [row] = await database.query<TokenLine>('select line from token where hash = $1', [hash]);
    return row?.line;
  }

  async add({ hash, name, line }: TokenLine): Promise<void> {
    await (
      await this.#catalog.use()
    ).query('insert into token (hash, name, line) values ($1, $2, $3)', [hash, name, line]);
  }

  /** Takes out all of that name; returns them. */
  async remove(name: string): Promise<readonly string[]> {
    const database = await this.#catalog.use();
    const rows = await database.query<TokenLine>('delete from token where name = $1 returning line', [name]);
    return rows.map(({ line }) => line);
  }
}
