import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { low32 } from '../core/checksum.js';
import { asFerryError, type FerryError } from '../errors.js';
import {
  type RecordKind,
  recordHeaderBytes,
  recordingHead,
  writeRecordHeader,
} from './recording-format.js';

const bufferBytes = 1024 * 1024;
const flushEveryMs = 250;

/**
 * Appends records to a recording. At most 1 MiB, and a quarter of a second, is held in memory; what was written is readable whatever
 * becomes of this process, which is why nothing is renamed at the end. A write that fails ends the recording, not what is recorded.
 */
export class RecordingFile {
  readonly #onFailure: (error: FerryError) => void;
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(bufferBytes);
  readonly #startedAt: number = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #atExit = (): void => this.close();
  #file: number | undefined;
  #filled = 0;

  /** Creates `path`, or empties it, for its owner alone: frames hold the guest's memory. ERR_IO. */
  constructor(path: string, onFailure: (error: FerryError) => void) {
    this.#onFailure = onFailure;
    try {
      this.#file = openSync(path, 'w', 0o600);
      if (fstatSync(this.#file).isFile()) fchmodSync(this.#file, 0o600);
    } catch (error) {
      throw asFerryError(error, 'ERR_IO');
    }
    this.#push(recordingHead());
    this.#timer = setInterval(() => this.#flush(), flushEveryMs).unref();
    process.on('exit', this.#atExit);
  }

  /** `payload` is copied. Frames need no check of ours. */
  append(kind: RecordKind, connection: number, payload: Uint8Array): void {
    if (this.#file === undefined) return;
    const isFrame = kind === 'out' || kind === 'in';
    if (this.#filled + recordHeaderBytes + payload.byteLength > bufferBytes) this.#flush();
    writeRecordHeader(this.#buffer, this.#filled, {
      kind,
      connection,
      payloadBytes: payload.byteLength,
      payloadCheck: isFrame ? 0 : low32(payload),
      atMs: performance.now() - this.#startedAt,
    });
    this.#filled += recordHeaderBytes;
    this.#push(payload);
  }

  /** Writes what is held and closes the file. Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    process.off('exit', this.#atExit);
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #push(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.byteLength;
  }

  #flush(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      for (let at = 0; at < this.#filled; )
        at += writeSync(file, this.#buffer, at, this.#filled - at);
    } catch (error) {
      this.#file = undefined;
      closeSync(file);
      this.#onFailure(asFerryError(error, 'ERR_IO'));
    }
    this.#filled = 0;
  }
}
