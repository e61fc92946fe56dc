/** What an examination finds: one line each, with what to do where something is to be done. */
import type { Plugin } from '../../hooks/plugin.js';
import type { Resolver } from '../../dns/resolver.js';
import type { Settings } from '../../settings/settings.js';
import type { Srv } from '../../srv/srv.js';

export type DoctorArea =
  | 'settings'
  | 'resolver'
  | 'name'
  | 'port 25'
  | 'domain'
  | 'records'
  | 'lists'
  | 'certificate'
  | 'relay'
  | 'store'
  | 'catalog'
  | 'bodies'
  | 'folders'
  | 'clock';

export interface Diagnosis {
  /**
   * error: it does not work, or lets in or loses something. warning: it works, but not as well as it could. note:
   * cannot be known from here.
   */
  readonly severity: 'good' | 'note' | 'warning' | 'error';
  readonly area: DoctorArea;
  /** It may hold what others have said: it is made safe where it is shown. */
  readonly text: string;
  /** What to do. */
  readonly remedy?: string;
}

type Told = (area: DoctorArea, text: string, remedy?: string) => Diagnosis;

const told =
  (severity: Diagnosis['severity']): Told =>
  (area, text, remedy) => ({ severity, area, text, ...(remedy !== undefined && { remedy }) });

export const good = told('good');
export const note = told('note');
export const warning = told('warning');
export const failing = told('error');

/** What is looked at. */
export interface Examined {
  readonly settings: Settings;
  readonly resolver: Resolver;
  readonly srv: Srv;
  readonly plugins: readonly Plugin[];
  /** Hosted domains in A-labels: all, or the one that was named. */
  readonly domains: readonly string[];
}

export type Diagnoses<R = void> = AsyncGenerator<Diagnosis, R>;

/** Does the work for each, so many at a time, and yields what comes of it in order. */
export async function* inOrder<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const waiting: Promise<R>[] = [];
  for (const item of items) {
    waiting.push(work(item));
    const [first] = waiting;
    if (first && waiting.length >= maxAtOnce) {
      yield await first;
      void waiting.shift();
    }
  }
  for (const one of waiting) yield await one;
}

const maxAtOnce = 16;
