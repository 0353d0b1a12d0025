/** Clamps deadlines that exceed the range of a timer: grpc-js would treat them as already passed. */
import type { Http2Server, IncomingHttpHeaders } from 'node:http2';

const HEADER = 'grpc-timeout';
/** 2^31 - 1 ms, the longest timer, in the gRPC units that can exceed it. */
const LONGEST: Readonly<Record<string, number>> = { H: 596, M: 35_791, S: 2_147_483 };

/** Replaces a deadline of more than 24.8 days by one of 24.8 days. */
export function clampDeadlines(server: Http2Server): void {
  server.prependListener('stream', (_stream, headers: IncomingHttpHeaders) => {
    const timeout = headers[HEADER];
    if (typeof timeout !== 'string') return;
    const unit = timeout.slice(-1);
    const longest = LONGEST[unit];
    if (longest !== undefined && Number(timeout.slice(0, -1)) > longest) headers[HEADER] = `${longest}${unit}`;
  });
}
