import { readLayout, type WriteLogLayout } from '../../src/instrument/index.js';

const pageBytes = 4096;
/** So much is compared at once where nothing changed. */
const pieceBytes = 1 << 20;

/** An instance of an instrumented module, and what of its memory was written since the last look: by its map, and by comparing all of it. */
export class Watched {
  readonly instance: WebAssembly.Instance;
  readonly layout: WriteLogLayout;
  #shadow: Buffer;
  /** Pages that changed and that no mark covers; how often a page did, was marked, and was covered by the mark of the page before only. */
  missed = 0;
  changed = 0;
  marked = 0;
  byHead = 0;

  constructor(wasm: Uint8Array<ArrayBuffer>, instance: WebAssembly.Instance) {
    const layout = readLayout(wasm);
    if (layout === undefined) throw new Error('not instrumented');
    this.layout = layout;
    this.instance = instance;
    this.map.fill(0);
    this.#shadow = Buffer.from(this.memory);
  }

  static make(wasm: Uint8Array<ArrayBuffer>, imports: WebAssembly.Imports = {}): Watched {
    return new Watched(wasm, new WebAssembly.Instance(new WebAssembly.Module(wasm), imports));
  }

  exported(name: string): WebAssembly.ExportValue {
    const value = this.instance.exports[name];
    if (value === undefined) throw new Error(`no export ${name}`);
    return value;
  }

  call(name: string, ...values: readonly (number | bigint)[]): unknown {
    const call = this.exported(name);
    if (typeof call !== 'function') throw new Error(`${name} is no function`);
    return call(...values);
  }

  #buffer(name: string): ArrayBufferLike {
    const memory = this.exported(name);
    if (!(memory instanceof WebAssembly.Memory)) throw new Error(`${name} is no memory`);
    return memory.buffer;
  }

  /** The program's bytes, as many as it thinks it has. */
  get memory(): Uint8Array {
    const { map, memory } = this.layout;
    const bytes = new Uint8Array(this.#buffer(memory.export ?? ''));
    if (map.place !== 'behind-maximum') return bytes;
    const size = this.exported(map.size);
    if (!(size instanceof WebAssembly.Global)) throw new Error('no size');
    return bytes.subarray(0, size.value * 65_536);
  }

  get map(): Uint8Array {
    const { map, memory } = this.layout;
    if (map.place === 'second-memory') return new Uint8Array(this.#buffer(map.export));
    if (map.place === 'none') throw new Error('it has no map');
    return new Uint8Array(this.#buffer(memory.export ?? ''), map.byteOffset);
  }

  /** Marked pages, in order. */
  get markedPages(): number[] {
    return [...this.map.entries()].flatMap(([page, mark]) => (mark === 0 ? [] : [page]));
  }

  /** What changed since the last look and is not by the program: it is no longer looked for. */
  forgive(): void {
    this.#compare(() => {});
  }

  /** Compares everything with what it was, and forgets the marks. */
  look(): void {
    const { map } = this;
    const now = this.#compare((page, now) => {
      this.changed++;
      if (map[page] !== 0) return;
      const isCovered = page > 0 && map[page - 1] !== 0;
      const [rest, to] = [page * pageBytes + this.layout.headBytes, (page + 1) * pageBytes];
      if (isCovered && now.compare(this.#shadow, rest, to, rest, to) === 0) this.byHead++;
      else this.missed++;
    });
    this.marked += map
      .subarray(0, now.length / pageBytes)
      .reduce((sum, mark) => sum + (mark === 0 ? 0 : 1), 0);
    map.fill(0, 0, now.length / pageBytes);
  }

  /** Tells of each page that changed, and takes it as it is. */
  #compare(changed: (page: number, now: Buffer) => void): Buffer {
    const { memory } = this;
    const now = Buffer.from(memory.buffer as ArrayBuffer, memory.byteOffset, memory.byteLength);
    if (now.length > this.#shadow.length) {
      // What was grown was zeros.
      this.#shadow = Buffer.concat([this.#shadow], now.length);
    }
    for (let piece = 0; piece < now.length; piece += pieceBytes) {
      const end = Math.min(piece + pieceBytes, now.length);
      if (now.compare(this.#shadow, piece, end, piece, end) === 0) continue;
      for (let from = piece; from < end; from += pageBytes) {
        const to = from + pageBytes;
        if (now.compare(this.#shadow, from, to, from, to) === 0) continue;
        changed(from / pageBytes, now);
        now.copy(this.#shadow, from, from, to);
      }
    }
    return now;
  }
}
