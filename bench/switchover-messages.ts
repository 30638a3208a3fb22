import { digestBytes, encodeMessage, type Message } from '../src/protocol/index.js';

function lengthOf(...messages: readonly Message[]): number {
  const order = { seq: 1, round: 1, attempt: 1 };
  return messages.reduce((sum, message) => sum + encodeMessage(message, order).byteLength, 0);
}

const digest = new Uint8Array(digestBytes);
const none = new Uint8Array(0);

/** Bytes of what is said behind the last pages, in the order of the turns: the source speaks, the destination, and so on. */
export const switchoverBytes: Readonly<Record<'prepare' | 'ready' | 'commit' | 'running', number>> =
  {
    prepare: lengthOf(
      { type: 'STATE', totalBytes: 0, offset: 0, bytes: none },
      { type: 'PREPARE', generation: 1, finalSeqs: [1], digest },
    ),
    ready: lengthOf({ type: 'READY', digest }),
    commit: lengthOf({ type: 'COMMIT', digest }),
    running: lengthOf({
      type: 'RUNNING',
      digest,
      verifyMs: 0,
      loadMs: 0,
      acquireMs: 0,
      resumeMs: 0,
    }),
  };
