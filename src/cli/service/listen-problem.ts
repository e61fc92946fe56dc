/** Why an address cannot be opened, in words that say what to do. */
const sentences: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; "ss -ltnp" tells which',
  EADDRNOTAVAIL: 'it is no address of this host; "ip address" lists those there are',
  EACCES: 'this user may not listen there; ports below 1024 need root or CAP_NET_BIND_SERVICE',
};

export function listenProblem(error: unknown): string {
  const { code = '', syscall = '', message } = error as NodeJS.ErrnoException;
  return (/^(?:listen|bind)/.test(syscall) && sentences[code]) || message;
}
