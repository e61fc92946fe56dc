/**
 * Brings what this host has refused into the catalog, in a process of its own: lines first, then the mails. It looks at
 * the indexes, which whoever archives has written anyway: nobody waits for it, and it has no state on disk. What the
 * catalog lacks is shipped, whatever was shipped before. Leaves the local files to expiry, but removes what was deleted
 * elsewhere, and, where it is told to, what the catalog has.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../../mail/error-text.js';
import { SourceDown } from '../../quarantine/kept-mails.js';
import type { Bodies } from '../bodies/bodies.js';
import type { Catalog } from '../catalog.js';
import type { Database } from '../database.js';
import type { StrangeRow } from '../insert.js';
import { followErasures } from '../journal/erasures.js';
import { Parts } from '../parts.js';
import { schemaState } from '../schema.js';
import { noteBehind } from '../shared/hosts-behind.js';
import { Backlog } from './backlog.js';
import { type ClockChanged, ClockWatch } from './clock-watch.js';
import { DeletedElsewhere } from './deleted-elsewhere.js';
import { ExpiryAhead } from './expiry-ahead.js';
import { Lanes } from './lanes.js';
import { LocalCopies } from './local-copies.js';
import { endLease, holdLease } from './node-name.js';
import { PartsCare } from './parts-care.js';
import type { ShippedNumbers } from './shipped-numbers.js';

export interface ShipperOptions {
  readonly catalog: Catalog;
  /** Its statements may take as long as an index takes. */
  readonly patient: Catalog;
  readonly bodies: Bodies;
  /** /spam */
  readonly root: string;
  /** It has the audit, and when all was shipped; where it is not given, neither is. */
  readonly state?: string;
  readonly node: string;
  /** Our name, for people. */
  readonly host: string;
  /** Milliseconds; older days are removed from the catalog. 0: none. */
  readonly keepMs: number;
  readonly journal?: {
    /** `state/journal`, where its lines are shipped as well. */
    readonly dir: string | undefined;
    /** Milliseconds; older days are removed from the catalog. 0: none. */
    readonly keepMs: number;
  };
  /** Milliseconds; older files of this host go that the catalog has. None where it is 0, or not given. */
  readonly shipKeepMs?: number;
  /** Is the domain's mail kept for longer than `keepMs`? */
  readonly outlivesCatalog?: (domain: string) => boolean;
  /** Milliseconds that are long enough for a standby to have what the server has; an hour where it is not given. */
  readonly settledMs?: number;
  /** `expire_size` of this host; 0, or not given: no limit. */
  readonly expireOctets?: number;
  /** Called with why nothing can be shipped just now, and with undefined when that is over. */
  readonly onState: (problem: string | undefined) => void;
  readonly onStrange: (row: StrangeRow) => void;
  readonly onClock?: ClockChanged;
  /** Called with an index that expired, and how many of its mails had not been shipped. */
  readonly onLost?: (index: string, mails: number) => void;
  /** Called with the share of `expire_size` that waiting mails, and what came since, fill: it is near 1, or no more. */
  readonly onNear?: (share: number, isNear: boolean) => void;
  /** Called once with the version of tables that a newer postern has made. */
  readonly onNewer?: (version: number) => void;
  /** Something that is not the catalog's fault, such as an index that cannot be read. */
  readonly onProblem: (problem: string) => void;
}

const pollMs = 1_000;
/** Looking at the indexes of many domains takes no more than a hundredth of a core, and is done so often at least. */
const [lookShare, maxPollMs] = [100, 10_000];
const maxPauseMs = 30_000;
const leaseSeconds = 30;
/** How often each of these is done, in milliseconds. */
const every = { look: 10_000, hold: 10_000, deleted: 30_000, erased: 30_000, care: 3_600_000, copies: 3_600_000 };
const usualSettledMs = 3_600_000;

const pauseAfter = ({ user, system }: NodeJS.CpuUsage): number =>
  Math.min(maxPollMs, Math.max(pollMs, ((user + system) / 1000) * lookShare));

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #holder = randomUUID();
  readonly #stop = new AbortController();
  readonly #due: Record<keyof typeof every, number> = { look: 0, hold: 0, deleted: 0, erased: 0, care: 0, copies: 0 };
  readonly #problems = new Set<string>();
  readonly #lanes: Lanes;
  readonly #backlog: Backlog;
  readonly #ahead: ExpiryAhead;
  readonly #clock: ClockWatch;
  /** It is that of one database on one server. */
  #timeline: string | undefined;
  #told: string | undefined;
  #isUp = false;
  /** The last turn left nothing. */
  #isDone = false;
  /** By the monotonic clock: when nothing was left to do. */
  #doneAt = performance.now();
  readonly #care: PartsCare;
  readonly #deleted: DeletedElsewhere;
  readonly #copies: LocalCopies;
  #copying: Promise<void> | undefined;
  #erasing: Promise<void> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#backlog = new Backlog(options);
    this.#ahead = new ExpiryAhead(options);
    this.#clock = new ClockWatch(options.onClock);
    const { bodies, root, node, journal, shipKeepMs = 0, settledMs = usualSettledMs } = options;
    const { outlivesCatalog = () => false } = options;
    const onProblem = (problem: string): void => this.#complain(problem);
    this.#copies = new LocalCopies({ bodies, root, node, keepMs: shipKeepMs, outlivesCatalog, settledMs, onProblem });
    this.#lanes = new Lanes({
      ...options,
      journalDir: journal?.dir,
      onPut: (line) => this.#copies.put(line),
      onProblem,
    });
    this.#care = new PartsCare({
      ...options,
      holder: this.#holder,
      journalKeepMs: journal?.keepMs ?? 0,
      onFailed: (error) => this.#careFailed(error),
    });
    this.#deleted = new DeletedElsewhere({ root, node, onProblem });
    this.#due.copies = performance.now() + settledMs;
  }

  get numbers(): ShippedNumbers {
    return {
      ...this.#lanes.counts,
      localRemoved: this.#copies.removed,
      isUp: this.#isUp,
      behindMs: performance.now() - this.#doneAt,
      behind: this.#backlog.behind,
      expiryShare: this.#ahead.share,
      lost: this.#backlog.lost,
      clockOffMs: this.#clock.offMs,
    };
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Ships all that waits now; throws SourceDown where that cannot be. */
  async shipAll(): Promise<void> {
    while (await this.#turn());
    const { storeProblem } = this.#lanes;
    if (storeProblem !== undefined) throw new SourceDown(storeProblem);
    await this.#care.ended();
    await this.#erasing;
  }

  /** Ends after the statement that is on its way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#lanes.ended();
    const { catalog, patient, node } = this.#options;
    await patient.close();
    await this.#care.ended();
    await this.#copying;
    await this.#erasing;
    try {
      await endLease(await catalog.use(), { node, holder: this.#holder });
    } catch {
      // It ends by itself.
    }
    await catalog.close();
  }

  async #run(): Promise<void> {
    let pauseMs = pollMs;
    while (!this.#stop.signal.aborted) {
      try {
        const began = Date.now();
        const before = process.cpuUsage();
        const isMore = await this.#turn();
        const { storeProblem } = this.#lanes;
        this.#tell(storeProblem);
        this.#isUp = storeProblem === undefined;
        this.#isDone = !isMore && this.#isUp;
        if (this.#isDone) {
          this.#doneAt = performance.now();
          this.#backlog.done(began);
        }
        pauseMs = isMore ? pollMs : pauseAfter(process.cpuUsage(before));
        if (isMore) continue;
      } catch (error) {
        this.#isUp = this.#isDone = false;
        if (error instanceof SourceDown) this.#tell(error.message);
        else this.#complain(errorText(error));
        this.#due.hold = this.#due.deleted = 0;
        this.#deleted.lookAtAll();
        pauseMs = Math.min(maxPauseMs, pauseMs * 2);
      }
      await delay(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** Says each thing once. */
  #tell(problem: string | undefined): void {
    if (problem === this.#told) return;
    this.#told = problem;
    this.#options.onState(problem);
  }

  /** Says each thing once an hour. */
  #complain(problem: string): void {
    if (this.#problems.has(problem)) return;
    this.#problems.add(problem);
    this.#options.onProblem(problem);
  }

  /** Ships a part of what waits; true where there is more. */
  async #turn(): Promise<boolean> {
    if (this.#isDue('look')) this.#look();
    const database = await this.#options.catalog.use();
    if (this.#isDue('hold')) await this.#hold(database);
    this.#lanes.open(database);
    if (this.#isDue('care')) await this.#careHourly(database);
    if (this.#isDue('deleted')) await this.#deleted.remove(database);
    if (this.#isDue('erased')) this.#erasing ??= this.#followErasures(database);
    if (this.#isDue('copies')) this.#copying ??= this.#removeCopies(database);
    return this.#lanes.turn();
  }

  #look(): void {
    // Where all was there a moment ago, nothing waits.
    if (!this.#isDone || this.#backlog.behind.since !== undefined) this.#backlog.look(this.#lanes.shipped);
    this.#ahead.look(this.#backlog.behind, this.#backlog.indexes);
  }

  #isDue(what: keyof typeof every): boolean {
    const now = performance.now();
    if (now < this.#due[what]) return false;
    this.#due[what] = now + every[what];
    return true;
  }

  /**
   * Makes sure that nobody else ships for this node. Where the server has another timeline, a standby has become the
   * primary; where server or database are others, a back-up was restored: what was acknowledged may be gone.
   */
  async #hold(database: Database): Promise<void> {
    const { node, host } = this.#options;
    if (!(await holdLease(database, { node, host, holder: this.#holder, seconds: leaseSeconds })))
      throw new SourceDown(`another process ships as node ${node}: has a state folder been copied?`);
    const [row] = await database.query<{ timeline: string }>(
      `select concat_ws(' ', s.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) as timeline
       from pg_control_system() s, pg_database d where d.datname = current_database()`,
    );
    if (this.#timeline === undefined) {
      const { kind, version } = await schemaState(database);
      if (kind === 'newer') this.#options.onNewer?.(version);
    }
    if (this.#timeline !== row?.timeline) {
      this.#lanes.close();
      this.#copies.unsettle();
    }
    this.#timeline = row?.timeline;
    await this.#clock.look(database);
    await noteBehind(database, node, this.#backlog.behind);
  }

  async #careHourly(database: Database): Promise<void> {
    this.#problems.clear();
    this.#lanes.forgetRecent();
    await new Parts(database).makeAhead();
    await new Parts(database, 'make_journal_parts').makeAhead();
    this.#care.begin();
  }

  /** It is done again soon where the catalog was away meanwhile. */
  #careFailed(error: unknown): void {
    if (error instanceof SourceDown) this.#due.care = performance.now() + every.deleted;
    else this.#complain(`the catalog's parts: ${errorText(error)}`);
  }

  /** Beside the lanes: there may be many. */
  async #removeCopies(database: Database): Promise<void> {
    try {
      await this.#copies.remove(database, () => this.#stop.signal.aborted);
    } catch (error) {
      if (!(error instanceof SourceDown)) this.#complain(`files that the catalog has: ${errorText(error)}`);
    }
    this.#copying = undefined;
  }

  /** Beside the lanes: all hours are read. What was shipped meanwhile as it stood in the files is compared anew. */
  async #followErasures(database: Database): Promise<void> {
    const { journal, node } = this.#options;
    const isStopped = (): boolean => this.#stop.signal.aborted;
    try {
      if (journal?.dir !== undefined && (await followErasures(database, { dir: journal.dir, node, isStopped })))
        this.#lanes.forgetRecent();
    } catch (error) {
      if (!(error instanceof SourceDown)) this.#complain(`addresses that are to be erased: ${errorText(error)}`);
    }
    this.#erasing = undefined;
  }
}
