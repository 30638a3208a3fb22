// A link before a destination in a process of its own, to be killed and frozen. Argument: a RelayJob as JSON. Says the port it listens on and,
// where it knows frames, which of the conversation's steps pass by.
import { Relay } from '../links/relay.js';
import { type Fate, FrameProxy, type PassingFrame } from './proxy.js';
import type { FromRelay, RelayJob, ToRelay } from './relay-messages.js';

const job: RelayJob = JSON.parse(process.argv[2] ?? '{}');
/** Too many to be told of. */
const unsaid: ReadonlySet<string> = new Set(['PAGES', 'ACK', 'PING', 'PONG']);
/** What becomes of frames is said of each once. */
const faults = [...job.faults];

function say(message: FromRelay): void {
  process.send?.(message);
}

function tamper(frame: PassingFrame): Fate {
  const { type: name, from, connection } = frame;
  if (!unsaid.has(name)) say({ type: 'frame', name, from, connection });
  const at = faults.findIndex((fault) => fault.name === name && fault.from === from);
  const fault = faults[at];
  if (fault === undefined) return 'pass';
  if (fault.skip > 0) {
    faults[at] = { ...fault, skip: fault.skip - 1 };
    return 'pass';
  }
  faults.splice(at, 1);
  say({ type: 'fault', fault });
  return fateOf(fault, frame);
}

function fateOf({ what, at }: RelayJob['faults'][number], { bytes }: PassingFrame): Fate {
  const offset = Math.floor(at * bytes.length);
  if (what === 'truncate') return { send: bytes.slice(0, offset), end: true };
  if (what !== 'flip') return what;
  const send = bytes.slice();
  send[offset] = (send[offset] ?? 0) ^ (1 << (offset % 8));
  return { send };
}

async function open(): Promise<{ readonly port: number; order(order: ToRelay): void }> {
  const { target, port } = job;
  if (job.knowsFrames) {
    const proxy = await FrameProxy.open(target, tamper, port);
    return {
      port: proxy.port,
      order: (order) => (order === 'release' ? proxy.release() : proxy.cut()),
    };
  }
  const shape = {
    bytesPerSecond: job.bytesPerSecond ?? Number.POSITIVE_INFINITY,
    delayMs: job.delayMs ?? 0,
  };
  const relay = await Relay.open({ target, port, there: shape, back: shape });
  return {
    port: relay.port,
    order: (order) => (order === 'cut' ? relay.cut() : relay.resume()),
  };
}

const { port, order } = await open();
process.on('disconnect', () => process.exit());
process.on('message', (message: ToRelay) => order(message));
say({ type: 'listening', port });
