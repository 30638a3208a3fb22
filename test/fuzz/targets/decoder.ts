import { decodeMessage, encodeMessage, headerBytes } from '../../../src/protocol/index.js';
import { someFrame } from '../corpus.js';
import { InputReader, InputWriter } from '../input.js';
import { few, mutate } from '../mutate.js';
import { sealAgain } from '../seal.js';
import { expectThat, refusal, type Target } from '../target.js';

const writer = new InputWriter();

/**
 * A valid frame with something wrong, sealed anew so that it is looked at. What is taken must be the one way to say it: encoded again it is
 * the same. Input: u8 bits of `reseal`, the frame.
 */
export const decoder: Target = {
  name: 'decoder',
  make(random) {
    const bits = random.below(8) === 0 ? random.below(8) : 7;
    return writer
      .u8(bits)
      .bytes(mutate(random, someFrame(random), few(random, 6)))
      .take();
  },
  run(input) {
    const reader = new InputReader(input);
    const bits = reader.u8();
    const frame = reader.rest().slice();
    sealAgain(frame, bits);
    try {
      const { header, message } = decodeMessage(frame);
      const again = encodeMessage(message, header);
      const same = Buffer.compare(again.subarray(headerBytes), frame.subarray(headerBytes)) === 0;
      expectThat(same, `${message.type} is taken, and encoded another way`);
    } catch (error) {
      return refusal(error);
    }
    return 'taken';
  },
};
