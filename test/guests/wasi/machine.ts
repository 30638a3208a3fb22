import { createHash } from 'node:crypto';
import * as shim from '@bjorn3/browser_wasi_shim';
import { type WasiGlue, type WasiGlueOptions, wasiGlue } from '../../../src/guests/wasi/index.js';

const pathAt = 1024;
const newPathAt = 2048;
const dataAt = 65536;
const vectorAt = 512;
const resultAt = 256;
const memoryPages = 16;

/** A program's view of the shim without the program: calls with their arguments in memory, and what they answer. */
export class WasiMachine {
  readonly wasi: shim.WASI;
  readonly glue: WasiGlue;
  readonly memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: memoryPages });
  readonly printed: string[] = [];

  constructor(
    contents: [string, shim.Inode][] = [],
    options: Partial<WasiGlueOptions> = {},
    args: string[] = ['program'],
  ) {
    const text = new TextDecoder();
    const print = (bytes: Uint8Array): void => void this.printed.push(text.decode(bytes));
    const descriptors: shim.Fd[] = [
      new shim.OpenFile(new shim.File([])),
      new shim.ConsoleStdout(print),
      new shim.ConsoleStdout(print),
      new shim.PreopenDirectory('/', new Map(contents)),
    ];
    this.wasi = new shim.WASI(args, [], descriptors, { debug: false });
    this.glue = wasiGlue({ wasi: this.wasi, shim, ...options });
    this.wasi.inst = { exports: { memory: this.memory } };
  }

  get view(): DataView {
    return new DataView(this.memory.buffer);
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  call(name: string, ...args: (number | bigint)[]): number {
    return Number(this.glue.imports[name]?.(...args));
  }

  #path(at: number, path: string): [number, number] {
    const bytes = new TextEncoder().encode(path);
    this.bytes(at, bytes.byteLength).set(bytes);
    return [at, bytes.byteLength];
  }

  /** The new descriptor, or the negative errno. */
  open(
    path: string,
    flags: { create?: boolean; truncate?: boolean; append?: boolean } = {},
  ): number {
    const oflags = (flags.create ? 1 : 0) | (flags.truncate ? 8 : 0);
    const rights = BigInt(shim.wasi.RIGHTS_FD_WRITE);
    const at = this.#path(pathAt, path);
    const fdflags = flags.append ? 1 : 0;
    const errno = this.call('path_open', 3, 0, ...at, oflags, rights, 0n, fdflags, resultAt);
    return errno === 0 ? this.view.getUint32(resultAt, true) : -errno;
  }

  #vector(at: number, length: number): [number, number] {
    this.view.setUint32(vectorAt, at, true);
    this.view.setUint32(vectorAt + 4, length, true);
    return [vectorAt, 1];
  }

  write(descriptor: number, data: Uint8Array): number {
    this.bytes(dataAt, data.byteLength).set(data);
    const vector = this.#vector(dataAt, data.byteLength);
    return this.call('fd_write', descriptor, ...vector, resultAt);
  }

  writeAt(descriptor: number, data: Uint8Array, offset: number): number {
    this.bytes(dataAt, data.byteLength).set(data);
    const vector = this.#vector(dataAt, data.byteLength);
    return this.call('fd_pwrite', descriptor, ...vector, BigInt(offset), resultAt);
  }

  /** The bytes read, or the negative errno. */
  read(descriptor: number, length: number): Uint8Array | number {
    const errno = this.call('fd_read', descriptor, ...this.#vector(dataAt, length), resultAt);
    if (errno !== 0) return -errno;
    return this.bytes(dataAt, this.view.getUint32(resultAt, true)).slice();
  }

  seek(descriptor: number, offset: number, whence: number): number {
    return this.call('fd_seek', descriptor, BigInt(offset), whence, resultAt);
  }

  resize(descriptor: number, size: number): number {
    return this.call('fd_filestat_set_size', descriptor, BigInt(size));
  }

  allocate(descriptor: number, offset: number, length: number): number {
    return this.call('fd_allocate', descriptor, BigInt(offset), BigInt(length));
  }

  rename(from: string, to: string): number {
    return this.call(
      'path_rename',
      3,
      ...this.#path(pathAt, from),
      3,
      ...this.#path(newPathAt, to),
    );
  }

  link(from: string, to: string): number {
    const old = this.#path(pathAt, from);
    return this.call('path_link', 3, 0, ...old, 3, ...this.#path(newPathAt, to));
  }

  unlink(path: string): number {
    return this.call('path_unlink_file', 3, ...this.#path(pathAt, path));
  }

  makeDirectory(path: string): number {
    return this.call('path_create_directory', 3, ...this.#path(pathAt, path));
  }

  removeDirectory(path: string): number {
    return this.call('path_remove_directory', 3, ...this.#path(pathAt, path));
  }

  close(descriptor: number): number {
    return this.call('fd_close', descriptor);
  }

  renumber(from: number, to: number): number {
    return this.call('fd_renumber', from, to);
  }

  /** What a directory's entries look like to the program, byte by byte; or the negative errno. */
  list(descriptor: number): Uint8Array | number {
    const errno = this.call('fd_readdir', descriptor, dataAt, 60000, 0n, resultAt);
    if (errno !== 0) return -errno;
    return this.bytes(dataAt, this.view.getUint32(resultAt, true)).slice();
  }

  /** Nanoseconds of a clock: 0 is the time of day, 1 runs forward only. */
  time(clock: number): bigint {
    this.call('clock_time_get', clock, 0n, resultAt);
    return this.view.getBigUint64(resultAt, true);
  }

  get root(): shim.PreopenDirectory {
    return this.wasi.fds[3] as shim.PreopenDirectory;
  }
}

/** All that a program could find out, as data: two alike are equal. Files and directories by the order in which they are met. */
export function pictureOf({ wasi }: { readonly wasi: shim.WASI }): unknown {
  const numbers = new Map<object, number>();
  const inodes: unknown[] = [];
  const opened = new Map<object, number>();
  const pictureOfInode = (inode: shim.Inode | null): number | null => {
    if (inode === null) return null;
    const known = numbers.get(inode);
    if (known !== undefined) return known;
    const number = numbers.size;
    numbers.set(inode, number);
    if (inode instanceof shim.File) {
      const { ino, readonly, data } = inode;
      const content = createHash('sha256').update(data).digest('hex');
      inodes[number] = { file: ino, readonly, byteLength: data.byteLength, content };
    } else if (inode instanceof shim.Directory) {
      const entries = [...inode.contents].map(([name, it]) => [name, pictureOfInode(it)]);
      const parent = pictureOfInode(Reflect.get(inode, 'parent') as shim.Inode | null);
      inodes[number] = { directory: inode.ino, parent, entries };
    }
    return number;
  };
  const pictureOfOpen = (open: object | undefined): unknown => {
    if (open === undefined) return null;
    const known = opened.get(open);
    if (known !== undefined) return { same: known };
    opened.set(open, opened.size);
    if (open instanceof shim.OpenFile) {
      return { file: pictureOfInode(open.file), at: open.file_pos };
    }
    if (open instanceof shim.PreopenDirectory) {
      return { name: open.prestat_name, dir: pictureOfInode(open.dir) };
    }
    if (open instanceof shim.OpenDirectory) return { dir: pictureOfInode(open.dir) };
    return open.constructor.name;
  };
  const descriptors = Array.from(wasi.fds, pictureOfOpen);
  return { descriptors, inodes, args: wasi.args, env: wasi.env };
}
