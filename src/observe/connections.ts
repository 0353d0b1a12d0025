/** Connections to a port of this process, which gRPC tells nobody of: Node does. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

const ACCEPTED = 'net.server.socket';

export class Connections {
  made = 0;
  open = 0;
  #port = 0;

  /** Tells `changed` of each that opens or closes, with its peer as HOST:PORT. */
  constructor(private readonly changed: (peer: string, open: boolean) => void = () => {}) {}

  /** From now on. */
  watch(port: number): void {
    this.#port = port;
    subscribe(ACCEPTED, this.#accepted);
  }

  close(): void {
    unsubscribe(ACCEPTED, this.#accepted);
  }

  readonly #accepted = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.localPort !== this.#port) return;
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.made++;
    this.open++;
    this.changed(peer, true);
    socket.once('close', () => {
      this.open--;
      this.changed(peer, false);
    });
  };
}
