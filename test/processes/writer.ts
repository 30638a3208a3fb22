import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { promises as fs, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { until } from './until.js';

const program = fileURLToPath(new URL('./writer.mjs', import.meta.url));
const blockBytes = 4096;

export interface WriterOptions {
  /** Blocks of 4 KiB written a second, at random places. */
  readonly perSecond: number;
  /** After so many it writes no more. Default: it never stops. */
  readonly last?: number;
  readonly seed?: number;
}

/** A process that keeps rewriting blocks of a file; what the file must hold after so many of them can be told from outside. */
export class LiveWriter {
  readonly #child: ChildProcess;
  readonly #before: Uint8Array;
  readonly #blocks: number;
  readonly #seed: number;
  #count = 0;

  private constructor(child: ChildProcess, before: Uint8Array, blocks: number, seed: number) {
    this.#child = child;
    this.#before = before;
    this.#blocks = blocks;
    this.#seed = seed;
    child.on('message', (count) => {
      this.#count = Number(count);
    });
  }

  /** Starts writing into `file`; its length stays. */
  static async start(
    file: string,
    { perSecond, last = 2 ** 31, seed = 1 }: WriterOptions,
  ): Promise<LiveWriter> {
    const before = await fs.readFile(file);
    const blocks = Math.floor(before.length / blockBytes);
    const child = fork(program, [file, blocks, seed, perSecond, last].map(String));
    const writer = new LiveWriter(child, before, blocks, seed);
    await once(child, 'message');
    return writer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Blocks it said it wrote. */
  get count(): number {
    return this.#count;
  }

  get isStopped(): boolean {
    return / T /.test(readFileSync(`/proc/${this.pid}/stat`, 'latin1'));
  }

  /** It is neither stopped nor dead: it goes on counting. */
  async expectRunsOn(): Promise<void> {
    const before = this.#count;
    expect(this.isStopped).toBe(false);
    await until('the writer goes on', () => this.#count > before);
  }

  /** `image` is the file as it was at one moment: all blocks up to one of them, none after. Returns which. */
  expectMoment(image: Uint8Array): number {
    expect(image.length).toBe(this.#before.length);
    const content = Buffer.from(this.#before);
    const count = this.#newestIn(image);
    let state = this.#seed >>> 0;
    for (let at = 1; at <= count; at += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const block = Buffer.alloc(8);
      block.writeUInt32LE(at, 0);
      block.writeUInt32LE(state, 4);
      const position = (state % this.#blocks) * blockBytes;
      content.fill(block, position, position + blockBytes);
    }
    expect(content.equals(image)).toBe(true);
    return count;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  /** The highest number of a block in `image`; whoever made the file put no such numbers into it. */
  #newestIn(image: Uint8Array): number {
    const view = new DataView(image.buffer, image.byteOffset, image.length);
    let newest = 0;
    for (let at = 0; at < this.#blocks; at += 1) {
      const whole = Buffer.from(this.#before.buffer, this.#before.byteOffset + at * blockBytes, 8);
      const same = whole.equals(image.subarray(at * blockBytes, at * blockBytes + 8));
      if (!same) newest = Math.max(newest, view.getUint32(at * blockBytes, true));
    }
    return newest;
  }
}
