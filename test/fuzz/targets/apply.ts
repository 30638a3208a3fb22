import { ApplyEngine } from '../../../src/codec/apply.js';
import { Arena } from '../../../src/core/arena.js';
import { naiveLz4 } from '../../reference/lz4.js';
import { NaiveRing } from '../../reference/patch.js';
import { Random } from '../../reference/random.js';
import { type TestRegion, testRegion } from '../../reference/regions.js';
import { naiveApply, naiveNext, naivePages } from '../../reference/run-table.js';
import { Guards } from '../guard.js';
import { InputReader } from '../input.js';
import { expectThat, refusal, type Target } from '../target.js';
import {
  applyOps,
  applyRegions,
  growingRegion,
  longRegion,
  makeApplyInput,
  places,
} from './apply-input.js';

const secret = new Random(5).bytes(192);
const pageBytes = 4096;
const zeros = new Uint8Array(longRegion.maxByteLength);
/** Bytes looked at before and behind a body in a receive area: nobody writes there. */
const aroundBody = 300;

/** What engines are tried: with everything, over memory or calls; a bare one over files; one that has a long region too. */
const kinds = [
  { as: 'memory', agreed: true, long: false },
  { as: 'calls', agreed: true, long: false },
  { as: 'file', agreed: true, long: false },
  { as: 'file', agreed: false, long: false },
  { as: 'memory', agreed: true, long: true },
] as const;

let compressor: { readonly arena: Arena; readonly at: readonly number[] } | undefined;

/**
 * Frames into regions between guards, by engines whose every area is between guards. What is refused has written nothing; what is taken has
 * done what the naive twin does. Input: see `makeApplyInput`.
 */
export const apply: Target = {
  name: 'apply',
  make: (random) => makeApplyInput(random, kinds.length, compress),
  async run(input) {
    const reader = new InputReader(input);
    const kind = reader.u8() % kinds.length;
    rigs[kind] ??= new Rig(kinds[kind] ?? kinds[0]);
    const rig = rigs[kind];
    rig.begin();
    let outcome = 'nothing';
    for (let steps = 0; !reader.isEmpty && steps < 16; steps++) outcome = await rig.step(reader);
    return outcome;
  },
  reset: () => rigs.fill(undefined),
};

const rigs: (Rig | undefined)[] = kinds.map(() => undefined);

class Rig {
  readonly #guards = new Guards();
  readonly #engine: ApplyEngine;
  readonly #regions: (TestRegion & { readonly whole: Uint8Array })[];
  readonly #twins = new Map<number, Uint8Array>();
  readonly #ring: NaiveRing | undefined;
  readonly #agreed: boolean;

  constructor({ as, agreed, long }: (typeof kinds)[number]) {
    const shapes = long ? [...applyRegions, longRegion] : applyRegions;
    this.#regions = shapes.map(({ id, byteLength, maxByteLength }) => {
      const whole = this.#guards.around(maxByteLength);
      const region = testRegion(whole.subarray(0, byteLength), { id, as, maxByteLength });
      return Object.assign(region, { whole });
    });
    this.#agreed = agreed;
    const options = { secret, patches: agreed, lz4: agreed, channels: 2 };
    this.#ring = agreed ? new NaiveRing() : undefined;
    this.#engine = this.#guards.inArenas(() => new ApplyEngine(this.#regions, options));
  }

  /** What inputs before this one left in the memory is gone; what is in the ring is the same in both. */
  begin(): void {
    const [growing] = this.#regions;
    const { byteLength } = growingRegion;
    if (growing !== undefined && growing.bytes.length !== byteLength) {
      growing.bytes = growing.whole.subarray(0, byteLength);
      this.#engine.removeRegion(growing.id);
      this.#engine.changeRegion(growing);
    }
    for (const { id, bytes, whole } of this.#regions) {
      for (const [index, byte] of [3, 0, 200].entries()) whole.fill(byte, index * 5000);
      whole.fill(0, bytes.length);
      this.#twins.set(id, bytes.slice());
    }
  }

  async step(reader: InputReader): Promise<string> {
    const op = reader.u8() % 3;
    let outcome = 'taken';
    if (op === applyOps.grow) outcome = this.#grow(reader.u16());
    else if (op === applyOps.reread) await this.#engine.reread(reader.u16());
    else outcome = await this.#frame(reader);
    this.#guards.check();
    this.#compare();
    return outcome;
  }

  async #frame(reader: InputReader): Promise<string> {
    const place = places[reader.u8() % places.length] ?? 'elsewhere';
    const tableBytes = reader.u16();
    const rawBytes = reader.u24();
    const said = reader.bytes(reader.u24());
    const body = this.#place(said, place);
    // What no header says never gets here.
    if (rawBytes < body.length || tableBytes > rawBytes || body.length === 0) return 'no frame';
    const around = this.#around(body).slice();
    let outcome: string;
    try {
      const { pages } = await this.#engine.apply(body, tableBytes, rawBytes);
      const raw = this.#raw(said, rawBytes);
      expectThat(raw !== undefined, 'its twin refuses the block');
      naiveApply(this.#twins, { body: raw, tableBytes }, 'any', this.#ring);
      expectThat(pages === naivePages(raw, tableBytes).length, `${pages} pages applied`);
      outcome = 'taken';
    } catch (error) {
      outcome = refusal(error);
      expectThat(this.#isMalformed(said, tableBytes, rawBytes), `${outcome}, but not by its twin`);
    }
    const same = Buffer.compare(around, this.#around(body)) === 0;
    expectThat(same, 'the receive area was written around the body, or in it');
    return outcome;
  }

  #place(said: Uint8Array, place: (typeof places)[number]): Uint8Array {
    const [first, second] = this.#engine.receiveAreas;
    if (place === 'elsewhere' || first === undefined || second === undefined) return said;
    const at = place === 'inside the first area' ? 4321 : 40;
    const body = (place === 'second area' ? second : first).subarray(at, at + said.length);
    body.set(said);
    return body;
  }

  #around(body: Uint8Array): Uint8Array {
    const [area] = this.#engine.receiveAreas;
    if (body.buffer !== area?.buffer) return body;
    const from = body.byteOffset - 40;
    return new Uint8Array(body.buffer, from, 40 + body.length + aroundBody);
  }

  /** What the body is before compression, where it is anything. */
  #raw(said: Uint8Array, rawBytes: number): Uint8Array | undefined {
    if (rawBytes === said.length) return said;
    if (!this.#agreed) return undefined;
    const raw = naiveLz4(said, rawBytes);
    return raw?.length === rawBytes ? raw : undefined;
  }

  /** Whether the naive twin refuses the frame, without carrying it out. */
  #isMalformed(said: Uint8Array, tableBytes: number, rawBytes: number): boolean {
    const raw = this.#raw(said, rawBytes);
    if (raw === undefined) return true;
    try {
      const blank = new Uint8Array(pageBytes);
      for (const page of naivePages(raw, tableBytes)) {
        const region = this.#twins.get(page.region);
        if (region === undefined || page.page * pageBytes >= region.length) return true;
        naiveNext(page, blank, region, this.#ring);
      }
      return false;
    } catch {
      return true;
    }
  }

  #grow(byteLength: number): string {
    const [region] = this.#regions;
    if (region === undefined) return 'no region';
    const before = region.bytes;
    region.bytes = region.whole.subarray(0, byteLength);
    try {
      this.#engine.changeRegion(region);
    } catch (error) {
      region.bytes = before;
      return refusal(error);
    }
    this.#twins.set(region.id, region.bytes.slice());
    return 'taken';
  }

  #compare(): void {
    for (const { id, bytes, whole } of this.#regions) {
      const same = Buffer.compare(bytes, this.#twins.get(id) ?? bytes.subarray(1)) === 0;
      expectThat(same, `region ${id} is not what its twin is`);
      const behind = whole.subarray(bytes.length);
      const clean = Buffer.compare(behind, zeros.subarray(0, behind.length)) === 0;
      expectThat(clean, `what is behind region ${id} was written`);
    }
  }
}

function compress(body: Uint8Array): Uint8Array {
  if (compressor === undefined) {
    const arena = new Arena(2 << 20);
    compressor = { arena, at: [2 ** 19, 2 ** 19 + 64, 16_384].map((bytes) => arena.alloc(bytes)) };
  }
  const { arena, at } = compressor;
  const [source = 0, target = 0, table = 0] = at;
  if (body.length > 2 ** 19 - 64) return body;
  arena.bytes(source, body.length).set(body);
  const limit = Math.max(0, body.length - 1);
  const bytes = arena.kernels.lz4Compress(source, body.length, target, limit, table);
  return bytes === 0 ? body : arena.bytes(target, bytes).slice();
}
