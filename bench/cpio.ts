// Archives as Linux takes them for its first file system: the "newc" form (Documentation/driver-api/early-userspace/buffer-format.rst).

/** A program with its path from the root, or without content a folder. */
export interface CpioEntry {
  readonly path: string;
  readonly content?: Uint8Array;
}

const folderMode = 0o040755;
const programMode = 0o100755;

/** An archive of these entries, and of the folders that their paths name. */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const folders = new Set(entries.flatMap(({ path }) => parentsOf(path)));
  const all = [...[...folders].map((path): CpioEntry => ({ path })), ...entries];
  const pieces = all.flatMap(({ path, content }, index) =>
    record(path, content === undefined ? folderMode : programMode, content, index + 1),
  );
  return Buffer.concat([...pieces, ...record('TRAILER!!!', 0, undefined, 0)]);
}

function parentsOf(path: string): readonly string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/** The header's 13 numbers, each eight hexadecimal digits, then the name and the content, each padded to four bytes. */
function record(
  path: string,
  mode: number,
  content: Uint8Array = new Uint8Array(0),
  inode: number,
): readonly Uint8Array[] {
  const links = 1;
  const nameBytes = Buffer.byteLength(path) + 1;
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, nameBytes, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.from(`${header}${path}\0`)), padded(content)];
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes], Math.ceil(bytes.length / 4) * 4);
}
