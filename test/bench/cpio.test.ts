import { expect, test } from 'vitest';
import { cpioArchive } from '../../bench/cpio.js';

test('an archive has the folders of its paths, then its entries, each at a multiple of four bytes', () => {
  const archive = cpioArchive([{ path: 'a/bc', content: Uint8Array.of(1, 2, 3) }, { path: 'd' }]);
  const text = Buffer.from(archive).toString('latin1');
  const hex = (...fields: readonly number[]) =>
    fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const folder = (inode: number) =>
    `070701${hex(inode, 0o040755, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0)}`;
  const file = `070701${hex(2, 0o100755, 0, 0, 1, 0, 3, 0, 0, 0, 0, 5, 0)}`;
  const end = `070701${hex(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0)}TRAILER!!!\0`;
  expect(text).toBe(`${folder(1)}a\0${file}a/bc\0\0\x01\x02\x03\0${folder(3)}d\0${end}\0\0\0`);
  expect(archive.length % 4).toBe(0);
});
