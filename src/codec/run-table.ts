/** Pages that a run table names. */
export interface TableRun {
  readonly region: number;
  readonly first: number;
  readonly count: number;
  /** 0 zero, 1 fill, 2 delta, 4 patch, 5 raw. */
  readonly kind: number;
}

/**
 * The runs of a run table (docs/protocol.md, section 4) that this side made itself, or that is only looked at; what is to be written
 * to memory goes through the kernel's `applyCheck` instead. RangeError if it is cut off.
 */
export function* runsOfTable(table: Uint8Array): Generator<TableRun> {
  let at = 0;
  const readVarint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = table[at++];
      if (byte === undefined) throw new RangeError('run table is cut off');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  let region = 0;
  let end = 0;
  while (at < table.length) {
    const gap = readVarint();
    const head = readVarint();
    if (head & 8) {
      region = readVarint();
      end = 0;
    }
    const first = end + gap;
    const count = Math.floor(head / 16);
    end = first + count;
    yield { region, first, count, kind: head & 7 };
  }
}
