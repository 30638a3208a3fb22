// Moves a machine of two disk images, made with mkfs.ext4 and filled with real files, to another process; the move is interrupted three times.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = await mkdtemp(join(tmpdir(), 'pageferry-example-'));
const machine = join(scratch, 'machine');
const inbox = join(scratch, 'inbox');
const started = [];

/** `pageferry`, and what it says: one event a line. */
function pageferry(...args) {
  const command = [join(root, 'dist/cli/main.js'), ...args, '--json'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  const events = [];
  const waiting = [];
  createInterface(child.stdout).on('line', (line) => {
    const event = JSON.parse(line);
    events.push(event);
    for (const look of waiting) look(event);
  });
  return {
    events,
    ended: new Promise((resolve) => child.on('close', resolve)),
    /** The first such event that is still to come. */
    next: (wanted) =>
      new Promise((resolve) => waiting.push((event) => wanted(event) && resolve(event))),
    kill: () => child.kill('SIGKILL'),
  };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** An image with a file system in it, filled with what is in `folder`. */
function makeDisk(name, folder) {
  const path = join(machine, name);
  execFileSync('mkfs.ext4', ['-q', '-F', '-d', folder, path, '24M'], { stdio: 'pipe' });
  return path;
}

async function hashOf(path) {
  const content = await readFile(path);
  return createHash('sha256').update(content).digest('hex');
}

try {
  await mkdir(machine);
  await mkdir(inbox);
  const disks = ['system.img', 'data.img'];
  makeDisk('system.img', join(root, 'dist'));
  makeDisk('data.img', join(root, 'docs'));
  const about = { description: 'two disks', tags: ['example'], limits: { memory: '512M' } };
  await writeFile(join(machine, 'bundle.json'), JSON.stringify(about));
  const expected = await Promise.all(disks.map((name) => hashOf(join(machine, name))));

  const port = await freePort();
  const receive = async (...more) => {
    const where = ['--listen', `127.0.0.1:${port}`, '--out-dir', inbox, '--keep-partial'];
    const receiver = pageferry('receive', ...where, '--max-outage', '1', ...more);
    await receiver.next(({ type }) => type === 'listening');
    return receiver;
  };
  const slow = ['--bytes-per-second', '3M', '--max-outage', '20'];
  const send = () => pageferry('send', '--bundle', machine, `127.0.0.1:${port}`, ...slow);
  /** Resolves when so many pages were looked at. */
  const under = (source, pages) =>
    source.next(({ type, examinedPages }) => type === 'progress' && examinedPages >= pages);

  // The destination is killed, and started again: the source goes on.
  let receiver = await receive();
  let source = send();
  await under(source, 500);
  receiver.kill();
  await receiver.ended;
  receiver = await receive();
  await source.next(({ type }) => type === 'compared');
  // The source is killed, and another begins anew.
  await under(source, 1500);
  source.kill();
  await source.ended;
  await receiver.next(({ type }) => type === 'dropped');
  source = send();
  // Both are.
  await source.next(({ type }) => type === 'compared');
  await under(source, 2500);
  source.kill();
  receiver.kill();
  await Promise.all([source.ended, receiver.ended]);
  receiver = await receive('--once');
  source = send();
  const exits = await Promise.all([source.ended, receiver.ended]);

  const compared = source.events.find(({ type }) => type === 'compared');
  const done = source.events.at(-1);
  const arrived = await Promise.all(disks.map((name) => hashOf(join(inbox, 'machine', name))));
  const same = arrived.every((hash, index) => hash === expected[index]);
  const left = await readdir(inbox);
  for (const name of disks) {
    execFileSync('e2fsck', ['-f', '-n', join(inbox, 'machine', name)], { stdio: 'pipe' });
  }
  const moved = done.source?.state === 'moved' && left.join() === 'machine';
  const ok = same && moved && compared.samePages > 0 && exits.every((exit) => exit === 0);
  console.log(
    `${ok ? 'moved' : 'FAILED:'} two disks of 24 MiB, interrupted three times: ` +
      `the last try found ${compared.samePages} of ${compared.totalPages} pages there and sent ${done.pagesSent}`,
  );
  if (!ok) process.exitCode = 1;
} catch (error) {
  if (error.code !== 'ENOENT' || !String(error.path).endsWith('mkfs.ext4') || process.env.CI) {
    throw error;
  }
  console.log('skipped: there is no mkfs.ext4 here (Debian: e2fsprogs)');
} finally {
  for (const child of started) child.kill('SIGKILL');
  await rm(scratch, { recursive: true });
}
