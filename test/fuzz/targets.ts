import type { Target } from './target.js';
import { apply } from './targets/apply.js';
import { decoder } from './targets/decoder.js';
import { destinationMachine } from './targets/destination-machine.js';
import { framer } from './targets/framer.js';
import { handshake } from './targets/handshake.js';
import { instrumentation } from './targets/instrumentation.js';
import { lz4 } from './targets/lz4.js';
import { programState } from './targets/program-state.js';
import { sourceMachine } from './targets/source-machine.js';
import { stateDelta } from './targets/state-delta.js';
import { xbzrle } from './targets/xbzrle.js';

/** Every target there is. */
export const targets: readonly Target[] = [
  framer,
  decoder,
  apply,
  xbzrle,
  lz4,
  stateDelta,
  instrumentation,
  programState,
  handshake,
  sourceMachine,
  destinationMachine,
];

/** RangeError for a name that no target has. */
export function targetNamed(name: string): Target {
  const target = targets.find((candidate) => candidate.name === name);
  if (target === undefined) {
    const names = targets.map((candidate) => candidate.name).join(', ');
    throw new RangeError(`no target ${name}; there are ${names}`);
  }
  return target;
}
