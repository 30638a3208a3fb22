// A link under test (test/links/relay.ts) in a process of its own. Argument: its options as JSON; rates of null are unlimited. A message cuts it.
import type { LinkShape } from '../test/links/link-shape.js';
import { Relay } from '../test/links/relay.js';

interface Job {
  readonly target: number;
  readonly bytesPerSecond: number | null;
  readonly delayMs: number;
}

const { target, bytesPerSecond, delayMs }: Job = JSON.parse(process.argv[2] ?? '{}');
const shape: LinkShape = { bytesPerSecond: bytesPerSecond ?? Number.POSITIVE_INFINITY, delayMs };
const relay = await Relay.open({ target, there: shape, back: shape, precise: true });
process.on('message', () => relay.cut());
process.send?.({ port: relay.port });
