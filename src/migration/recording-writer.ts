import type { FerryError } from '../errors.js';
import type { ConvergenceLimits } from './convergence.js';
import type { DestinationEvent, DestinationState } from './destination-states.js';
import type { MigrationEvent } from './events.js';
import type { OpenTap } from './link.js';
import { toRecordedJson } from './recorded-json.js';
import { RecordingFile } from './recording-file.js';
import type { RecordKind } from './recording-format.js';
import type { SourceEvent, SourceState } from './source-states.js';

/** Records one side: its frames both ways, and what its machines were fed. */
class Recording {
  readonly #file: RecordingFile;

  constructor(path: string, about: unknown, onFailure: (error: FerryError) => void) {
    this.#file = new RecordingFile(path, onFailure);
    this.write('about', about);
  }

  readonly tap: OpenTap = (connection) => (direction, frame) =>
    this.#file.append(direction, connection, frame);

  /** Writes what is still held. Idempotent. */
  close(): void {
    this.#file.close();
  }

  protected write(kind: RecordKind, value: unknown): void {
    this.#file.append(kind, 0, Buffer.from(toRecordedJson(value)));
  }
}

/** The flight recorder of a source. */
export class SourceRecording extends Recording {
  /** ERR_IO if `path` cannot be written; a failure later on ends the recording and is told to `onFailure`. */
  constructor(path: string, limits: ConvergenceLimits, onFailure: (error: FerryError) => void) {
    super(path, { side: 'source', limits }, onFailure);
  }

  step(event: SourceEvent, { phase }: SourceState): void {
    // The message is in the frame recorded just before.
    this.write('step', { event: event.type === 'message' ? { type: 'message' } : event, phase });
  }

  event(event: MigrationEvent): void {
    if (event.type !== 'progress') this.write('event', event);
  }
}

/** The flight recorder of a destination and all its sessions. */
export class DestinationRecording extends Recording {
  constructor(path: string, onFailure: (error: FerryError) => void) {
    super(path, { side: 'destination' }, onFailure);
  }

  step(session: string, event: DestinationEvent, { phase }: DestinationState): void {
    this.write('step', { session, event: essenceOf(event), phase });
  }
}

/** What of an event does not follow from the frames. */
function essenceOf(event: DestinationEvent): unknown {
  if (event.type === 'resolved') return event;
  if ('error' in event) return { type: event.type, error: event.error };
  return { type: event.type };
}
