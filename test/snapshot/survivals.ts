import { createHash } from 'node:crypto';
import {
  apply,
  type DiskImage,
  type EntryChange,
  type FileImage,
  FileNode,
  FolderNode,
  type Node,
  SimulatedDisk,
  type Write,
  withWrites,
} from './simulated-disk.js';

/** How much is tried of what a power cut may leave. */
export interface Bounds {
  /** All subsets of so many unsynced changes of names; of more: none, all, each prefix, each alone, all but each. */
  readonly allSubsetsUpTo: number;
  /** All pairs of states of two files, beside each file's states with all others whole, or as they were. */
  readonly pairs: boolean;
}

/** What a power cut left: a disk to mount, what it has in one word, and how it came. */
export interface Survival {
  /** Equal for disks with equal names and contents. */
  readonly key: string;
  readonly how: string;
  mount(): SimulatedDisk;
}

/** A file as it may be after the cut. */
class Variant {
  readonly how: string;
  readonly #image: FileImage;
  readonly #writes: readonly Write[];
  #bytes: Uint8Array | undefined;

  constructor(how: string, image: FileImage, writes: readonly Write[]) {
    this.how = how;
    this.#image = image;
    this.#writes = writes;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= withWrites(this.#image.durable, this.#writes);
    return this.#bytes;
  }
}

/** Everything, up to `bounds`, that a power cut at the moment of `image` may leave. */
export function* survivals(image: DiskImage, bounds: Bounds): Generator<Survival> {
  const seen = new Set<string>();
  const variants = new Map<FileNode, readonly Variant[]>();
  for (const [file, found] of image.files) {
    if (found.unsynced.length > 0) variants.set(file, variantsOf(found));
  }
  for (const [how, changes] of subsets(image.changes, bounds.allSubsetsUpTo)) {
    const names = namesAfter(image, changes);
    const dirty = new Map<FileNode, readonly Variant[]>();
    for (const file of filesIn(image.root, names)) {
      const all = variants.get(file);
      if (all !== undefined) dirty.set(file, all);
    }
    for (const contents of assignments(dirty, bounds)) {
      const survival = new MountedTree(image, names, contents, how);
      if (seen.has(survival.key)) continue;
      seen.add(survival.key);
      yield survival;
    }
  }
}

type Names = ReadonlyMap<FolderNode, ReadonlyMap<string, Node>>;
type Contents = ReadonlyMap<FileNode, Variant>;

/** Subsets of changes to names, those first that lose most. */
function* subsets(
  changes: readonly EntryChange[],
  allUpTo: number,
): Generator<[string, readonly EntryChange[]]> {
  const count = changes.length;
  if (count <= allUpTo) {
    for (let mask = 0; mask < 1 << count; mask++) {
      const chosen = changes.filter((_, at) => (mask >> at) & 1);
      yield [`names ${mask.toString(2).padStart(count, '0')} of ${count}`, chosen];
    }
    return;
  }
  yield ['no names', []];
  yield ['all names', changes];
  for (let at = 0; at < count; at++) {
    yield [`all names but ${at} of ${count}`, changes.filter((_, other) => other !== at)];
    yield [`only name ${at} of ${count}`, changes.slice(at, at + 1)];
    if (at > 1) yield [`the first ${at} names of ${count}`, changes.slice(0, at)];
  }
}

function namesAfter(image: DiskImage, changes: readonly EntryChange[]): Names {
  const names = new Map<FolderNode, Map<string, Node>>();
  for (const [folder, durable] of image.folders) names.set(folder, new Map(durable));
  for (const change of changes) apply(names.get(change.folder) as Map<string, Node>, change);
  return names;
}

function* filesIn(folder: FolderNode, names: Names): Generator<FileNode> {
  for (const node of names.get(folder)?.values() ?? []) {
    if (node instanceof FileNode) yield node;
    else yield* filesIn(node, names);
  }
}

/** What of unsynced writes may be on the medium: nothing, all, the first ones, single ones, torn ones, or a length without contents. */
function variantsOf(image: FileImage): Variant[] {
  const { unsynced: writes } = image;
  const variants: Variant[] = [];
  const add = (how: string, survived: readonly Write[]) =>
    variants.push(new Variant(how, image, survived));
  add('nothing', []);
  add('all', writes);
  for (let at = 1; at < writes.length; at++) add(`the first ${at}`, writes.slice(0, at));
  for (const [at, write] of writes.entries()) {
    const before = writes.slice(0, at);
    const after = writes.slice(at + 1);
    if (writes.length > 1) {
      add(`only write ${at}`, [write]);
      add(`all but write ${at}`, [...before, ...after]);
    }
    for (const unit of [512, 4096]) {
      const { position, bytes } = write;
      const units = Math.ceil(bytes.length / unit);
      for (const cut of new Set([1, units >> 1, units - 1])) {
        if (cut < 1 || cut * unit >= bytes.length) continue;
        const torn = { position, bytes: bytes.subarray(0, cut * unit) };
        add(`${cut} x ${unit} bytes of write ${at}, none after`, [...before, torn]);
        const rest = { position: position + cut * unit, bytes: bytes.subarray(cut * unit) };
        add(`write ${at} but ${cut} x ${unit} bytes, all others`, [...before, rest, ...after]);
      }
    }
  }
  const zeros = writes.map(({ position, bytes }) => ({
    position,
    bytes: new Uint8Array(bytes.length),
  }));
  add('zeros', zeros);
  return variants;
}

function* assignments(
  variants: ReadonlyMap<FileNode, readonly Variant[]>,
  { pairs }: Bounds,
): Generator<Contents> {
  const each = (at: number): Map<FileNode, Variant> => {
    const contents = new Map<FileNode, Variant>();
    for (const [file, all] of variants) contents.set(file, all[at] as Variant);
    return contents;
  };
  yield each(0);
  if (variants.size === 0) return;
  yield each(1);
  for (const [file, all] of variants) {
    for (const variant of all) {
      yield each(0).set(file, variant);
      yield each(1).set(file, variant);
      if (!pairs) continue;
      for (const [other, its] of variants) {
        if (other === file) break;
        for (const second of its) yield each(1).set(file, variant).set(other, second);
      }
    }
  }
}

class MountedTree implements Survival {
  readonly key: string;
  readonly how: string;
  readonly #image: DiskImage;
  readonly #names: Names;
  readonly #contents: Contents;

  constructor(image: DiskImage, names: Names, contents: Contents, how: string) {
    this.#image = image;
    this.#names = names;
    this.#contents = contents;
    this.how = [how, ...[...contents.values()].map((variant) => variant.how)].join('; ');
    const hash = createHash('sha256');
    for (const [folder, entries] of names) {
      // Folders are the same nodes in all survivals of a history; which of them is where is in the entries.
      const lines = [...entries].map(([name, node]) => `${name} ${this.#word(node)}`);
      hash.update(`${identity(folder)}: ${lines.sort().join(', ')}\n`);
    }
    this.key = hash.digest('hex');
  }

  mount(): SimulatedDisk {
    const files = new Map<FileNode, FileNode>();
    const copy = (folder: FolderNode): FolderNode => {
      const made = new FolderNode();
      for (const [name, node] of this.#names.get(folder) ?? []) {
        made.entries.set(name, node instanceof FolderNode ? copy(node) : fileOf(node));
      }
      made.durable = new Map(made.entries);
      return made;
    };
    // Two names of one file stay so.
    const fileOf = (node: FileNode): FileNode => {
      const held = files.get(node);
      if (held !== undefined) return held;
      const modifiedMs = this.#image.files.get(node)?.modifiedMs ?? 0;
      const made = FileNode.of(this.#bytes(node), modifiedMs);
      files.set(node, made);
      return made;
    };
    return new SimulatedDisk(copy(this.#image.root));
  }

  #bytes(node: FileNode): Uint8Array {
    return this.#contents.get(node)?.bytes ?? (this.#image.files.get(node)?.durable as Uint8Array);
  }

  #word(node: Node): string {
    if (node instanceof FolderNode) return `folder ${identity(node)}`;
    return hashOf(this.#bytes(node));
  }
}

const identities = new WeakMap<FolderNode, number>();
let lastIdentity = 0;

function identity(folder: FolderNode): number {
  const known = identities.get(folder);
  if (known !== undefined) return known;
  identities.set(folder, ++lastIdentity);
  return lastIdentity;
}

const hashes = new WeakMap<Uint8Array, string>();

function hashOf(bytes: Uint8Array): string {
  const known = hashes.get(bytes);
  if (known !== undefined) return known;
  const hash = createHash('sha256').update(bytes).digest('hex');
  hashes.set(bytes, hash);
  return hash;
}
