/** Connection limits with several workers: the primary process counts, the workers ask it. */
import cluster, { type Worker } from 'node:cluster';
import { type Ip, parseIp } from '../../mail/ip.js';
import type { Reply } from '../../mail/reply.js';
import { type ConnectionLimits, LocalLimits, type MaxConnections } from '../../smtp/limits.js';

type AdmitQuestion = { readonly postern: 'admit' | 'leave'; readonly id: number; readonly ip: string };
type AdmitAnswer = { readonly postern: 'admitted'; readonly id: number; readonly refusal: Reply | undefined };

/** In a worker. */
export function primaryLimits(): ConnectionLimits {
  const waiting = new Map<number, (refusal: Reply | undefined) => void>();
  let last = 0;
  process.on('message', (answer: AdmitAnswer) => {
    if (answer.postern !== 'admitted') return;
    waiting.get(answer.id)?.(answer.refusal);
    waiting.delete(answer.id);
  });
  const ask = (question: AdmitQuestion): void => void process.send?.(question);
  return {
    admit: (ip) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        ask({ postern: 'admit', id, ip: ip.text });
      }),
    leave: (ip) => ask({ postern: 'leave', id: 0, ip: ip.text }),
  };
}

/** In the primary: answers the workers, and forgets the connections of one that is gone. */
export function countForWorkers(max: () => MaxConnections): void {
  const limits = new LocalLimits(max);
  const held = new Map<number, Ip[]>();
  cluster.on('message', (worker: Worker, question: AdmitQuestion) => {
    const ip = parseIp(question.ip ?? '');
    if (!ip) return;
    const own = held.get(worker.id) ?? [];
    held.set(worker.id, own);
    if (question.postern === 'leave') {
      const at = own.findIndex(({ text }) => text === ip.text);
      if (at >= 0) limits.leave(own.splice(at, 1)[0] ?? ip);
      return;
    }
    const refusal = limits.admit(ip);
    if (!refusal) own.push(ip);
    worker.send({ postern: 'admitted', id: question.id, refusal } satisfies AdmitAnswer);
  });
  cluster.on('exit', (worker) => {
    for (const ip of held.get(worker.id) ?? []) limits.leave(ip);
    held.delete(worker.id);
  });
}
