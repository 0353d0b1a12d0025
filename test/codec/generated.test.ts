import { execFileSync } from 'node:child_process';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import test from 'ava';
import { descriptors } from '../../src/gen/descriptors.js';

test('src/gen is what the protos generate', (t) => {
  t.notThrows(() => execFileSync(process.execPath, ['scripts/generate.mjs', '--check'], { stdio: 'pipe' }));
});

test('the descriptors are whole, dependencies first', (t) => {
  const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'));
  const names = file.map(({ name }) => name);
  for (const { name, dependency } of file) {
    for (const needed of dependency) t.true(names.slice(0, names.indexOf(name)).includes(needed), `${name}: ${needed}`);
  }
  for (const needed of ['chord/v1/context_service.proto', 'chord/v1/sync_service.proto', 'google/rpc/status.proto']) {
    t.true(names.includes(needed), needed);
  }
});
