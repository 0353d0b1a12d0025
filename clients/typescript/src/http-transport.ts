/** Calls over HTTP to the web port of a server, by `fetch` and the protocol Connect. For browsers; it knows nothing of Node. */
import { status } from './codes.js';
import { Envelopes, envelope, httpError, STREAM_TYPE, UNARY_TYPE } from './connect-protocol.js';
import { ChordError, cancelled, closed, decodeError, unavailable } from './errors.js';
import { sleep, sleepMax } from './timers.js';
import { authorization, encode, type Headers, type Method, type Token, type Transport } from './transport.js';
import { onWake, Silence } from './wake.js';

/** The time of so many heartbeats without one: a stream that is late is not yet lost. */
const HEARTBEATS_MISSED = 2;
/** A call that has lasted for so long when the page wakes may have lost its connection, and is made anew. Milliseconds. */
const LONG_CALL_SILENCE = 30_000;

export class HttpTransport implements Transport {
  readonly #base: URL;
  readonly #open = new Set<Exchange>();
  #closed = false;

  /** @param address an absolute URL, or one that the page completes */
  constructor(
    address: string,
    private readonly token: Token | undefined,
    private readonly headers: Headers = {},
  ) {
    const { location } = globalThis as { readonly location?: { readonly origin: string } };
    this.#base = new URL(address, location?.origin);
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
  }

  get renews(): boolean {
    return typeof this.token === 'function';
  }

  call<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal | undefined,
    headers?: Headers,
  ): Promise<A> {
    return this.#unary(method, request, deadline, this.#begin(signal), headers);
  }

  async longCall<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal,
    headers?: Headers,
  ): Promise<A> {
    const exchange = this.#begin(signal);
    const silence = new Silence(LONG_CALL_SILENCE, false, () => exchange.fail(unavailable('the page was asleep')));
    silence.begin();
    try {
      return await this.#unary(method, request, deadline, exchange, headers);
    } finally {
      silence.close();
    }
  }

  async *stream<Q, A>(
    method: Method<Q, A>,
    request: Q,
    signal: AbortSignal,
    heartbeat = Infinity,
    headers?: Headers,
  ): AsyncGenerator<A, void, void> {
    const body = envelope(encode(method, request));
    const exchange = this.#begin(signal);
    const limit = HEARTBEATS_MISSED * heartbeat;
    const silence = new Silence(limit, limit < Infinity, () => exchange.fail(unavailable('the stream is silent')));
    const envelopes = new Envelopes();
    try {
      silence.begin();
      const response = await this.#post(method.path, STREAM_TYPE, body, exchange.signal, headers);
      const reader = response.body!.getReader();
      for (;;) {
        silence.begin();
        const { value, done } = await reader.read();
        silence.end();
        if (done) break;
        for (const message of envelopes.take(value)) yield decode(method, message);
      }
      if (!envelopes.ended) throw unavailable('the stream broke off');
    } catch (error) {
      throw exchange.causeOf(error);
    } finally {
      silence.close();
      this.#end(exchange);
    }
  }

  /** A page that wakes waits no more. */
  async pause(delay: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const forget = onWake(() => woken.abort());
    await sleep(delay, AbortSignal.any([signal, woken.signal]));
    forget();
  }

  close(): void {
    this.#closed = true;
    for (const exchange of this.#open) exchange.fail(closed('client'));
  }

  async #unary<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    exchange: Exchange,
    headers: Headers = {},
  ): Promise<A> {
    const left = Math.max(0, Math.ceil(sleepMax(deadline - Date.now())));
    const late = () =>
      exchange.fail(new ChordError('DEADLINE_EXCEEDED', 'no answer in time', status.DEADLINE_EXCEEDED));
    const timer = deadline < Infinity ? setTimeout(late, left) : undefined;
    const timeout = deadline < Infinity ? { 'connect-timeout-ms': String(left) } : {};
    try {
      const response = await this.#post(method.path, UNARY_TYPE, request, exchange.signal, { ...headers, ...timeout });
      return decode(method, new Uint8Array(await response.arrayBuffer()));
    } catch (error) {
      throw exchange.causeOf(error);
    } finally {
      clearTimeout(timer);
      this.#end(exchange);
    }
  }

  /** Answers when the head of a success has come. */
  async #post(
    path: string,
    type: string,
    body: Uint8Array,
    signal: AbortSignal,
    more: Headers = {},
  ): Promise<Response> {
    const token = await authorization(this.token);
    const headers = {
      ...this.headers,
      ...more,
      'content-type': type,
      'connect-protocol-version': '1',
      ...(token !== undefined && { authorization: token }),
    };
    const url = new URL(path.slice(1), this.#base);
    // Followed, a redirection would carry the token elsewhere.
    const redirect = 'error';
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: body as Uint8Array<ArrayBuffer>,
      signal,
      redirect,
    });
    if (response.ok && response.headers.get('content-type')?.startsWith(type)) return response;
    throw httpError(response.status, await response.text());
  }

  #begin(signal: AbortSignal | undefined): Exchange {
    if (this.#closed) throw closed('client');
    const exchange = new Exchange(signal);
    this.#open.add(exchange);
    return exchange;
  }

  #end(exchange: Exchange): void {
    this.#open.delete(exchange);
    exchange.end();
  }
}

/** A request and its answer: what ends it early, and why. */
class Exchange {
  readonly #ending = new AbortController();
  #why: ChordError | undefined;
  readonly #cancel = () => this.fail(cancelled());

  constructor(private readonly caller: AbortSignal | undefined) {
    if (caller?.aborted) this.#cancel();
    else caller?.addEventListener('abort', this.#cancel, { once: true });
  }

  /** For `fetch`. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** The first reason counts. */
  fail(why: ChordError): void {
    this.#why ??= why;
    this.#ending.abort(why);
  }

  /** What to throw for what `fetch` throws: browsers do not say why the network failed. */
  causeOf(error: unknown): ChordError {
    if (this.#why) return this.#why;
    return error instanceof ChordError ? error : unavailable(error instanceof Error ? error.message : String(error));
  }

  /** Closes what is still open. */
  end(): void {
    this.caller?.removeEventListener('abort', this.#cancel);
    this.#ending.abort();
  }
}

function decode<A>(method: Method<never, A>, bytes: Uint8Array): A {
  try {
    return method.responseDeserialize(bytes);
  } catch (error) {
    throw decodeError(status.INTERNAL, `the answer cannot be decoded: ${(error as Error).message}`, []);
  }
}
