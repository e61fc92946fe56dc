/**
 * Sessions of the page that all hosts know: each by a hash of its secret, and as long as its token is there. Leaves
 * what they mean to the page.
 */
import type { Catalog } from '../catalog.js';

export interface SessionRow {
  /** The line of its token, as it is now. */
  readonly token: string;
  /** What its next page tells, as whoever kept it has written it. */
  readonly notices: string;
}

const idle = `interval '12 hours'`;
/** So many has one token: whoever has another is not put out by them. */
const maxSessions = 100;

export class SessionRows {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** `token` is its hash. Where that was taken out meanwhile, no session begins. */
  async begin(hash: string, token: string): Promise<void> {
    await this.#query(
      `with ended as (
         delete from session where used < clock_timestamp() - ${idle}
           or hash in (select hash from session where token = $2 order by used desc offset ${maxSessions - 1}))
       insert into session (hash, token) select $1, hash from token where hash = $2`,
      [hash, token],
    );
  }

  /** Whoever asks uses it; that is written down once a minute. */
  async find(hash: string): Promise<SessionRow | undefined> {
    const [row] = await this.#query<SessionRow>(
      `with found as (
         select t.line as token, s.notices, s.used < clock_timestamp() - interval '1 minute' as "isStale"
         from session s join token t on t.hash = s.token
         where s.hash = $1 and s.used > clock_timestamp() - ${idle}
       ), used as (
         update session set used = clock_timestamp() where hash = $1 and (select "isStale" from found))
       select token, notices from found`,
      [hash],
    );
    return row;
  }

  async keep(hash: string, notices: string): Promise<void> {
    await this.#query('update session set notices = $2 where hash = $1', [hash, notices]);
  }

  async end(hash: string): Promise<void> {
    await this.#query('delete from session where hash = $1', [hash]);
  }

  async #query<R extends object>(text: string, values: readonly string[]): Promise<readonly R[]> {
    return (await this.#catalog.use()).query<R>(text, values);
  }
}
