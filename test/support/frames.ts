/** Frames of HTTP/2 as bytes, for connections that speak as they like. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const FRAMES = {
  ...{
    data: 0x0,
    headers: 0x1,
    priority: 0x2,
    rstStream: 0x3,
    settings: 0x4,
    pushPromise: 0x5,
    ping: 0x6,
    goaway: 0x7,
  },
  ...{ windowUpdate: 0x8, continuation: 0x9 },
} as const;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The headers of a call, in HPACK without any tables. */
export function headers(extra: Record<string, string> = {}): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/chord.v1.ContextService/GetContext',
    ':authority': 'x',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...extra,
  };
  const text = (value: string) => Buffer.concat([integer(value.length), Buffer.from(value)]);
  return Buffer.concat(
    Object.entries(fields).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])),
  );
}

/** With a prefix of seven bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  for (let rest = value - 127; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}
