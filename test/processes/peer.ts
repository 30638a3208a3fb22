import type { Socket } from 'node:net';
import {
  decodeMessage,
  encodeMessage,
  type FrameOrder,
  Framer,
  type Message,
  maxFrameBytes,
} from '../../src/protocol/index.js';

/** One end of a connection that says whatever a test wants it to. PING is answered, PONG ignored. */
export class FakePeer {
  readonly #socket: Socket;
  readonly #framer = new Framer(new Uint8Array(2 * maxFrameBytes));
  readonly #heard: { readonly message: Message; readonly seq: number }[] = [];
  #over = false;
  #wake: () => void = () => {};
  /** Of the frame said last. */
  seq = 0;
  /** Of the message heard last. */
  heardSeq = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => {});
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#over = true;
        this.#wake();
      });
    }
  }

  /** Says `message`, in its order unless told otherwise. */
  say(message: Message, order: Partial<FrameOrder> = {}): void {
    this.write(encodeMessage(message, { ...this.order(), ...order }));
  }

  /** Where the next frame stands. */
  order(): FrameOrder {
    this.seq += 1;
    return { seq: this.seq, round: 0, attempt: 1 };
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next message; undefined once the other end closed. */
  async hear(): Promise<Message | undefined> {
    while (this.#heard.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const next = this.#heard.shift();
    this.heardSeq = next?.seq ?? this.heardSeq;
    return next?.message;
  }

  /** The next message of this type, whatever comes before it. */
  async hearOf<T extends Message['type']>(type: T): Promise<Extract<Message, { type: T }>> {
    for (;;) {
      const message = await this.hear();
      if (message === undefined) throw new Error(`closed without ${type}`);
      if (isOfType(message, type)) return message;
    }
  }

  /** Everything until the other end closes. */
  async hearAll(): Promise<Message[]> {
    const all: Message[] = [];
    for (let next = await this.hear(); next !== undefined; next = await this.hear()) all.push(next);
    return all;
  }

  /** Reads and answers nothing any more, but stays. */
  sleep(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0; ) {
      rest = rest.subarray(this.#framer.push(rest));
      for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
        const { message, header } = decodeMessage(frame.slice());
        if (message.type === 'PING') this.say({ type: 'PONG', token: message.token });
        else if (message.type !== 'PONG') this.#heard.push({ message, seq: header.seq });
      }
    }
    this.#wake();
  }
}

function isOfType<T extends Message['type']>(
  message: Message,
  type: T,
): message is Extract<Message, { type: T }> {
  return message.type === type;
}
