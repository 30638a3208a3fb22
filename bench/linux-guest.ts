// A Linux in v86, made of what bench/linux-guest.sh fetched.
import { existsSync, readFileSync } from 'node:fs';
import { benchImport, benchRequire } from './bench-packages.js';
import { cpioArchive } from './cpio.js';

// From build/bench, where the compiled benches are.
const parts = new URL('../linux-guest/', import.meta.url);
const memoryBytes: number = 96 * 2 ** 20;
const bootMs = 300_000;

/** The part of v86 that is used. */
interface V86 {
  readonly v86: {
    readonly cpu: { readonly mem8: Uint8Array; readonly wasm_memory: WebAssembly.Memory };
  };
  add_listener(event: 'emulator-ready', listener: () => void): void;
  add_listener(event: 'serial0-output-byte', listener: (byte: number) => void): void;
  serial0_send(text: string): void;
  run(): Promise<void>;
  stop(): Promise<void>;
  destroy(): Promise<void>;
}

interface V86Module {
  readonly V86: new (options: object) => V86;
}

/** The first program: a shell at the serial port. */
const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
echo READY
while read -r line; do eval "$line"; done
`;

/** A running guest. */
export class LinuxGuest implements AsyncDisposable {
  readonly #emulator: V86;
  readonly #said: { line: string; readonly heard: Set<() => void> };

  private constructor(emulator: V86, said: { line: string; readonly heard: Set<() => void> }) {
    this.#emulator = emulator;
    this.#said = said;
  }

  /** Boots it. Throws where v86 or one of the parts is not there. */
  static async boot(): Promise<LinuxGuest> {
    if (!existsSync(parts)) throw new Error('needs sh bench/linux-guest.sh');
    const { V86 } = await benchImport<V86Module>('v86');
    const archive = cpioArchive([
      { path: 'bin/busybox', content: readFileSync(new URL('busybox', parts)) },
      { path: 'init', content: Buffer.from(init) },
      ...['proc', 'dev', 'tmp'].map((path) => ({ path })),
    ]);
    const emulator = new V86({
      wasm_path: benchRequire.resolve('v86/build/v86.wasm'),
      memory_size: memoryBytes,
      vga_memory_size: 2 ** 20,
      bios: { buffer: part('bios.bin') },
      vga_bios: { buffer: part('vgabios.bin') },
      bzimage: { buffer: part('vmlinuz') },
      initrd: { buffer: Uint8Array.from(archive).buffer },
      cmdline: 'console=ttyS0 loglevel=4 tsc=reliable mitigations=off nokaslr random.trust_cpu=on',
      net_device: { type: 'none' },
      disable_keyboard: true,
      disable_mouse: true,
      disable_speaker: true,
      autostart: false,
      log_level: 0,
    });
    const said = { line: '', heard: new Set<() => void>() };
    emulator.add_listener('serial0-output-byte', (byte) => {
      const letter = String.fromCharCode(byte);
      if (letter !== '\n') {
        said.line += letter;
        return;
      }
      if (said.line.trim() === 'READY') for (const listener of said.heard) listener();
      said.line = '';
    });
    await new Promise<void>((resolve) => {
      emulator.add_listener('emulator-ready', resolve);
    });
    const guest = new LinuxGuest(emulator, said);
    const ready = guest.#ready();
    await emulator.run();
    await ready;
    return guest;
  }

  /** Runs a line in its shell, to its end or until it was put in the background. */
  async run(line: string): Promise<void> {
    const ready = this.#ready();
    this.#emulator.serial0_send(`${line}; echo READY\n`);
    await ready;
  }

  /** Its memory as it is now. */
  async snapshot(): Promise<Uint8Array> {
    await this.#emulator.stop();
    const { mem8, wasm_memory } = this.#emulator.v86.cpu;
    const copy = new Uint8Array(wasm_memory.buffer, mem8.byteOffset, mem8.length).slice();
    await this.#emulator.run();
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#emulator.destroy();
  }

  async #ready(): Promise<void> {
    const { heard } = this.#said;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('it says nothing')), bootMs);
      const listener = (): void => {
        clearTimeout(timer);
        heard.delete(listener);
        resolve();
      };
      heard.add(listener);
    });
  }
}

function part(name: string): ArrayBuffer {
  return Uint8Array.from(readFileSync(new URL(name, parts))).buffer;
}
