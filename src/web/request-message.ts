/**
 * The one message of a request over HTTP. Chord reads it itself: the bytes of a Protobuf message go to the call pipeline as
 * they are, with its bounds while decoding, and JSON is counted before it is parsed.
 */
import { type DescMessage, fromJsonString, type Registry, toBinary } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { decompress, type Encoding, isEncoding } from '../grpc/codec/decompress.js';
import { Body } from '../grpc/codec/request-body.js';
import { ChordError, invalid } from '../model/errors.js';
import { MESSAGE_BYTES_MAX } from '../model/model.js';

/** Values in a JSON request: about 2 microseconds and 1 KiB of memory each while it is converted. */
const JSON_VALUES_MAX = 30_000;

/** Encoded as Protobuf. Rejects with ChordError, or with ConnectError UNIMPLEMENTED where the framing is another one. */
export async function readRequest(
  request: UniversalServerRequest,
  type: DescMessage,
  registry: Registry,
): Promise<Uint8Array> {
  const { message, json } = request.method === 'GET' ? await fromQuery(request) : await fromBody(request);
  return json ? convert(message, type, registry) : message;
}

interface RequestMessage {
  readonly message: Buffer;
  readonly json: boolean;
}

async function fromQuery({ url }: UniversalServerRequest): Promise<RequestMessage> {
  const query = new URL(url).searchParams;
  const text = query.get('message') ?? '';
  const message = query.get('base64') === '1' ? fromBase64(text) : Buffer.from(text);
  const encoding = encodingOf(query.get('compression'));
  return { message: await unpacked(message, encoding), json: query.get('encoding') === 'json' };
}

function fromBase64(text: string): Buffer {
  try {
    return Buffer.from(base64Decode(text));
  } catch (error) {
    throw invalid('request', (error as Error).message);
  }
}

async function fromBody({ header, body }: UniversalServerRequest): Promise<RequestMessage> {
  const type = header.get('content-type') ?? '';
  const json = /json/i.test(type);
  const chunks = body as AsyncIterable<Uint8Array>;
  if (!/^application\/(?:connect\+|grpc)/i.test(type)) {
    const encoding = encodingOf(header.get('content-encoding'));
    return { message: await unpacked(await collect(chunks), encoding), json };
  }
  const framed = new Body(MESSAGE_BYTES_MAX);
  for await (const chunk of chunks) {
    framed.add(Buffer.from(chunk));
    if (framed.surplus) throw new ConnectError('more than one request message', Code.Unimplemented);
  }
  if (!framed.whole) throw new ConnectError('no request message', Code.Unimplemented);
  const encoding = encodingOf(header.get('connect-content-encoding') ?? header.get('grpc-encoding'));
  if (!framed.packed) return { message: framed.message, json };
  if (!encoding) throw new ConnectError('a packed message without an encoding', Code.Internal);
  return { message: await unpacked(framed.message, encoding), json };
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MESSAGE_BYTES_MAX) {
      throw new ChordError('RESOURCE_EXHAUSTED', `the message has more than ${MESSAGE_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** None for messages that are sent as they are. @throws ConnectError UNIMPLEMENTED */
function encodingOf(name: string | null): Encoding | undefined {
  if (name === null || name === '' || name === 'identity') return undefined;
  if (!isEncoding(name)) throw new ConnectError(`cannot unpack ${name}`, Code.Unimplemented);
  return name;
}

function unpacked(message: Buffer, encoding: Encoding | undefined): Buffer | Promise<Buffer> {
  return encoding ? decompress(message, encoding, MESSAGE_BYTES_MAX) : message;
}

function convert(json: Buffer, type: DescMessage, registry: Registry): Uint8Array {
  const values = countValues(json);
  if (values > JSON_VALUES_MAX) {
    const text = `the request has ${values} JSON values, at most ${JSON_VALUES_MAX}: send it as Protobuf`;
    throw new ChordError('RESOURCE_EXHAUSTED', text);
  }
  try {
    // A name that is mistyped, or newer than this server, must not be passed over in silence.
    return toBinary(type, fromJsonString(type, json.toString('utf8'), { ignoreUnknownFields: false, registry }));
  } catch (error) {
    throw invalid('request', (error as Error).message);
  }
}

const [QUOTE, BACKSLASH, COMMA, BRACE, BRACKET] = [...'"\\,{['].map((each) => each.charCodeAt(0));

/** At least the number of values in a JSON text, in one pass over its bytes. */
function countValues(json: Buffer): number {
  let values = 1;
  let quoted = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && (byte === COMMA || byte === BRACE || byte === BRACKET)) values++;
  }
  return values;
}
