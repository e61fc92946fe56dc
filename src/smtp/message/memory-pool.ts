/**
 * Memory that larger mails share before they wait on disk. Most are gone again in a second, and a disk is slower than
 * that; under a flood the pool is empty, and each mail has no more than its own share.
 */
export class MemoryPool {
  #free: number;

  /** Octets in all. */
  constructor(octets: number) {
    this.#free = octets;
  }

  /** Takes so many octets, or none. */
  take(octets: number): boolean {
    if (octets > this.#free) return false;
    this.#free -= octets;
    return true;
  }

  give(octets: number): void {
    this.#free += octets;
  }
}
