import type { Guest } from '../guests/guest.js';
import { type MigrateOptions, resolveOptions } from '../migration/options.js';
import { DestinationRecording, SourceRecording } from '../migration/recording-writer.js';
import { makePlan } from '../migration/source-plan.js';
import type { Output } from './output.js';

interface SourceSubject {
  readonly side: 'source';
  readonly guest: Guest;
  readonly options: MigrateOptions;
}
interface DestinationSubject {
  readonly side: 'destination';
}

/** Opens the recording that `--record FILE` asks for, if it does. ERR_IO if the file cannot be written. */
export function openRecording(
  path: string | undefined,
  output: Pick<Output, 'error'>,
  subject: SourceSubject,
): SourceRecording | undefined;
export function openRecording(
  path: string | undefined,
  output: Pick<Output, 'error'>,
  subject: DestinationSubject,
): DestinationRecording | undefined;
export function openRecording(
  path: string | undefined,
  output: Pick<Output, 'error'>,
  subject: SourceSubject | DestinationSubject,
): SourceRecording | DestinationRecording | undefined {
  if (path === undefined) return undefined;
  // A flight recorder that fails must not bring the plane down.
  const onFailure = (error: Error): void =>
    output.error(`pageferry: the recording ${path} ends here: ${error.message}`);
  if (subject.side === 'destination') return new DestinationRecording(path, onFailure);
  const { guest, options } = subject;
  const { limits } = makePlan(guest, resolveOptions(options), new Uint8Array(), () => 0);
  return new SourceRecording(path, limits, onFailure);
}
