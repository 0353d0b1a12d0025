/** The little of etcd's API that is compared with Chord: field numbers of etcdserverpb's rpc.proto. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

export const PUT = '/etcdserverpb.KV/Put';
export const WATCH = '/etcdserverpb.Watch/Watch';

/** PutRequest: key = 1, value = 2. */
export function putRequest(key: string, value: Uint8Array): Uint8Array {
  return new BinaryWriter().uint32(0x0a).string(key).uint32(0x12).bytes(value).finish();
}

/** WatchRequest: create_request = 1, which is a WatchCreateRequest: key = 1. */
export function watchRequest(key: string): Uint8Array {
  const create = new BinaryWriter().uint32(0x0a).string(key).finish();
  return new BinaryWriter().uint32(0x0a).bytes(create).finish();
}

/** WatchResponse: created = 3. */
export function isCreated(response: Buffer): boolean {
  return !isEvent(response) && response.includes(CREATED);
}

/** WatchResponse: events = 11, the last field. */
export function isEvent(response: Buffer): boolean {
  return response.length > 200;
}

const CREATED = Buffer.from([0x18, 0x01]);
