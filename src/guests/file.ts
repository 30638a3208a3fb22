import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FerryError } from '../errors.js';
import type { Region } from '../memory/region.js';
import { HashTracker } from '../memory/scan-trackers.js';
import type { DirtyTracker } from '../memory/tracker.js';
import {
  changeSince,
  type FileFingerprint,
  fingerprintOf,
  leadsTo,
  settledFingerprintOf,
} from './file-fingerprint.js';
import { fileError } from './file-io.js';
import { FileReader } from './file-reader.js';
import { commandWriter, type FileWriter, processWriter } from './file-writer.js';
import type { Guest, GuestIdentity } from './guest.js';
import { ReadAhead } from './read-ahead.js';

export interface FileGuestOptions {
  /** Follows a file that something else keeps writing. Default false: a file that changes while it is read is ERR_SOURCE_CHANGED. */
  readonly live?: boolean;
  /** Live only: how long the file may get, in bytes. Default: twice its length, at least 64 MiB. */
  readonly maxByteLength?: number;
  /** Live only: the process that writes; stopped by SIGSTOP for the last round. Linux. */
  readonly pausePid?: number;
  /** Live only: commands that stop and continue what writes. Both or none, and not with `pausePid`. */
  readonly pauseCommand?: string;
  readonly resumeCommand?: string;
  /**
   * What those commands are told besides, asked when one is run. Each gets one line of JSON on its standard input, an object: `type`, "pause" or
   * "resume"; `file`, the path; `region`, its name; and these. Nothing of it is in arguments or the environment.
   */
  readonly commandInput?: () => Readonly<Record<string, unknown>>;
  /** What its region is called. Default: 0, and the file's name. */
  readonly region?: { readonly id: number; readonly name: string };
}

/** A file as it is changes nowhere; whether that holds is checked at each read. */
const stillTracker: DirtyTracker = { exact: true, start() {}, take() {}, stop() {} };
const minLiveMaximum = 64 * 2 ** 20;
/** Memory to read a shorter file ahead costs more than that saves. */
const worthAhead = 2 ** 20;

/**
 * Opens the file at `path` to be copied, as it is or while it is written. Nothing about it is changed. ERR_IO if it cannot be read, or
 * is no regular file.
 */
export async function fileGuest(path: string, options: FileGuestOptions = {}): Promise<FileGuest> {
  const writer = findWriter(path, options);
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK opening a pipe would wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(error, `cannot open ${path}`);
  }
  try {
    if (!(await handle.stat()).isFile()) {
      throw new FerryError('ERR_IO', `cannot send ${path}: it is not a regular file`);
    }
    const fingerprint = await settledFingerprintOf(handle.fd);
    const live = options.live ?? false;
    const plain = await FileReader.of(handle, live);
    // What is written meanwhile would be read too early.
    const reader = live || fingerprint.byteLength < worthAhead ? plain : new ReadAhead(plain);
    return new FileGuest({ path, handle, fingerprint, reader }, writer, options);
  } catch (error) {
    await handle.close();
    throw fileError(error, `cannot open ${path}`);
  }
}

function findWriter(path: string, options: FileGuestOptions): FileWriter | undefined {
  const { live, pausePid, pauseCommand, resumeCommand, commandInput = () => ({}) } = options;
  const commands = pauseCommand !== undefined || resumeCommand !== undefined;
  if (!live && (pausePid !== undefined || commands)) {
    throw new TypeError('only what writes a live file can be paused');
  }
  if (pausePid !== undefined) {
    if (commands) throw new TypeError('give pausePid or commands, not both');
    return processWriter(pausePid);
  }
  if (!commands) return undefined;
  if (pauseCommand === undefined || resumeCommand === undefined) {
    throw new TypeError('a command that pauses needs one that resumes, and the other way round');
  }
  const file = resolve(path);
  return commandWriter(pauseCommand, resumeCommand, (type) => {
    return { ...commandInput(), type, file, region: basename(file) };
  });
}

interface OpenedFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly fingerprint: FileFingerprint;
  readonly reader: FileReader | ReadAhead;
}

/** A file as the source of a copy: the region is named as the file, there is no state, and it goes on here whatever happens. */
export class FileGuest implements Guest {
  readonly kind = 'file';
  readonly handsOver = false;
  readonly maxStateBytes = 0;
  readonly tracker: DirtyTracker;
  readonly motion: 'pausable' | 'still' | 'unpausable';
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #reader: FileReader | ReadAhead;
  readonly #opened: FileFingerprint;
  readonly #live: boolean;
  readonly #writer: FileWriter | undefined;
  readonly #region: Region;
  readonly #called: { readonly id: number; readonly name: string };
  #byteLength: number;
  #paused = false;
  #closed = false;
  readonly #atExit = (): void => this.#writer?.resumeAtExit();

  constructor(opened: OpenedFile, writer: FileWriter | undefined, options: FileGuestOptions) {
    this.#path = resolve(opened.path);
    this.#handle = opened.handle;
    this.#reader = opened.reader;
    this.#opened = opened.fingerprint;
    this.#live = options.live ?? false;
    this.#writer = writer;
    this.#called = options.region ?? { id: 0, name: basename(this.#path) };
    const liveMotion = writer === undefined ? 'unpausable' : 'pausable';
    this.motion = this.#live ? liveMotion : 'still';
    const { byteLength } = opened.fingerprint;
    this.#byteLength = byteLength;
    this.tracker = this.#live ? new HashTracker() : stillTracker;
    const maximum = options.maxByteLength ?? Math.max(2 * byteLength, minLiveMaximum);
    this.#region = this.#makeRegion(this.#live ? Math.max(maximum, byteLength) : byteLength);
  }

  /** Reading this of a live file looks how long it has become. */
  get regions(): readonly Region[] {
    if (this.#live && !this.#closed) this.#follow();
    return [this.#region];
  }

  describe(): GuestIdentity {
    return { kind: this.kind, version: '', features: [] };
  }

  /** Stops the writer, if it is known how; a file that is not live is checked to be as it was. */
  async pause(): Promise<void> {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#writer !== undefined) {
      process.on('exit', this.#atExit);
      await this.#writer.pause();
    }
    if (this.#live) {
      this.#follow();
      return;
    }
    this.checkUnchanged();
    await this.#checkInPlace();
  }

  async resume(): Promise<void> {
    if (!this.#paused) return;
    await this.#writer?.resume();
    process.off('exit', this.#atExit);
    this.#paused = false;
  }

  async saveState(): Promise<Uint8Array> {
    return new Uint8Array();
  }

  async loadState(): Promise<void> {
    throw new FerryError('ERR_GUEST', `${this.#path} is opened to be sent, not to be received`);
  }

  /** Lets the writer go on and closes the file. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.resume();
    } finally {
      await this.#reader.close();
      await this.#handle.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #makeRegion(maxByteLength: number): Region {
    const byteLength = (): number => this.#byteLength;
    return {
      ...this.#called,
      maxByteLength,
      concurrent: this.#live,
      descriptor: this.#handle.fd,
      get byteLength() {
        return byteLength();
      },
      read: (offset, into) => this.#read(offset, into),
      write: () => {
        throw new FerryError('ERR_GUEST', `${this.#path} is only read`);
      },
      grow: () => {
        throw new FerryError('ERR_GUEST', `${this.#path} grows only by what writes it`);
      },
    };
  }

  async #read(offset: number, into: Uint8Array): Promise<number> {
    const wanted = Math.max(0, Math.min(into.byteLength, this.#byteLength - offset));
    try {
      const done = await this.#reader.read(offset, into.subarray(0, wanted));
      if (done < wanted) throw this.#changed(`it ended at ${offset + done}`);
      if (!this.#live) this.checkUnchanged();
      return done;
    } catch (error) {
      throw fileError(error, `cannot read ${this.#path}`);
    }
  }

  #follow(): void {
    const { byteLength } = fingerprintOf(this.#handle.fd);
    if (byteLength < this.#byteLength) {
      throw this.#changed(`it shrank from ${this.#byteLength} to ${byteLength} bytes`);
    }
    this.#byteLength = byteLength;
  }

  /** ERR_SOURCE_CHANGED unless the open file is as it was. Cheap enough for each read; one that lost its name shows it by its change time. */
  checkUnchanged(): void {
    const change = changeSince(this.#opened, this.#handle.fd);
    if (change !== undefined) throw this.#changed(change);
  }

  async #checkInPlace(): Promise<void> {
    let same: boolean;
    try {
      same = await leadsTo(this.#path, this.#opened);
    } catch (error) {
      throw this.#changed(`${error instanceof Error ? error.message : error}`);
    }
    if (!same) throw this.#changed('another file took its place');
  }

  #changed(how: string): FerryError {
    return new FerryError('ERR_SOURCE_CHANGED', `${this.#path} changed while it was sent: ${how}`);
  }
}
