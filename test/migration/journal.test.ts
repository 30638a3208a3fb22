import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bufferGuest } from '../../src/guests/buffer.js';
import { fileJournal } from '../../src/migration/journal.js';
import { listen } from '../../src/migration/listen.js';
import { decodeMessage, encodeMessage, type Message } from '../../src/protocol/index.js';
import { connectTcp } from '../../src/transport/index.js';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pageferry-journal-'));
  path = join(folder, 'journal');
});
afterEach(() => rm(folder, { recursive: true }));

const session = new Uint8Array(16).fill(5);
const digest = new Uint8Array(32).fill(6);

/** Asks a destination how `session` ended; the first `answers` messages it says. */
async function ask(host: string, port: number, answers: number): Promise<Message[]> {
  const channel = await connectTcp({ host, port });
  const heard: Message[] = [];
  const done = new Promise<Message[]>((resolve) => {
    channel.onFrame = (frame) => {
      heard.push(decodeMessage(frame).message);
      if (heard.length === answers) resolve(heard);
    };
  });
  channel.send(
    encodeMessage(
      {
        type: 'HELLO',
        minVersion: 1,
        maxVersion: 1,
        session,
        attempt: 7,
        channel: 0,
        role: 'ask',
        capabilities: 0,
        proof: new Uint8Array(32),
      },
      { seq: 1, round: 0, attempt: 7 },
    ),
  );
  await done;
  await channel.close();
  return heard;
}

describe('the journal of a destination', () => {
  it('remembers what was started, in a new process too', async () => {
    await fileJournal(path).started(session, digest);
    expect(Buffer.from((await fileJournal(path).find(session)) ?? []).equals(digest)).toBe(true);
    expect(await fileJournal(path).find(new Uint8Array(16))).toBeUndefined();
    expect(await readdir(folder)).toEqual(['journal']);
  });

  it('remembers all that were started at once', async () => {
    const journal = fileJournal(path);
    const many = Array.from({ length: 8 }, (_, index) => new Uint8Array(16).fill(index + 1));
    await Promise.all(many.map((one) => journal.started(one, digest)));
    for (const one of many) expect(await journal.find(one)).toBeDefined();
  });

  it('forgets a start that failed', async () => {
    const journal = fileJournal(path);
    await journal.started(session, digest);
    await journal.notStarted(session);
    expect(await journal.find(session)).toBeUndefined();
  });

  it('refuses to guess where its file is damaged', async () => {
    await fileJournal(path).started(session, digest);
    const text = await readFile(path, 'utf8');
    for (const damaged of ['', '{}', text.slice(0, -2), text.replace('0606', '0607'), 'null']) {
      await writeFile(path, damaged);
      await expect(fileJournal(path).find(session)).rejects.toMatchObject({ code: 'ERR_IO' });
    }
  });

  it('lets a restarted destination tell a source in doubt that the guest runs there', async () => {
    await fileJournal(path).started(session, digest);
    await using listener = await listen({
      accept: () => bufferGuest(new Uint8Array(4096)),
      journal: path,
    });
    const [ack, running] = await ask(listener.host, listener.port, 2);
    expect(ack).toMatchObject({ type: 'HELLO_ACK', standing: 'running' });
    expect(running).toMatchObject({ type: 'RUNNING' });
  });

  it('is no answer where it does not know the session', async () => {
    await using listener = await listen({
      accept: () => bufferGuest(new Uint8Array(4096)),
      journal: path,
    });
    const [ack] = await ask(listener.host, listener.port, 1);
    expect(ack).toMatchObject({ type: 'HELLO_ACK', standing: 'unknown' });
  });
});
