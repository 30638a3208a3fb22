import { randomFillSync } from 'node:crypto';
import { PatchIndex } from '../src/codec/patch-index.js';
import { unpackedBytes } from '../src/core/kernels.wasm.js';
import { loadCPeers } from './c-peers.js';
import { result, type Suite, throughput } from './harness.js';
import { installed, iperf3 } from './programs.js';

const bytes: number = 64 * 2 ** 20;
const mebibyte = 2 ** 20;
const pageBytes = 4096;
/** What a source has by default. */
const shadowBytes = 256 * mebibyte;
const seconds = 3;

export const suite: Suite = {
  question: 'What do memory and a socket of this machine give at best, and what is carried along?',
  async *run() {
    const from = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65536) randomFillSync(from, at, 65536);
    const to = from.slice();
    yield await throughput('limits/memcpy-64MiB', bytes, () => to.set(from), {});
    const c = loadCPeers();
    if (c !== undefined) {
      const pages = bytes / pageBytes;
      yield await throughput('limits/memcmp-64MiB', bytes, () => c.scan_pages(from, to, pages), {});
    }
    if (installed('iperf3')) {
      yield result(
        'limits/iperf3-P1-loopback',
        'GB/s',
        'higher',
        (await iperf3(seconds)) / 1e9,
        {},
      );
    }
    const patchBytes = PatchIndex.byteLengthFor(shadowBytes / pageBytes, 2 * shadowBytes);
    yield result('limits/patch-memory', 'MiB', 'lower', patchBytes / mebibyte, {
      '0.3 x the shadow + 8 MiB': 0.3 * (shadowBytes / mebibyte) + 8,
    });
    yield result('limits/embedded-wasm', 'KiB', 'lower', unpackedBytes / 1024, {});
  },
};
