import { decodeStateUnits, encodeStateUnits, unitsOf } from '../../../src/codec/state-delta.js';
import { Random } from '../../reference/random.js';
import { naiveDecode } from '../../reference/xbzrle.js';
import { Guards } from '../guard.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';

const unitBytes = 4096;
const mostUnits = 3;
const writer = new InputWriter();
const guards = new Guards();
const area = guards.around(mostUnits * unitBytes);
const base = new Random(3).bytes(mostUnits * unitBytes);
const untouched = new Uint8Array(mostUnits * unitBytes).fill(0x11);
const scribbled = new Uint8Array(mostUnits * unitBytes);

/** States said by how they differ. Input: u16 bytes of the earlier one, u16 of the state, u8 its first unit that is said, the units. */
export const stateDelta: Target = {
  name: 'state-delta',
  make(random) {
    const baseBytes = random.below(mostUnits * unitBytes);
    const bytes = random.below(mostUnits * unitBytes);
    const first = few(random, unitsOf(bytes));
    const state = scribbled.subarray(0, bytes);
    state.set(base.subarray(0, bytes));
    for (let edits = random.below(9); edits > 0; edits--) state[random.below(area.length)] = 7;
    // A unit that is said whole.
    if (random.below(8) === 0) state.fill(random.u32(), 0, random.below(unitBytes));
    const { bytes: units } = encodeStateUnits(base.subarray(0, baseBytes), state, first, 20_000);
    writer.u16(baseBytes).u16(bytes).u8(first);
    return writer.bytes(mutate(random, units, few(random, 4))).take();
  },
  run(input) {
    const reader = new InputReader(input);
    const earlier = base.subarray(0, reader.u16() % (base.length + 1));
    // The area's end, so that a guard stands behind the state.
    const bytes = reader.u16() % (area.length + 1);
    const state = area.subarray(area.length - bytes);
    const first = reader.u8();
    const units = reader.rest();
    area.fill(0x11);
    const twin = naiveUnits(earlier, bytes, first, units);
    try {
      const next = decodeStateUnits(earlier, state, first, units);
      expectThat(twin !== undefined, 'its twin refuses what is taken');
      expectThat(next === twin.next, `unit ${next} follows, not ${twin.next}`);
      expectThat(Buffer.compare(state, twin.state) === 0, 'another state than the twin’s');
    } catch (error) {
      const code = refusal(error);
      expectThat(twin === undefined, 'its twin takes what is refused');
      return code;
    } finally {
      guards.check();
      const inFront = area.length - bytes;
      const same = Buffer.compare(area.subarray(0, inFront), untouched.subarray(0, inFront)) === 0;
      expectThat(same, 'bytes in front of the state were written');
    }
    return 'taken';
  },
};

function naiveUnits(
  earlier: Uint8Array,
  stateBytes: number,
  first: number,
  units: Uint8Array,
): { readonly state: Uint8Array; readonly next: number } | undefined {
  const state = new Uint8Array(stateBytes).fill(0x11);
  let unit = first;
  for (let at = 0; at < units.length; unit++) {
    const start = unit * unitBytes;
    const bytes = Math.min(unitBytes, stateBytes - start);
    const [low, high] = units.subarray(at, at + 2);
    if (bytes <= 0 || low === undefined || high === undefined) return undefined;
    const length = low + 256 * high;
    const isWhole = length === 65_535;
    const payload = units.subarray(at + 2, at + 2 + (isWhole ? bytes : length));
    if (payload.length < (isWhole ? bytes : length)) return undefined;
    if (!isWhole && length > unitBytes - 3) return undefined;
    if (isWhole) state.set(payload, start);
    else {
      const page = new Uint8Array(unitBytes);
      page.set(earlier.subarray(start, start + bytes));
      const decoded = naiveDecode(payload, page);
      if (decoded === null || decoded.end > bytes) return undefined;
      state.set(decoded.page.subarray(0, bytes), start);
    }
    at += 2 + payload.length;
  }
  return { state, next: unit };
}
