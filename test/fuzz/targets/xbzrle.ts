import { decodeXbzrle } from '../../../src/codec/xbzrle.js';
import { Arena } from '../../../src/core/arena.js';
import { Random, scribble } from '../../reference/random.js';
import { naiveDecode, naiveEncode } from '../../reference/xbzrle.js';
import { Guards } from '../guard.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { expectThat, type Target } from '../target.js';

const pageBytes = 4096;
const mostDelta = 16_384;
const writer = new InputWriter();
const ownPage = new Uint8Array(pageBytes);
const noise = new Random(1).bytes(pageBytes);

const guards = new Guards();
/** The plain build and the one for shared memory. */
const kernels = [false, true].map((shared) =>
  guards.inArenas(() => {
    const arena = new Arena(1 << 17, { shared });
    // Two bytes behind the delta may be read.
    return { arena, delta: arena.alloc(mostDelta), page: arena.alloc(pageBytes) };
  }),
);

/** Deltas against their naive twin. Input: u16 length of the page in words, u8 which build, the delta. */
export const xbzrle: Target = {
  name: 'xbzrle',
  make(random) {
    const words = random.below(4) === 0 ? random.below(513) : 512;
    writer.u16(words).u8(random.below(2));
    if (random.below(8) === 0) return writer.bytes(random.bytes(few(random, 200))).take();
    const next = noise.slice(0, words * 8);
    // Not the page as scribbled on by everything: long deltas are seldom, and slow to make.
    if (random.below(16) === 0) scribble(random, next);
    else for (let edits = random.below(9); edits > 0; edits--) next[random.below(pageBytes)] = 0;
    const delta = naiveEncode(noise.subarray(0, words * 8), next, mostDelta) ?? new Uint8Array();
    return writer.bytes(mutate(random, delta, few(random, 5))).take();
  },
  run(input) {
    const reader = new InputReader(input);
    const words = reader.u16() % 513;
    const build = kernels[reader.u8() % 2];
    const delta = reader.rest();
    expectThat(build !== undefined, 'no such build');
    if (delta.length > mostDelta) return 'too long';
    const before = noise.subarray(0, words * 8);
    const twin = naiveDecode(delta, before);

    const { arena } = build;
    // Both end where their areas do.
    const at = build.delta + mostDelta - delta.length;
    const page = build.page + pageBytes - words * 8;
    arena.bytes(at, delta.length).set(delta);
    const inArena = arena.bytes(page, words * 8);
    inArena.set(before);
    const end = arena.kernels.xbzrleDecode(at, delta.length, page, words * 8);
    guards.check();
    expectThat(end === (twin?.end ?? -1), `the kernel says ${end}, its twin ${twin?.end}`);
    if (twin !== null) expectThat(same(inArena, twin.page), 'another page than the twin’s');

    const own = ownPage.subarray(0, words * 8);
    own.set(before);
    expectThat(decodeXbzrle(delta, own) === end, 'the codec says something else');
    expectThat(same(own, twin?.page ?? before), 'the codec made another page');
    return twin === null ? 'malformed' : 'taken';
  },
};

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
