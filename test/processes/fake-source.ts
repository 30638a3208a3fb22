import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { ApplyEngine } from '../../src/codec/apply.js';
import { digestOf } from '../../src/migration/digest.js';
import type { Hello, Message, Offer } from '../../src/protocol/index.js';
import { capability } from '../../src/protocol/version.js';
import { testRegion } from '../reference/regions.js';
import { FakePeer } from './peer.js';

const pages = 4;
export const offeredBytes: number = pages * 4096;

/** A source that gets as far with a receiver as a test wants, with an image of four pages of zeros, and then says what it likes. */
export class FakeSource extends FakePeer {
  readonly session: Uint8Array;
  readonly offer: Offer;

  private constructor(socket: ReturnType<typeof connect>, session: Uint8Array, name: string) {
    super(socket);
    this.session = session;
    this.offer = {
      type: 'OFFER',
      pageSize: 4096,
      secret: new Uint8Array(192).fill(7),
      identity: { kind: 'file', version: '', features: [] },
      handsOver: false,
      maxStateBytes: 0,
      maxDowntimeMs: 0,
      regions: [{ id: 0, name, byteLength: offeredBytes, maxByteLength: offeredBytes }],
    };
  }

  static async connect(
    port: number,
    session: Uint8Array = randomBytes(16),
    name = 'fake.img',
  ): Promise<FakeSource> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new FakeSource(socket, session, name);
  }

  /** As events of the receiver name it. */
  get sessionName(): string {
    return Buffer.from(this.session).toString('hex');
  }

  hello(different: Partial<Hello> = {}): Hello {
    return {
      type: 'HELLO',
      minVersion: 1,
      maxVersion: 1,
      session: this.session,
      attempt: 1,
      channel: 0,
      role: 'main',
      capabilities: capability.channels,
      proof: new Uint8Array(32),
      ...different,
    };
  }

  async greet(capabilities?: number): Promise<void> {
    this.say(this.hello(capabilities === undefined ? {} : { capabilities }));
    await this.hearOf('HELLO_ACK');
  }

  /** A page channel of this session, greeted. */
  async channel(port: number, channel: number): Promise<FakeSource> {
    const pages = await FakeSource.connect(port, this.session);
    pages.say(pages.hello({ role: 'pages', channel }));
    await pages.hearOf('HELLO_ACK');
    return pages;
  }

  /** Until ACCEPT. */
  async begin(capabilities?: number): Promise<void> {
    await this.greet(capabilities);
    this.say(this.offer);
    await this.hearOf('ACCEPT');
  }

  /** Until the leaves of a repair: the digest was wrong. */
  async beginRepair(): Promise<void> {
    await this.begin();
    this.say({ type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() });
    this.say({ ...this.prepare(), digest: new Uint8Array(32) });
    await this.hearOf('HASHES');
  }

  /** Until READY. */
  async makeReady(): Promise<void> {
    await this.begin();
    this.say({ type: 'STATE', totalBytes: 0, offset: 0, bytes: new Uint8Array() });
    this.say(this.prepare());
    await this.hearOf('READY');
  }

  /** The right PREPARE behind the frame said last, and with page channels that got as far as `pages` says. */
  prepare(...pages: number[]): Extract<Message, { type: 'PREPARE' }> {
    const finalSeqs = [this.seq, ...pages];
    return { type: 'PREPARE', generation: 1, finalSeqs, digest: this.digest(...finalSeqs) };
  }

  /** Of an image that is still all zeros. */
  digest(...finalSeqs: number[]): Uint8Array {
    const region = testRegion(new Uint8Array(offeredBytes), { fresh: true });
    const engine = new ApplyEngine([region], { secret: this.offer.secret });
    const digest = digestOf({
      session: this.session,
      generation: 1,
      regions: engine.roots(),
      finalSeqs,
      state: new Uint8Array(),
    });
    return Uint8Array.from(digest);
  }
}
