/**
 * Frames between the engine and a worker, over a socket pair: a length (4 bytes), a kind (1 byte), and fields. Integers are
 * varints of at most 32 bits; texts and bytes have their length before them. Frames are collected, and written once in a
 * turn of the event loop; they are read in slices, so that many deliveries do not keep other calls waiting.
 */
import type { Socket } from 'node:net';

/** From a worker. */
export const TO_ENGINE = {
  opened: 1,
  closed: 2,
  refused: 3,
  call: 4,
  body: 5,
  cancel: 6,
  left: 7,
  failed: 8,
  usage: 9,
} as const;
/** To a worker. */
export const TO_WORKER = { read: 1, message: 2, end: 3, answer: 4, note: 5 } as const;

/** What the engine lets a worker know of a connection. */
export const NOTES = { known: 0, used: 1, watching: 2, notWatching: 3 } as const;

const HEAD = 5;
const INITIAL_BYTES = 32 * 1024;
/** Frames are read for this long in a turn, in milliseconds. */
const SLICE_MS = 1;

export class FrameWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;
  #head = 0;
  #asked = false;

  /** @param beforeFlush writes the frames that were collected elsewhere */
  constructor(
    private readonly socket: Socket,
    private readonly beforeFlush: () => void = () => {},
  ) {}

  begin(kind: number): this {
    this.ask();
    this.#room(HEAD);
    this.#head = this.#at;
    this.#bytes[this.#at + 4] = kind;
    this.#at += HEAD;
    return this;
  }

  int(value: number): this {
    this.#room(5);
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#at++] = rest;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int(value.length);
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  text(value: string): this {
    const length = Buffer.byteLength(value);
    this.int(length);
    this.#room(length);
    this.#at += this.#bytes.write(value, this.#at);
    return this;
  }

  end(): void {
    this.#bytes.writeUInt32BE(this.#at - this.#head - 4, this.#head);
  }

  /** Frames will be written at the end of this turn. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.beforeFlush();
    this.#asked = false;
    if (this.#at === 0) return;
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    // The socket keeps the buffer until it is written.
    this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    if (!this.socket.destroyed) this.socket.write(bytes);
  };

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** The fields of one frame, in the order in which they were written. */
export class FrameReader {
  #at = HEAD;

  constructor(private readonly frame: Buffer) {}

  get kind(): number {
    return this.frame[4]!;
  }

  get more(): boolean {
    return this.#at < this.frame.length;
  }

  int(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.frame[this.#at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** A part of what was received; copy what is kept. */
  bytes(): Buffer {
    const length = this.int();
    this.#at += length;
    return this.frame.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString();
  }
}

/** Calls back for each frame that comes over the socket. */
export function readFrames(socket: Socket, onFrame: (frame: FrameReader) => void): void {
  let pending: Buffer[] = [];
  let size = 0;
  const next = (): Buffer | undefined => {
    if (size < 4) return undefined;
    if (pending[0]!.length < 4) pending = [Buffer.concat(pending)];
    const length = 4 + pending[0]!.readUInt32BE(0);
    if (size < length) return undefined;
    if (pending[0]!.length < length) pending = [Buffer.concat(pending)];
    const [first] = pending as [Buffer];
    if (first.length === length) pending.shift();
    else pending[0] = first.subarray(length);
    size -= length;
    return first.subarray(0, length);
  };
  const slice = (): void => {
    const until = performance.now() + SLICE_MS;
    for (let frame = next(); frame; frame = next()) {
      onFrame(new FrameReader(frame));
      if (performance.now() < until) continue;
      socket.pause();
      setImmediate(slice);
      return;
    }
    if (socket.isPaused()) socket.resume();
  };
  socket.on('data', (chunk) => {
    pending.push(chunk as Buffer);
    size += chunk.length;
    slice();
  });
}
