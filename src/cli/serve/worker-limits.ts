/** Connection limits with several workers: the primary process counts, the workers ask it. */
import { type Ip, parseIp } from '../../mail/ip.js';
import type { Reply } from '../../mail/reply.js';
import { type ConnectionLimits, LocalLimits, type MaxConnections } from '../../smtp/limits.js';
import { type Channel, news, question } from '../service/channel.js';
import type { Settings } from '../../settings/settings.js';
import type { Child } from '../service/child.js';

/** `id`: the worker's own number of the connection. */
interface Entering {
  readonly id: number;
  readonly ip: string;
}

const entering = question<Entering, Reply | undefined>('admit');
const leaving = news<number>('leave');

export const maxOf = (settings: Settings): MaxConnections => ({
  all: settings.max_connections,
  perAddress: settings.max_connections_per_ip,
});

/** The limits as a worker has them: it asks the primary. Where that does not answer, there is room for one more. */
export function primaryLimits(channel: Channel): ConnectionLimits {
  const held = new Map<string, number[]>();
  let last = 0;
  return {
    admit: async ({ text: ip }) => {
      const id = ++last;
      const refusal = await channel.ask(entering, { id, ip }, { otherwise: undefined });
      if (refusal) return refusal;
      const ids = held.get(ip);
      if (ids) ids.push(id);
      else held.set(ip, [id]);
      return undefined;
    },
    leave: ({ text: ip }) => {
      const ids = held.get(ip);
      const id = ids?.pop();
      if (id !== undefined) channel.tell(leaving, id);
      if (ids?.length === 0) held.delete(ip);
    },
  };
}

/** Counts in the primary: returns what answers a worker, and what forgets the connections of one that is gone. */
export function countForWorkers(max: () => MaxConnections): {
  readonly answer: (worker: Child) => void;
  readonly forget: (worker: Child) => void;
} {
  const limits = new LocalLimits(max);
  const held = new Map<Child, Map<number, Ip>>();
  return {
    answer(worker) {
      const own = new Map<number, Ip>();
      held.set(worker, own);
      worker.channel.answer(entering, ({ id, ip: text }) => {
        const ip = parseIp(text);
        const refusal = ip && limits.admit(ip);
        if (ip && !refusal) own.set(id, ip);
        return refusal;
      });
      worker.channel.hear(leaving, (id) => {
        const ip = own.get(id);
        if (ip && own.delete(id)) limits.leave(ip);
      });
    },
    forget(worker) {
      for (const ip of held.get(worker)?.values() ?? []) limits.leave(ip);
      held.delete(worker);
    },
  };
}
