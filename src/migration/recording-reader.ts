import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { low32 } from '../core/checksum.js';
import { asFerryError, FerryError } from '../errors.js';
import { type DecodedFrame, decodeMessage } from '../protocol/decode.js';
import type { ConvergenceLimits } from './convergence.js';
import { fromRecordedJson, isRecord } from './recorded-json.js';
import { recordedLimits } from './recorded-limits.js';
import {
  type RecordHeader,
  readRecordHeader,
  recordHeaderBytes,
  recordingHeadBytes,
  recordingVersion,
  versionOfHead,
} from './recording-format.js';

type JsonObject = Readonly<Record<string, unknown>>;

export type RecordedItem =
  | {
      readonly kind: 'frame';
      readonly atMs: number;
      readonly connection: number;
      /** As the recording side saw it. */
      readonly direction: 'out' | 'in';
      /** Valid until the next item is asked for. */
      readonly frame: Uint8Array;
      readonly decoded: DecodedFrame;
    }
  | {
      readonly kind: 'step';
      readonly atMs: number;
      /** At destinations, which have several. */
      readonly session: string | undefined;
      readonly event: JsonObject;
      readonly phase: string;
    }
  | { readonly kind: 'event'; readonly atMs: number; readonly event: JsonObject };

/** One recording, read from its beginning to its end or to where it is damaged. */
export class RecordingReader {
  readonly side: 'source' | 'destination';
  /** When a source switches over. */
  readonly limits: ConvergenceLimits | undefined;
  readonly byteLength: number;
  readonly #file: number;
  #at: number = recordingHeadBytes;
  #payload: Buffer = Buffer.alloc(64 * 1024);
  #damage: string | undefined;

  /** ERR_IO, ERR_STORE_CORRUPT where `path` is no recording, ERR_STORE_VERSION. */
  constructor(path: string) {
    try {
      this.#file = openSync(path, 'r');
    } catch (error) {
      throw asFerryError(error, 'ERR_IO');
    }
    try {
      const stat = fstatSync(this.#file);
      if (!stat.isFile()) throw new FerryError('ERR_IO', `${path} is not a regular file`);
      this.byteLength = stat.size;
      const version = versionOfHead(this.#bytes(0, Buffer.alloc(recordingHeadBytes)));
      if (version === undefined) throw corrupt(`${path} is no recording`);
      if (version !== recordingVersion) {
        throw new FerryError('ERR_STORE_VERSION', `${path} has version ${version}; 1 is known`);
      }
      const about = this.#about();
      if (about === undefined) throw corrupt(`${path} does not say what it records`);
      this.side = about.side;
      this.limits = about.limits;
    } catch (error) {
      closeSync(this.#file);
      throw asFerryError(error, 'ERR_IO');
    }
  }

  /** Where and how it is damaged, once `items` has come to an end; undefined if it is whole. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** Everything recorded, in order. Ends at the first damage. */
  *items(): Generator<RecordedItem, void> {
    while (this.#at < this.byteLength) {
      const start = this.#at;
      try {
        yield this.#item();
      } catch (error) {
        if (!(error instanceof FerryError) && !(error instanceof SyntaxError)) throw error;
        this.#damage = `at byte ${start} of ${this.byteLength}: ${error.message}`;
        return;
      }
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #about(): { side: 'source' | 'destination'; limits: ConvergenceLimits | undefined } | undefined {
    const { header, payload } = this.#record();
    if (header.kind !== 'about') return undefined;
    const about = jsonObject(payload);
    if (about['side'] === 'destination') return { side: 'destination', limits: undefined };
    if (about['side'] !== 'source') return undefined;
    return { side: 'source', limits: recordedLimits(about['limits']) };
  }

  #item(): RecordedItem {
    const { header, payload } = this.#record();
    const { kind, atMs, connection } = header;
    if (kind === 'out' || kind === 'in') {
      const decoded = decodeMessage(payload);
      return { kind: 'frame', atMs, connection, direction: kind, frame: payload, decoded };
    }
    const value = jsonObject(payload);
    if (kind === 'event') return { kind, atMs, event: value };
    const { session, event, phase } = value;
    if (kind !== 'step' || typeof phase !== 'string' || !isRecord(event)) {
      throw corrupt(`a ${kind} record that makes no sense`);
    }
    return { kind, atMs, session: typeof session === 'string' ? session : undefined, event, phase };
  }

  #record(): { readonly header: RecordHeader; readonly payload: Buffer } {
    const header = readRecordHeader(this.#bytes(this.#at, Buffer.alloc(recordHeaderBytes)));
    if (header === undefined) throw corrupt('no record begins here');
    const { payloadBytes, payloadCheck, kind } = header;
    if (payloadBytes > this.#payload.length) this.#payload = Buffer.alloc(payloadBytes);
    const payload = this.#bytes(
      this.#at + recordHeaderBytes,
      this.#payload.subarray(0, payloadBytes),
    );
    // Frames are checked when they are decoded.
    if (kind !== 'out' && kind !== 'in' && low32(payload) !== payloadCheck) {
      throw corrupt('a record does not match its check');
    }
    this.#at += recordHeaderBytes + payloadBytes;
    return { header, payload };
  }

  #bytes(position: number, into: Buffer): Buffer {
    let filled = 0;
    while (filled < into.length) {
      const read = readSync(this.#file, into, filled, into.length - filled, position + filled);
      if (read === 0) throw corrupt('it is cut off');
      filled += read;
    }
    return into;
  }
}

function jsonObject(payload: Buffer): JsonObject {
  const value = fromRecordedJson(payload.toString('utf8'));
  if (!isRecord(value)) throw corrupt('a record is no object');
  return value;
}

function corrupt(what: string): FerryError {
  return new FerryError('ERR_STORE_CORRUPT', what);
}
