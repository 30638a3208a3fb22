import {
  MalformedState,
  readBoolean,
  readCount,
  readJsonState,
  readList,
  readText,
  writeJsonState,
} from '../json-state.js';
import { firstGlueRegion } from '../wasm/glue.js';
import { isEntryName, mostDescriptors, mostFiles } from './survey.js';

/** What a program has in the shim, but for the bytes of its files. Files and directories are numbered together, from `firstGlueRegion` on. */
export interface WasiState {
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** What the program's monotonic clock shows, nanoseconds. */
  readonly clock: bigint;
  /** No file or directory had this number or a larger one. */
  readonly nextNumber: number;
  /** No file or directory had this `ino` or a larger one. */
  readonly nextIno: bigint;
  readonly files: readonly FileState[];
  readonly directories: readonly DirectoryState[];
  readonly opened: readonly OpenedState[];
  /** Descriptor and index into `opened`, ascending by descriptor. */
  readonly descriptors: readonly (readonly [descriptor: number, opened: number])[];
  /** Descriptors below it were given out. */
  readonly descriptorsEnd: number;
}

export interface FileState {
  /** Also the id of its region. */
  readonly number: number;
  /** Bytes; the region may be longer. */
  readonly size: number;
  readonly ino: bigint;
  readonly readonly: boolean;
}

export interface DirectoryState {
  readonly number: number;
  readonly ino: bigint;
  /** What `..` is; null where the shim knows of none. */
  readonly parent: number | null;
  /** In the order that the program reads them in. */
  readonly entries: readonly (readonly [name: string, number: number])[];
}

export type OpenedState =
  | { readonly kind: 'file'; readonly number: number; readonly position: bigint }
  | { readonly kind: 'directory'; readonly number: number }
  | { readonly kind: 'preopen'; readonly number: number; readonly name: string }
  | { readonly kind: 'host'; readonly name: string };

const mostNumber = 0xffffffff;
const mostWords = 65536;
/** Far from where counting in 64 bits ends. */
const mostBig = 2n ** 63n - 1n;

/** JSON, UTF-8; large numbers as texts, and short lists for what there is much of. */
export function encodeWasiState(state: WasiState): Uint8Array {
  return writeJsonState({
    args: state.args,
    env: state.env,
    clock: String(state.clock),
    nextNumber: state.nextNumber,
    nextIno: String(state.nextIno),
    files: state.files.map((it) => [it.number, it.size, String(it.ino), it.readonly]),
    directories: state.directories.map((it) => [it.number, String(it.ino), it.parent, it.entries]),
    opened: state.opened.map(openedFields),
    descriptors: state.descriptors,
    descriptorsEnd: state.descriptorsEnd,
  });
}

function openedFields(opened: OpenedState): readonly (string | number)[] {
  switch (opened.kind) {
    case 'file':
      return [opened.kind, opened.number, String(opened.position)];
    case 'directory':
      return [opened.kind, opened.number];
    case 'preopen':
      return [opened.kind, opened.number, opened.name];
    case 'host':
      return [opened.kind, opened.name];
    default:
      return opened satisfies never;
  }
}

/** ERR_GUEST on anything that `encodeWasiState` would not write of a tree that `survey` finds no fault with. */
export function decodeWasiState(bytes: Uint8Array): WasiState {
  return readJsonState(bytes, 'the state of a WASI program', (record) => {
    const words = (name: string): string[] =>
      readList(name, record[name], mostWords, (word) => readText(`a word of ${name}`, word));
    const state: WasiState = {
      args: words('args'),
      env: words('env'),
      clock: readBig('clock', record['clock']),
      nextNumber: readNumber(record['nextNumber']),
      nextIno: readBig('nextIno', record['nextIno']),
      files: readList('files', record['files'], mostFiles, readFile),
      directories: readList('directories', record['directories'], mostNumber, readDirectory),
      opened: readList('opened', record['opened'], mostDescriptors, readOpened),
      descriptors: readList('descriptors', record['descriptors'], mostDescriptors, (item) => {
        const [descriptor, opened] = fieldsOf('a descriptor', item, 2);
        return [
          readCount('a descriptor', descriptor, mostDescriptors - 1),
          readCount('what a descriptor stands for', opened),
        ] as const;
      }),
      descriptorsEnd: readCount('descriptorsEnd', record['descriptorsEnd'], mostDescriptors),
    };
    checkNumbers(state);
    checkDirectories(state.directories);
    checkDescriptors(state);
    return state;
  });
}

function fieldsOf(name: string, item: unknown, count: number): unknown[] {
  const fields = readList(name, item, count, (field) => field);
  if (fields.length !== count) throw new MalformedState(`${name} does not have ${count} fields`);
  return fields;
}

function readBig(name: string, value: unknown): bigint {
  const digits = readText(name, value, 19);
  if (!/^(0|[1-9][0-9]*)$/.test(digits))
    throw new MalformedState(`${name} is not a number in digits`);
  const big = BigInt(digits);
  if (big > mostBig) throw new MalformedState(`${name} is more than 63 bits`);
  return big;
}

function readNumber(value: unknown): number {
  const number = readCount('the number of a file or directory', value, mostNumber);
  if (number < firstGlueRegion) throw new MalformedState(`${number} is a memory's number`);
  return number;
}

function readName(value: unknown): string {
  const name = readText('a name', value);
  if (isEntryName(name)) return name;
  throw new MalformedState(`${JSON.stringify(name)} is no name for a file`);
}

function readFile(item: unknown): FileState {
  const [number, size, ino, readonly] = fieldsOf('a file', item, 4);
  return {
    number: readNumber(number),
    size: readCount('the size of a file', size),
    ino: readBig('the ino of a file', ino),
    readonly: readBoolean('whether a file is read-only', readonly),
  };
}

function readDirectory(item: unknown): DirectoryState {
  const [number, ino, parent, entries] = fieldsOf('a directory', item, 4);
  return {
    number: readNumber(number),
    ino: readBig('the ino of a directory', ino),
    parent: parent === null ? null : readNumber(parent),
    entries: readList('the entries of a directory', entries, mostNumber, (entry) => {
      const [name, of] = fieldsOf('an entry', entry, 2);
      return [readName(name), readNumber(of)] as const;
    }),
  };
}

function readOpened(item: unknown): OpenedState {
  const fields = readList('something open', item, 3, (field) => field);
  const [kind, first, second] = fields;
  if (kind === 'file' && fields.length === 3) {
    return { kind, number: readNumber(first), position: readBig('a position', second) };
  }
  if (kind === 'directory' && fields.length === 2) return { kind, number: readNumber(first) };
  if (kind === 'preopen' && fields.length === 3) {
    return { kind, number: readNumber(first), name: readText('a name', second) };
  }
  if (kind === 'host' && fields.length === 2) return { kind, name: readText('a name', first) };
  throw new MalformedState(
    'something is open that is neither a file nor a directory nor the host’s',
  );
}

/** Every number is one thing's, and what refers to it means that kind of thing. */
function checkNumbers(state: WasiState): void {
  const files = new Set(state.files.map(({ number }) => number));
  const directories = new Set(state.directories.map(({ number }) => number));
  const all = new Set([...files, ...directories]);
  if (all.size !== state.files.length + state.directories.length) {
    throw new MalformedState('two files or directories have one number');
  }
  for (const number of all) {
    if (number >= state.nextNumber) throw new MalformedState(`${number} was not given out yet`);
  }
  for (const { ino } of [...state.files, ...state.directories]) {
    if (ino >= state.nextIno) throw new MalformedState(`ino ${ino} was not given out yet`);
  }
  const mustBe = (kind: string, number: number, set: ReadonlySet<number>): void => {
    if (!set.has(number)) throw new MalformedState(`there is no ${kind} ${number}`);
  };
  for (const { parent, entries } of state.directories) {
    if (parent !== null) mustBe('directory', parent, directories);
    for (const [, number] of entries) mustBe('file or directory', number, all);
  }
  for (const opened of state.opened) {
    if (opened.kind === 'file') mustBe('file', opened.number, files);
    else if (opened.kind !== 'host') mustBe('directory', opened.number, directories);
  }
}

/** Names are distinct; a directory stands in one place at most, and not below itself. */
function checkDirectories(directories: readonly DirectoryState[]): void {
  const numbers = new Set(directories.map(({ number }) => number));
  const above = new Map<number, number>();
  for (const { number, entries } of directories) {
    if (new Set(entries.map(([name]) => name)).size !== entries.length) {
      throw new MalformedState(`two entries of directory ${number} have one name`);
    }
    for (const [, entry] of entries) {
      if (!numbers.has(entry)) continue;
      if (above.has(entry)) throw new MalformedState(`directory ${entry} stands in two places`);
      above.set(entry, number);
    }
  }
  const sound = new Set<number>();
  for (const { number } of directories) {
    const way = new Set<number>();
    for (let at: number | undefined = number; at !== undefined && !sound.has(at); ) {
      if (way.has(at)) throw new MalformedState(`directory ${at} lies below itself`);
      way.add(at);
      at = above.get(at);
    }
    for (const each of way) sound.add(each);
  }
}

function checkDescriptors({ descriptors, opened, descriptorsEnd }: WasiState): void {
  const used = new Set<number>();
  let next = 0;
  for (const [descriptor, index] of descriptors) {
    if (descriptor < next || descriptor >= descriptorsEnd) {
      throw new MalformedState(`descriptor ${descriptor} is out of order`);
    }
    if (index >= opened.length) throw new MalformedState(`descriptor ${descriptor} is of nothing`);
    next = descriptor + 1;
    used.add(index);
  }
  if (used.size !== opened.length)
    throw new MalformedState('something is open without a descriptor');
}
