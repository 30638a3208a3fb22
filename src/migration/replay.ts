import type { RecordingReader } from './recording-reader.js';
import { DestinationReplay } from './replay-destination.js';
import { SourceReplay } from './replay-source.js';

export interface ReplayOutcome {
  /** Frames that were given to the destination. */
  readonly frames: number;
  /** Steps of either machine. */
  readonly transitions: number;
  /** The first thing that did not go as recorded, in words. */
  readonly difference: string | undefined;
}

/**
 * Runs a recording through the machines again: the source's frames through a real destination, which must answer the same with the same
 * digest; and the recording side's own machine, which must go through the same phases.
 */
export async function replay(recording: RecordingReader): Promise<ReplayOutcome> {
  const toDestination = recording.side === 'source' ? 'out' : 'in';
  const destination = new DestinationReplay();
  const source = recording.limits === undefined ? undefined : new SourceReplay(recording.limits);
  const recorded = new Map<string, string[]>();
  let difference: string | undefined;
  for (const item of recording.items()) {
    difference = source?.take(item);
    if (item.kind === 'frame') {
      if (item.direction === toDestination) await destination.send(item);
      else difference ??= await destination.expect(item);
    } else if (item.kind === 'step' && item.session !== undefined) {
      const phases = recorded.get(item.session) ?? [];
      if (phases.at(-1) !== item.phase) phases.push(item.phase);
      recorded.set(item.session, phases);
      await destination.circumstance(item);
    }
    if (difference !== undefined) break;
  }
  await destination.end();
  difference ??= phasesDiffer(recorded, destination);
  return {
    frames: destination.frames,
    transitions: destination.transitions + (source?.transitions ?? 0),
    difference,
  };
}

function phasesDiffer(
  recorded: ReadonlyMap<string, readonly string[]>,
  destination: DestinationReplay,
): string | undefined {
  for (const [session, phases] of recorded) {
    const replayed = destination.phasesOf(session);
    // The last connection is closed when the replay ends: what follows from that is not in the recording.
    const same = phases.every((phase, at) => replayed[at] === phase);
    if (!same) {
      return `session ${session} goes through ${replayed.join(', ')}; recorded was ${phases.join(', ')}`;
    }
  }
  return undefined;
}
