/**
 * What was last asked of which plugin about which mail, in memory that a watcher in another thread reads while this
 * thread is stuck. Written at every plugin's turn, so it costs a few stores.
 */
import { hookNames, type HookName } from '../plugin.js';

const maxPlugins = 256;
const maxNameOctets = 48;
const maxIdOctets = 48;
const idAt = 16;
const namesAt = idAt + maxIdOctets;

/** The first word is for the beat of the event loop. */
export const doingMemory = new SharedArrayBuffer(namesAt + maxPlugins * maxNameOctets);
const words = new Int32Array(doingMemory, 0, idAt / 4);
const octets = new Uint8Array(doingMemory);
const beatWord = 0;
const pluginWord = 1;
const hookWord = 2;
const idLengthWord = 3;

const places = new Map<string, number>();

/** The number of a plugin's name, from 1 on; 0 where there are too many to tell. */
export function placeOf(plugin: string): number {
  const known = places.get(plugin);
  if (known !== undefined) return known;
  const place = places.size + 1 < maxPlugins ? places.size + 1 : 0;
  if (place === 0) return 0;
  places.set(plugin, place);
  octets.set(new TextEncoder().encode(plugin).subarray(0, maxNameOctets - 1), namesAt + place * maxNameOctets);
  return place;
}

/** The number of a hook, from 1 on. */
export const placeOfHook = (hook: HookName): number => hookNames.indexOf(hook) + 1;

/** The hook of that place begins, for a mail or a session. */
export function nowAt(hookPlace: number, id: string): void {
  words[hookWord] = hookPlace;
  words[pluginWord] = 0;
  const length = Math.min(id.length, maxIdOctets);
  words[idLengthWord] = length;
  for (let i = 0; i < length; i++) octets[idAt + i] = id.charCodeAt(i);
}

/** The plugin of that place is asked. */
export function nowAsked(place: number): void {
  words[pluginWord] = place;
}

/** The event loop turns. */
export function beat(): void {
  Atomics.add(words, beatWord, 1);
}

export interface Doing {
  readonly beat: number;
  readonly plugin?: string;
  readonly hook?: HookName;
  /** The mail's, or the session's where there is no mail yet. */
  readonly id?: string;
}

/** Reads what another thread writes. */
export function readDoing(memory: SharedArrayBuffer): Doing {
  const numbers = new Int32Array(memory, 0, idAt / 4);
  const text = Buffer.from(new Uint8Array(memory).slice()).toString('latin1');
  const [beats = 0, place = 0, hookNumber = 0, idLength = 0] = numbers;
  const plugin = text
    .slice(namesAt + place * maxNameOctets, namesAt + (place + 1) * maxNameOctets)
    .replace(/\0.*$/s, '');
  const hook = hookNames[hookNumber - 1];
  return {
    beat: beats,
    ...(place > 0 && { plugin }),
    ...(hook !== undefined && { hook }),
    ...(idLength > 0 && { id: text.slice(idAt, idAt + idLength) }),
  };
}
