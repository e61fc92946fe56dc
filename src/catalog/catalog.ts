/** The catalog as the rest of the room uses it: its database, once it is known that the tables are ours. */
import { SourceDown } from '../quarantine/kept-mails.js';
import type { Database } from './database.js';
import { schemaProblem, schemaState } from './schema.js';

export class Catalog {
  readonly #database: Database;
  #checked: Promise<string | undefined> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws SourceDown where it cannot be asked, or has no tables that this postern knows. */
  async use(): Promise<Database> {
    this.#checked ??= schemaState(this.#database).then(schemaProblem);
    const checked = this.#checked;
    const forget = (): void => {
      if (this.#checked === checked) this.#checked = undefined;
    };
    const problem = await checked.catch((error: unknown) => {
      forget();
      throw error;
    });
    if (problem === undefined) return this.#database;
    forget();
    throw new SourceDown(problem);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
