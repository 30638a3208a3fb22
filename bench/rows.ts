import { randomFillSync } from 'node:crypto';
import initSqlJs from 'sql.js';

const rowsPerMebibyte = 8500;
const mostRows = 8 * rowsPerMebibyte;
const rowNoise = 40;

/**
 * `bytes` of pages in the middle of an SQLite database: rows that are one half words and numbers, one half noise. Beyond some 8 MiB it
 * repeats itself, too far apart for a compressor to see.
 */
export async function rowPages(bytes: number): Promise<Uint8Array> {
  const sql = await initSqlJs();
  const database = new sql.Database();
  database.run('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, balance REAL, data BLOB)');
  const insert = database.prepare('INSERT INTO items VALUES (?, ?, ?, ?)');
  const rows = Math.min(mostRows, Math.ceil((bytes / 2 ** 20) * rowsPerMebibyte) + 2000);
  database.run('BEGIN');
  for (let id = 0; id < rows; id++) {
    const data = randomFillSync(new Uint8Array(rowNoise));
    insert.run([id, `item number ${id} of the warehouse in the north`, id * 1.25, data]);
  }
  database.run('COMMIT');
  insert.free();
  const pages = database.export().subarray(4 * 4096);
  database.close();
  const image = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += pages.length) {
    image.set(pages.subarray(0, bytes - at), at);
  }
  return image;
}
