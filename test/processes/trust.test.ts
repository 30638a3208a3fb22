import { existsSync, promises as fs, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newToken } from '../../src/index.js';
import { Random } from '../reference/random.js';
import { inRoom, type Room } from './room.js';

function image(room: Room): Promise<string> {
  return room.file('from.img', new Random(5).bytes(2_000_000));
}

/** A token file, as a user makes it. */
async function tokenFile(room: Room, token: string, mode = 0o600): Promise<string> {
  const path = await room.file('token', `${token}\n`);
  await fs.chmod(path, mode);
  return path;
}

/** What the kernel shows of a process to everybody. */
function shown(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/comm`, 'utf8');
}

describe.concurrent('a token', () => {
  it(
    'is made by a receiver that can be reached from elsewhere, opens it once, and is gone with it',
    inRoom(async (room) => {
      const from = await image(room);
      const receiver = room.run(['receive', '--listen', '0.0.0.0:0', '--out', room.out, '--once']);
      const { file } = await receiver.event('token');
      const port = Number((await receiver.event('listening'))['port']);
      const path = String(file);
      expect((await fs.stat(path)).mode & 0o777).toBe(0o600);
      const token = (await fs.readFile(path, 'utf8')).trim();

      expect(await room.send(from, port).gone()).toMatchObject({
        code: 1,
        last: { type: 'failed' },
      });
      const other = await tokenFile(room, newToken());
      const refused = await room.send(from, port, '--token-file', other).gone();
      expect(refused).toMatchObject({ code: 3, last: { code: 'ERR_AUTH' } });
      await room.expectEmptyInbox();

      const sent = room.send(from, port, '--token-file', path);
      const ended = await sent.gone();
      expect(ended).toMatchObject({ code: 0, last: { type: 'completed', verified: 'memory' } });
      const received = await receiver.gone();
      expect(received.code).toBe(0);
      await room.expectReceived(from);
      expect(existsSync(path)).toBe(false);
      for (const { stderr, events } of [ended, received, refused]) {
        expect(stderr + JSON.stringify(events)).not.toContain(token);
      }
      const strangers = received.events.filter(({ type }) => type === 'dropped');
      expect(strangers.map((event) => event['code'])).toEqual(['ERR_AUTH', 'ERR_AUTH']);
    }),
    60_000,
  );

  it(
    'comes by the environment too, which nothing that is started inherits',
    inRoom(async (room) => {
      const from = await image(room);
      const token = newToken();
      const file = await tokenFile(room, token);
      const receiver = await room.receive('--once', '--token-file', file);
      const seen = room.path('seen');
      const sent = room.run(
        [
          ...['send', from, `127.0.0.1:${receiver.port}`, '--live'],
          ...['--pause-cmd', `env > ${seen}`, '--resume-cmd', 'true'],
        ],
        ['env', `PAGEFERRY_TOKEN=${token}`],
      );
      await sent.event('offered');
      expect(shown(sent.pid)).not.toContain(token);
      expect(await sent.gone()).toMatchObject({ code: 0 });
      const environment = await fs.readFile(seen, 'utf8');
      expect(environment).toContain('PATH=');
      expect(environment).not.toContain('PAGEFERRY_TOKEN');
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
      await room.expectReceived(from);
    }),
    60_000,
  );

  it(
    'is good for as many images as it was told',
    inRoom(async (room) => {
      const from = await image(room);
      const file = await tokenFile(room, newToken());
      const { port } = await room.receive(
        '--out-dir',
        room.inbox,
        '--token-file',
        file,
        '--token-uses',
        '2',
      );
      const codes = [];
      for (let count = 0; count < 3; count++) {
        codes.push((await room.send(from, port, '--token-file', file).gone()).code);
      }
      expect(codes).toEqual([0, 0, 3]);
    }),
    60_000,
  );

  it(
    'of the environment is not used beside what says otherwise, which is said once',
    inRoom(async (room) => {
      const from = await image(room);
      const token = newToken();
      const file = await tokenFile(room, token);
      const receiver = await room.receive('--once', '--token-file', file);
      const inherits = ['env', `PAGEFERRY_TOKEN=${newToken()}`] as const;
      const to = `127.0.0.1:${receiver.port}`;
      const plain = await room.run(['send', from, to, '--insecure'], inherits).gone();
      expect(plain.code).toBe(1);
      const sent = await room.run(['send', from, to, '--token-file', file], inherits).gone();
      expect(sent.code).toBe(0);
      for (const [{ stderr }, instead] of [
        [plain, '--insecure'],
        [sent, '--token-file'],
      ] as const) {
        expect(
          stderr.split(`PAGEFERRY_TOKEN is set and not used: there is ${instead}`),
        ).toHaveLength(2);
      }
    }),
    60_000,
  );

  it.runIf(process.getuid?.() === 0)(
    'is not read from a file of another user',
    inRoom(async (room) => {
      const from = await image(room);
      const file = await tokenFile(room, newToken());
      await fs.chown(file, 12_345, 12_345);
      const ended = await room.send(from, 4711, '--token-file', file).gone();
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('another user') });
    }),
    60_000,
  );

  it(
    'is not read from a file that others can read, or that holds none, and is not repeated',
    inRoom(async (room) => {
      const from = await image(room);
      const token = newToken();
      const open = await tokenFile(room, token, 0o644);
      const ended = await room.send(from, 4711, '--token-file', open).gone();
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('chmod 600') });
      await fs.chmod(open, 0o600);
      await fs.writeFile(open, token.slice(1));
      const malformed = await room.send(from, 4711, '--token-file', open).gone();
      expect(malformed.code).toBe(2);
      expect(malformed.stderr).not.toContain(token.slice(1));
      const mistaken = await room.send(from, 4711, '--token-file', token).gone();
      expect(mistaken.code).toBe(2);
      expect(mistaken.stderr).not.toContain(token);
      const missing = await room.send(from, 4711, '--token-file', room.path('none')).gone();
      expect(missing.code).toBe(2);
      for (const wrong of [
        ['--token-file', open, '--insecure'],
        ['--allow', 'a'],
        ['--tls-dir', room.inbox],
      ]) {
        expect((await room.send(from, 4711, ...wrong).gone()).code).toBe(2);
      }
    }),
    60_000,
  );
});

describe.concurrent('plain TCP to other machines', () => {
  it(
    'says each time that nothing is encrypted',
    inRoom(async (room) => {
      const from = await image(room);
      const receiver = room.run([
        'receive',
        '--listen',
        '0.0.0.0:0',
        '--out',
        room.out,
        '--once',
        '--insecure',
      ]);
      const port = Number((await receiver.event('listening'))['port']);
      expect(receiver.stderr).toContain('nothing is authenticated or encrypted');
      expect(await room.send(from, port).gone()).toMatchObject({ code: 0 });
      expect(await receiver.gone()).toMatchObject({ code: 0 });
    }),
    60_000,
  );
});

describe.concurrent('pageferry keys', () => {
  it(
    'makes what --tls-dir wants, and adds names later',
    inRoom(async (room) => {
      const from = await image(room);
      const keys = room.path('keys');
      expect((await room.run(['keys', keys]).gone()).events).toMatchObject([
        { type: 'issued', name: 'source' },
        { type: 'issued', name: 'destination' },
      ]);
      expect(
        (await room.run(['keys', keys, '--name', '127.0.0.1', '--days', '2']).gone()).code,
      ).toBe(0);
      expect((await room.run(['keys', keys, '--name', 'source']).gone()).code).toBe(2);
      expect((await room.run(['keys', keys, '--name', '../x']).gone()).code).toBe(2);
      const others = room.path('others');
      expect((await room.run(['keys', others, '--name', 'a']).gone()).code).toBe(0);
      await fs.copyFile(`${keys}/ca.pem`, `${others}/ca.pem`);
      const mixed = await room.run(['keys', others, '--name', 'b']).gone();
      expect(mixed).toMatchObject({ code: 2, stderr: expect.stringContaining('another cert') });
      expect(existsSync(`${others}/b`)).toBe(false);
      for (const secret of ['ca-key.pem', 'source/key.pem', '127.0.0.1/key.pem']) {
        expect((await fs.stat(`${keys}/${secret}`)).mode & 0o777, secret).toBe(0o600);
      }
      const receiver = await room.receive(
        '--once',
        '--tls-dir',
        `${keys}/127.0.0.1`,
        '--allow',
        'source',
      );
      const { port } = receiver;
      const own = ['--tls-dir', `${keys}/destination`];
      expect(await room.send(from, port, ...own).gone()).toMatchObject({
        code: 3,
        last: { code: 'ERR_AUTH' },
      });
      const source = ['--tls-dir', `${keys}/source`];
      const wrong = await room.send(from, port, ...source, '--allow', 'destination').gone();
      expect(wrong).toMatchObject({ code: 3, last: { code: 'ERR_AUTH' } });
      expect(await room.send(from, port, ...source).gone()).toMatchObject({ code: 0 });
      expect(await receiver.process.gone()).toMatchObject({ code: 0 });
      await room.expectReceived(from);
    }),
    60_000,
  );
});
