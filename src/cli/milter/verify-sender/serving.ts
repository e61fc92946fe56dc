/** The filter that verifies senders, as a process serves it: its resolver, its directory, its configuration anew. */
import { Directory } from '../../../directory/directory.js';
import { cachingResolver } from '../../../dns/cache.js';
import { clientName } from '../../../dns/client-name.js';
import type { Resolver } from '../../../dns/resolver.js';
import { stubResolver } from '../../../dns/stub/stub-resolver.js';
import { measured } from '../../../dns/upstream.js';
import type { MilterPolicy } from '../../../milter/policy.js';
import type { HeloMemory } from '../../../milter/verify-sender/judge.js';
import type { MailState } from '../../../milter/verify-sender/mail-state.js';
import { verifySender } from '../../../milter/verify-sender/verify-sender.js';
import type { FilterTools, MilterRun, ServedFilter } from '../process.js';
import { DnsCounts } from '../metrics.js';
import { SpfCounts } from './metrics.js';
import { changedForRestart, type LoadedConfig, type MilterConfig } from './config.js';

export interface VerifyRun {
  readonly config: MilterConfig;
  /** Where the configuration is read again, and how. */
  readonly file: string;
  readonly load: () => LoadedConfig;
}

export const servedVerification = (run: VerifyRun): MilterRun<HeloMemory, MailState> => ({
  config: run.config,
  filter: (tools) => ({ ok: true, value: new Verification(run, tools) }),
});

interface CountingTools {
  readonly log: FilterTools['log'];
  readonly spf: SpfCounts;
  readonly dns: DnsCounts;
}

class Verification implements ServedFilter<HeloMemory, MailState> {
  readonly policy: MilterPolicy<HeloMemory, MailState>;
  readonly #run: VerifyRun;
  readonly #tools: CountingTools;
  #config: MilterConfig;

  constructor(run: VerifyRun, tools: FilterTools) {
    this.#run = run;
    const { log, registry, counts } = tools;
    this.#tools = { log, spf: new SpfCounts(registry, counts), dns: new DnsCounts(registry) };
    this.#config = run.config;
    this.policy = policyOf(run.config, this.#tools);
  }

  reload(): MilterPolicy<HeloMemory, MailState> | undefined {
    const { log } = this.#tools;
    const loaded = this.#run.load();
    if (!loaded.ok) {
      for (const problem of loaded.problem) log.error({}, `not reloaded, the old configuration stays: ${problem}`);
      return undefined;
    }
    const old = this.#config;
    this.#config = loaded.value.config;
    const policy = policyOf(this.#config, this.#tools);
    log.info({}, `configuration reloaded from ${this.#run.file}`);
    for (const name of changedForRestart(old, this.#config))
      log.warn({}, `parameter "${name}" changed, restart needed`);
    return policy;
  }
}

/** An old one's connections to its directory close when they are idle. */
function policyOf(config: MilterConfig, { log, spf, dns }: CountingTools): MilterPolicy<HeloMemory, MailState> {
  const resolver = resolverOf(config, dns);
  return verifySender(config, {
    resolver,
    clientName: async (ip, signal) => {
      const found = await clientName(resolver, ip, { signal });
      return found.kind === 'confirmed' ? found.name : undefined;
    },
    directory: config.own_domains_ldap && new Directory(config.own_domains_ldap),
    log,
    observe: spf.observe,
    now: Date.now,
    trace: log.isLevelEnabled('debug'),
  });
}

function resolverOf({ dns_servers, dns_zone }: MilterConfig, dns: DnsCounts): Resolver {
  if (dns_zone) return dns_zone;
  const stub = stubResolver(dns_servers.length > 0 ? { servers: dns_servers } : {});
  return cachingResolver(measured(stub, dns.asked));
}
