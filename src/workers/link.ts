/** The frames of one worker: makes calls of the call pipeline from them, and writes what the pipeline answers. */
import type { Socket } from 'node:net';
import { type Metadata, status } from '@grpc/grpc-js';
import type { Call } from '../grpc/call.js';
import type { CallPipeline } from '../grpc/pipeline.js';
import { ChordError } from '../model/errors.js';
import { type FrameReader, FrameWriter, readFrames, TO_ENGINE, TO_WORKER } from './frames.js';
import type { WorkerUsage } from './messages.js';
import {
  type Answers,
  metadataOf,
  metadataText,
  RemoteCall,
  type RemoteConnection,
  type RemoteMethod,
} from './remote-call.js';

/** A method, as the pipeline has it. */
export interface LinkedMethod extends RemoteMethod {
  readonly path: string;
}

export interface LinkEvents {
  closed(connection: number): void;
  refused(peer: string, reason: string): void;
}

export class LinkConnection implements RemoteConnection {
  /** The worker knows that a caller has authenticated. */
  known = false;

  constructor(
    readonly number: number,
    readonly peer: string,
    readonly certificate: RemoteConnection['certificate'],
    readonly note: (what: number) => void,
  ) {}
}

export class WorkerLink implements Answers {
  readonly #frames: FrameWriter;
  readonly #calls = new Map<number, { readonly remote: RemoteCall; readonly call: Call }>();
  readonly #connections = new Map<number, LinkConnection>();
  /** The message that was written last, while its frame is open: more calls may get the same. */
  #shared: Uint8Array | undefined;
  usage: WorkerUsage = { cpu: 0, residentBytes: 0 };

  constructor(
    socket: Socket,
    private readonly pipeline: CallPipeline,
    private readonly methods: readonly LinkedMethod[],
    private readonly events: LinkEvents,
  ) {
    this.#frames = new FrameWriter(socket, () => this.#closeShared());
    readFrames(socket, (frame) => this.#take(frame));
  }

  /** The worker is gone: its calls are cancelled. */
  close(): void {
    for (const { remote } of [...this.#calls.values()]) remote.onCancel();
    this.#calls.clear();
    this.#connections.clear();
  }

  read(call: number): void {
    this.#begin(TO_WORKER.read).int(call).end();
  }

  message(call: number, message: Uint8Array): void {
    if (this.#shared !== message) {
      this.#begin(TO_WORKER.message).bytes(message);
      this.#shared = message;
    }
    this.#frames.int(call);
  }

  answer(call: number, message: Uint8Array): void {
    this.#begin(TO_WORKER.answer).int(call).bytes(message).end();
  }

  end(call: number, code: number, details: string, metadata: Metadata | undefined): void {
    const text = metadata ? metadataText(metadata) : '';
    this.#begin(TO_WORKER.end).int(call).int(code).text(details).text(text).end();
  }

  #begin(kind: number): FrameWriter {
    this.#closeShared();
    return this.#frames.begin(kind);
  }

  #closeShared(): void {
    if (!this.#shared) return;
    this.#shared = undefined;
    this.#frames.end();
  }

  #take(frame: FrameReader): void {
    switch (frame.kind) {
      case TO_ENGINE.call:
        this.#open(frame);
        return;
      case TO_ENGINE.body: {
        const [number, last] = [frame.int(), frame.int() === 1];
        const remote = this.#calls.get(number)?.remote;
        if (frame.more) remote?.onBody(frame.bytes(), last);
        else remote?.onComplete(last);
        return;
      }
      case TO_ENGINE.left:
        while (frame.more) {
          const [number, count] = [frame.int(), frame.int()];
          this.#calls.get(number)?.remote.onLeft(count);
        }
        return;
      case TO_ENGINE.cancel: {
        const number = frame.int();
        const found = this.#calls.get(number);
        this.#calls.delete(number);
        found?.remote.onCancel();
        return;
      }
      case TO_ENGINE.failed: {
        const found = this.#calls.get(frame.int());
        if (found) fail(found.call, JSON.parse(frame.text()));
        return;
      }
      case TO_ENGINE.opened: {
        const [number, peer, certificate] = [frame.int(), frame.text(), frame.text()];
        const note = (what: number): void => this.#begin(TO_WORKER.note).int(number).int(what).end();
        const parsed = certificate === '' ? undefined : JSON.parse(certificate);
        this.#connections.set(number, new LinkConnection(number, peer, parsed, note));
        return;
      }
      case TO_ENGINE.closed: {
        const number = frame.int();
        this.#connections.delete(number);
        this.events.closed(number);
        return;
      }
      case TO_ENGINE.refused:
        this.events.refused(frame.text(), frame.text());
        return;
      case TO_ENGINE.usage:
        this.usage = JSON.parse(frame.text());
    }
  }

  #open(frame: FrameReader): void {
    const [number, connection, index, metadata] = [frame.int(), frame.int(), frame.int(), frame.text()];
    const method = this.methods[index];
    const of = this.#connections.get(connection);
    if (!method) throw new Error(`a worker names method ${index}`);
    if (!of) return; // the client is gone already
    const ended = (over: number) => void this.#calls.delete(over);
    const remote = new RemoteCall(number, metadataOf(metadata), of, method, this, ended);
    const call = this.pipeline.call(method.path, remote as never, of);
    this.#calls.set(number, { remote, call });
    if (frame.more) remote.onBody(frame.bytes(), true);
    call.start();
  }
}

/** What a worker found wrong with a request. */
function fail(call: Call, why: { unimplemented: string } | Pick<ChordError, 'reason' | 'message' | 'details'>): void {
  if ('unimplemented' in why) {
    call.finish({ code: status.UNIMPLEMENTED, details: `${call.method.name}: ${why.unimplemented}` });
  } else call.fail(new ChordError(why.reason, why.message, why.details));
}
