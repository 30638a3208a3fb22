import { MalformedState, readList } from './json-state.js';

/*
 * A long list of which little changes from state to state, as lines of JSON: each is a list of some of the items, with spaces behind it up to a multiple of 256 bytes. What
 * a line says is looked at again only where the line is another one than the last time, at both ends.
 */

const unitBytes = 256;
const lineEnd = 10;
const space = 32;

/** Says lists of one kind. */
export class LinesWriter<T> {
  readonly #itemsPerLine: number;
  readonly #toJson: (item: T) => unknown;
  #items: readonly T[] = [];
  #lines: readonly Uint8Array[] = [];

  /** `toJson`: what stands for an item; always the same for the same one, by `===`. */
  constructor(itemsPerLine: number, toJson: (item: T) => unknown) {
    this.#itemsPerLine = itemsPerLine;
    this.#toJson = toJson;
  }

  /** Lines of UTF-8. `items` are not to be changed afterwards. */
  write(items: readonly T[]): Uint8Array {
    const lines: Uint8Array[] = [];
    let byteLength = 0;
    for (let first = 0; first < items.length; first += this.#itemsPerLine) {
      const line = this.#known(items, first) ?? this.#lineOf(items, first);
      lines.push(line);
      byteLength += line.byteLength;
    }
    this.#items = items;
    this.#lines = lines;
    const bytes = new Uint8Array(byteLength);
    let at = 0;
    for (const line of lines) {
      bytes.set(line, at);
      at += line.byteLength;
    }
    return bytes;
  }

  /** The line of last time, if it said the same. */
  #known(items: readonly T[], first: number): Uint8Array | undefined {
    const before = this.#items;
    const end = Math.min(first + this.#itemsPerLine, items.length);
    // A line that was the last one, and shorter, is none of these.
    if (end !== Math.min(first + this.#itemsPerLine, before.length)) return undefined;
    for (let at = first; at < end; at++) if (items[at] !== before[at]) return undefined;
    return this.#lines[first / this.#itemsPerLine];
  }

  #lineOf(items: readonly T[], first: number): Uint8Array {
    const some = items.slice(first, first + this.#itemsPerLine).map(this.#toJson);
    const text = new TextEncoder().encode(JSON.stringify(some));
    const line = new Uint8Array(Math.ceil((text.byteLength + 1) / unitBytes) * unitBytes);
    line.set(text);
    line.fill(space, text.byteLength, -1);
    line[line.byteLength - 1] = lineEnd;
    return line;
  }
}

interface ReadLine<T> {
  readonly bytes: Uint8Array;
  readonly items: readonly T[];
}

/** Reads lists of one kind, of a peer: data and nothing else. */
export class LinesReader<T> {
  readonly #name: string;
  readonly #most: number;
  readonly #readItem: (item: unknown, index: number) => T;
  #lines: readonly ReadLine<T>[] = [];

  /**
   * Lists called `name` of at most `most` items. `readItem` gives always the same for the same item, whatever its index, which is only for words; MalformedState for what is
   * none.
   */
  constructor(name: string, most: number, readItem: (item: unknown, index: number) => T) {
    this.#name = name;
    this.#most = most;
    this.#readItem = readItem;
  }

  /** The items; those of lines that did not change since the last time are the same objects. MalformedState for anything but such lines. */
  read(bytes: Uint8Array): T[] {
    const lines: ReadLine<T>[] = [];
    const items: T[] = [];
    for (let at = 0; at < bytes.byteLength; ) {
      const end = bytes.indexOf(lineEnd, at) + 1;
      if (end === 0) throw new MalformedState(`${this.#name} end within a line`);
      const text = bytes.subarray(at, end);
      const before = this.#lines[lines.length];
      const isKnown = before !== undefined && Buffer.compare(before.bytes, text) === 0;
      const line = isKnown ? before : this.#readLine(text, items.length);
      if (items.length + line.items.length > this.#most) {
        throw new MalformedState(`${this.#name} are more than ${this.#most}`);
      }
      lines.push(line);
      for (const item of line.items) items.push(item);
      at = end;
    }
    this.#lines = lines;
    return items;
  }

  #readLine(text: Uint8Array, first: number): ReadLine<T> {
    const found = readList(this.#name, parse(this.#name, text), this.#most, (item, index) =>
      this.#readItem(item, first + index),
    );
    return { bytes: text.slice(), items: found };
  }
}

function parse(name: string, text: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (cause) {
    throw new MalformedState(`a line of ${name} is no JSON`, { cause });
  }
}
