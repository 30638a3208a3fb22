import { FerryError } from '../../../src/errors.js';
import {
  checkHeaderIntact,
  checkPreamble,
  readHeader,
  readIntactHeader,
} from '../../../src/protocol/header.js';
import { Framer, headerBytes } from '../../../src/protocol/index.js';
import { Random } from '../../reference/random.js';
import { someFrame } from '../corpus.js';
import { Guards } from '../guard.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { expectThat, refusal, type Target } from '../target.js';

const areaBytes = [40, 64, 250, 1000, 4096, 131_072] as const;
const guards = new Guards();
/** Two of each size: the framer may be told to go on in another. */
const areas = areaBytes.map((bytes) => ({
  area: guards.around(bytes),
  other: guards.around(bytes),
}));
const writer = new InputWriter();

/**
 * A stream cut anywhere, in areas of several sizes. Input: u8 size of the area, u32 where it is cut, the stream.
 */
export const framer: Target = {
  name: 'framer',
  make(random) {
    writer.u8(random.below(areaBytes.length)).u32(random.u32());
    const frames = few(random, 8);
    for (let frame = 0; frame < frames; frame++) {
      const bytes = someFrame(random);
      writer.bytes(random.below(6) === 0 ? mutate(random, bytes, 1 + few(random, 3)) : bytes);
    }
    if (random.below(3) === 0) writer.bytes(random.bytes(few(random, 100)));
    return writer.take();
  },
  run(input) {
    const reader = new InputReader(input);
    const pair = areas[reader.u8() % areas.length];
    expectThat(pair !== undefined, 'no such area');
    const { area, other } = pair;
    const cuts = new Random(reader.u32());
    const stream = reader.rest();
    const expected = cutNaively(stream, area.length);
    const got = cut(stream, new Framer(area), cuts, other);
    guards.check();
    expectThat(got.bytes === expected.bytes, `frames of ${got.bytes} bytes, not ${expected.bytes}`);
    expectThat(got.outcome === expected.outcome, `${got.outcome}, not ${expected.outcome}`);
    return got.outcome;
  },
};

interface Cut {
  /** Of whole frames, in front of what is refused or missing. */
  readonly bytes: number;
  readonly outcome: string;
}

function cut(stream: Uint8Array, framed: Framer, cuts: Random, other: Uint8Array): Cut {
  let bytes = 0;
  try {
    for (let at = 0; at < stream.length; ) {
      const size = 1 + cuts.below(cuts.below(4) === 0 ? 200 : 20);
      const chunk = stream.subarray(at, at + size);
      let taken: number;
      if (cuts.below(2) === 0) {
        const space = framed.space().subarray(0, chunk.length);
        expectThat(space.length > 0, 'no room although no frame waits');
        space.set(chunk.subarray(0, space.length));
        taken = framed.push(space);
      } else taken = framed.push(chunk);
      expectThat(taken > 0, 'nothing is taken although no frame waits');
      at += taken;
      for (;;) {
        const frame = framed.next();
        if (frame === undefined) break;
        const same = Buffer.compare(frame, stream.subarray(bytes, bytes + frame.length)) === 0;
        expectThat(same, `the frame at ${bytes} is not as it came`);
        bytes += frame.length;
      }
      expectThat(framed.pendingBytes === at - bytes, `${framed.pendingBytes} bytes pending`);
      if (cuts.below(32) === 0) framed.useArea(other);
    }
  } catch (error) {
    return { bytes, outcome: refusal(error) };
  }
  return { bytes, outcome: 'taken' };
}

/** The same with the whole stream at hand. */
function cutNaively(stream: Uint8Array, most: number): Cut {
  let bytes = 0;
  try {
    for (;;) {
      const rest = stream.subarray(bytes);
      if (bytes === 0) checkPreamble(rest);
      if (rest.length < headerBytes) break;
      if (bytes > 0) checkHeaderIntact(rest);
      const { type, bodyBytes } = bytes === 0 ? readHeader(rest) : readLater(rest);
      const whole = headerBytes + bodyBytes;
      if (whole > most) throw new FerryError('ERR_FRAME_TOO_LARGE', type);
      if (whole > rest.length) break;
      bytes += whole;
    }
  } catch (error) {
    return { bytes, outcome: refusal(error) };
  }
  return { bytes, outcome: 'taken' };
}

/** Behind the first frame a wrong byte is damage before it is a stranger. */
function readLater(rest: Uint8Array): ReturnType<typeof readIntactHeader> {
  checkPreamble(rest);
  return readIntactHeader(rest);
}
