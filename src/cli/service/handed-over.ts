/** Sockets that systemd opened for us (sd_listen_fds(3)): the first is descriptor 3. */

/** Descriptors, in the order of the socket unit; none where nothing was handed over to this very process. */
export function handedOver(env: Readonly<Record<string, string | undefined>> = process.env): readonly number[] {
  if (Number(env['LISTEN_PID']) !== process.pid) return [];
  const count = Number(env['LISTEN_FDS']);
  return Number.isInteger(count) && count > 0 ? Array.from({ length: Math.min(count, 256) }, (_, i) => i + 3) : [];
}
