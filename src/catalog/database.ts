/**
 * The way to PostgreSQL, on npm pg: the first of the servers that takes writes, where any are made, and limits on every
 * wait. Whatever is not the statement's own fault is a SourceDown. Leaves what is asked to the rest of the room.
 */
import fs from 'node:fs';
import pg from 'pg';
import { errorText } from '../mail/error-text.js';
import { SourceDown } from '../quarantine/kept-mails.js';
import type { CatalogAddress, CatalogServer } from './address.js';

/** What the server says of a statement that it does not carry out: its SQLSTATE and its words. */
export class StatementRefused extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** The statement was ended because it took longer than one may; the server is well. */
export class TookTooLong extends SourceDown {}

export type SqlValue = string | number | boolean | null | Buffer | readonly string[];

export interface Sql {
  /** Columns by their names. `bigint` comes as text, so whoever asks casts it. */
  query<R extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly R[]>;
}

export interface DatabaseOptions {
  readonly address: CatalogAddress;
  /** Milliseconds that a statement may take. */
  readonly statementMs?: number;
  /** True where nothing is written: then a standby will do, and the first server that answers is asked. */
  readonly readOnly?: boolean;
  /** Connections at most. */
  readonly connections?: number;
}

const connectMs = 5_000;
const usualStatementMs = 10_000;
/** The server ends a statement first; should it be silent, we do, so much later. */
const silenceMs = 2_000;

export class Database implements Sql {
  readonly #options: DatabaseOptions;
  #pool: Promise<pg.Pool> | undefined;
  #isClosed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  async query<R extends object>(text: string, values: readonly SqlValue[] = []): Promise<readonly R[]> {
    return this.#with(async (client) => (await client.query<R>(text, [...values])).rows);
  }

  /** All of it, or nothing. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#with(async (client) => {
      await client.query('begin');
      const sql: Sql = {
        query: async <R extends object>(text: string, values: readonly SqlValue[] = []) =>
          (await client.query<R>(text, [...values])).rows,
      };
      try {
        const result = await work(sql);
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    });
  }

  /** A transaction that is on the synchronous standby, too, where one is named: a failover does not undo it. */
  durable<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(async (sql) => {
      await sql.query('set local synchronous_commit = remote_apply');
      return work(sql);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.then(
      (open) => open.end(),
      () => undefined,
    );
  }

  /** A connection on which something went wrong is not used again, and the next question looks for a server anew. */
  async #with<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new SourceDown('the way to the catalog is closed');
    this.#pool ??= this.#findServer();
    const pool = this.#pool;
    try {
      const client = await (await pool).connect();
      // A connection that is lost says so twice: to whoever waits for an answer, and as an event that nobody may miss.
      client.on('error', ignored);
      let problem: unknown;
      try {
        return await work(client);
      } catch (error) {
        problem = error;
        throw error;
      } finally {
        const isGood = problem === undefined || isStatements(problem);
        if (isGood) client.removeListener('error', ignored);
        client.release(!isGood);
      }
    } catch (error) {
      if (isStatements(error)) throw new StatementRefused(error.code ?? '', error.message);
      if (error instanceof pg.DatabaseError && error.code === '57014') throw new TookTooLong(error.message);
      if (!(error instanceof pg.DatabaseError) && !isConnections(error)) throw error;
      this.#forget(pool);
      throw new SourceDown(textOf(error));
    }
  }

  /** Several may find out at once that it is of no use any more. */
  #forget(pool: Promise<pg.Pool>): void {
    if (this.#pool !== pool) return;
    this.#pool = undefined;
    void pool.then(
      (open) => open.end(),
      () => undefined,
    );
  }

  async #findServer(): Promise<pg.Pool> {
    let problem = 'no server is named';
    for (const server of this.#options.address.servers) {
      const pool = this.#poolOf(server);
      try {
        const { rows } = await pool.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
        if (rows[0]?.standby === false || this.#options.readOnly === true) return pool;
        problem = `${server.host}:${server.port} is a standby`;
      } catch (error) {
        problem = `${server.host}:${server.port}: ${textOf(error)}`;
      }
      await pool.end();
    }
    throw new SourceDown(problem);
  }

  #poolOf({ host, port }: CatalogServer): pg.Pool {
    const { address, statementMs = usualStatementMs, connections = 4 } = this.#options;
    const pool = new pg.Pool({
      host,
      port,
      database: address.database,
      ...(address.user !== '' && { user: address.user }),
      password: () => passwordOf(address),
      ssl: address.tls && { ...(address.rootCert !== '' && { ca: fs.readFileSync(address.rootCert) }) },
      max: connections,
      connectionTimeoutMillis: connectMs,
      statement_timeout: statementMs,
      query_timeout: statementMs + silenceMs,
      idle_in_transaction_session_timeout: statementMs + silenceMs,
      keepAlive: true,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
      application_name: 'postern',
    });
    // A connection that is lost while nobody uses it is made anew when somebody does.
    pool.on('error', () => undefined);
    return pool;
  }
}

const ignored = (): void => undefined;

const passwordOf = ({ password, passwordFile }: CatalogAddress): string =>
  passwordFile === '' ? password : (fs.readFileSync(passwordFile, 'utf8').split(/\r?\n/)[0] ?? '');

/**
 * SQLSTATE classes that say something of the server and not of the statement: connection (08), resources such as a full
 * disk (53), operator (57), system (58), log-in (28), a transaction that only reads (25006), or that others are in the
 * way of: a deadlock (40), a lock (55).
 */
const serversOwn = /^(?:08|53|57|58|28|25006|3D|XX|40|55)/;

function isStatements(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.code !== undefined && !serversOwn.test(error.code);
}

/** npm pg and Node have no class for what happens to a connection: everything that is no mistake of ours is that. */
const isConnections = (error: unknown): boolean =>
  error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError);

/** A host name with several addresses fails with an AggregateError, whose message is empty. */
const textOf = (error: unknown): string => errorText(error) || ((error as NodeJS.ErrnoException).code ?? String(error));
