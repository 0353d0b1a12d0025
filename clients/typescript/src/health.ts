/** `grpc.health.v1.Health/Check`: two fields, which need no generated code. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Method } from './transport.js';

/** Of a server, or of one of its services. */
export type HealthStatus = 'SERVING' | 'NOT_SERVING' | 'UNKNOWN';

const STATUSES: readonly (HealthStatus | undefined)[] = ['UNKNOWN', 'SERVING', 'NOT_SERVING'];

export const check: Method<{ readonly service: string }, HealthStatus> = {
  path: '/grpc.health.v1.Health/Check',
  requestSerialize: ({ service }) => new BinaryWriter().tag(1, WireType.LengthDelimited).string(service).finish(),
  responseDeserialize(bytes) {
    const reader = new BinaryReader(bytes);
    let status = 0;
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) status = reader.int32();
      else reader.skip(wireType, field);
    }
    return STATUSES[status] ?? 'UNKNOWN';
  },
};
