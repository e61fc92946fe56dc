/**
 * The plugins of each hook, in the order of the list: made once, when the list is read, so that a hook that no plugin
 * has costs nothing, and a plugin that changes itself later on changes nothing here. Leaves asking them to run.ts.
 */
import type { Verdict } from '../mail/verdict.js';
import { placeOf, placeOfHook } from './watched/doing.js';
import { type HookMethod, type HookName, hookNames, type JudgingHook, type Plugin } from './plugin.js';

/** Counts a plugin's turns. */
export interface PluginMeter {
  readonly seconds: { observe(seconds: number): void };
  /** Remarks that stop nothing. */
  readonly marks: { add(): void };
}

export interface HookedPlugin<H extends HookName> {
  readonly plugin: Plugin;
  readonly name: string;
  /** For `doing`. */
  readonly place: number;
  readonly hookPlace: number;
  readonly method: HookMethod<H>;
  /** It is what the author calls the method. */
  readonly methodName: string;
  readonly timeoutMs: number | undefined;
  /** Not every mail is shown to it. */
  readonly isChoosy: boolean;
  readonly skipsSettled: boolean;
  readonly switches: Plugin['switches'];
  readonly inAll: boolean;
  /** A list of the domain's own, not a marker, switches it on. */
  readonly hasList: boolean;
  readonly meter: PluginMeter | undefined;
}

/** What one plugin said at one hook. */
export interface HeardVerdict {
  readonly hook: JudgingHook;
  readonly plugin: string;
  /** An error is what the plugin threw, or what is wrong with its answer. */
  readonly said: Verdict | Error;
  readonly ms: number;
}

interface HookTableOptions {
  /** Those that may send mail where no client could have. */
  readonly anywhere?: ReadonlySet<string>;
  /** All where they are not given. */
  readonly hooks?: readonly HookName[];
  /** Told of every answer. */
  readonly hear?: (heard: HeardVerdict) => void;
  /** What counts the turns of a plugin. */
  readonly meterOf?: ((plugin: string) => PluginMeter | undefined) | undefined;
}

export class HookTable {
  readonly listed: readonly Plugin[];
  /** Told of every answer, where anybody listens. */
  readonly hear: ((heard: HeardVerdict) => void) | undefined;
  /** The names of plugins that may send mail where no client could have. */
  readonly anywhere: ReadonlySet<string>;
  readonly #possible = new WeakMap<ReadonlySet<string>, readonly HookedPlugin<'dataPost'>[]>();
  readonly #hooked: ReadonlyMap<HookName, readonly HookedPlugin<HookName>[]>;

  constructor(
    plugins: readonly Plugin[],
    { anywhere = new Set(), hooks = hookNames, hear, meterOf = () => undefined }: HookTableOptions = {},
  ) {
    this.listed = plugins;
    this.hear = hear;
    this.anywhere = anywhere;
    this.#hooked = new Map(hooks.map((hook) => [hook, plugins.flatMap((plugin) => hookedTo(hook, plugin, meterOf))]));
  }

  /** The same to try a mail with: it is never relayed, so nobody is told that it was. */
  toTry(hear: (heard: HeardVerdict) => void): HookTable {
    return new HookTable(this.listed, {
      hear,
      anywhere: this.anywhere,
      hooks: hookNames.filter((hook) => hook !== 'relayed'),
    });
  }

  of<H extends HookName>(hook: H): readonly HookedPlugin<H>[] {
    return (this.#hooked.get(hook) ?? []) as unknown as readonly HookedPlugin<H>[];
  }

  /** Those of `dataPost` that may be on for a domain that has these markers of checks, and no others. */
  possible(markers: ReadonlySet<string>): readonly HookedPlugin<'dataPost'>[] {
    let known = this.#possible.get(markers);
    if (known === undefined) {
      known = this.of('dataPost').filter(
        ({ switches, inAll, hasList }) =>
          switches === undefined ||
          hasList ||
          (inAll && markers.has('all')) ||
          switches.some((marker) => markers.has(marker)),
      );
      this.#possible.set(markers, known);
    }
    return known;
  }
}

function hookedTo<H extends HookName>(
  hook: H,
  plugin: Plugin,
  meterOf: (plugin: string) => PluginMeter | undefined,
): HookedPlugin<H>[] {
  const method: HookMethod<H> | undefined = plugin[hook];
  if (typeof method !== 'function') return [];
  const { name, inAll = false, list, timeoutMs } = plugin;
  const atData = hook === 'dataPost';
  const switches = atData ? plugin.switches : undefined;
  const skipsSettled = atData && plugin.skipsSettled === true;
  const methodName = switches?.[0] === name ? 'inspect' : hook;
  return [
    {
      plugin,
      name,
      place: placeOf(name),
      hookPlace: placeOfHook(hook),
      method,
      methodName,
      timeoutMs,
      isChoosy: skipsSettled || switches !== undefined,
      skipsSettled,
      switches,
      inAll,
      hasList: list !== undefined,
      meter: meterOf(name),
    },
  ];
}
