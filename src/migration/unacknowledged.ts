import { runsOfTable } from '../codec/run-table.js';
import type { RegionChange } from '../protocol/messages.js';

/** What a destination may not have of what was sent: run tables of frames of pages, and changes of regions in their order. */
export interface Lost {
  readonly tables: readonly Uint8Array[];
  readonly changes: readonly RegionChange[];
}

interface Sent {
  /** Infinity: the connection was gone before it left. */
  readonly seq: number;
  readonly table?: Uint8Array;
  readonly change?: RegionChange;
}

/** Remembers, of one channel, what left and was not acknowledged. */
export class Unacknowledged {
  #sent: Sent[] = [];

  pages(seq: number, table: Uint8Array): void {
    this.#sent.push({ seq, table });
  }

  region(seq: number, change: RegionChange): void {
    this.#sent.push({ seq, change });
  }

  /** Everything up to `seq` was applied. */
  acknowledged(seq: number): void {
    let applied = 0;
    for (const sent of this.#sent) {
      if (sent.seq > seq) break;
      applied += 1;
    }
    if (applied > 0) this.#sent.splice(0, applied);
  }

  /** Forgets what is left, and gives it, but for lengths of regions that later changes replace: who had the later one would see it shrink. */
  take(): Lost {
    const sent = this.#sent;
    this.#sent = [];
    return {
      tables: sent.flatMap(({ table }) => table ?? []),
      changes: sent
        .flatMap(({ change }) => change ?? [])
        .filter(
          ({ id, byteLength }, at, all) =>
            byteLength < 0 || !all.slice(at + 1).some((later) => later.id === id),
        ),
    };
  }
}

/** Pages that run tables name, each as often as it is named. */
export function pagesOf(tables: readonly Uint8Array[]): number {
  let pages = 0;
  for (const table of tables) for (const { count } of runsOfTable(table)) pages += count;
  return pages;
}
